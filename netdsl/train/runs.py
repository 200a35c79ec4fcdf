"""The runs in a folder, and what differs between them; imports no torch."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError
from netdsl.missing import similar
from netdsl.train.folder import RUN, is_locked
from netdsl.train.records import is_share, quantity_of
from netdsl.train.run_file import RUNNING, read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.train.records import Best
    from netdsl.train.run_file import RunFile

KILLED = "killed"  # it was running, and its process has ended without a word
SORTS = ("started", "best", "name")


class Listed(NamedTuple):
    """A run: its folder, its state now, and its file."""

    folder: str
    state: str
    file: RunFile

    @property
    def best(self) -> Best | None:
        """The best number of its epochs, or None before the first."""
        return self.file["best"]

    @property
    def started(self) -> str:
        """When it began, in local time: `2026-11-28 18:40`."""
        return datetime.fromisoformat(self.file["started"]).astimezone().strftime("%Y-%m-%d %H:%M")


def find_runs(folder: str, sort: str = SORTS[0]) -> tuple[list[Listed], list[Diagnostic]]:
    """The runs in a folder and below it, and the errors of those that cannot be read.

    Folders whose names begin with a dot are left out. Raises `NetdslError` `file-not-found` if
    there is no run.
    """
    runs: list[Listed] = []
    errors: list[Diagnostic] = []

    def unreadable(error: OSError) -> None:
        errors.append(Diagnostic("cannot-read", f"{error.filename}: {error.strerror}"))

    found = []
    if os.path.isdir(folder):
        found = [path for path, files in _walk(folder, unreadable) if RUN in files]
    if not found and not errors:
        message, meant = f"there is no run in `{folder}`", None
        if not os.path.isdir(folder):
            message = f"there is no folder `{folder}`"
            meant = similar(folder)
        help_ = meant or f"`netdsl train` writes each run to a folder, with a file {RUN}"
        raise NetdslError("file-not-found", message, help=help_)
    for path in found:
        try:
            runs.append(_listed(path))
        except NetdslError as error:
            errors += error.diagnostics
    return sorted(runs, key=lambda run: _place(run, sort)), errors


def differences(runs: list[Listed]) -> dict[str, dict[str, list[str]]]:
    """What is not the same in all runs: by its name, each text and the folders that have it.

    These are settings, parameters of the net, its text, the data, the device, and versions. The
    text of what a run does not have is `-`.
    """
    described = {run.folder: _description(run.file) for run in runs}
    names = dict.fromkeys(name for one in described.values() for name in one)
    found: dict[str, dict[str, list[str]]] = {}
    for name in names:
        folders: dict[str, list[str]] = {}
        for folder, one in described.items():
            folders.setdefault(one.get(name, "-"), []).append(folder)
        if len(folders) > 1:
            found[name] = folders
    return found


def _walk(folder: str, on_error: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """The folders that are not hidden, in the order of their names, and the files in each."""
    for path, folders, files in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield path, files


def _listed(path: str) -> Listed:
    file = read_run(Path(path))
    state = file["state"]
    if state == RUNNING and not is_locked(Path(path)):
        state = KILLED
    return Listed(os.path.normpath(path), state, file)


def _place(run: Listed, sort: str) -> tuple[object, ...]:
    """The key by which runs are sorted: the oldest first, or the best."""
    if sort == "name":
        return (run.folder,)
    if sort == "best":
        if run.best is None:
            return (True, "", 0.0, run.folder)
        value = run.best.value
        if is_share(quantity_of(run.best.key)):
            value = -value
        return (False, run.best.key, value, run.folder)
    return (run.file["started"], run.folder)


def _description(file: RunFile) -> dict[str, str]:
    return {
        **file["settings"],
        **{f"-D {name}": text for name, text in file["defines"].items()},
        "text of the net": file["text_sum"][:8],
        "sum of the data": file["data"]["sum"][:8],
        "device": file["machine"].get("device", file["device"]),
        **file["versions"],
    }
