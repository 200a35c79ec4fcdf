"""The folder of a run: its files, and who may write them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from netdsl.errors import SettingError
from netdsl.files import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
CSV = "log.csv"
TENSORBOARD = "tensorboard"  # a folder
EVENTS = "events.out.tfevents.*"  # the files in it
CURVES = "curves.png"
CONFUSION = "confusion.csv"
BEST = "best.safetensors"
EPOCH = "epoch-{}.safetensors"
REPORT = "report.html"
RUN = "run.json"
TEXT = "net.net"  # it may also be a file of the user
FILES = (  # patterns
    *(WEIGHTS, CHECKPOINT, BEST, EPOCH.format("*")),
    *(LOG, CSV, CURVES, CONFUSION, REPORT, RUN),
)
_LOCK = ".lock"
PATIENCE = 0.2  # seconds to wait for a process that only looks whether the folder is locked


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create the folder if it is missing, and keep other runs out of it.

    The lock ends with the process, however that ends. Raises SettingError `folder-in-use`, and
    OSError if the folder cannot be written.
    """
    make_folder(folder)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 4)
    except Timeout:
        help_ = "wait for that run to end, or give another folder: `--out DIR`"
        raise SettingError(
            "folder-in-use", f"another run writes to {folder}", None, help_
        ) from None
    try:
        yield
    finally:
        lock.release()


def events_of(folder: Path) -> list[Path]:
    """The files of the log for TensorBoard."""
    return sorted((folder / TENSORBOARD).glob(EVENTS))


def is_locked(folder: Path) -> bool:
    """Whether a run writes to the folder; if that cannot be found out, it is taken to."""
    path = folder / _LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def check_free(folder: Path) -> None:
    """Raise SettingError `run-exists` or `folder-in-use` for a folder that a new run cannot use."""
    if folder.is_dir():
        with locked(folder):
            prepare(folder, resume=False, overwrite=False)


def prepare(folder: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether there is a checkpoint to resume from; with `overwrite`, remove the files of a run.

    Raises SettingError `run-exists` if the folder has a run and the user asked for neither.
    """
    found = [path for pattern in FILES for path in folder.glob(pattern)]
    if overwrite:
        for path in (*found, *events_of(folder)):
            path.unlink()
        return False
    if found and not resume:
        message = f"{folder} has the files of another run"
        help_ = (
            "`--resume` continues that run, `--overwrite` replaces it, and `--out DIR` is the"
            " folder for a new one"
        )
        raise SettingError("run-exists", message, None, help_)
    return resume and folder / CHECKPOINT in found
