"""Writing files so that a reader sees the old content or the new, never half of it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`; move it into place on success, delete it on failure.

    The folder of `path` is created where it is missing. The temporary name keeps the suffix of `path`. `mode` is the permissions of
    the file; without it those of a new one.
    """
    temporary = _beside(path)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask() if mode is None else mode)  # mkstemp makes the file private, which a result should not be
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_replaceable(path: Path) -> None:
    """Raise `OSError` where `replacing` would fail: for what is to be written later, after work that would be lost."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _beside(path).unlink()


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
