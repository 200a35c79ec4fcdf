"""The element types and the shapes that ONNX operators give, for graphs whose sizes are known.

The rules are those of ONNX's operator schemas (https://onnx.ai/onnx/operators/). The package `onnx`
has them, too, but it is slow to import and does not run in a browser.
"""

from __future__ import annotations

from math import floor, prod
from typing import TYPE_CHECKING

from netdsl.backends.onnx import window_shapes
from netdsl.backends.onnx.application import TensorKind, UnknownShapeError
from netdsl.backends.onnx.constants import span
from netdsl.backends.onnx.elements import BOOL, FLOAT, INT64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netdsl.backends.onnx.application import Application


def kinds_of(node: Application) -> list[TensorKind]:
    """The kinds of the results of a node; raises `UnknownShapeError`."""
    rule = RULES.get(node.operator)
    if rule is None:
        raise UnknownShapeError(f"uses ONNX's {node.operator}, which a training step cannot have")
    made = rule(node)
    if isinstance(made, TensorKind):
        return [made] * node.results
    return made


def _same(node: Application) -> TensorKind:
    return node.x()


def _broadcast(node: Application) -> TensorKind:
    return TensorKind(node.x().element, joint_shape([k.shape for k in node.kinds if k]))


def joint_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape to which all are broadcast."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((d for d in each if d != 1), 1) for each in zip(*padded, strict=True))


def _compared(node: Application) -> TensorKind:
    return TensorKind(BOOL, _broadcast(node).shape)


def _where(node: Application) -> TensorKind:
    return TensorKind(node.x(1).element, _broadcast(node).shape)


def _cast(node: Application) -> TensorKind:
    return TensorKind(node.attributes["to"], node.shape)


# ---- shapes


def _shape(node: Application) -> TensorKind:
    return TensorKind(INT64, (len(node.shape[node.get("start", 0) : node.get("end", None)]),))


def _reshape(node: Application) -> TensorKind:
    wanted = node.ints(1)
    if not node.get("allowzero", 0):
        wanted = [size or node.shape[axis] for axis, size in enumerate(wanted)]
    rest = node.x().size // (prod(size for size in wanted if size != -1) or 1)
    if -1 in wanted:
        wanted[wanted.index(-1)] = rest
    return TensorKind(node.x().element, tuple(wanted))


def _flatten(node: Application) -> TensorKind:
    axis = node.get("axis", 1)
    return TensorKind(node.x().element, (prod(node.shape[:axis]), prod(node.shape[axis:])))


def _squeeze(node: Application) -> TensorKind:
    shape = node.shape
    axes = node.ints(1, [axis for axis, size in enumerate(shape) if size == 1])
    dropped = {axis % len(shape) for axis in axes}
    kept = tuple(size for axis, size in enumerate(shape) if axis not in dropped)
    return TensorKind(node.x().element, kept)


def _unsqueeze(node: Application) -> TensorKind:
    axes, shape = node.ints(1), [*node.shape]
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    return TensorKind(node.x().element, tuple(shape))


def _transpose(node: Application) -> TensorKind:
    order = node.get("perm", list(range(len(node.shape)))[::-1])
    return TensorKind(node.x().element, tuple(node.shape[axis] for axis in order))


def _expand(node: Application) -> TensorKind:
    return TensorKind(node.x().element, joint_shape([node.shape, tuple(node.ints(1))]))


def _with_size(node: Application, axis: int, size: int) -> TensorKind:
    """The first input with another size of one axis."""
    shape = list(node.shape)
    shape[axis] = size
    return TensorKind(node.x().element, tuple(shape))


def _concat(node: Application) -> TensorKind:
    axis = node.attributes["axis"]
    return _with_size(node, axis, sum(kind.shape[axis] for kind in node.kinds if kind))


