"""What the layers of Caffe compute that join, cut and reshape values."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.importers.caffe.layers import LAYERS_OF_ONE_INPUT, convolution
from netdsl.importers.described import sizes_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netdsl.importers.caffe.layer import CaffeLayer
    from netdsl.importers.caffe.prototxt import ProtoMessage
    from netdsl.importers.onnx.built import BuiltValue

    CaffeRule = Callable[[CaffeLayer, Sequence[BuiltValue]], list[BuiltValue]]


def axis_of(layer: CaffeLayer, param: ProtoMessage, key: str, default: int, rank: int) -> int:
    """An axis as an index of a shape without the batch; `rank` counts the batch."""
    axis = param.integer(key, default, -rank)
    axis = axis + rank if axis < 0 else axis
    if axis == 0:
        raise layer.refuse("it works along the batch", param, key)
    if axis >= rank:
        raise layer.wrong(f"its axis is {axis}, and its input has {rank} axes", param, key)
    return axis - 1


def eltwise(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """A sum with coefficients, a product or a maximum of values of one shape."""
    param, builder = layer.param("eltwise_param"), layer.builder
    operation = param.text("operation", "SUM")
    same_shapes(layer, inputs)
    shape = inputs[0].shape
    coefficients = param.numbers("coeff") or [1.0] * len(inputs)
    if len(coefficients) != len(inputs):
        fact = f"`coeff` has {len(coefficients)} numbers for {len(inputs)} inputs"
        raise layer.wrong(fact, param, "coeff")
    if operation in ("SUM", "1"):
        parts = [
            x if c == 1 else builder.scaled("Mul", x, c)
            for x, c in zip(inputs, coefficients, strict=True)
        ]
        return [builder.op("Sum" if len(parts) > 2 else "Add", parts, shape)]
    kind = {"PROD": "Mul", "0": "Mul", "MAX": "Max", "2": "Max"}.get(operation)
    if kind is None:
        raise layer.wrong(f"its operation is {operation}", param, "operation")
    if kind == "Max":
        return [builder.op(kind, inputs, shape)]
    result = inputs[0]
    for x in inputs[1:]:
        result = builder.op(kind, [result, x], shape)
    return [result]


def same_shapes(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> None:
    """Raise `NetdslError` for inputs of different shapes, and for a single one."""
    if len(inputs) < 2:
        raise layer.wrong("it has one input, and takes two or more", key="bottom")
    if len({x.shape for x in inputs}) > 1:
        listed = " and ".join(sizes_text(x.shape) for x in inputs)
        other = next(i for i, x in enumerate(inputs) if x.shape != inputs[0].shape)
        raise layer.wrong(f"its inputs have different shapes: {listed}", key="bottom", index=other)


def concat(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """The inputs one after another along an axis."""
    param = layer.param("concat_param")
    key = "concat_dim" if "concat_dim" in param.fields else "axis"
    axis = axis_of(layer, param, key, 1, len(inputs[0].shape) + 1)
    others = {(*x.shape[:axis], *x.shape[axis + 1 :]) for x in inputs}
    if len(others) > 1:
        listed = " and ".join(sizes_text(x.shape) for x in inputs)
        raise layer.wrong(f"its inputs do not fit: {listed}", key="bottom", index=1)
    if len(inputs) == 1:
        return list(inputs)
    first = inputs[0].shape
    shape = (*first[:axis], sum(x.shape[axis] for x in inputs), *first[axis + 1 :])
    return [layer.builder.op("Concat", inputs, shape, axis=axis + 1)]


def slices(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """Parts of the input along an axis: equal ones, or from one `slice_point` to the next."""
    (x,) = inputs
    param = layer.param("slice_param")
    key = "slice_dim" if "slice_dim" in param.fields else "axis"
    axis = axis_of(layer, param, key, 1, len(x.shape) + 1)
    size, count = x.shape[axis], len(layer.message.texts("top"))
    points = param.integers("slice_point")
    if not points:
        if size % count:
            raise layer.wrong(
                f"{size} channels are no {count} equal parts", key="top", index=count - 1
            )
        points = [size // count * i for i in range(1, count)]
    ends = [0, *points, size]
    if len(ends) != count + 1 or any(a >= b for a, b in pairwise(ends)):
        raise layer.wrong(f"its points do not cut {size} into {count} parts", param, "slice_point")
    return [layer.builder.sliced(x, axis, start, end) for start, end in pairwise(ends)]


def crop(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """The part of the first input that has the sizes of the second, from `offset` on."""
    x, like = two(layer, inputs)
    param = layer.param("crop_param")
    axis = axis_of(layer, param, "axis", 2, len(x.shape) + 1)
    if len(like.shape) != len(x.shape):
        raise layer.wrong("its inputs have different numbers of axes", key="bottom", index=1)
    cut = len(x.shape) - axis
    offsets = param.integers("offset") or [0]
    if len(offsets) not in (1, cut):
        raise layer.wrong(f"`offset` has {len(offsets)} numbers for {cut} axes", param, "offset")
    for i in range(cut):
        start, size = offsets[i % len(offsets)], like.shape[axis + i]
        if start + size > x.shape[axis + i]:
            fact = f"{size} positions from {start} on are more than the {x.shape[axis + i]} there"
            raise layer.wrong(fact, param, "offset")
        x = layer.builder.sliced(x, axis + i, start, start + size)
    return [x]


def scale(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """Learned factors along an axis, or those of the second input; then a learned shift."""
    param, builder = layer.param("scale_param"), layer.builder
    x = inputs[0]
    rank = len(x.shape) + 1
    if len(inputs) == 2:
        start = max(1, param.integer("axis", 1, -rank) % rank)  # from 0 on, the batch is the first
        own = inputs[1].shape
        if len(own) > rank - start:
            fact = f"its factors have too many axes: {sizes_text(own)}"
            raise layer.wrong(fact, key="bottom", index=1)
        shape = (*(1,) * (start - 1), *own, *(1,) * (rank - start - len(own)))
        if any(a not in (1, b) for a, b in zip(shape, x.shape, strict=True)):
            shapes = f"{sizes_text(x.shape)} and {sizes_text(inputs[1].shape)}"
            raise layer.wrong(f"the shapes {shapes} do not fit", key="bottom", index=1)
        x = builder.op("Mul", [x, builder.reshaped(inputs[1], shape)], x.shape)
        axis = start - 1
    else:
        axis = axis_of(layer, param, "axis", 1, rank)
        if param.integer("num_axes", 1, -1) != 1:
            raise layer.refuse("its factors have several axes", param, "num_axes")
        factors = layer.tensor(0, "weight", along(x, axis), "scale")
        x = builder.op("Mul", [x, factors], x.shape)
    if param.flag("bias_term", default=False):
        shift = layer.tensor(len(inputs) % 2, "bias", along(x, axis), "shift")
        x = builder.op("Add", [x, shift], x.shape)
    return [x]


def along(x: BuiltValue, axis: int) -> tuple[int, ...]:
    """The shape of numbers that differ only along one axis."""
    return tuple(size if i == axis else 1 for i, size in enumerate(x.shape))


def bias(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """A learned shift of each channel."""
    (x,) = inputs
    param = layer.param("bias_param")
    axis = axis_of(layer, param, "axis", 1, len(x.shape) + 1)
    if param.integer("num_axes", 1, -1) != 1:
        raise layer.refuse("its shift has several axes", param, "num_axes")
    shift = layer.tensor(0, "bias", along(x, axis), "shift")
    return [layer.builder.op("Add", [x, shift], x.shape)]


def axpy(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`a x + y` with a factor for each channel, a layer of SENet's version of Caffe."""
    if len(inputs) != 3:
        raise layer.wrong(f"it has {len(inputs)} inputs, and takes 3", key="bottom", index=3)
    a, x, y = inputs
    if x.shape != y.shape or a.shape not in ((x.channels, 1, 1), (x.channels,)):
        listed = ", ".join(sizes_text(v.shape) for v in inputs)
        raise layer.wrong(f"its inputs do not fit: {listed}", key="bottom")
    factors = layer.builder.reshaped(a, (x.channels, 1, 1))
    product = layer.builder.op("Mul", [x, factors], x.shape)
    return [layer.builder.op("Add", [product, y], x.shape)]


