"""The error about a file that does not exist, with the names that it may have."""

from __future__ import annotations

import os

from netdsl.diagnostics import closest, nearest, suggestion
from netdsl.errors import NetdslError


def no_file(path: str | os.PathLike[str], help: str | None = None) -> NetdslError:
    """The error about a missing file; its advice is a similar name, or else `help`."""
    return NetdslError("file-not-found", f"there is no file {path}", help=similar(path) or help)


def similar(path: str | os.PathLike[str]) -> str | None:
    """Advice that names the files or folders that a missing one may mean, or None.

    They are beside the file, or beside the first folder of its path that is missing.
    """
    missing, rest = os.path.normpath(path), ""
    while not os.path.lexists(os.path.dirname(missing) or ".") and os.path.dirname(missing):
        missing, name = os.path.split(missing)
        rest = os.path.join(name, rest)
    folder, wrong = os.path.split(missing)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return None
    paths = {name: os.path.join(folder, name, rest).rstrip(os.sep) for name in names}
    names = [name for name, path in paths.items() if os.path.exists(path)]
    certain = nearest(wrong, names)
    return suggestion([paths[name] for name in ([certain] if certain else closest(wrong, names))])
