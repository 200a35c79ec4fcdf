"""Joins of PyTorch and Keras with references in them: `torch.cat([@a, @b], dim = 1)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import parts
from netdsl.habits.layers import find

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_KINDS = ("concat", "add", "mul", "sub", "max")
_FUNCTIONS = {"cat": "concat", "maximum": "max"}
_AXIS = re.compile(r"(?:(?:dim|axis)\s*=\s*)?(?P<axis>-?\d+)")
_MEMBER = r"@?\w[\w.]*(?:\s*,\s*@?\w[\w.]*)*\s*,?\s*"
_TENSORS = rf"(?P<list>(?=[^)]*@)(?:\[\s*{_MEMBER}\]|\(\s*{_MEMBER}\)|(?:@\w[\w.]*\s*,?\s*){{2,}}))"


def joined_list(matched: Matched) -> Fix:
    """`concat([@a, @b])` for the join of a list in another tool, which joins only the list."""
    function = matched.group("function")
    row = find(function)
    kind = _FUNCTIONS.get(function.lower(), function.lower())
    if row is not None:
        kind = row.ours
    if kind not in _KINDS:
        return None
    members = [member for member in parts(matched.group("list").strip("[()] ")) if member]
    written = ", ".join(f"@{member.lstrip('@')}" for member in members)
    given = matched.group("arguments").strip(" ,")
    axes = _AXIS.fullmatch(given)
    channels = ["1"]
    if not re.match(r"torch\b|cat$", matched.group("fix").split("(")[0]):
        channels.append("-1")  # the last axis has the channels in Keras
    if not given or (axes is not None and axes["axis"] in channels):
        return f"{kind}([{written}])"
    if axes is None:
        return Guess(f"{kind}([{written}])")
    return f"{kind}([{written}], axis = {axes['axis']})"


HABITS = (
    Habit(
        rf"(?:^|->|\{{|\||:)\s*(?P<fix>(?P<at>(?:\w+\s*\.\s*)+(?P<function>\w+))\s*\(\s*{_TENSORS}"
        r"(?P<arguments>\s*,[^()]*)?\))",
        "‹torch.cat›([@image, @image], dim = 1)",
        "write `$fix`, which joins only these tensors",
        "`$at` is not a layer here: layers have short names without a module",
        joined_list,
        where="body",
    ),
    Habit(
        r"(?:^|->|\{|\||:)\s*(?P<fix>(?:\w+\s*\.\s*)*(?P<function>[A-Za-z_]\w*)"
        rf"\s*\((?P<arguments>[^()@]*)\)\s*(?P<at>\()\s*{_TENSORS}\))",
        "Concatenate()‹(›[@image, @image])",
        "write `$fix`, which joins only these tensors",
        "found a second pair of parentheses: a layer is not applied to a value",
        joined_list,
        where="body",
    ),
)
