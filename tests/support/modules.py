"""The modules of the package: their names, and their syntax trees."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import netdsl

PACKAGE = Path(netdsl.__file__).parent
MODULES = sorted(
    p for p in PACKAGE.rglob("*.py") if "grammars" not in p.parts and "nets" not in p.parts
)


def name_of(path: Path) -> str:
    """The name of a module, such as `ops.conv`; the name of the package itself is empty."""
    return (
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        .removesuffix("__init__")
        .removesuffix(".")
    )


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())
