"""What each kind of Darknet's layers computes.

The sizes are those of Darknet's own functions `make_..._layer`. Divisions are those of integers.
"""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.importers.darknet_activations import activate
from netdsl.importers.described import refused, sizes_text, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netdsl.importers.built import Builder, Value
    from netdsl.importers.darknet_text import Section
    from netdsl.importers.darknet_weights import DarknetWeights

    Rule = Callable[["Layers", Section, Value], Value]

EPS = 1e-5  # of a batch norm, as Darknet computes it on a GPU; on a CPU it is sqrt(var) + 1e-6
IMAGE = 3  # axes of a picture with channels


class Layers:
    """The layers of a net so far: `made` has the value of each, or None if it was left out."""

    def __init__(self, builder: Builder, weights: DarknetWeights) -> None:
        self.builder = builder
        self.weights = weights
        self.made: list[Value | None] = []
        self.used: set[int] = set()

    def tensor(self, kind: str, shape: tuple[int, ...], role: str) -> str:
        """The next tensor of the file of weights, as a name in the model."""
        name = f"{self.builder.layer}.{kind}"
        return self.builder.tensor(name, shape, self.weights.take(name, shape, role))

    def earlier(self, number: int, section: Section, key: str) -> Value | None:
        """The value of an earlier layer; negative numbers count back from this layer."""
        here = len(self.made)
        index = number + here if number < 0 else number
        if not 0 <= index < here:
            message = f"`{key}` names layer {index}, and this is layer {here}"
            raise wrong(message, section.at(key), "layers count from 0, without [net]")
        self.used.add(index)
        return self.made[index]


# ---- layers with weights


def convolutional(net: Layers, section: Section, x: Value) -> Value:
    """`out = (size + 2 * padding - k) / stride + 1`; `pad=1` is a padding of `k / 2`."""
    _image(section, x)
    for key in ("binary", "xnor", "flipped"):
        _only(section, key, 0)
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
    sizes = _windows(section, x, span, strides, 2 * padding)
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


def connected(net: Layers, section: Section, x: Value) -> Value:
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


def batchnorm(net: Layers, section: Section, x: Value) -> Value:
    """A batch norm whose shift is 0: its file has none (`load_batchnorm_weights`)."""
    n = x.channels
    scale = net.tensor("scales", (n,), "scale")
    shift = net.builder.zeros((n,))
    mean, variance = net.tensor("mean", (n,), "shift"), net.tensor("variance", (n,), "variance")
    return _normed(net.builder, x, [scale, shift, mean, variance])


def _statistics(net: Layers, section: Section, out: int, bias: str) -> list[str]:
    """The tensors of a batch norm in the order of ONNX; the shift is the bias of the layer."""
    if not section.integer("batch_normalize", 0):
        return []
    scale = net.tensor("scales", (out,), "scale")
    mean, variance = net.tensor("mean", (out,), "shift"), net.tensor("variance", (out,), "variance")
    return [scale, bias, mean, variance]


def _normed(builder: Builder, y: Value, norm: list[str]) -> Value:
    if not norm:
        return y
    return builder.op("BatchNormalization", [y, *norm], y.shape, epsilon=EPS)


# ---- windows and sizes


def maxpool(net: Layers, section: Section, x: Value) -> Value:
    """`out = (size + padding - k) / stride + 1`, where `padding` is k - 1 and counts both sides.

    The first window begins `padding / 2` before the picture.
    """
    _image(section, x)
    for key in ("maxpool_depth", "antialiasing"):
        _only(section, key, 0)
    stride = section.integer("stride", 1, 1)
    strides = [section.integer(f"stride_{axis}", stride, 1) for axis in "yx"]
    k = section.integer("size", stride, 1)
    padding = section.integer("padding", k - 1)
    if padding - padding // 2 >= k:
        raise wrong(f"`padding` is {padding}, too much for `size` {k}", section.at("padding"))
    sizes = _windows(section, x, k, strides, padding)
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


def avgpool(net: Layers, section: Section, x: Value) -> Value:
    """The mean of each channel."""
    _image(section, x)
    return net.builder.op("GlobalAveragePool", [x], (x.channels, 1, 1))


def upsample(net: Layers, section: Section, x: Value) -> Value:
    """Repeats each position `stride` times along both axes, and multiplies by `scale`."""
    _image(section, x)
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


def crop(net: Layers, section: Section, x: Value) -> Value:
    """The middle of a picture, whose numbers become 2x - 1 unless `noadjust` is set."""
    _image(section, x)
    for axis, key in enumerate(("crop_height", "crop_width"), start=1):
        size, whole = section.integer(key, least=1), x.shape[axis]
        if size > whole:
            raise wrong(f"`{key}` is {size}, the picture has {whole}", section.at(key))
        start = (whole - size) // 2
        x = net.builder.sliced(x, axis, start, start + size)
    if section.integer("noadjust", 0):
        return x
    return net.builder.scaled("Add", net.builder.scaled("Mul", x, 2), -1)


