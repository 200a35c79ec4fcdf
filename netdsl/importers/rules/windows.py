"""Rules for convolutions, pooling, padding and resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.flat import FlatLayer
from netdsl.importers.rules.common import (
    Refusal,
    brief,
    constant,
    integer,
    integers,
    operand,
    require,
    shape_of,
    single,
    text,
    weight,
)

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign, ForeignNode

    Pairs = tuple[tuple[int, int], ...]


def convolution(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Conv`: a `depthwise` if each channel has windows of its own, else a `conv`."""
    kernel = weight(node, graph, 1, "kernel")
    window = kernel.shape[2:]
    groups = integer(node, "group", 1)
    channels = kernel.shape[1] * groups
    args: dict[str, object] = _window(node, graph, window)
    args["dilation"] = brief(integers(node, "dilations") or (1,))
    weights = {"weight": kernel}
    if node.input(2):
        weights["bias"] = weight(node, graph, 2, "bias")
    else:
        args["bias"] = False
    if groups == channels > 1:
        args["multiplier"] = kernel.shape[0] // channels
        return [FlatLayer("depthwise", node.output, [node.input(0)], node, args, weights=weights)]
    args = {"out": kernel.shape[0], **args, "groups": groups}
    return [FlatLayer("conv", node.output, [node.input(0)], node, args, weights=weights)]


def transposed(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`ConvTranspose`."""
    kernel = weight(node, graph, 1, "kernel")
    groups = integer(node, "group", 1)
    require(integers(node, "output_shape") is None, "its output shape is given")
    args: dict[str, object] = {
        "out": kernel.shape[1] * groups,
        **_window(node, graph, kernel.shape[2:]),
        "output_pad": brief(integers(node, "output_padding") or (0,)),
        "groups": groups,
        "dilation": brief(integers(node, "dilations") or (1,)),
    }
    require(not _is_pairs(args["pad"]) and args["pad"] != "same", "its padding has unequal sides")
    weights = {"weight": kernel}
    if node.input(2):
        weights["bias"] = weight(node, graph, 2, "bias")
    else:
        args["bias"] = False
    return [FlatLayer("deconv", node.output, [node.input(0)], node, args, weights=weights)]


def max_pooling(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`MaxPool`."""
    require(len([o for o in node.outputs if o]) == 1, "its indices are used")
    return single(node, "maxpool", **_pooling(node, graph))


def average_pooling(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`AveragePool`."""
    args = _pooling(node, graph)
    if args["pad"] != 0:
        args["count_pad"] = integer(node, "count_include_pad", 0) == 1
    return single(node, "avgpool", **args)


def _pooling(node: ForeignNode, graph: Foreign) -> dict[str, object]:
    window = integers(node, "kernel_shape")
    if window is None:
        raise Refusal("it has no window")
    args = _window(node, graph, window, pools=True)
    args["ceil"] = integer(node, "ceil_mode", 0) == 1
    args["dilation"] = brief(integers(node, "dilations") or (1,))
    return args


def _window(
    node: ForeignNode, graph: Foreign, window: tuple[int, ...], *, pools: bool = False
) -> dict[str, object]:
    """The window, the stride and the padding. The stride of a pooling layer is its window."""
    stride = integers(node, "strides") or (1,) * len(window)
    args: dict[str, object] = {"k": brief(window)}
    if not pools or stride != window:
        args["stride"] = brief(stride)
    args["pad"] = _pad(node, graph, window, stride)
    return args


def _pad(
    node: ForeignNode, graph: Foreign, window: tuple[int, ...], stride: tuple[int, ...]
) -> int | str | tuple[int, ...] | Pairs:
    auto = text(node, "auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return "same"
    if auto == "VALID":
        return 0
    n = len(window)
    if auto == "SAME_LOWER":
        sizes = shape_of(graph, node.input(0))[2:]
        dilation = integers(node, "dilations") or (1,) * n
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
        whole = [
            max(0, (-(-size // s) - 1) * s + span - size)
            for size, s, span in zip(sizes, stride, spans, strict=True)
        ]
        return pairs([(w - w // 2, w // 2) for w in whole])
    pads = integers(node, "pads") or (0,) * (2 * n)
    require(len(pads) == 2 * n, f"its `pads` has {len(pads)} numbers for {n} axes")
    return pairs(list(zip(pads[:n], pads[n:], strict=True)))


def pairs(sides: list[tuple[int, int]]) -> int | tuple[int, ...] | Pairs:
    """Padding in its shortest form: a number, a number for each axis, or pairs."""
    if all(begin == end for begin, end in sides):
        return brief([begin for begin, _ in sides])
    return tuple(sides)


def _is_pairs(pad: object) -> bool:
    return isinstance(pad, tuple) and isinstance(pad[0], tuple)


MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "circular"}


def padding(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Pad` of the spatial axes, and of the channels by zeros on both sides."""
    rank = len(shape_of(graph, node.input(0)))
    pads = operand(node, graph, 1, "pads")
    if pads is None:
        raise Refusal("it has no `pads`")
    axes = operand(node, graph, 3, "axes") or tuple(range(rank))
    sides = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        sides[axis] = (pads[i], pads[i + len(axes)])
    if not any(map(any, sides)):
        return node.input(0)
    require(sides[0] == (0, 0), "it adds samples to the batch")
    require(min(map(min, sides)) >= 0, "it removes elements")
    require(rank > 2, "it pads a vector")
    before, after = sides[1]
    require(before == after, "it adds unequal numbers of channels before and after the others")
    mode = MODES.get(text(node, "mode", "constant"))
    require(mode, "its mode has no name in the language")
    args: dict[str, object] = {"pad": pairs(sides[2:]), "mode": mode, "channels": before}
    value = constant(node, graph, 2, "value") if mode == "constant" else None
    if value:
        args["value"] = value
    return single(node, "pad", **args)


def resizing(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Resize` and `Upsample`: nearest, or linear interpolation, as PyTorch computes them."""
    old, new = shape_of(graph, node.input(0)), shape_of(graph, node.output)
    if old == new:
        return node.input(0)
    require(old[:2] == new[:2], "it resizes the batch or the channels")
    n = len(old) - 2
    mode = text(node, "mode", "nearest")
    where = text(node, "coordinate_transformation_mode", "half_pixel")
    if node.kind == "Upsample":
        where = "asymmetric"
    args: dict[str, object] = {}
    factors = [b // a for a, b in zip(old[2:], new[2:], strict=True)]
    exact = all(a * f == b for a, f, b in zip(old[2:], factors, new[2:], strict=True))
    if exact and len(set(factors)) == 1:
        args["scale"] = factors[0]
    else:
        args["size"] = new[2:]
    if mode == "nearest":
        rounding = text(node, "nearest_mode", "round_prefer_floor")
        if not (where == "asymmetric" and (rounding == "floor" or node.kind == "Upsample")):
            require(exact or where == "half_pixel", "its mode of rounding differs from PyTorch's")
            args["mode"] = "nearest" if exact and where != "asymmetric" else "nearest_exact"
    elif mode in ("linear", "cubic"):
        linear = {1: "linear", 2: "bilinear", 3: "trilinear"}
        args["mode"] = "bicubic" if mode == "cubic" else linear.get(n, "")
        known = ("align_corners", "half_pixel", "pytorch_half_pixel")
        require(where in known, f"its coordinates are `{where}`")
        args["align_corners"] = where == "align_corners"
    else:
        raise Refusal(f"its mode is `{mode}`")
    return single(node, "upsample", **args)
