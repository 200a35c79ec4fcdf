"""Fixes of joins whose arms differ only because windows in them are not padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.corrections import added, argument_of
from netdsl.ops.padding import sizes_text
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netdsl.diagnostics import Edit
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.types import Sym
    from netdsl.source import Span


def padded(join: ast.Call, xs: Sequence[Value]) -> tuple[Edit, ...]:
    """The fix that pads the windows in the arms of a join, if that makes all sizes equal.

    The windows must be odd and have stride 1, as in `concat { | conv(8, 1) | conv(8, 3) }`.
    """
    if not all(x.type.shape for x in xs):
        return ()
    if len({x.type.channels for x in xs}) > 1 and (join.name != "concat" or join.arguments):
        return ()
    spatial = [_numbers(x.type.spatial) for x in xs]
    ranks = {len(x.type.spatial) for x in xs}
    if {len(sizes) for sizes in spatial} != ranks or len(ranks) != 1:
        return ()
    largest = [max(sizes) for sizes in zip(*spatial, strict=True)]
    calls = {part.span: part for part in join.walk() if isinstance(part, ast.Call)}
    edits: list[Edit] = []
    for x, sizes in zip(xs, spatial, strict=True):
        missing = [most - size for most, size in zip(largest, sizes, strict=True)]
        fix = _padding(x.producer, missing, calls)
        if fix is None:
            return ()
        edits += fix
    return tuple(edits)


def _numbers(sizes: Iterable[int | Sym]) -> list[int]:
    """The sizes that are numbers."""
    return [size for size in sizes if isinstance(size, int)]


def _padding(
    node: Node | None, missing: list[int], calls: Mapping[Span, ast.Call]
) -> list[Edit] | None:
    """The changes that give a layer, and those before it, as much padding as is missing."""
    edits: list[Edit] = []
    while any(missing):
        if node is None or node.output.site.span not in calls or min(missing) < 0:
            return None
        (x, *others), call = node.inputs, calls[node.output.site.span]
        before, after = _numbers(x.type.spatial), _numbers(node.type.spatial)
        if others or not len(before) == len(after) == len(missing):
            return None
        lost = [a - b for a, b in zip(before, after, strict=True)]
        if any(lost):
            if not _loses_only_borders(node, call, lost):
                return None
            missing = [a - b for a, b in zip(missing, lost, strict=True)]
            edits.append(added(call, f"pad = {sizes_text([n // 2 for n in lost])}"))
        node = x.producer
    return edits


def _loses_only_borders(node: Node, call: ast.Call, lost: list[int]) -> bool:
    """Whether a layer is a window without padding, with odd sizes and stride 1."""
    op = node.op
    if not any(a.name == "pad" for a in op.args) or argument_of(call, type(op), "pad") is not None:
        return False
    windows = op.windows(node.inputs[0].type)
    return len(windows) == len(lost) and all(
        window.stride == 1 and window.extent % 2 == 1 and window.extent == n + 1
        for window, n in zip(windows, lost, strict=True)
    )
