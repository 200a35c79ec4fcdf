"""The log of a run for TensorBoard; imported only if it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.tensorboard import SummaryWriter

from netdsl.train.folder import TENSORBOARD, events_of
from netdsl.train.records import NORM, SPLITS, quantity_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from netdsl.train.records import Record

COSTS = ("seconds", "images_per_second")


class TensorBoard:
    """Writes event files to a folder in that of the run, `out`.

    Events cannot be replaced, so the files of earlier processes are removed when a run goes on, and
    all epochs are written again. The time of an event is that of training, without pauses, after
    `started`.
    """

    def __init__(self, out: Path, started: float) -> None:
        self._out = out
        self._time = started

    def begin(self, history: Sequence[Record]) -> None:
        """Write the epochs that are done, in place of what is there."""
        for path in events_of(self._out):
            path.unlink()
        self._writer = SummaryWriter(self._out / TENSORBOARD)
        for record in history:
            self._write(record)
        self._writer.flush()

    def add(self, history: Sequence[Record]) -> None:
        """Write an epoch, the last record."""
        self._write(history[-1])
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, record: Record) -> None:
        self._time += record["seconds"]
        for key, value in record.items():
            if key != "epoch":
                self._writer.add_scalar(_tag(key), value, int(record["epoch"]), self._time)


def _tag(key: str) -> str:
    """The name of a curve: TensorBoard draws those with the same first word side by side."""
    if key in COSTS:
        return f"cost/{key}"
    if key == "lr":
        return "learning rate"
    if key.startswith(NORM):
        return f"gradient norm/{key.removeprefix(NORM)}"
    start = next((prefix.rstrip("_") for prefix in SPLITS if key.startswith(prefix)), "test")
    return f"{quantity_of(key)}/{start}"