def flatten(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """All numbers of a sample as a vector."""
    (x,) = inputs
    param = layer.param("flatten_param")
    last = param.integer("end_axis", -1, -1)
    if param.integer("axis", 1) != 1 or last not in (-1, len(x.shape)):
        raise layer.refuse("it flattens only some axes", param, "axis")
    return [layer.builder.reshaped(x, (prod(x.shape),))]


def reshape(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """The same numbers with other sizes: 0 keeps a size, and -1 is what remains."""
    (x,) = inputs
    param = layer.param("reshape_param")
    if param.integer("axis", 0) != 0 or param.integer("num_axes", -1, -1) != -1:
        raise layer.refuse("it reshapes only some axes", param, "axis")
    wanted = param.message("shape").integers("dim", -1)
    if not wanted or wanted.count(-1) > 1:
        raise layer.wrong("its `shape` must have sizes, at most one of them -1", param, "shape")
    old = (1, *x.shape)
    if any(size == 0 and i >= len(old) for i, size in enumerate(wanted)):
        raise layer.wrong("a size of 0 copies an axis that the input does not have", param, "shape")
    sizes = [old[i] if size == 0 else size for i, size in enumerate(wanted)]
    known = prod(size for size in sizes if size > 0)
    sizes = [prod(old) // known if size == -1 else size for size in sizes]
    if prod(sizes) != prod(old):
        fact = f"{sizes_text(tuple(sizes[1:]))} has not as many numbers as {sizes_text(x.shape)}"
        raise layer.wrong(fact, param, "shape")
    if sizes[0] != 1 or len(sizes) == 1:
        raise layer.refuse("it mixes the batch with other axes", param, "shape")
    return [layer.builder.reshaped(x, tuple(sizes[1:]))]


def softmax(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """The softmax along an axis."""
    (x,) = inputs
    axis = axis_of(layer, layer.param("softmax_param"), "axis", 1, len(x.shape) + 1)
    return [layer.builder.same("Softmax", x, axis=axis + 1)]


def copies(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """The input as often as it has tops."""
    return [inputs[0]] * len(layer.message.texts("top"))


def two(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> Sequence[BuiltValue]:
    """The two inputs of a layer; raises `NetdslError` for another number."""
    if len(inputs) != 2:
        raise layer.wrong(f"it has {len(inputs)} inputs, and takes 2", key="bottom", index=2)
    return inputs


JOINS: Mapping[str, CaffeRule] = MappingProxyType(
    {
        "Convolution": convolution,
        "Eltwise": eltwise,
        "Concat": concat,
        "Crop": crop,
        "Scale": scale,
        "Axpy": axpy,
    }
)
SINGLE: Mapping[str, CaffeRule] = MappingProxyType(
    {
        **LAYERS_OF_ONE_INPUT,
        "Slice": slices,
        "Bias": bias,
        "Flatten": flatten,
        "Reshape": reshape,
        "Softmax": softmax,
        "Split": copies,
    }
)
