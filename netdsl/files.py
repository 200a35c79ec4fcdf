"""Writes files so that a reader sees the old content or the new, never half of it."""

import errno
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netdsl.errors import CannotWriteError, NetdslError

MARK = b"\xef\xbb\xbf"  # the byte order mark, with which some editors begin a text
MAX_STEM = 40  # characters of a name that its temporary name repeats, to keep that short


@contextmanager
def replacing(path: Path, mode: int | None = None, *, durable: bool = False) -> Iterator[Path]:
    """Yield the path of an empty temporary file that replaces `path` on success.

    On failure the temporary file is deleted. It is beside `path`, whose folder must exist, and its
    name has the same suffix. `mode` is the permissions of the file, by default those of any new
    file. With `durable`, the content is on the disk before it replaces the old one, so that it also
    survives a power failure. A link is followed. Raises `CannotWriteError` with the name of `path`,
    also for a device or a pipe.
    """
    temporary = None
    try:
        destination = _real_file(path)
        temporary = _temporary_beside(destination)
        yield temporary
        if mode is None:
            mode = 0o666 & ~_umask()  # `mkstemp` makes private files, but results are not private
        temporary.chmod(mode)
        if durable:
            _flush(temporary)
        os.replace(temporary, destination)
        if durable:
            _flush(destination.parent)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and _is_about(error, path, temporary):
            raise _cannot_write(error, path) from error
        raise


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and flushes their names itself
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(name: str, text: str) -> None:
    """Replace the text of a user's file; links are followed, and the permissions stay.

    Raises `NetdslError` if the file is read-only, and `OSError`.
    """
    path = os.path.realpath(name)
    if not os.access(path, os.W_OK):
        raise NetdslError("cannot-write", f"`{name}` is read-only")
    with replacing(Path(path), stat.S_IMODE(os.stat(path).st_mode)) as temporary:
        temporary.write_bytes(text.encode())


def has_mark(name: str) -> bool:
    """Whether a file begins with a byte order mark, which `library.read` drops."""
    with open(name, "rb") as file:
        return file.read(len(MARK)) == MARK


def check_replaceable(path: Path) -> None:
    """Raise `CannotWriteError` if `replacing` would fail; called before work that would be lost."""
    try:
        _temporary_beside(_real_file(path)).unlink()
    except OSError as error:
        raise _cannot_write(error, path) from error


def make_folder(path: Path) -> None:
    """Create a folder and its parents if they are missing; raises `CannotWriteError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise CannotWriteError(error.errno, "it is a file, not a folder", error.filename) from error
    except OSError as error:
        raise _cannot_write(error, path) from error


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """A temporary folder, which is removed when the `with` block ends."""
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
    refused = CannotWriteError(error.errno, error.strerror or str(error), str(path))
    return refused.advised(_advice(error.errno, path))


def _advice(number: int | None, path: Path) -> str | None:
    """What a user can do about a file that cannot be written."""
    folder = Path(os.path.realpath(path)).parent  # of a link, that of the file that it leads to
    if number == errno.ENOENT and not folder.exists():
        words = shlex.join(["mkdir", "-p", _shown(folder)])
        return f"make the folder first, `{words}`, or name another one"
    if number == errno.EISDIR:
        return "it is a folder: name a file, which can be in that folder"
    if number == errno.ENOTDIR:
        return f"{_shown(folder)} is not a folder: name another one"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "you have no permission to write there: name a file in another folder"
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "free some space, or name a file on another disk"
    return None


def _real_file(path: Path) -> Path:
    """The file that a link leads to; raises `OSError` for anything but a file."""
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if real.exists() and not real.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    return real


def _shown(folder: Path) -> str:
    """The name of a folder as a user writes it."""
    return os.path.relpath(folder) if folder.is_relative_to(Path.cwd()) else str(folder)


def _temporary_beside(path: Path) -> Path:
    """Create an empty file in the same folder; raises `OSError`."""
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {_shown(path.parent)}")
    prefix = f".{path.stem[:MAX_STEM]}-{_mark(os.getpid())}-"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
    os.close(handle)
    return Path(name)


def _mark(process: int) -> str:
    """The part that is common to the names of all temporary files of a process."""
    return f"netdsl{process}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
