"""Layers that are applied to a parameter of their block, which is meant as its input."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

from netdsl.habits.base import Guess
from netdsl.habits.calls import MAX_LENGTH
from netdsl.library import block_file
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Matched

_HEAD = re.compile(r"^block\s+\w+\s*\((?P<parameters>[^(){}]*)\)\s*\{", re.MULTILINE)
_GIVEN = re.compile(r"^\s*(\w+)\s*=(?!=)", re.MULTILINE)
_END = re.compile(r"^\}", re.MULTILINE)


class _UnlikeError(Exception):
    """The expression does not apply layers to the value at hand."""


class _Place(NamedTuple):
    """The value at hand in a line of a block, and the parameters of the block."""

    value: str  # the expression
    at_hand: str | None  # the name that the line above gave, or None in the first line
    parameters: list[str]


def applied(matched: Matched, value: str, name: str = "") -> Guess | None:
    """The layers of `conv(width, 3)(x)` in a block with a parameter `x`, which its input replaces.

    Also those of `relu(y)` below the line that made `y`. They get the label `name` if later lines
    use it more than once. None for other expressions.
    """
    heads = list(_HEAD.finditer(matched.text, 0, matched.start))
    head = heads[-1] if heads else None
    if head is None or _END.search(matched.text, head.end(), matched.start):
        return None
    given = _GIVEN.findall(matched.text[head.end() : matched.start])
    parameters = [part.split("=")[0].strip() for part in head["parameters"].split(",")]
    place = _Place(value.strip(), given[-1] if given else None, parameters)
    try:
        layers, start = _layers(_tree(place.value), place)
    except _UnlikeError:
        return None
    if not layers:
        return None
    chain = " -> ".join(layers)
    end = _END.search(matched.text, matched.start)
    rest = matched.text[matched.start + len(matched.match.string) : end and end.start()]
    if name and name != start and len(re.findall(rf"\b{name}\b", rest)) > 1:
        chain = f"{name}: {{ {chain} }}" if len(layers) > 1 else f"{name}: {chain}"
    note = f", and leave the parameter `{start}` out: the input of a block is the current value"
    return Guess(chain, note=note * (place.at_hand is None))


def _tree(value: str) -> ast.expr:
    if len(value) > MAX_LENGTH or "\\" in value:
        raise _UnlikeError
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own, about odd numbers
            return ast.parse(value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _UnlikeError from error


def _layers(node: ast.expr, place: _Place) -> tuple[list[str], str]:
    """The layers of an expression, and the name of the value to which they are applied."""
    if isinstance(node, ast.Name):
        is_input = place.at_hand is None and node.id in place.parameters
        if not is_input and node.id != place.at_hand:
            raise _UnlikeError
        return [], node.id
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        raise _UnlikeError
    layer = node.func.func if isinstance(node.func, ast.Call) else node.func
    if not isinstance(layer, ast.Name) or not _is_layer(layer.id):
        raise _UnlikeError
    if layer is node.func and (layer.id not in LAYERS or _has_required(layer.id)):
        raise _UnlikeError
    layers, start = _layers(node.args[0], place)
    written = ast.get_source_segment(place.value, node.func) or layer.id
    return [*layers, written], start


def _is_layer(name: str) -> bool:
    return name in LAYERS or block_file(name) is not None


def _has_required(name: str) -> bool:
    return any(declared.required for declared in LAYERS[name].args)
