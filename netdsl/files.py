"""Writing files so that a reader sees the old content or the new, never half of it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netdsl.errors import CannotWriteError

LONGEST_STEM = 40  # a temporary name repeats so many characters of a name: more may not fit


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`; move it into place on success, delete it on
    failure.

    The folder of `path` must exist. The temporary name keeps the suffix of `path`.
    `mode` is the permissions of the file; without it the file gets those of any new file. Raises
    `CannotWriteError` with the name of `path`. A link is followed; a device or a pipe is refused.
    """
    temporary = None
    try:
        destination = _behind(path)
        temporary = _beside(destination)
        yield temporary
        # mkstemp makes the file private, but a result should not be private.
        temporary.chmod(0o666 & ~_umask() if mode is None else mode)
        os.replace(temporary, destination)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and _is_about(error, path, temporary):
            raise _cannot_write(error, path) from error
        raise


def check_replaceable(path: Path) -> None:
    """Raise `CannotWriteError` if `replacing` would fail, before any work that would be lost."""
    try:
        _beside(_behind(path)).unlink()
    except OSError as error:
        raise _cannot_write(error, path) from error


def make_folder(path: Path) -> None:
    """Create a folder, and those above it, if it is missing; raises `CannotWriteError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(error, path) from error


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for files that nobody keeps; it is removed when the `with` block ends."""
    prefix = f"{_mark(os.getpid())}-"
    return tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)


def remove_leftovers(process: int, folders: Iterable[Path]) -> None:
    """Delete the temporary files that a killed process left in `folders` and elsewhere."""
    for path in Path(tempfile.gettempdir()).glob(f"{_mark(process)}-*"):
        shutil.rmtree(path, ignore_errors=True)
    for folder in folders:
        for path in folder.glob(f".*-{_mark(process)}-*"):
            path.unlink(missing_ok=True)


def _is_about(error: OSError, path: Path, temporary: Path | None) -> bool:
    """Whether an error is about writing `path` rather than about a file that is read for it."""
    if temporary is None or error.filename is None:
        return True
    return os.fspath(error.filename) in (str(path), str(temporary))


def _cannot_write(error: OSError, path: Path) -> CannotWriteError:
    return CannotWriteError(error.errno, error.strerror or str(error), str(path))


def _behind(path: Path) -> Path:
    """The file that a link leads to; raises `OSError` for what a file must not replace."""
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if real.exists() and not real.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    return real


def _beside(path: Path) -> Path:
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {path.parent}")
    prefix = f".{path.stem[:LONGEST_STEM]}-{_mark(os.getpid())}-"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
    os.close(handle)
    return Path(name)


def _mark(process: int) -> str:
    """The part that the names of all temporary files of a process share."""
    return f"netdsl{process}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
