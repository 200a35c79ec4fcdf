"""The logs of a run: JSON lines always, and CSV and TensorBoard on request.

All of them are made from the records of the checkpoint, so a log that was written before an
interruption has every epoch once when the run goes on.
"""

from __future__ import annotations

import csv
import json
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from netdsl.errors import SettingError
from netdsl.files import replacing
from netdsl.train.folder import CSV, LOG, events_of
from netdsl.train.records import keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from netdsl.train.records import Record

KINDS = ("csv", "tensorboard")  # the values of `--log`


class Log(Protocol):
    """A log in the folder of a run."""

    def begin(self, history: Sequence[Record]) -> None:
        """Write the epochs that are done, in place of what is there."""

    def add(self, history: Sequence[Record]) -> None:
        """Write an epoch, the last record; the log has the others already."""

    def close(self) -> None:
        """End the log."""


def check_logs(kinds: Iterable[str]) -> None:
    """Raise SettingError `missing-package` for a log whose package is not installed."""
    if "tensorboard" in kinds and find_spec("tensorboard") is None:
        message = "`--log tensorboard` needs the package tensorboard, which is not installed"
        help_ = "install netdsl with it: `pip install 'netdsl[tensorboard]'`"
        raise SettingError("missing-package", message, None, help_)


def kinds_in(folder: Path) -> list[str]:
    """The logs besides JSON lines that a folder has."""
    there = {"csv": (folder / CSV).exists(), "tensorboard": bool(events_of(folder))}
    return [kind for kind in KINDS if there[kind]]


def open_logs(folder: Path, kinds: Iterable[str], started: float) -> list[Log]:
    """The logs of a run in its folder; `started` is its beginning in seconds since 1970.

    Raises as `check_logs`.
    """
    check_logs(kinds)
    logs: list[Log] = [_JsonLines(folder / LOG)]
    if "csv" in kinds:
        logs.append(_Csv(folder / CSV))
    if "tensorboard" in kinds:
        board = import_module("netdsl.train.tensorboard")  # it takes a second to load
        logs.append(board.TensorBoard(folder, started))
    return logs


class _Rewritten:
    """A log that is a small file, which is written again for each epoch."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, history: Sequence[Record]) -> None:
        self.add(history)

    def add(self, history: Sequence[Record]) -> None:
        with replacing(self._path) as temporary:
            self.write(temporary, history)

    def close(self) -> None:
        pass

    def write(self, path: Path, history: Sequence[Record]) -> None:
        """Write the whole log."""
        raise NotImplementedError


class _JsonLines(_Rewritten):
    """One line with a JSON object for each epoch."""

    def write(self, path: Path, history: Sequence[Record]) -> None:
        lines = [json.dumps(record) + "\n" for record in history]
        path.write_text("".join(lines), encoding="utf-8")


class _Csv(_Rewritten):
    """A line with the names of the columns, and one line for each epoch."""

    def write(self, path: Path, history: Sequence[Record]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, keys_of(history), lineterminator="\n")
            writer.writeheader()
            writer.writerows(history)
