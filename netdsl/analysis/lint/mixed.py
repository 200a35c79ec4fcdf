"""Warnings about a `reshape` that is meant to move an axis, and mixes its numbers with others.

A `reshape` keeps the order of the numbers: it splits an axis in place, and merges neighbours. An
axis of the input whose size is elsewhere in the result is no longer that axis.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Diagnostic
from netdsl.elaborate.notes import call_notes
from netdsl.ir.op import WINDOWED
from netdsl.ir.types import Sym, shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value

    Size = int | Sym
    Shape = tuple[Size, ...]

OF_ATTENTION = ("attention", "matmul")
LEARNED = ("param", "const")  # their numbers have no order that could be mixed
KEEP_NUMBERS = ("permute", "*", "+", "-", "/", "add", "mul", "split", "select")
FAMILIES_THAT_KEEP_NUMBERS = ("activation", "regularisation", "normalisation")
_SIZE = re.compile(r"(?:[^,()\[\]]|\([^()]*\)|\[[^\[\]]*\])+")  # of a list
_LABEL = re.compile(r"([\w{}]+): $")
FAR = 6  # layers between a `reshape` and its attention


class Moved(NamedTuple):
    """An axis of the input that has another place in the result; both count from 0."""

    size: Size
    before: int
    after: int


def mixed_axes(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `reshape` that certainly mixes the numbers of an axis with others."""
    reshapes = [node for node in graph.nodes if node.op.kind == "reshape"]
    yield from (_of_positions(node) for node in reshapes if _splits_positions(node))
    suspects = [(node, moved) for node in reshapes if (moved := _moved(node)) is not None]
    if not suspects:
        return
    users: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in node.inputs:
            users.setdefault(value, []).append(node)
    for node, moved in suspects:
        if not _is_learned(node) and _is_certain(node, moved, users):
            yield _warning(node, moved)


def _moved(node: Node) -> Moved | None:
    """The axis of a `reshape` that is moved: an open one, or else the first."""
    before, after = node.types[0].shape, node.type.shape
    found = []
    for i, size in enumerate(before):
        if size == 1 or before.count(size) != 1 or after.count(size) != 1:
            continue
        j = after.index(size)
        if prod(before[:i]) != prod(after[:j]):
            found.append(Moved(size, i, j))
    return min(found, key=lambda moved: isinstance(moved.size, int), default=None)


def _is_learned(node: Node) -> bool:
    maker = node.inputs[0].producer
    return maker is not None and maker.op.kind in LEARNED


def _is_certain(node: Node, moved: Moved, users: dict[Value, list[Node]]) -> bool:
    """Whether the axis is open, or fixed and the text is about attention, or maps and sequences.

    Relative positions are shifted by a `reshape` of S x (S + 1) to (S + 1) x S.
    """
    before, after = node.types[0].shape, node.type.shape
    if isinstance(moved.size, Sym):
        is_rest = len(after) == 2 and "-1" in node.span.text  # it may be any axis
        is_shift = _are_neighbours(before[-2:]) and after[-2:] == before[:-3:-1]
        return not (is_rest or is_shift)
    if _is_transposed(node, moved):
        return True
    few, many = sorted((before, after), key=len)
    # One axis becomes heads and their vectors, and also queries, keys and values.
    is_split_twice = (len(before), len(after)) == (2, 4)
    is_of_heads = is_split_twice or len(few) == len(many) - 1
    is_of_heads = is_of_heads and few[:-2] == many[: len(few) - 2]
    is_closed = all(isinstance(size, int) for size in before)
    return is_closed and is_of_heads and _is_near_attention(node, users)


def _splits_positions(node: Node) -> bool:
    """Whether `reshape([-1, 4])` of a map with 4 N channels makes rows of neighbouring positions.

    The four numbers for a box are meant, which are channels of the same position.
    """
    before, after = node.types[0].shape, node.type.shape
    if len(before) < 2 or len(after) not in (2, 3):
        return False
    channels, length = before[0], prod(after[1:])
    if not isinstance(channels, int) or not isinstance(length, int) or length == 1:
        return False
    if channels % length or (channels == length) != (len(after) == 3):
        return False
    ends = [prod(before[i:]) for i in range(1, len(before))]  # rows and maps stay whole
    if any(end in (1, length, after[-1]) for end in ends):
        return False
    maker = node.inputs[0].producer
    while maker is not None and maker.op.kind != "permute" and _keeps_numbers(maker):
        maker = maker.inputs[0].producer
    if maker is None or maker.op.family not in WINDOWED:
        return False
    return len(before) > 2 or maker.op.given.get("k") not in (1, (1,))


