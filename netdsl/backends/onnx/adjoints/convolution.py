"""The gradients of convolutions and transposed convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.backends.onnx.adjoints.base import of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk


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
    def window(self) -> dict[str, Any]:
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
    if node.get("auto_pad", b"NOTSET") != b"SAME_UPPER":
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
    geometry = geometry_of(g, node, g.shape(weight)[2:])
    return (
        lambda: input_gradient(g, dy, weight, geometry, g.shape(x)),
        lambda: weight_gradient(g, x, dy, geometry),
        lambda: bias_gradient(g, dy),
    )


def _conv_transpose(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, weight, *_ = node.x
    geometry = geometry_of(g, node, g.shape(weight)[2:])

    def of_input() -> str:
        return _cut(g, g.op("Conv", dy, weight, **geometry.window), g.shape(x))

    return (
        of_input,
        lambda: weight_gradient(g, dy, x, geometry),
        lambda: bias_gradient(g, dy),
    )


def input_gradient(
    g: Adjoint, dy: str, weight: str, geometry: ConvWindow, shape: Sequence[int]
) -> str:
    """The gradient of the input of a convolution, whose shape is given."""
    if _turns(geometry):
        return _by_turned_kernel(g, dy, weight, geometry)
    rank = len(geometry.kernel)
    sizes = zip(shape[2:], g.shape(dy)[2:], geometry.extents, geometry.strides, strict=True)
    pads = geometry.pads
    rest = [
        before + pads[i] + pads[rank + i] - (after - 1) * s - extent
        for i, (before, after, extent, s) in enumerate(sizes)
    ]
    return g.op("ConvTranspose", dy, weight, **geometry.window, output_padding=rest)


def _turns(geometry: ConvWindow) -> bool:
    """Whether a convolution with the turned kernel gives the gradient of the input."""
    wide = [e - 1 for e in geometry.extents] * 2
    is_dense = geometry.groups == 1 and set(geometry.strides) == {1}
    return is_dense and all(pad <= most for pad, most in zip(geometry.pads, wide, strict=True))


def _by_turned_kernel(g: Adjoint, dy: str, weight: str, geometry: ConvWindow) -> str:
    rank = len(geometry.kernel)
    turned = g.op("Transpose", weight, perm=[1, 0, *range(2, rank + 2)])
    axes = [i for i in range(rank) if geometry.kernel[i] > 1]
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
    pads = [e - 1 - p for e, p in zip(geometry.extents * 2, geometry.pads, strict=True)]
    return g.op(
        "Conv",
        dy,
        turned,
        kernel_shape=geometry.kernel,
        strides=[1] * rank,
        dilations=geometry.dilations,
        pads=pads,
    )


def weight_gradient(g: Adjoint, x: str, dy: str, geometry: ConvWindow) -> str:
    """The gradient of the kernel of a convolution.

    It is a convolution over the batch in place of the channels: the windows are the gradients of
    the result.
    """
    batch, *maps = g.shape(x)
    rank, groups = len(geometry.kernel), geometry.groups
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
        strides=geometry.dilations,
        dilations=geometry.strides,
        pads=geometry.pads,
        group=groups,
    )
    made = _cut(g, made, (*g.shape(made)[:2], *geometry.kernel))
    return g.op("Transpose", made, perm=[1, 0, *spatial])


def _cut(g: Adjoint, x: str, shape: Sequence[int]) -> str:
    """A value cut to a shape, from the start of each axis."""
    axes = [i for i, (a, b) in enumerate(zip(g.shape(x), shape, strict=True)) if a != b]
    if not axes:
        return x
    ends = [shape[i] for i in axes]
    return g.op("Slice", x, g.ints([0] * len(axes)), g.ints(ends), g.ints(axes))


RULES: dict[str, Rule] = {"Conv": of_one(_conv), "ConvTranspose": of_one(_conv_transpose)}