def reorg(net: Layers, section: Section, x: Value) -> Value:
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
    _image(section, x)
    for key in ("reverse", "flatten"):
        _only(section, key, 0)
    c, h, w = x.shape
    if c % (s * s) or h % s or w % s:
        message = f"`stride` is {s}, which does not divide {sizes_text(x.shape)} evenly"
        raise wrong(message, section.at("stride"))
    inner = c // (s * s)
    split = builder.reshaped(x, (inner, h, s, w, s))
    turned = builder.op("Transpose", [split], (s, s, inner, h, w), perm=[0, 3, 5, 1, 2, 4])
    return builder.reshaped(turned, (c * s * s, h // s, w // s))


def widened(builder: Builder, x: Value, channels: int) -> Value:
    """The value with channels of zeros at the end."""
    c, spatial = x.channels, x.spatial
    pads = builder.integers((0, channels, 0, 0, 0, channels, 0, 0))
    both = builder.op("Pad", [x, pads], (c + 2 * channels, *spatial))
    return builder.sliced(both, 0, channels, c + 2 * channels)


# ---- joins


def route(net: Layers, section: Section, x: Value) -> Value | None:
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


def shortcut(net: Layers, section: Section, x: Value) -> Value | None:
    """The sum with an earlier layer (`shortcut_cpu`, blas.c).

    If that is larger by a factor, every such position of it is taken. Channels that only one of
    the two has are unchanged, or left out.
    """
    other = net.earlier(section.integer("from", least=-(10**9)), section, "from")
    if other is None:
        return None
    builder = net.builder
    for key in ("alpha", "beta"):
        _only(section, key, 1)
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


def _every(section: Section, builder: Builder, other: Value, x: Value) -> Value:
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


def softmax(net: Layers, section: Section, x: Value) -> Value:
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


def dropout(net: Layers, section: Section, x: Value) -> Value:
    """A dropout."""
    share = section.number("probability", 0.2)
    if not 0 <= share < 1:
        raise wrong(f"`probability` is {share}, it must be from 0 to 1", section.at("probability"))
    return net.builder.op("Dropout", [x, net.builder.number(share)], x.shape)


def activation(net: Layers, section: Section, x: Value) -> Value:
    """An activation alone."""
    return activate(net.builder, section, x, "linear")


def logistic(net: Layers, section: Section, x: Value) -> Value:
    """A sigmoid with a loss."""
    return net.builder.same("Sigmoid", x)


def unchanged(net: Layers, section: Section, x: Value) -> Value:
    """A layer that only training uses."""
    return x


RULES: Mapping[str, Callable[[Layers, Section, Value], Value | None]] = MappingProxyType(
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
        "logistic": logistic,
        "cost": unchanged,
    }
)
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "local": "the language has no convolution whose weights differ from place to place",
        "rnn": "it applies its activation before the sum with the state",
        "gru": "it resets the state before the product, and the language's `gru` after it",
        "crnn": "the language has no convolutional recurrent layer",
        "conv_lstm": "the language has no convolutional recurrent layer",
        "lstm": "recurrent layers of Darknet cannot be imported",
        **dict.fromkeys(
            ("normalization", "lrn"), "its sums leave out a channel, unlike those of `lrn`"
        ),
    }
)
DETECTORS = ("yolo", "region", "detection", "Gaussian_yolo", "iseg")


def check_detector(section: Section, x: Value) -> None:
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
            f"[{section.kind}] takes {wanted} channels, the layer before it gives {x.channels}"
        )
        raise wrong(message, section.span, f"for {boxes} boxes of {coords} + 1 + {classes} numbers")


def _image(section: Section, x: Value) -> None:
    if len(x.shape) != IMAGE:
        message = (
            f"[{section.kind}] takes a picture, the layer before it gives {x.channels} numbers"
        )
        raise wrong(message, section.span)


def _only(section: Section, key: str, value: int) -> None:
    """Refuse an option with any other value."""
    if section.number(key, value) != value:
        raise refused(f"[{section.kind}]", f"it has `{key}`", section.at(key))


def _windows(
    section: Section, x: Value, span: int, strides: Sequence[int], padding: int
) -> list[int]:
    """The sizes of a result; raises `NetdslError` for a window that is larger than the picture."""
    if any(size + padding < span for size in x.spatial):
        message = f"a window of {span} does not fit into {sizes_text(x.shape)}"
        raise wrong(message, section.at("size"))
    return [(n + padding - span) // step + 1 for n, step in zip(x.spatial, strides, strict=True)]
