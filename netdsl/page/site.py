"""The files of the playground: where they are, and a copy of them for a web server."""

from __future__ import annotations

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from netdsl.errors import CannotWriteError, NetdslError

FOLDER = "netdsl_page"  # the package of the extra `page`
MARK = "netdsl.pack"  # a file that only a copy of the playground has
WIDGET = "widget.js"  # what notebooks load; a web server does not need it
BUILT = Path(__file__).parents[2] / "page" / "dist"


def built() -> Path:
    """The folder of the files; raises `NetdslError` if they are not installed and not built."""
    spec = find_spec(FOLDER)
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "dist"
    if (BUILT / MARK).is_file():
        return BUILT
    raise NetdslError(
        "page-missing",
        "the files of the playground are not installed",
        help='`pip install "netdsl[page]"` installs them; in a checkout of netdsl,'
        " `cd page && npm ci && npm run build` builds them",
    )


def widget_source() -> str:
    """The script of the widget of notebooks; raises `NetdslError` if it is missing."""
    path = built() / WIDGET
    if not path.is_file():
        raise NetdslError(
            "page-missing",
            f"the files of the playground in `{path.parent}` are older than the widget",
            help="build them again: `cd page && npm ci && npm run build`",
        )
    return path.read_text(encoding="utf-8")


def files(folder: Path) -> list[str]:
    """The names of all files, with `/` between folders."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def write(target: Path) -> int:
    """Write the files into a folder, in place of an older copy; returns their number.

    Raises `NetdslError` if the files are missing, or if the folder has other files, and
    `CannotWriteError`.
    """
    source = built()
    if target.exists() and not target.is_dir():
        raise NetdslError("cannot-write", f"`{target}` is a file, not a folder")
    if target.exists() and any(target.iterdir()) and not (target / MARK).is_file():
        raise NetdslError(
            "folder-not-empty",
            f"`{target}` contains files that do not belong to a playground",
            help="name a new folder, or an empty one",
        )
    try:
        _replace(target, source)
    except OSError as error:
        raise CannotWriteError(error.errno, error.strerror or str(error), str(target)) from error
    return len(files(target))


def _replace(target: Path, source: Path) -> None:
    """Copy the files beside the folder, and move them into its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as beside:
        copy = Path(beside) / "new"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(WIDGET))
        if target.exists():
            target.rename(Path(beside) / "old")
        copy.rename(target)
