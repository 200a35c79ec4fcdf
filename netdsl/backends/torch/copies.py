"""The texts of the classes and functions of `modules`, which emitted source contains."""

from __future__ import annotations

import os
import re

_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "modules.py")
with open(_PATH, encoding="utf-8") as _file:
    _TEXT = _file.read()
# The formatter puts two blank lines after a definition, and nowhere inside one. Parsing the file
# instead would make every export some milliseconds slower.
_DEFINITION = re.compile(r"^(?:class|def) (\w+).*?(?=\n\n\n|\n\Z)", re.MULTILINE | re.DOTALL)
_DEFINITIONS = {match[1]: match[0] for match in _DEFINITION.finditer(_TEXT)}
COPIED = frozenset(_DEFINITIONS)


def copies(names: set[str]) -> list[str]:
    """The texts of these definitions, in the order of `modules`."""
    return [f"\n{text}\n" for name, text in _DEFINITIONS.items() if name in names]
