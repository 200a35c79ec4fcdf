"""What each kind of Caffe's layers computes: windows, dense layers, activations and norms.

The sizes are those of the functions `Reshape` of Caffe's layers. Divisions are those of integers,
and axis 0 is the batch.
"""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.importers.caffe.windows import fits, window_of
from netdsl.importers.described import sizes_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netdsl.importers.caffe.layer import CaffeLayer
    from netdsl.importers.caffe.prototxt import ProtoMessage
    from netdsl.importers.onnx.built import BuiltValue

EPS = 1e-5  # of a batch norm
IMAGE = 3  # axes of a picture with channels


# ---- layers with windows


def convolution(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`out = (size + 2 * pad - k) / stride + 1` (conv_layer.cpp); one weight for all inputs."""
    param = layer.param("convolution_param")
    if param.integer("axis", 1, -9) != 1:
        raise layer.refuse("its axis is not 1", param, "axis")
    window = window_of(layer, param)
    out, groups = outputs_of(layer, param), param.integer("group", 1, 1)
    results = []
    for x in inputs:
        image(layer, x)
        fits(layer, x, window)
        divides(layer, param, x.channels, out, groups)
        kernel = layer.tensor(0, "weight", (out, x.channels // groups, *window.kernel), "kernel")
        bias = bias_of(layer, param, out)
        sizes = [
            (size + 2 * pad - span) // step + 1
            for size, pad, span, step in zip(
                x.spatial, window.pad, window.span, window.stride, strict=True
            )
        ]
        results.append(
            layer.builder.op(
                "Conv", [x, kernel, *bias], (out, *sizes), group=groups, **window.attributes()
            )
        )
    return results


def deconvolution(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`out = stride * (size - 1) + k - 2 * pad` (deconv_layer.cpp)."""
    (x,) = inputs
    param = layer.param("convolution_param")
    if param.integer("axis", 1, -9) != 1:
        raise layer.refuse("its axis is not 1", param, "axis")
    window = window_of(layer, param)
    out, groups = outputs_of(layer, param), param.integer("group", 1, 1)
    image(layer, x)
    divides(layer, param, x.channels, out, groups)
    kernel = layer.tensor(0, "weight", (x.channels, out // groups, *window.kernel), "kernel")
    bias = bias_of(layer, param, out)
    sizes = [
        step * (size - 1) + span - 2 * pad
        for size, pad, span, step in zip(
            x.spatial, window.pad, window.span, window.stride, strict=True
        )
    ]
    if min(sizes) < 1:
        raise layer.wrong(f"its result has the sizes {sizes_text(tuple(sizes))}", param, "pad")
    attributes = window.attributes()
    return [
        layer.builder.op(
            "ConvTranspose", [x, kernel, *bias], (out, *sizes), group=groups, **attributes
        )
    ]


def pooling(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`out = ceil((size + 2 * pad - k) / stride) + 1`, without windows that begin in the padding.

    See pooling_layer.cpp. A mean counts the padding. `round_mode: FLOOR` rounds down, as does
    `ceil_mode: false` in copies of Caffe.
    """
    (x,) = inputs
    image(layer, x)
    param = layer.param("pooling_param")
    kind = {"MAX": "Max", "0": "Max", "AVE": "Average", "1": "Average"}.get(
        param.text("pool", "MAX")
    )
    if kind is None:
        raise layer.refuse(f"its pooling is {param.text('pool')}", param, "pool")
    if param.flag("global_pooling", default=False):
        return [layer.builder.op(f"Global{kind}Pool", [x], (x.channels, 1, 1))]
    window = window_of(layer, param)
    fits(layer, x, window)
    is_floor = param.text("round_mode") in ("FLOOR", "1") or not param.flag(
        "ceil_mode", default=True
    )
    sizes, is_ceil = [], False
    for size, k, step, pad in zip(x.spatial, window.kernel, window.stride, window.pad, strict=True):
        if pad >= k:
            raise layer.wrong(f"`pad` is {pad}, it must be below `kernel_size`, {k}", param, "pad")
        free = size + 2 * pad - k
        count = (free // step if is_floor else -(-free // step)) + 1
        if (count - 1) * step >= size + pad:  # the last window begins after the picture
            if not pad:
                raise layer.refuse("its last windows are empty", param, "stride")
            count -= 1
        is_ceil |= count != free // step + 1
        sizes.append(count)
    attributes = window.attributes()
    if is_ceil:
        attributes["ceil_mode"] = 1
    if kind == "Average" and any(window.pad):
        attributes["count_include_pad"] = 1
    return [layer.builder.op(f"{kind}Pool", [x], (x.channels, *sizes), **attributes)]


def inner_product(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """A dense layer of all numbers of a sample."""
    (x,) = inputs
    param = layer.param("inner_product_param")
    if param.integer("axis", 1) != 1:
        raise layer.refuse("its axis is not 1", param, "axis")
    out, count = outputs_of(layer, param), prod(x.shape)
    turned = param.flag("transpose", default=False)
    shape = (count, out) if turned else (out, count)
    kernel = layer.tensor(0, "weight", shape, "kernel")
    flat = layer.builder.reshaped(x, (count,))
    bias = bias_of(layer, param, out)
    transposed = 0 if turned else 1
    return [layer.builder.op("Gemm", [flat, kernel, *bias], (out,), transB=transposed)]


def outputs_of(layer: CaffeLayer, param: ProtoMessage) -> int:
    """The required `num_output`."""
    if "num_output" not in param.fields:
        raise layer.wrong("it has no `num_output`", param)
    return param.integer("num_output", 1, 1)


def bias_of(layer: CaffeLayer, param: ProtoMessage, out: int) -> list[str]:
    """The bias, unless the layer has none."""
    if not param.flag("bias_term", default=True):
        return []
    return [layer.tensor(1, "bias", (out,), "shift")]


def divides(layer: CaffeLayer, param: ProtoMessage, channels: int, out: int, groups: int) -> None:
    """Raise `NetdslError` if the groups do not divide the channels."""
    if channels % groups or out % groups:
        fact = f"`group` is {groups}, which does not divide both {channels} and {out}"
        raise layer.wrong(fact, param, "group")


def image(layer: CaffeLayer, x: BuiltValue) -> None:
    """Raise `NetdslError` for a value without two spatial axes."""
    if len(x.shape) != IMAGE:
        raise layer.wrong(f"it takes a picture, not {sizes_text(x.shape)}")


# ---- norms


def local_norm(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """LRN across channels, or within a channel: `x (1 + alpha mean(x^2))^-beta` (lrn_layer.cpp)."""
    (x,) = inputs
    param = layer.param("lrn_param")
    n, alpha = param.integer("local_size", 5, 1), param.number("alpha", 1.0)
    beta, k = param.number("beta", 0.75), param.number("k", 1.0)
    if n % 2 == 0:
        raise layer.wrong(f"`local_size` is {n}, it must be odd", param, "local_size")
    region = param.text("norm_region", "ACROSS_CHANNELS")
    builder = layer.builder
    if region in ("ACROSS_CHANNELS", "0"):
        return [builder.same("LRN", x, size=n, alpha=alpha, beta=beta, bias=k)]
    image(layer, x)
    if any(size < n // 2 + 1 for size in x.spatial):
        raise layer.refuse(f"a window of {n} is too large for {sizes_text(x.shape)}", param)
    squares = builder.op("Mul", [x, x], x.shape)
    mean = builder.same(
        "AveragePool", squares, kernel_shape=[n, n], pads=[n // 2] * 4, count_include_pad=1
    )
    sums = builder.scaled("Add", builder.scaled("Mul", mean, alpha), 1.0)
    return [builder.op("Mul", [x, builder.scaled("Pow", sums, -beta)], x.shape)]


def batch_norm(
    layer: CaffeLayer, inputs: Sequence[BuiltValue], scale: CaffeLayer | None = None
) -> list[BuiltValue]:
    """A batch norm with running statistics, with the scale and shift of the layer after it."""
    (x,) = inputs
    n, builder = x.channels, layer.builder
    eps = layer.param("batch_norm_param").number("eps", EPS)
    if scale is not None:
        affine = [scale.tensor(0, "weight", (n,), "scale"), scale.tensor(1, "bias", (n,), "shift")]
    else:
        affine = [builder.ones((n,)), builder.zeros((n,))]
    statistics = [
        layer.tensor(0, "running_mean", (n,), "shift"),
        layer.tensor(1, "running_var", (n,), "variance"),
    ]
    return [builder.op("BatchNormalization", [x, *affine, *statistics], x.shape, epsilon=eps)]


# ---- layers without windows


def relu(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`max(x, 0) + negative_slope min(x, 0)`."""
    slope = layer.param("relu_param").number("negative_slope", 0.0)
    if slope == 0:
        return [layer.builder.same("Relu", inputs[0])]
    return [layer.builder.same("LeakyRelu", inputs[0], alpha=slope)]


def prelu(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """A leaky ReLU with a learned slope for each channel, or for all of them."""
    (x,) = inputs
    shared = layer.param("prelu_param").flag("channel_shared", default=False)
    shape = (1,) * len(x.shape) if shared else (x.channels, *(1,) * len(x.spatial))
    slope = layer.tensor(0, "weight", shape, "shift")
    return [layer.builder.op("PRelu", [x, slope], x.shape)]


def elu(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`x` above 0, `alpha (exp(x) - 1)` below."""
    alpha = layer.param("elu_param").number("alpha", 1.0)
    return [layer.builder.same("Elu", inputs[0], alpha=alpha)]


def power(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """`(shift + scale x) ^ power`."""
    (x,) = inputs
    param, builder = layer.param("power_param"), layer.builder
    y = builder.scaled("Mul", x, param.number("scale", 1.0))
    y = builder.scaled("Add", y, param.number("shift", 0.0))
    return [builder.scaled("Pow", y, param.number("power", 1.0))]


def dropout(layer: CaffeLayer, inputs: Sequence[BuiltValue]) -> list[BuiltValue]:
    """A dropout."""
    (x,) = inputs
    param = layer.param("dropout_param")
    share = param.number("dropout_ratio", 0.5)
    if not 0 <= share < 1:
        raise layer.wrong(f"`dropout_ratio` is {share}", param, "dropout_ratio")
    return [layer.builder.op("Dropout", [x, layer.builder.number(share)], x.shape)]


def plain(kind: str) -> Callable[[CaffeLayer, Sequence[BuiltValue]], list[BuiltValue]]:
    """A layer that is one operator of ONNX without attributes."""
    return lambda layer, inputs: [layer.builder.same(kind, inputs[0])]


LAYERS_OF_ONE_INPUT: Mapping[
    str, Callable[[CaffeLayer, Sequence[BuiltValue]], list[BuiltValue]]
] = MappingProxyType(
    {
        "Deconvolution": deconvolution,
        "Pooling": pooling,
        "InnerProduct": inner_product,
        "LRN": local_norm,
        "BatchNorm": batch_norm,
        "ReLU": relu,
        "PReLU": prelu,
        "ELU": elu,
        "Power": power,
        "Dropout": dropout,
        "Sigmoid": plain("Sigmoid"),
        "TanH": plain("Tanh"),
        "AbsVal": plain("Abs"),
        "BNLL": plain("Softplus"),
    }
)
