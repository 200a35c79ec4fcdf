"""The log of a run for TensorBoard; imported only if it is asked for."""

from __future__ import annotations

import os
import platform
import time
from io import BytesIO
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from netdsl.errors import CannotWriteError
from netdsl.files import make_folder, replacing
from netdsl.train.folder import TENSORBOARD, events_of
from netdsl.train.records import NORM, SPLITS, quantity_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from netdsl.train.records import Record

COSTS = ("seconds", "images_per_second")
VERSION = "brain.Event:2"  # of the format, with which each file begins


class TensorBoard:
    """Writes event files to a folder in that of the run, `out`.

    Events cannot be replaced, so the files of earlier processes are removed when a run goes on, and
    all epochs are written again. The time of an event is that of training, without pauses, after
    `started`. The writer of the package tensorboard is not used: its thread ends if the disk is
    full, and then the process waits for it forever.
    """

    def __init__(self, out: Path, started: float) -> None:
        name = f"events.out.tfevents.{int(time.time())}.{platform.node()}.{os.getpid()}"
        self._out, self._path = out, out / TENSORBOARD / name
        self._time = started

    def begin(self, history: Sequence[Record]) -> None:
        """Write the epochs that are done, in place of what is there.

        Raises OSError if that is not possible; then the old files stay.
        """
        make_folder(self._path.parent)
        events = [Event(wall_time=self._time, file_version=VERSION)]
        for record in history:
            events += self._events(record)
        with replacing(self._path) as temporary:
            temporary.write_bytes(_encoded(events))
        for path in events_of(self._out):
            if path != self._path:
                path.unlink()

    def add(self, history: Sequence[Record]) -> None:
        """Write an epoch, the last record; raises OSError if that is not possible."""
        data = _encoded(self._events(history[-1]))
        try:
            with self._path.open("ab") as file:
                file.write(data)
        except OSError as error:
            name = str(self._path)
            raise CannotWriteError(error.errno, error.strerror or str(error), name) from error

    def close(self) -> None:
        """End the log; the file is open only while it is written."""

    def _events(self, record: Record) -> list[Event]:
        """The numbers of an epoch."""
        self._time += record["seconds"]
        return [
            Event(
                wall_time=self._time,
                step=int(record["epoch"]),
                summary=Summary(value=[Summary.Value(tag=_tag(key), simple_value=value)]),
            )
            for key, value in record.items()
            if key != "epoch"
        ]


def _encoded(events: Sequence[Event]) -> bytes:
    """Events as the bytes of a file."""
    buffer = BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString())
    return buffer.getvalue()


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
