"""Warnings about layers that work along another axis than their authors expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.ir.op import WINDOWED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value

OVER_LAST = ("layernorm", "rmsnorm", "glu")  # whose axis is the last one by default
OVER_FIRST = ("softmax", "log_softmax")  # whose axis is 1 by default
STEPWISE = ("lstm", "gru", "rnn", "attention")  # which take the steps of a sequence first
MAP = 3  # the axes of a map: channels, height, width
SEQUENCE = 2  # its axes: steps, and the numbers of each vector
MAKE_VECTORS = ("embedding", "tokens")
REDUCED = ("reduce_mean", "reduce_max", "reduce_sum")
MEANS = {"gap": "reduce_mean", "gmp": "reduce_max"}
KEEP_AXES = ("+", "-", "*", "/", "add", "concat", "max", "mul", "pad", "sub", "upsample")
FAMILIES_THAT_KEEP_AXES = ("activation", "normalisation", "regularisation")
NORMAL_EPS = 1  # a larger number is not meant as `eps`, and has a warning of its own


def axis_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about the axes along which the layers of a net work."""
    for output in graph.outputs:
        if output.value.producer is not None:
            yield from _over_columns(output.value.producer)
    for node in graph.nodes:
        kind, rank = node.op.kind, len(node.types[0].shape)
        if kind in OVER_LAST and rank >= SEQUENCE:
            yield from _over_width(node)
        elif kind in OVER_FIRST and rank >= SEQUENCE:
            yield from _over_steps(node)
        elif node.op.family in WINDOWED and rank == SEQUENCE:
            yield from _over_vectors(node)
        elif kind in STEPWISE and rank == SEQUENCE:
            yield from _over_channels(node)
        elif kind == "dense" and rank == SEQUENCE and node.types[0].shape[1] == 1:
            yield from _over_one(node)


def _over_width(node: Node) -> Iterator[Diagnostic]:
    """`layernorm` of a map or signal, whose channels come first."""
    if "axis" in node.span.text or node.op.given.get("eps", 0) > NORMAL_EPS:
        return
    maker, last = _maker(node.inputs[0]), "the width"
    if maker is None or maker.op.family not in WINDOWED:
        return
    kind, what = node.op.kind, f"{node.types[0]} map"
    if len(node.types[0].shape) == SEQUENCE:
        last, what = "the length", f"{node.types[0]} signal"
        if _mixes_steps(maker) and (kind != "glu" or not _has_channels(maker)):
            return
    message = f"`{kind}` is along the last axis, which is {last} of this {what}"
    yield _warning("default-axis", message, node, f"for the channels, write `{_along(node, 1)}`")


def _over_steps(node: Node) -> Iterator[Diagnostic]:
    """`softmax` of the vectors of a sequence, or of scores of queries and keys."""
    maker = _maker(node.inputs[0])
    makes_last = maker is not None and (
        maker.op.family in ("dense", "sequence") or maker.op.kind == "matmul"
    )
    if makes_last and "axis" not in node.span.text:
        message = (
            f"`{node.op.kind}` is along axis 1, the first of this {node.types[0]}: the numbers of"
            " each vector are along the last"
        )
        yield _warning("default-axis", message, node, f"write `{_along(node, -1)}`")


def _over_columns(node: Node) -> Iterator[Diagnostic]:
    """`softmax(axis = -1)` of the scores for each pixel, as in a library with channels last."""
    shape = node.type.shape
    if node.op.kind not in OVER_FIRST or len(shape) < MAP:
        return
    maker, axis = _maker(node.inputs[0]), node.op.given["axis"]
    if axis in (1, -len(shape)) or maker is None or maker.op.family not in WINDOWED:
        return
    yield _warning(
        "softmax-axis",
        f"`{node.op.kind}` is along axis {axis} of this {node.types[0]} map, and the"
        f" {shape[0]} scores of each pixel are along axis 1",
        node,
        f"write `{node.op.kind}`, whose axis is 1 by default",
    )