def _are_neighbours(sizes: Shape) -> bool:
    return len(sizes) > 1 and sizes[0] - sizes[1] in (1, -1)


def _is_near_attention(node: Node, users: dict[Value, list[Node]]) -> bool:
    """Whether attention is computed of the result, or has computed the input."""
    maker = node.inputs[0].producer
    for _ in range(FAR):
        if maker is None or not _keeps_numbers(maker):
            break
        maker = maker.inputs[0].producer
    if maker is not None and maker.op.kind in OF_ATTENTION:
        return True
    values = [node.output]
    for _ in range(FAR):
        after = [user for value in values for user in users.get(value, [])]
        if any(user.op.kind in OF_ATTENTION for user in after):
            return True
        values = [user.output for user in after if _keeps_numbers(user)]
    return False


def _keeps_numbers(node: Node) -> bool:
    return node.op.kind in KEEP_NUMBERS or node.op.family in FAMILIES_THAT_KEEP_NUMBERS


def _is_transposed(node: Node, moved: Moved) -> bool:
    """Whether a map C x H x W becomes H W x C, or a sequence N x C a map C x H x W."""
    before, after = node.types[0].shape, node.type.shape
    maker = node.inputs[0].producer
    while maker is not None and _keeps_numbers(maker):
        maker = maker.inputs[0].producer
    if maker is None:
        return False
    if len(after) == 2 and len(before) > 2:
        return moved.before == 0 and moved.after == 1 and maker.op.family in WINDOWED
    is_sequence = maker.op.kind == "tokens" or maker.op.family == "sequence"
    return len(before) == 2 and len(after) > 2 and moved[1:] == (1, 0) and is_sequence


# ---- the warning


def _warning(node: Node, moved: Moved) -> Diagnostic:
    before, after = node.types[0], node.type
    message = (
        f"`reshape` keeps the order of the numbers, so axis {moved.before + 1} of {before}"
        f" ({moved.size}) does not become axis {moved.after + 1} of {after}: the numbers are mixed"
    )
    help_ = _instead(node, moved) or "move an axis with `permute`, before or after the `reshape`"
    notes = call_notes(node.output.site)
    return Diagnostic("mixed-axes", message, node.span, "warning", help=help_, notes=notes)


def _of_positions(node: Node) -> Diagnostic:
    before, row = node.types[0], node.type.shape[1:]
    length, what = prod(row), "row"
    if len(row) > 1:
        what = shape_text(row)
    message = (
        f"`reshape` keeps the order of the numbers, so each {what} of the result is {length}"
        f" positions of one channel of this {before}, not {length} channels of one position"
    )
    order = [*range(1, len(before.shape)), 0]
    help_ = f"write `{_permuted(order)} -> {node.span.text}`, which puts the channels last"
    notes = call_notes(node.output.site)
    return Diagnostic("mixed-axes", message, node.span, "warning", help=help_, notes=notes)


def _instead(node: Node, moved: Moved) -> str | None:
    """What to write to move the axis."""
    before, after = node.types[0].shape, node.type.shape
    if moved.before == 0 and after == (prod(before[1:]), before[0]) and len(before) > 2:
        return "write `tokens`, which makes a sequence of the positions of a map"
    text = node.span.text
    texts = [size.strip() for size in _SIZE.findall(text.partition("[")[2].rpartition("]")[0])]
    named = _LABEL.search(node.span.file.text[: node.span.start])
    label = "" if named is None else f"{named[1]}: "
    for place in range(len(after)):
        order = _with_moved(len(after), moved.after, place)
        split = tuple(after[i] for i in order)
        permute = label + _permuted([order.index(i) for i in range(len(order))])
        if split == before:
            return f"write `{permute}`"
        if _splits(before, split) and len(texts) == len(after):
            listed = ", ".join(texts[i] for i in order)
            return f"write `reshape([{listed}]) -> {permute}`"
    for place in range(len(before)):
        order = _with_moved(len(before), moved.before, place)
        first = tuple(before[i] for i in order)
        if _splits(after, first) or _splits(first, after):
            return f"write `{_permuted(order)} -> {label}{text}`"
    return None


def _with_moved(count: int, axis: int, place: int) -> list[int]:
    """The axes in their order, with one at another place."""
    order = [i for i in range(count) if i != axis]
    return [*order[:place], axis, *order[place:]]


def _splits(whole: Shape, split: Shape) -> bool:
    """Whether a shape comes from another one by splitting axes in place."""
    ends = [prod(split[:i]) for i in range(1, len(split) + 1)]
    return all(prod(whole[:i]) in ends for i in range(1, len(whole) + 1))


def _permuted(order: list[int]) -> str:
    return f"permute([{', '.join(str(i + 1) for i in order)}])"
