"""The gradients of convolutions and transposed convolutions."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.backends.onnx.adjoints.base import of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk

MANY = 16  # channels from which on matrix products are fast


class ConvWindow(NamedTuple):
    """The window of a convolution, with a number for each spatial axis; pads begin, then end."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[int]
    groups: int

    @property
    def extents(self) -> list[int]:
        """What a window spans along each axis."""
        return [d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True)]

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the same convolution, with its padding."""
        return {
            "kernel_shape": self.kernel,
            "strides": self.strides,
            "dilations": self.dilations,
            "pads": self.pads,
            "group": self.groups,
        }


def geometry_of(g: Adjoint, node: Made, kernel: Sequence[int]) -> ConvWindow:
    """The window of a node, with its padding in numbers."""
    rank = len(kernel)
    strides = list(node.get("strides", [1] * rank))
    dilations = list(node.get("dilations", [1] * rank))
    whole = ConvWindow(
        list(kernel),
        strides,
        dilations,
        list(node.get("pads", [0] * 2 * rank)),
        node.get("group", 1),
    )
    if node.get("auto_pad", "NOTSET") != "SAME_UPPER":
        return whole
    sizes = zip(g.shape(node.x[0])[2:], g.shape(node.y[0])[2:], whole.extents, strides, strict=True)
    totals = [max(0, (after - 1) * s + extent - before) for before, after, extent, s in sizes]
    return whole._replace(pads=[t // 2 for t in totals] + [t - t // 2 for t in totals])


def bias_gradient(g: Adjoint, dy: str) -> str:
    """The sum over the batch and the positions."""
    axes = [i for i in range(len(g.shape(dy))) if i != 1]
    return g.op("ReduceSum", dy, g.ints(axes), keepdims=0)


def _conv(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, weight, *_ = node.x
    window = geometry_of(g, node, g.shape(weight)[2:])
    return (
        lambda: input_gradient(g, dy, weight, window, g.shape(x)),
        lambda: weight_gradient(g, x, dy, window),
        lambda: bias_gradient(g, dy),
    )


def _conv_transpose(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, weight, *_ = node.x
    window = geometry_of(g, node, g.shape(weight)[2:])

    def of_input() -> str:
        return _cut(g, g.op("Conv", dy, weight, **window.attributes), g.shape(x))

    return (
        of_input,
        lambda: weight_gradient(g, dy, x, window),
        lambda: bias_gradient(g, dy),
    )


def input_gradient(
    g: Adjoint, dy: str, weight: str, window: ConvWindow, shape: Sequence[int]
) -> str:
    """The gradient of the input of a convolution, whose shape is given."""
    if _is_dense(window, shape):
        flat = g.op("Reshape", dy, g.ints([shape[0], -1]))
        matrix = g.op("Reshape", weight, g.ints([g.shape(weight)[0], -1]))
        return g.op("Reshape", g.op("Gemm", flat, matrix), g.ints(shape))
    if _turns(window, shape, g.shape(dy)):
        return _by_turned_kernel(g, dy, weight, window)
    rank = len(window.kernel)
    sizes = zip(shape[2:], g.shape(dy)[2:], window.extents, window.strides, strict=True)
    pads = window.pads
    rest = [
        before + pads[i] + pads[rank + i] - (after - 1) * s - extent
        for i, (before, after, extent, s) in enumerate(sizes)
    ]
    return g.op("ConvTranspose", dy, weight, **window.attributes, output_padding=rest)


def _is_dense(window: ConvWindow, shape: Sequence[int]) -> bool:
    """Whether the only window is the whole input, so that the layer is a matrix product."""
    is_plain = window.groups == 1 and not any(window.pads)
    return is_plain and window.kernel == [*shape[2:]]


def _turns(window: ConvWindow, before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether to compute the gradient of the input by a convolution with the turned kernel.

    onnxruntime has fast depthwise convolutions, but slow transposed ones.
    """
    wide = [e - 1 for e in window.extents] * 2
    is_narrow = all(pad <= most for pad, most in zip(window.pads, wide, strict=True))
    return _is_depthwise(window, before, after) and set(window.strides) == {1} and is_narrow