def _over_vectors(node: Node) -> Iterator[Diagnostic]:
    """`gap` of a sequence, whose steps are taken for channels."""
    maker = _maker(node.inputs[0])
    while maker is not None and maker.op.kind == "dense":  # it works on each vector
        maker = _maker(maker.inputs[0])
    if maker is None or not (maker.op.kind in MAKE_VECTORS or maker.op.family == "sequence"):
        return
    if _mixes_steps(node):
        return  # the sequence has a fixed length
    steps, width = node.types[0].shape
    kind = node.op.kind
    message = f"`{kind}` takes channels first: it is along the {width} numbers of each vector"
    help_ = f"write `permute([2, 1])` before it, so that it is along the {steps} steps"
    if kind in MEANS:
        message += f", and not along the {steps} steps"
        help_ = f"write `{MEANS[kind]}(axis = 1)` in place of `{kind}` and of a `flatten` after it"
    yield _warning("vectors-as-channels", message, node, help_)


def _over_channels(node: Node) -> Iterator[Diagnostic]:
    """`lstm` of the result of a one-dimensional `conv`, whose channels are taken for steps."""
    maker = _maker(node.inputs[0])
    if maker is None or maker.op.family not in WINDOWED or _mixes_steps(maker):
        return
    channels, length = node.types[0].shape
    kind = node.op.kind
    message = (
        f"`{kind}` takes the steps first: the {channels} channels of this `{maker.op.kind}` become"
        f" steps, each a vector of {length}"
    )
    help_ = f"write `permute([2, 1])` before it, for {length} steps of {channels} numbers"
    yield _warning("channels-as-steps", message, node, help_)


def _over_one(node: Node) -> Iterator[Diagnostic]:
    """`gap -> dense(10)` of a signal, whose channels are taken for steps of one number."""
    before, maker = node.inputs[0].producer, _before_mixing(_maker(node.inputs[0]))
    if maker is not None and maker.op.kind in REDUCED:
        maker = _maker(maker.inputs[0])
    channels = node.types[0].shape[0]
    if maker is None or maker.op.family not in WINDOWED or channels == 1:
        return
    message = (
        f"`dense` takes the last axis of this {node.types[0]}, which has one number: the"
        f" {channels} channels of the `{maker.op.kind}` become steps"
    )
    written = "flatten` before it"
    if before is maker:
        written = f"{before.span.text} -> flatten`"
    help_ = f"write `{written}, for one vector of {channels} numbers"
    yield _warning("channels-as-steps", message, node, help_)


def _has_channels(node: Node) -> bool:
    """Whether a `conv` with a kernel of 1 takes a signal, and not a sequence of vectors."""
    maker = _before_mixing(node)
    return maker is None or maker.op.family in WINDOWED


def _before_mixing(node: Node | None) -> Node | None:
    """The layer before those with a kernel of 1, which keep the length."""
    while node is not None and _mixes_steps(node):
        node = _maker(node.inputs[0])
    return node


def _mixes_steps(node: Node) -> bool:
    """Whether a `conv` has a kernel of 1, as in an MLP-Mixer: its channels are steps."""
    return node.op.given.get("k") in (1, (1,))


def _maker(value: Value) -> Node | None:
    """The layer that gives the axes of a value their meaning."""
    node = value.producer
    while node is not None and _keeps_axes(node):
        node = node.inputs[0].producer
    return node


def _keeps_axes(node: Node) -> bool:
    return node.op.kind in KEEP_AXES or node.op.family in FAMILIES_THAT_KEEP_AXES


def _along(node: Node, axis: int) -> str:
    """The call with this axis."""
    name, _, rest = node.span.text.partition("(")
    given = rest.removesuffix(")").strip()
    return f"{name}({given + ', ' if given else ''}axis = {axis})"


def _warning(code: str, message: str, node: Node, help: str) -> Diagnostic:
    return Diagnostic(code, message, node.span, "warning", help=help)
