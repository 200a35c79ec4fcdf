"""Advice for the body of a `residual` whose result does not have the shape of its input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_repairs import changed_call
from netdsl.elaborate.join_ways import line, resizes, retyped, sizes, way
from netdsl.ir.op import WINDOWED

if TYPE_CHECKING:
    from netdsl.ir.graph import Node, Value


def body_advice(made: Value, given: Value) -> str | None:
    """Advice for a tensor, for exchanged axes, and for an `embedding` with exchanged sizes."""
    node = made.producer
    if (
        node is not None
        and node.op.kind == "param"
        and len(made.type.shape) == len(given.type.shape)
    ):
        return f"the input is {given.type}: write `param(@.shape)`, which has its shape"
    return _exchanged_axes(made, given) or _exchanged_sizes(made, given)


def back_in_order(made: Value, given: Value) -> str | None:
    """The `permute` that puts the axes of a body back in order, if it exchanges them."""
    node, back = _order(made, given)
    return None if node is None else f"permute({back})"


def _order(made: Value, given: Value) -> tuple[Node | None, list[int]]:
    """The `permute` in a body, and the order of the axes that puts them back."""
    body, source = made.type.shape, given.type.shape
    moved = [node for node in way(made, given) if node.op.kind == "permute"]
    if len(moved) != 1 or len(body) != len(source) or body == source:
        return None, []
    axes = moved[0].op.given["order"]
    if len(axes) != len(body):
        return None, []
    back = [axes.index(axis) + 1 for axis in sorted(axes)]
    if tuple(body[axis - 1] for axis in back) != source:
        return None, []
    return moved[0], back


def _exchanged_axes(made: Value, given: Value) -> str | None:
    """Advice for `permute([2, 1]) -> dense(8)`, whose axes are not put back in order."""
    node, back = _order(made, given)
    if node is None:
        return None
    return (
        f"`{node.span.text}` on line {line(node.span)} exchanges the axes: end the body with"
        f" `permute({back})`, which puts them back"
    )


def _exchanged_sizes(made: Value, given: Value) -> str | None:
    """Advice for `embedding(width, words)`."""
    node = next((n for n in way(given) if n.op.kind == "embedding"), None)
    if node is None or made.type.shape[:-1] != given.type.shape[:-1]:
        return None
    if (node.op.given["n"], node.op.given["dim"]) != (made.type.shape[-1], given.type.shape[-1]):
        return None
    return (
        f"the vectors come from `{node.span.text}` on line {line(node.span)}, whose second argument"
        " is their length: its arguments look swapped"
    )


def keeping_size(made: Value, given: Value) -> str:
    """Advice for a body that changes the size of its map."""
    nodes = [node for node in reversed(way(made, given)) if resizes(node)]
    if not nodes:
        return "end the body with a layer that gives it the shape of its input"
    node = nodes[0]
    return (
        f"`{node.span.text}` on line {line(node.span)} turns {sizes(node.inputs[0])} into"
        f" {sizes(node.output)}: {_keep(node)}"
    )


def begins_with_window(made: Value, given: Value) -> bool:
    """Whether the first layer of a body that changes the size is a window."""
    nodes = [node for node in way(made, given) if resizes(node)]
    return bool(nodes) and nodes[-1].op.family in WINDOWED and nodes[-1].op.kind != "deconv"


def keeping_fix(made: Value, given: Value) -> tuple[Edit, ...]:
    """The fix that pads the only window of a body, if its result then has the input's shape."""
    nodes = [node for node in way(made, given) if resizes(node)]
    if len(nodes) != 1 or not begins_with_window(made, given) or len(made.type.spatial) != 1:
        return ()
    (node,) = nodes
    windows = node.op.windows(*node.types)
    pad, odd = divmod(windows[0].extent - 1, 2)
    if odd or retyped([made], {node.span: {"pad": pad}}) != [given.type]:
        return ()
    return (Edit(node.span, changed_call(node, pad=str(pad))),)


def _keep(node: Node) -> str:
    """How a layer keeps the size of its map."""
    given = node.op.given
    if len(node.type.spatial) == 1 and node.op.family in WINDOWED and node.op.kind != "deconv":
        signal = _keep_length(node)
        if signal is not None:
            return signal
    if given.get("stride", 1) not in (None, 1):
        return "keep the size in the body, with stride 1, or add a second arm with that stride"
    k, dilation = given.get("k"), given.get("dilation")
    if isinstance(k, int) and k % 2 == 0:
        return f"an even kernel needs `pad = same` to keep it, or write a kernel of {k - 1}"
    if isinstance(k, int) and isinstance(dilation, int) and dilation > 1 and k % 2:
        if given["pad"] == dilation * (k // 2):
            return "keep the size in the body"
        return f"write `pad = {_spread(node, k // 2)}`, which keeps it with this dilation"
    if isinstance(k, int) and given.get("pad") != k // 2:
        return f"write `pad = {k // 2}`, which keeps it"
    return "keep the size in the body, with stride 1 and `pad = k // 2`"


def _keep_length(node: Node) -> str | None:
    """How a window with stride 1 keeps the length of a signal."""
    windows = node.op.windows(*node.types)
    if [window.stride for window in windows] != [1] or windows[0].extent < 2:
        return None
    lost = windows[0].extent - 1
    k = node.op.given["k"]
    if lost % 2:
        causal = f", or `pad = [({lost}, 0)]` for a causal convolution"
        return "write `pad = same`, which keeps it" + causal * (node.op.family == "convolution")
    pad = str(lost // 2)
    if isinstance(k, int) and k % 2 and node.op.given.get("dilation", 1) != 1:
        pad = _spread(node, k // 2)
    return f"write `pad = {pad}`, which keeps it"


def _spread(node: Node, half: int) -> str:
    """The padding of a kernel with a dilation, which may be an expression."""
    written = re.search(r"\bdilation\s*=\s*(\w+(?: \*\* \w+)?)\s*[,)]", node.span.text)
    if written is None or written[1].isdigit():
        return str(half * node.op.given["dilation"])
    return written[1] if half == 1 else f"{half} * {written[1]}"
