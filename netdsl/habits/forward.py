"""The lines of a `forward` of PyTorch, which apply layers that an `__init__` made."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

from netdsl.habits.base import Guess, Habit
from netdsl.habits.calls import MAX_LENGTH, chain_of
from netdsl.habits.statements import is_layer, labels_above

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

# Layers by the names that attributes of a module have, and whether the name becomes the label.
_MADE = (
    (r"(?:conv|cnn)\w*", "conv(8, 3)", True),
    (r"(?:fc|lin|linear|dense|ffn?|classifier|head|out|output|proj)_?\d*", "dense(84)", True),
    (r"(?:bn|batch_?norm|norm)_?\d*", "bn", True),
    (r"(?:max_?)?pool(?:ing)?_?\d*", "maxpool(2)", False),
    (r"(?:avg_?)pool(?:ing)?_?\d*", "avgpool(2)", False),
    (r"(?:drop|dropout|do)_?\d*", "dropout(0.5)", False),
    (r"(?:act|activation|relu)_?\d*", "relu", False),
    (r"flat(?:ten)?_?\d*", "flatten", False),
)
_LAST = "dense(10)"  # of a classifier
_ASSIGNED = re.compile(r"^\s*(?:input\s+)?(\w+)\s*(?:=(?!=)|:)", re.MULTILINE)
MADE = "a layer is made where it is used, without an `__init__`: write `{}`"


class Applied(NamedTuple):
    """Layers one after the other, each with its label or "", and the value they are applied to."""

    layers: list[tuple[str, str]]
    start: str

    def chain(self, name: str = "") -> str:
        """The chain; its last layer gets the label `name` if there is one."""
        layers = list(self.layers)
        if name:
            layers[-1] = (name, layers[-1][1])
        return " -> ".join(f"{label}: " * bool(label) + layer for label, layer in layers)


def applied(text: str, *, is_last: bool = False) -> Applied | None:
    """The layers of `relu(fc1(x))`, if one of them is an attribute of a module of PyTorch.

    Those get sizes of an example. None for other texts.
    """
    if len(text) > MAX_LENGTH or "\\" in text:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own, about odd numbers
            node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    layers: list[tuple[str, str]] = []
    is_made = False
    while isinstance(node, ast.Call) and node.args:
        path, rest = ast.unparse(node.func), node.args[1:]
        name = path.removeprefix("self.")
        known = None
        if name == path or rest:
            known = chain_of(f"{name}({', '.join(['x', *map(ast.unparse, rest)])})")
        if known is not None and known.start == "x":
            layers[:0] = [("", layer) for layer in known.layers]
        else:
            row = next((row for row in _MADE if re.fullmatch(row[0], name.lower())), None)
            if row is None or rest or node.keywords:
                return None
            label = name * row[2]
            layers.insert(0, (label, row[1]))
            is_made = True
        node = node.args[0]
    if not isinstance(node, ast.Name) or not is_made or chain_of(f"{node.id}(x)") is not None:
        return None  # `activation(elu)` names a layer
    if is_last and layers[-1][1] == "dense(84)":
        layers[-1] = (layers[-1][0], _LAST)
    return Applied(layers, node.id)


def forward_line(matched: Matched) -> Fix:
    """`conv1: conv(8, 3) -> relu` for `x = relu(conv1(x))`, with the sizes of an example."""
    value = matched.group("value")
    is_last = matched.group("word") != ""
    found = applied(value, is_last=is_last)
    called = re.findall(r"(\w+)\(", value)
    if found is None or all(is_layer(matched, name) for name in called):
        return None
    if not labels_above(matched).isdisjoint(called):
        return None  # the layer of a label, which is applied again
    name = matched.group("name")
    if name == found.start:
        name = ""
    above = _ASSIGNED.findall(matched.text[: matched.start])
    written = found.chain(name)
    if found.start in above and above[-1] != found.start:
        written = f"@{found.start} -> {written}"
    if is_last:
        written = f"output {found.chain()}"
    return Guess(written)


_CALLS = r"(?P<value>(?:self\.)?[A-Za-z_][\w.]*\s*\(.*\))"
HABITS = (
    Habit(
        rf"^\s*(?P<fix>(?P<word>)(?P<name>\w+)\s*(?P<at>=)(?!=)\s*{_CALLS})\s*$",
        "x ‹=› relu(conv1(x))",
        MADE.format("$fix"),
        "this applies PyTorch layers, but a layer takes the value above it",
        forward_line,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<name>)(?P<word>(?P<at>return))\s+{_CALLS})\s*$",
        "‹return› fc2(x)",
        MADE.format("$fix"),
        "this applies PyTorch layers, but a layer takes the value above it",
        forward_line,
        where="body",
    ),
)