def _is_depthwise(window: ConvWindow, before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether every channel has a kernel of its own."""
    return window.groups == before[1] == after[1] > 1


def _by_turned_kernel(g: Adjoint, dy: str, weight: str, window: ConvWindow) -> str:
    rank = len(window.kernel)
    turned = weight
    axes = [i for i in range(rank) if window.kernel[i] > 1]
    if axes:
        count = len(axes)
        turned = g.op(
            "Slice",
            turned,
            g.ints([-1] * count),
            g.ints([-(2**31)] * count),
            g.ints([axis + 2 for axis in axes]),
            g.ints([-1] * count),
        )
    pads = [e - 1 - p for e, p in zip(window.extents * 2, window.pads, strict=True)]
    return g.op(
        "Conv",
        dy,
        turned,
        kernel_shape=window.kernel,
        strides=[1] * rank,
        dilations=window.dilations,
        pads=pads,
        group=window.groups,
    )


def weight_gradient(g: Adjoint, x: str, dy: str, window: ConvWindow) -> str:
    """The gradient of the kernel of a convolution."""
    before, after = g.shape(x), g.shape(dy)
    if _is_dense(window, before):
        flat = [g.op("Reshape", v, g.ints([before[0], -1])) for v in (dy, x)]
        shape = [after[1], before[1], *window.kernel]
        return g.op("Reshape", g.op("Gemm", *flat, transA=1), g.ints(shape))
    if _is_depthwise(window, before, after):
        return _by_channels(g, x, dy, window)
    if window.groups > 1:
        return _by_batch(g, x, dy, window)
    is_wide = min(before[1], after[1]) >= MANY
    if prod(window.kernel) == 1:  # a product of each image is as large as the kernel
        is_wide = before[1] * after[1] > (before[1] + after[1]) * prod(after[2:])
    return (_by_places if is_wide else _by_rows)(g, x, dy, window)


def _by_places(g: Adjoint, x: str, dy: str, window: ConvWindow) -> str:
    """A matrix product for each element of the kernel: the fastest for many channels."""
    rank = len(window.kernel)
    last = [0, *range(2, rank + 2), 1]
    channels, sizes = g.shape(dy)[1], g.shape(dy)[2:]
    first = [1, 0, *range(2, rank + 2)]
    rows = g.op("Reshape", g.op("Transpose", dy, perm=first), g.ints([channels, -1]))
    images = g.op("Transpose", x, perm=last)
    if any(window.pads):
        pads = [0, *window.pads[:rank], 0, 0, *window.pads[rank:], 0]
        images = g.op("Pad", images, g.ints(pads))
    own = g.shape(x)[1]
    products = []
    for place in product(*map(range, window.kernel)):
        part = _strided(g, images, window, place, sizes)
        flat = g.op("Reshape", part, g.ints([-1, own]))
        products.append(g.op("Gemm", rows, flat))
    if len(products) == 1:
        return g.op("Reshape", products[0], g.ints([channels, own, *window.kernel]))
    joined = g.op("Concat", *products, axis=0)
    joined = g.op("Reshape", joined, g.ints([*window.kernel, channels, own]))
    return g.op("Transpose", joined, perm=[rank, rank + 1, *range(rank)])


def _by_channels(g: Adjoint, x: str, dy: str, window: ConvWindow) -> str:
    """For each element of the kernels, the sum of what it sees times the gradient."""
    rank, channels = len(window.kernel), g.shape(dy)[1]
    images = x
    if any(window.pads):
        images = g.op("Pad", x, g.ints([0, 0, *window.pads[:rank], 0, 0, *window.pads[rank:]]))
    axes = g.ints([0, *range(2, rank + 2)])
    sums = []
    for places in product(*map(range, window.kernel)):
        part = images
        for axis, place in enumerate(places):
            part = _part_of_axis(g, part, window, axis, place, g.shape(dy)[axis + 2])
        total = g.op("ReduceSum", g.op("Mul", part, dy), axes, keepdims=0)
        sums.append(g.op("Reshape", total, g.ints([channels, 1])))
    joined = sums[0] if len(sums) == 1 else g.op("Concat", *sums, axis=1)
    return g.op("Reshape", joined, g.ints([channels, 1, *window.kernel]))


def _by_rows(g: Adjoint, x: str, dy: str, window: ConvWindow) -> str:
    """Matrix products of each image, with what all elements of a row of the kernel see.

    This is the fastest for few channels, and for kernels of one element.
    """
    rank = len(window.kernel)
    batch, channels, *sizes = g.shape(dy)
    own, width = g.shape(x)[1], window.kernel[-1]
    rows = g.op("Reshape", dy, g.ints([batch, channels, -1]))
    images = x
    if any(window.pads):
        images = g.op("Pad", x, g.ints([0, 0, *window.pads[:rank], 0, 0, *window.pads[rank:]]))
    last = [_part_of_axis(g, images, window, rank - 1, place, sizes[-1]) for place in range(width)]
    seen = last[0] if width == 1 else g.op("Concat", *last, axis=1)
    products = []
    for places in product(*map(range, window.kernel[:-1])):
        part = seen
        for axis, place in enumerate(places):
            part = _part_of_axis(g, part, window, axis, place, sizes[axis])
        flat = g.op("Reshape", part, g.ints([batch, width * own, -1]))
        made = g.op("MatMul", rows, g.op("Transpose", flat, perm=[0, 2, 1]))
        products.append(g.op("ReduceSum", made, g.ints([0]), keepdims=1))
    joined = products[0] if len(products) == 1 else g.op("Concat", *products, axis=0)
    joined = g.op("Reshape", joined, g.ints([*window.kernel[:-1], channels, width, own]))
    if prod(window.kernel) == 1:
        return g.op("Reshape", joined, g.ints([channels, own, *window.kernel]))
    return g.op("Transpose", joined, perm=[rank - 1, rank + 1, *range(rank - 1), rank])


def _part_of_axis(g: Adjoint, x: str, window: ConvWindow, axis: int, place: int, size: int) -> str:
    """What one place of the kernel sees along a spatial axis."""
    start, step = place * window.dilations[axis], window.strides[axis]
    end = start + (size - 1) * step + 1
    if (start, end, step) == (0, g.shape(x)[axis + 2], 1):
        return x
    return g.op("Slice", x, *(g.ints([n]) for n in (start, end, axis + 2, step)))


def _strided(
    g: Adjoint, x: str, window: ConvWindow, place: Sequence[int], sizes: Sequence[int]
) -> str:
    """What one element of the kernel sees; the spatial axes of `x` begin at 1."""
    starts = [p * d for p, d in zip(place, window.dilations, strict=True)]
    steps = window.strides
    ends = [b + (n - 1) * s + 1 for b, n, s in zip(starts, sizes, steps, strict=True)]
    axes = range(1, len(place) + 1)
    if ends == [g.shape(x)[axis] for axis in axes] and not any(starts) and set(steps) == {1}:
        return x
    return g.op("Slice", x, *(g.ints(list(v)) for v in (starts, ends, axes, steps)))


def _by_batch(g: Adjoint, x: str, dy: str, window: ConvWindow) -> str:
    """A convolution over the batch in place of the channels: the windows are the gradients of
    the result.
    """
    batch, *maps = g.shape(x)
    rank, groups = len(window.kernel), window.groups
    spatial = list(range(2, rank + 2))
    images, windows = x, dy
    if groups == 1:
        images = g.op("Transpose", images, perm=[1, 0, *spatial])
    else:
        own = maps[0] // groups
        parts = g.op("Reshape", images, g.ints([batch, groups, own, *maps[1:]]))
        parts = g.op("Transpose", parts, perm=[2, 1, 0, *(i + 1 for i in spatial)])
        images = g.op("Reshape", parts, g.ints([own, groups * batch, *maps[1:]]))
    windows = g.op("Transpose", windows, perm=[1, 0, *spatial])
    made = g.op(
        "Conv",
        images,
        windows,
        kernel_shape=g.shape(dy)[2:],
        strides=window.dilations,
        dilations=window.strides,
        pads=window.pads,
        group=groups,
    )
    made = _cut(g, made, (*g.shape(made)[:2], *window.kernel))
    return g.op("Transpose", made, perm=[1, 0, *spatial])


def _cut(g: Adjoint, x: str, shape: Sequence[int]) -> str:
    """A value cut to a shape, from the start of each axis."""
    axes = [i for i, (a, b) in enumerate(zip(g.shape(x), shape, strict=True)) if a != b]
    if not axes:
        return x
    ends = [shape[i] for i in axes]
    return g.op("Slice", x, g.ints([0] * len(axes)), g.ints(ends), g.ints(axes))


RULES: dict[str, Rule] = {"Conv": of_one(_conv), "ConvTranspose": of_one(_conv_transpose)}
