"""What each kind of Darknet's layers computes.

The sizes are those of Darknet's own functions `make_..._layer`. Divisions are those of integers.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.importers.darknet.activations import activate
from netdsl.importers.described import sizes_text, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netdsl.importers.darknet.text import CfgSection
    from netdsl.importers.darknet.weights import DarknetWeights
    from netdsl.importers.onnx.built import BuiltValue, ModelBuilder

    Rule = Callable[["DarknetLayers", CfgSection, BuiltValue], BuiltValue]

EPS = 1e-5  # of a batch norm, as Darknet computes it on a GPU; on a CPU it is sqrt(var) + 1e-6
IMAGE = 3  # axes of a picture with channels


class DarknetLayers:
    """The layers of a net so far: `made` has the value of each, or None if it was left out."""

    def __init__(self, builder: ModelBuilder, weights: DarknetWeights) -> None:
        self.builder = builder
        self.weights = weights
        self.made: list[BuiltValue | None] = []
        self.used: set[int] = set()

    def tensor(self, kind: str, shape: tuple[int, ...], role: str) -> str:
        """The next tensor of the file of weights, as a name in the model."""
        name = f"{self.builder.layer}.{kind}"
        return self.builder.tensor(name, shape, self.weights.take(name, shape, role))

    def earlier(self, number: int, section: CfgSection, key: str) -> BuiltValue | None:
        """The value of an earlier layer; negative numbers count back from this layer."""
        here = len(self.made)
        index = number + here if number < 0 else number
        if not 0 <= index < here:
            message = f"`{key}` names layer {index}, and this is layer {here}"
            raise wrong(message, section.at(key), "layers count from 0, without [net]")
        self.used.add(index)
        return self.made[index]


# ---- layers with weights


def convolutional(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """`out = (size + 2 * padding - k) / stride + 1`; `pad=1` is a padding of `k / 2`."""
    image(section, x)
    out, k = section.integer("filters", least=1), section.integer("size", 1, 1)
    stride = section.integer("stride", 1, 1)
    strides = [section.integer(f"stride_{axis}", stride, 1) for axis in "yx"]
    dilation = section.integer("dilation", 1, 1) if k > 1 else 1
    groups = section.integer("groups", 1, 1)
    padding = k // 2 if section.integer("pad", 0) else section.integer("padding", 0)
    if x.channels % groups or out % groups:
        message = f"`groups` is {groups}, which does not divide both {x.channels} and {out}"
        raise wrong(message, section.at("groups"))
    span = dilation * (k - 1) + 1
    sizes = windows(section, x, span, strides, 2 * padding)
    bias = net.tensor("biases", (out,), "shift")
    norm = _statistics(net, section, out, bias)
    kernel = net.tensor("weights", (out, x.channels // groups, k, k), "kernel")
    y = net.builder.op(
        "Conv",
        [x, kernel, *([] if norm else [bias])],
        (out, *sizes),
        kernel_shape=[k, k],
        strides=strides,
        pads=[padding] * 4,
        dilations=[dilation] * 2,
        group=groups,
    )
    return activate(net.builder, section, _normed(net.builder, y, norm), "logistic")


def connected(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """A dense layer of all numbers; since version 0.2, its matrix is stored row by row."""
    out = section.integer("output", least=1)
    flat = net.builder.reshaped(x, (prod(x.shape),))
    count = flat.shape[0]
    bias = net.tensor("biases", (out,), "shift")
    turned = net.weights.turned
    kernel = net.tensor("weights", (count, out) if turned else (out, count), "kernel")
    norm = _statistics(net, section, out, bias)
    y = net.builder.op(
        "Gemm", [flat, kernel, *([] if norm else [bias])], (out,), transB=0 if turned else 1
    )
    return activate(net.builder, section, _normed(net.builder, y, norm), "logistic")


def batchnorm(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """A batch norm whose shift is 0: its file has none (`load_batchnorm_weights`)."""
    n = x.channels
    scale = net.tensor("scales", (n,), "scale")
    shift = net.builder.zeros((n,))
    mean, variance = net.tensor("mean", (n,), "shift"), net.tensor("variance", (n,), "variance")
    return _normed(net.builder, x, [scale, shift, mean, variance])


def _statistics(net: DarknetLayers, section: CfgSection, out: int, bias: str) -> list[str]:
    """The tensors of a batch norm in the order of ONNX; the shift is the bias of the layer."""
    if not (section.integer("batch_normalize", 0) or section.integer("cbn", 0)):
        return []
    scale = net.tensor("scales", (out,), "scale")
    mean, variance = net.tensor("mean", (out,), "shift"), net.tensor("variance", (out,), "variance")
    return [scale, bias, mean, variance]


def _normed(builder: ModelBuilder, y: BuiltValue, norm: list[str]) -> BuiltValue:
    if not norm:
        return y
    return builder.op("BatchNormalization", [y, *norm], y.shape, epsilon=EPS)


# ---- windows and sizes


def maxpool(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """`out = (size + padding - k) / stride + 1`, where `padding` is k - 1 and counts both sides.

    The first window begins `padding / 2` before the picture.
    """
    image(section, x)
    stride = section.integer("stride", 1, 1)
    strides = [section.integer(f"stride_{axis}", stride, 1) for axis in "yx"]
    k = section.integer("size", stride, 1)
    padding = section.integer("padding", k - 1)
    if padding - padding // 2 >= k:
        raise wrong(f"`padding` is {padding}, too much for `size` {k}", section.at("padding"))
    sizes = windows(section, x, k, strides, padding)
    before, after = padding // 2, padding - padding // 2
    # The last window may end before the padding does, which needs no padding then.
    ends = [
        max(0, min(after, (n - 1) * step + k - size - before))
        for n, step, size in zip(sizes, strides, x.spatial, strict=True)
    ]
    return net.builder.op(
        "MaxPool",
        [x],
        (x.channels, *sizes),
        kernel_shape=[k, k],
        strides=strides,
        pads=[before, before, *ends],
    )


def avgpool(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """The mean of each channel."""
    image(section, x)
    return net.builder.op("GlobalAveragePool", [x], (x.channels, 1, 1))


def upsample(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """Repeats each position `stride` times along both axes, and multiplies by `scale`."""
    image(section, x)
    times = section.integer("stride", 2, 1)
    shape = (x.channels, *(times * size for size in x.spatial))
    scales = net.builder.numbers((1.0, 1.0, float(times), float(times)))
    y = net.builder.op(
        "Resize",
        [x, "", scales],
        shape,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    factor = section.number("scale", 1.0)
    return y if factor == 1 else net.builder.scaled("Mul", y, factor)


def crop(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """The middle of a picture, whose numbers become 2x - 1 unless `noadjust` is set."""
    image(section, x)
    for axis, key in enumerate(("crop_height", "crop_width"), start=1):
        size, whole = section.integer(key, least=1), x.shape[axis]
        if size > whole:
            raise wrong(f"`{key}` is {size}, but the picture has {whole}", section.at(key))
        start = (whole - size) // 2
        x = net.builder.sliced(x, axis, start, start + size)
    if section.integer("noadjust", 0):
        return x
    return net.builder.scaled("Add", net.builder.scaled("Mul", x, 2), -1)


# ---- conditions


def image(section: CfgSection, x: BuiltValue) -> None:
    """Raise `NetdslError` for a value without two spatial axes."""
    if len(x.shape) != IMAGE:
        message = (
            f"[{section.kind}] takes a picture, but the layer before it gives {x.channels} numbers"
        )
        raise wrong(message, section.span)


def windows(
    section: CfgSection, x: BuiltValue, span: int, strides: Sequence[int], padding: int
) -> list[int]:
    """The sizes of a result; raises `NetdslError` for a window that is larger than the picture."""
    if any(size + padding < span for size in x.spatial):
        message = f"a window of {span} does not fit into {sizes_text(x.shape)}"
        raise wrong(message, section.at("size"))
    return [(n + padding - span) // step + 1 for n, step in zip(x.spatial, strides, strict=True)]
