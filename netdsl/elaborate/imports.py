"""The files that imports name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netdsl import library
from netdsl.diagnostics import Edit, did_you_mean, nearest
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from netdsl.source import SourceFile
    from netdsl.syntax import ast


def import_target(source: SourceFile, item: ast.Import) -> tuple[str, str]:
    """The path of an imported file, and its name in messages."""
    if item.is_path:
        try:
            path = library.import_path(source, item.target)
        except NetdslError as fault:
            if fault.code == "import-not-found":
                fault.diagnostic.fix = _meant_import(source, item)
            raise
        # Its name is relative if that of its importer is, so that models contain no absolute paths.
        return path, os.path.join(os.path.dirname(source.name), item.target)
    found = library.shipped(item.target)
    if found is not None:
        return found
    meant = _meant_import(source, item)
    net = None if meant else _net(item.target)
    if f"{item.target}.net" in library.files_beside(source):
        advice: str | None = (
            f'write `import "{item.target}.net"` to import the file in the same folder'
        )
    elif net is not None:
        advice = f"`{net[1]}` is a net of the file `{net[0]}`: write `import {net[0]}`"
    else:
        advice = did_you_mean(item.target, library.library_names())
        advice = advice or "`netdsl nets` lists the files of the library"
    message = f"the library has no `{item.target}`"
    if net is not None and net[1] == item.target:
        meant = (Edit(item.span, f"import {net[0]}"),)
    raise NetdslError("import-not-found", message, item.span, help=advice, fix=meant)


def _net(name: str) -> tuple[str, str] | None:
    """The shipped net of that name, and its file, unless the file has that name too."""
    if name.lower() in library.library_names():
        return None
    return library.net_of_library(name)


def _meant_import(source: SourceFile, item: ast.Import) -> tuple[Edit, ...]:
    """The fix for a misspelt import, and for one with quotes too many or too few."""
    beside = library.files_beside(source)
    name = item.target.removesuffix(".net")
    is_file, is_shipped = f"{name}.net" in beside, name in library.library_names()
    if item.is_path and is_shipped and not is_file:
        target: str | None = name
    elif is_file and not is_shipped:
        target = f'"{name}.net"'
    elif item.is_path:
        file = nearest(item.target, beside)
        target = file and f'"{file}"'
    else:
        target = nearest(name, library.library_names())
    return () if target is None else (Edit(item.span, f"import {target}"),)
