"""Packs the compiler for the page: `python -m netdsl.page.archive FILE.zip`.

The archive has the modules that the desk imports, at once or when they are needed, as far as they
need nothing but Python's standard library. It also has the files that they read.
"""

from __future__ import annotations

import ast
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.library import resource

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1]
START = "netdsl.page.desk"
BY_NAME = ("ops",)  # packages whose modules are imported by a name that is computed
READ = ("backends/torch/modules.py",)  # modules that the compiler reads as text
WRITTEN = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that the same sources give the same bytes


def write(target: Path) -> None:
    """Write the archive."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in files().items():
            entry = zipfile.ZipInfo(name, WRITTEN)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def files() -> dict[str, Path]:
    """The files of the archive, by their names in it."""
    found = {path.relative_to(PACKAGE.parent).as_posix(): path for path in map(_path, modules())}
    nets = Path(resource("nets"))
    found |= {f"netdsl/nets/{p.relative_to(nets).as_posix()}": p for p in nets.rglob("*.net")}
    found |= {f"texts/netdsl/{name}": PACKAGE / name for name in READ}
    return dict(sorted(found.items()))


def modules() -> set[str]:
    """The modules that the desk may import and that run in the browser, with their packages."""
    wanted: set[str] = set()
    waiting = [START]
    for package in BY_NAME:
        paths = (PACKAGE / package).glob("*.py")
        waiting += [f"netdsl.{package}.{path.stem}" for path in paths if path.stem != "__init__"]
    while waiting:
        name = waiting.pop()
        if name not in wanted and runs_alone(name):
            wanted.add(name)
            waiting += [other for other in _imported(name, inside=True) if _is_ours(other)]
    return wanted


@cache
def runs_alone(name: str) -> bool:
    """Whether the import of a module needs only netdsl and the standard library."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if not _is_ours(module):
            if module.split(".")[0] not in sys.stdlib_module_names:
                return False
        elif module not in seen:
            seen.add(module)
            waiting += _imported(module, inside=False)
    return True


def _is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == "netdsl"


def _path(module: str) -> Path:
    """The file of a module of netdsl."""
    path = PACKAGE.parent / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imported(module: str, *, inside: bool) -> tuple[str, ...]:
    """What a module imports, and the packages that it is in; `inside` functions too if wanted."""
    packages = [module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1)]
    tree = ast.parse(_path(module).read_bytes())
    return (*packages, *(name for node in _statements(tree, inside) for name in _names(node)))


def _statements(tree: ast.AST, inside: bool) -> Iterator[ast.AST]:
    """The parts of a module that run, without what is only for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and not inside:
            continue
        yield node
        yield from _statements(node, inside)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (item.name for item in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for item in node.names:
            whole = f"{node.module}.{item.name}"
            yield whole if _is_ours(whole) and _path(whole).is_file() else node.module


if __name__ == "__main__":
    write(Path(sys.argv[1]))
