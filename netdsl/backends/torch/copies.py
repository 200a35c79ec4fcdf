"""The texts of the classes and functions of `modules`, which emitted source carries along."""

from __future__ import annotations

import ast
import os

_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "modules.py")
with open(_PATH, encoding="utf-8") as _file:
    _TEXT = _file.read()
_DEFINITIONS = {
    node.name: node
    for node in ast.parse(_TEXT).body
    if isinstance(node, (ast.ClassDef, ast.FunctionDef))
}
COPIED = frozenset(_DEFINITIONS)


def copies(names: set[str]) -> list[str]:
    """The texts of these definitions, in the order of `modules`."""
    return [
        "\n" + (ast.get_source_segment(_TEXT, node) or "") + "\n"
        for name, node in _DEFINITIONS.items()
        if name in names
    ]
