"""Refuses pipes that are named as files, because reading them may never end."""

import errno
import os
import stat


def is_idle_pipe(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a pipe that the shell did not connect: reading it may block forever."""
    is_pipe = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
    return is_pipe and not os.fspath(path).startswith(("/dev/fd/", "/dev/stdin"))


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Raise `OSError` for an idle pipe; called before a file is read that a user names."""
    if is_idle_pipe(path):
        raise OSError(errno.EINVAL, "it is a pipe, not a file", os.fspath(path))
