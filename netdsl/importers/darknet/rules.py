"""What the layers of Darknet compute that join and reshape values, and the rule of each kind."""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.importers.darknet.activations import activate
from netdsl.importers.darknet.layers import (
    IMAGE,
    avgpool,
    batchnorm,
    connected,
    convolutional,
    crop,
    image,
    maxpool,
    upsample,
)
from netdsl.importers.described import refused, sizes_text, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.importers.darknet.layers import DarknetLayers
    from netdsl.importers.darknet.text import CfgSection
    from netdsl.importers.onnx.built import BuiltValue, ModelBuilder


def reorg(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """Moves positions into channels (`reorg_cpu`, blas.c).

    The numbers of a C x H x W picture are read as those of a C/s^2 x sH x sW picture, each s x s
    square becomes a column of channels, and the result is read as s^2 C x H/s x W/s. With
    `extra=N`, the result is a vector with N zeros at its end.
    """
    extra, s = section.integer("extra", 0), section.integer("stride", 1, 1)
    builder = net.builder
    if extra:
        flat = builder.reshaped(x, (prod(x.shape),))
        return builder.reshaped(
            widened(builder, builder.reshaped(flat, (*flat.shape, 1, 1)), extra),
            (flat.shape[0] + extra,),
        )
    image(section, x)
    c, h, w = x.shape
    if c % (s * s) or h % s or w % s:
        message = f"`stride` is {s}, which does not divide {sizes_text(x.shape)} evenly"
        raise wrong(message, section.at("stride"))
    inner = c // (s * s)
    split = builder.reshaped(x, (inner, h, s, w, s))
    turned = builder.op("Transpose", [split], (s, s, inner, h, w), perm=[0, 3, 5, 1, 2, 4])
    return builder.reshaped(turned, (c * s * s, h // s, w // s))


def widened(builder: ModelBuilder, x: BuiltValue, channels: int) -> BuiltValue:
    """The value with channels of zeros at the end."""
    c, spatial = x.channels, x.spatial
    pads = builder.integers((0, channels, 0, 0, 0, channels, 0, 0))
    both = builder.op("Pad", [x, pads], (c + 2 * channels, *spatial))
    return builder.sliced(both, 0, channels, c + 2 * channels)


# ---- joins


def route(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue | None:
    """The values of earlier layers one after another, or with `groups` a part of their channels."""
    found = [net.earlier(n, section, "layers") for n in section.integers("layers")]
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        return None
    groups, part = section.integer("groups", 1, 1), section.integer("group_id", 0)
    parts = []
    for value in values:
        if value.channels % groups or part >= groups:
            message = f"{value.channels} channels have no part {part} of {groups}"
            raise wrong(message, section.at("groups"))
        size = value.channels // groups
        parts.append(net.builder.sliced(value, 0, part * size, (part + 1) * size))
    if len({value.spatial for value in parts}) > 1:
        listed = " and ".join(sizes_text(value.shape) for value in parts)
        raise wrong(f"the layers have different sizes: {listed}", section.at("layers"))
    if len(parts) == 1:
        return parts[0]
    shape = (sum(value.channels for value in parts), *parts[0].spatial)
    return net.builder.op("Concat", parts, shape, axis=1)


def shortcut(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue | None:
    """The sum with an earlier layer (`shortcut_cpu`, blas.c).

    If that is larger by a factor, every such position of it is taken. Channels that only one of
    the two has are unchanged, or left out.
    """
    first, *more = section.integers("from")
    if more:
        raise refused("[shortcut]", "it adds several layers", section.at("from"))
    other = net.earlier(first, section, "from")
    if other is None:
        return None
    builder = net.builder
    if len(other.shape) != len(x.shape):
        shapes = f"{sizes_text(other.shape)} and {sizes_text(x.shape)}"
        raise wrong(f"the shapes {shapes} cannot be added", section.at("from"))
    if other.spatial != x.spatial:
        other = _every(section, builder, other, x)
    if other.channels > x.channels:
        other = builder.sliced(other, 0, 0, x.channels)
    elif other.channels < x.channels:
        if len(x.shape) != IMAGE:
            raise wrong("the vectors have different lengths", section.at("from"))
        other = widened(builder, other, x.channels - other.channels)
    y = builder.op("Add", [x, other], x.shape)
    return activate(builder, section, y, "linear")


def _every(
    section: CfgSection, builder: ModelBuilder, other: BuiltValue, x: BuiltValue
) -> BuiltValue:
    """The positions of a larger value that fall on those of a smaller one."""
    steps = {a // b for a, b in zip(other.spatial, x.spatial, strict=True)}
    step = min(steps)
    reached = [(size - 1) // max(step, 1) + 1 for size in other.spatial]
    if len(steps) > 1 or step < 1 or any(a < b for a, b in zip(reached, x.spatial, strict=True)):
        shapes = f"{sizes_text(other.shape)} and {sizes_text(x.shape)}"
        raise wrong(f"the shapes {shapes} cannot be added", section.at("from"))
    taken = builder.op(
        "MaxPool", [other], (other.channels, *reached), kernel_shape=[1, 1], strides=[step, step]
    )
    for axis, size in enumerate(x.spatial, start=1):
        taken = builder.sliced(taken, axis, 0, size)
    return taken


# ---- others


def softmax(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """The softmax of all numbers, or of equal parts of them."""
    if "tree" in section.options:
        raise refused("[softmax]", "its tree of classes is another file", section.at("tree"))
    builder = net.builder
    x = builder.reshaped(x, (prod(x.shape),)) if not section.integer("spatial", 0) else x
    groups, temperature = section.integer("groups", 1, 1), section.number("temperature", 1)
    if temperature <= 0:
        raise wrong(f"`temperature` is {temperature}", section.at("temperature"))
    if temperature != 1:
        x = builder.scaled("Div", x, temperature)
    count = x.shape[0]
    if count % groups:
        message = f"`groups` is {groups}, which does not divide {count}"
        raise wrong(message, section.at("groups"))
    if groups == 1:
        return builder.same("Softmax", x, axis=1)
    parts = builder.reshaped(x, (groups, count // groups, *x.spatial))
    return builder.reshaped(builder.same("Softmax", parts, axis=2), x.shape)


def dropout(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """A dropout."""
    share = section.number("probability", 0.2)
    if not 0 <= share < 1:
        raise wrong(f"`probability` is {share}, it must be from 0 to 1", section.at("probability"))
    return net.builder.op("Dropout", [x, net.builder.number(share)], x.shape)


def activation(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """An activation alone."""
    return activate(net.builder, section, x, "linear")


def logistic(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """A sigmoid with a loss."""
    return net.builder.same("Sigmoid", x)


def unchanged(net: DarknetLayers, section: CfgSection, x: BuiltValue) -> BuiltValue:
    """A layer that only training uses."""
    return x


RULES: Mapping[str, Callable[[DarknetLayers, CfgSection, BuiltValue], BuiltValue | None]] = (
    MappingProxyType(
        {
            **dict.fromkeys(("convolutional", "conv"), convolutional),
            **dict.fromkeys(("connected", "conn"), connected),
            **dict.fromkeys(("maxpool", "max"), maxpool),
            **dict.fromkeys(("avgpool", "avg"), avgpool),
            **dict.fromkeys(("softmax", "soft"), softmax),
            "batchnorm": batchnorm,
            "upsample": upsample,
            "crop": crop,
            "reorg": reorg,
            "route": route,
            "shortcut": shortcut,
            "dropout": dropout,
            "activation": activation,
            **dict.fromkeys(("logistic", "logxent"), logistic),
            **dict.fromkeys(("cost", "empty", "silence"), unchanged),
        }
    )
)
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "local": "the language has no convolution whose weights differ from place to place",
        "rnn": "it applies its activation before the sum with the state",
        "gru": "it resets the state before the product, and the language's `gru` after it",
        "crnn": "the language has no convolutional recurrent layer",
        "conv_lstm": "the language has no convolutional recurrent layer",
        "lstm": "Darknet's recurrent layers cannot be imported",
        **dict.fromkeys(
            ("normalization", "lrn"), "its sums leave out a channel, unlike those of `lrn`"
        ),
        **dict.fromkeys(
            (
                *("contrastive", "deconv", "deconvolutional", "history", "implicit", "l2norm"),
                *("local_avg", "local_avgpool", "reorg3d", "sam", "scale_channels"),
            ),
            "netdsl has no rule for this Darknet section",
        ),
    }
)
DETECTORS = ("yolo", "region", "detection", "Gaussian_yolo", "iseg")


def check_detector(section: CfgSection, x: BuiltValue) -> None:
    """Check the number of channels that a detector takes: for each box, place and classes."""
    if section.kind not in ("yolo", "region"):
        return
    masks = section.options.get("mask")
    boxes = len(section.integers("mask")) if masks else section.integer("num", 1, 1)
    coords = section.integer("coords", 4, 1) if section.kind == "region" else 4
    classes = section.integer("classes", 20)
    wanted = boxes * (coords + 1 + classes)
    if x.channels != wanted:
        message = (
            f"[{section.kind}] takes {wanted} channels, but the layer before it gives {x.channels}"
        )
        raise wrong(message, section.span, f"for {boxes} boxes of {coords} + 1 + {classes} numbers")