def _split(node: Application) -> list[TensorKind]:
    """Of equal parts, the last can be smaller."""
    axis = node.get("axis", 0)
    size = node.shape[axis]
    most = -(-size // node.results)
    sizes = node.ints(1, [min(most, size - most * i) for i in range(node.results)])
    return [_with_size(node, axis, size) for size in sizes]


def _slice(node: Application) -> TensorKind:
    starts, ends, shape = node.ints(1), node.ints(2), [*node.shape]
    axes, steps = node.ints(3, range(len(starts))), node.ints(4, [1] * len(starts))
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape[axis]
        shape[axis] = len(range(size)[span(start, end, step, size)])
    return TensorKind(node.x().element, tuple(shape))


def _pad(node: Application) -> TensorKind:
    pads, shape = node.ints(1), [*node.shape]
    axes, half = node.ints(3, range(len(shape))), len(pads) // 2
    for axis, begin, end in zip(axes, pads[:half], pads[half:], strict=True):
        shape[axis] += begin + end
    return TensorKind(node.x().element, tuple(shape))


def _gather(node: Application) -> TensorKind:
    shape = node.shape
    axis = node.get("axis", 0) % len(shape)
    return TensorKind(node.x().element, (*shape[:axis], *node.x(1).shape, *shape[axis + 1 :]))


def _gather_nd(node: Application) -> TensorKind:
    *places, depth = node.x(1).shape
    return TensorKind(node.x().element, (*places, *node.shape[depth:]))


def _constant_of_shape(node: Application) -> TensorKind:
    return TensorKind(FLOAT, tuple(node.ints(0)))


def _random(node: Application) -> TensorKind:
    return TensorKind(node.get("dtype", FLOAT), tuple(node.attributes["shape"]))


def _eye(node: Application) -> TensorKind:
    return TensorKind(node.get("dtype", node.x().element), node.shape)


def _depth_to_space(node: Application) -> TensorKind:
    batch, channels, *sizes = node.shape
    block = node.attributes["blocksize"]
    shape = (batch, channels // block**2, *(size * block for size in sizes))
    return TensorKind(node.x().element, shape)


def _space_to_depth(node: Application) -> TensorKind:
    batch, channels, *sizes = node.shape
    block = node.attributes["blocksize"]
    shape = (batch, channels * block**2, *(size // block for size in sizes))
    return TensorKind(node.x().element, shape)


def _resize(node: Application) -> TensorKind:
    scales = node.constant(2)
    if scales is None:
        return TensorKind(node.x().element, tuple(node.ints(3)))
    sizes = (floor(d * s) for d, s in zip(node.shape, scales.values, strict=True))
    return TensorKind(node.x().element, tuple(sizes))


# ---- products and sums


def _matmul(node: Application) -> TensorKind:
    a, b = node.shape, node.x(1).shape
    ends = a[-2:-1] + b[max(len(b) - 1, 1) :]  # a vector has no rows or no columns
    return TensorKind(node.x().element, joint_shape([a[:-2], b[:-2]]) + ends)


def _gemm(node: Application) -> TensorKind:
    a, b = node.shape, node.x(1).shape
    shape = (a[node.get("transA", 0)], b[1 - node.get("transB", 0)])
    return TensorKind(node.x().element, shape)


def _reduced(node: Application) -> TensorKind:
    shape = [*node.shape]
    for axis in node.ints(1, range(len(shape))) or range(len(shape)):
        shape[axis] = node.get("keepdims", 1)
    return TensorKind(node.x().element, tuple(size for size in shape if size))


_SAME = """
    Abs BatchNormalization Ceil Clip Cos CumSum Elu Erf Exp Floor HardSigmoid HardSwish Identity
    InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax Mish Neg Not PRelu
    Reciprocal Relu Round ScatterElements ScatterND Selu Sigmoid Sign Sin Softmax Softplus Softsign
    Sqrt Tan Tanh ThresholdedRelu Trilu
"""
_JOINED = "Add And Div Max Mean Min Mod Mul Or Pow Sub Sum Xor"
_REDUCING = """
    ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare
"""
RULES: dict[str, Callable[[Application], TensorKind | list[TensorKind]]] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_JOINED.split(), _broadcast),
    **dict.fromkeys(_REDUCING.split(), _reduced),
    **window_shapes.RULES,
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), _compared),
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "EyeLike": _eye,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Pad": _pad,
    "RandomUniform": _random,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
