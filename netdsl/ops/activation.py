"""Activations: elementwise functions, and `softmax` along an axis."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Known, subnormal, unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, integer, number, text, weight_values
from netdsl.ops.base import arg, axis_index, fixed, layer
from netdsl.ops.division import check_parts
from netdsl.ops.init import weight_param
from netdsl.ops.rounding import exact, gated, scaled

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ops.rounding import Rule


def _hard_swish(_op: Op, e: Evaluation) -> Bound:
    """`abs(x) min(abs(x) + 3, 6) / 6`.

    Underflow: `3`.
    """
    size = e.x.abs()
    return e.bound(unless_beyond(size * (size + 3).clamp(max=6) / 6, size * 6), 3)


class _Plain(NamedTuple):
    """An activation without arguments that both back ends have."""

    module: str  # its name in PyTorch
    operator: str  # its name in ONNX
    formula: str
    rounding: Rule


_PLAIN = {
    "relu": _Plain("ReLU", "Relu", "max(0, x) (Nair and Hinton 2010)", exact),
    "sigmoid": _Plain("Sigmoid", "Sigmoid", "1 / (1 + exp(-x))", scaled(1.0)),
    "tanh": _Plain("Tanh", "Tanh", "(exp(x) - exp(-x)) / (exp(x) + exp(-x))", scaled(1.0)),
    "softplus": _Plain("Softplus", "Softplus", "log(1 + exp(x))", scaled(1.0)),
    "hard_swish": _Plain(
        "Hardswish",
        "HardSwish",
        "x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019)",
        _hard_swish,
    ),
    "mish": _Plain("Mish", "Mish", "x tanh(log(1 + exp(x))) (Misra 2019)", gated(1.0)),
    "selu": _Plain(
        "SELU",
        "Selu",
        "scale (max(0, x) + min(0, alpha (exp(x) - 1))) (Klambauer et al. 2017)",
        scaled(1.7581),
    ),
}


def _plain(kind: str, plain: _Plain) -> None:
    """Register a kind of `_PLAIN`."""

    class PlainActivation(Op):
        __doc__ = f"{plain.formula}."
        is_function = True
        rounding = plain.rounding

        def torch(self, t: Recorder, x: TensorType) -> Lowered:
            return t.module(plain.module)

        def onnx(self, g: Emitter, x: TypedName) -> str:
            return g.op(plain.operator, x)

    PlainActivation.__name__ = plain.module
    layer(kind, family="activation", examples=[("3x4", kind), ("6", kind)])(PlainActivation)


for _kind, _row in _PLAIN.items():
    _plain(_kind, _row)


@layer("relu6", family="activation", examples=[("3x4", "relu6")])
class ReLU6(Op):
    """min(max(0, x), 6)."""

    is_function = True
    rounding = exact

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("ReLU6")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Clip", x, g.floats(0.0), g.floats(6.0))


def _sloped(e: Evaluation, slope: Tensor) -> Bound:
    """The bound of x, or of a slope times it."""
    rounding = unless_beyond(e.y.abs(), slope.abs())
    return e.bound(rounding, slope.abs() + e.x.abs() * subnormal(slope) + 2)


@layer(
    "leaky_relu", family="activation", examples=[("3x4", "leaky_relu"), ("5", "leaky_relu(0.1)")]
)
class LeakyReLU(Op):
    """x where positive, slope x elsewhere."""

    is_function = True

    slope = arg(number, 0.01, doc="factor for negative values")

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)`.

        Underflow: `abs(slope) + 2`.
        """
        return _sloped(e, e.x.new_tensor(self.slope))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("LeakyReLU", negative_slope=(self.slope, 0.01))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("LeakyRelu", x, alpha=self.slope)


@layer("elu", family="activation", examples=[("3x4", "elu"), ("5", "elu(alpha = 0.5)")])
class ELU(Op):
    """x where positive, alpha (exp(x) - 1) elsewhere (Clevert et al. 2015)."""

    is_function = True

    alpha = arg(number, 1.0, doc="negative values approach -alpha")

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y) + abs(alpha)`.

        Underflow: `abs(alpha) + 2`.
        """
        alpha = abs(self.alpha)
        return e.bound(unless_beyond(e.y.abs() + alpha, e.x.new_tensor(alpha)), alpha + 2)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("ELU", alpha=(self.alpha, 1.0))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Elu", x, alpha=self.alpha)


@layer(
    "prelu",
    family="activation",
    examples=[
        ("3x4x4", "prelu"),
        ("5", "prelu(shared = true)"),
        ("4x6", "prelu(init = 0.1)"),
        ("3x4x4", "prelu(shared = true)"),
        ("3x4x4", "prelu(weight = [0.1, 0, -0.5])"),
    ],
)
class PReLU(Op):
    """x where positive, a learned slope times x elsewhere (He et al. 2015).

    There is one slope for each channel, or one for all.
    """

    shared = arg(boolean, False, doc="one slope for all channels")
    init = arg(number, 0.25, doc="the initial slope")
    weight = arg(weight_values, None, doc="the slopes: numbers or an earlier weight")

    def infer(self, x: TensorType) -> TensorType:
        if not self.shared and not x.shape:
            raise OpError(
                "wrong-rank",
                "`prelu` needs channels, but its input is a scalar",
                help="use one slope for all: `prelu(shared = true)`",
                correction=Correction({"shared": "true"}),
            )
        self._slopes(x)
        return x

    def _slopes(self, x: TensorType) -> int:
        """The number of learned slopes."""
        return 1 if self.shared else fixed(self, x.channels, "its input channels")

    def params(self, x: TensorType) -> dict[str, Param]:
        slopes = Param((self._slopes(x),), f"constant:{self.init}", role="slope")
        return {"weight": weight_param(self, slopes, "slope" if self.shared else "channel")}

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)`.

        Underflow: `abs(slope) + 2`, plus `abs(x)` if the slope is below 2^-126.
        """
        weight = e.module.weight
        return _sloped(e, weight.view(()) if weight.numel() == 1 else e.per_channel(weight))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("PReLU", num_parameters=(self._slopes(x), 1), init=(self.init, 0.25))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        slope = g.param("weight")
        if not self.shared and x.type.spatial:
            slope = g.op("Reshape", slope, g.ints([-1, *(1 for _ in x.type.spatial)]))
        return g.op("PRelu", x, slope)


@layer("gelu", family="activation", examples=[("3x4", "gelu"), ("5", "gelu(approximate = tanh)")])
class GELU(Op):
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016), exact or tanh."""

    is_function = True
    rounding = gated(1.5)

    approximate = arg(
        text, "none", doc="`none` is exact, `tanh` an approximation", choices=("none", "tanh")
    )

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("GELU", approximate=(self.approximate, "none"))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        if self.approximate == "none":
            inner = g.op("Erf", g.op("Mul", x, g.floats(sqrt(0.5))))
        else:
            cube = g.op("Mul", g.op("Mul", x, g.op("Mul", x, x)), g.floats(0.044715))
            scaled_sum = g.op("Mul", g.op("Add", x, cube), g.floats(sqrt(2 / pi)))
            inner = g.op("Tanh", scaled_sum)
        return g.op("Mul", g.op("Mul", x, g.floats(0.5)), g.op("Add", inner, g.floats(1.0)))


@layer("silu", family="activation", examples=[("3x4", "silu")])
class SiLU(Op):
    """x / (1 + exp(-x)), also called swish (Elfwing et al. 2017)."""

    is_function = True
    rounding = gated(1.0)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("SiLU")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Mul", x, g.op("Sigmoid", x))


@layer("hard_sigmoid", family="activation", examples=[("3x4", "hard_sigmoid")])
class HardSigmoid(Op):
    """min(max(x + 3, 0), 6) / 6."""

    is_function = True
    rounding = scaled(1.0)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("Hardsigmoid")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)


@layer("scaled_tanh", family="activation", examples=[("3x4", "scaled_tanh")])
class ScaledTanh(Op):
    """1.7159 tanh(2 x / 3) (LeCun et al. 1998)."""

    is_function = True
    rounding = scaled(1.7159)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline("1.7159 * torch.tanh({0} * (2 / 3))")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Mul", g.op("Tanh", g.op("Mul", x, g.floats(2 / 3))), g.floats(1.7159))


@layer(
    "glu",
    family="activation",
    examples=[
        ("3x4", "glu"),
        ("6", "glu"),
        ("6x3x2", "glu(axis = 1)"),
        ("3x4x2", "glu(axis = 2)"),
    ],
)
class GLU(Op):
    """a / (1 + exp(-b)), where a and b are the halves of an axis (Dauphin et al. 2016)."""

    is_function = True

    axis = arg(integer, -1, doc="the axis that is halved; 0 is the batch")

    def infer(self, x: TensorType) -> TensorType:
        axis = axis_index(self, x, self.axis)
        size = x.shape[axis]
        check_parts(self, size, "element", 2, "piece", "axis")
        self.needs_computed(size // 2)
        return TensorType((*x.shape[:axis], size // 2, *x.shape[axis + 1 :]), x.dtype)

    def sees_all(self, *xs: TensorType) -> bool:
        return axis_index(self, xs[0], self.axis) != 0

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(a) (s(b) + 1) + abs(y)`, with `s(b)` the result of `sigmoid`.

        Underflow: carried from step to step.
        """
        a, b = e.x.chunk(2, axis_index(self, e.types[0], self.axis) + 1)
        return (Known.exactly(a) * Known.exactly(b).sigmoid()).bound

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        axis = self.axis if self.axis < 0 else axis_index(self, x, self.axis) + 1
        return t.module("GLU", dim=(axis, -1))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        axis = axis_index(self, x.type, self.axis) + 1
        a, b = g.several("Split", 2, x, axis=axis, num_outputs=2)
        return g.op("Mul", a, g.op("Sigmoid", b))


class _Softmax(Op):
    """What the kinds that sum along an axis share."""

    is_function = True

    axis = arg(integer, 1, doc="the axis to sum over; 0 is the batch")
    name = ""  # its name in PyTorch and in ONNX

    def infer(self, x: TensorType) -> TensorType:
        axis_index(self, x, self.axis)
        return x

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(self.name, dim=(axis_index(self, x, self.axis) + 1, None))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op(self.name, x, axis=axis_index(self, x.type, self.axis) + 1)


@layer(
    "softmax",
    family="activation",
    examples=[("10", "softmax"), ("3x4x5", "softmax(axis = -1)"), ("3x4x5", "softmax")],
)
class Softmax(_Softmax):
    """exp(x) / sum exp(x) along an axis."""

    name = "Softmax"

    def rounding(self, e: Evaluation) -> Bound:
        """`y (1 + n / 16 + t + sum of y t)`, with `t = max x - x`.

        Underflow: `1 + n y`.
        """
        dim = e.module.dim
        below, terms = e.x.amax(dim, keepdim=True) - e.x, e.x.shape[dim]
        added = terms / 16  # one by one: equal numbers may be rounded in the same direction
        rounding = e.y * (1 + added + below + (e.y * below).sum(dim, keepdim=True))
        return e.bound(rounding, 1 + e.y * terms)


@layer(
    "log_softmax",
    family="activation",
    examples=[("10", "log_softmax"), ("3x4", "log_softmax(axis = 2)")],
)
class LogSoftmax(_Softmax):
    """x - log sum exp(x) along an axis."""

    name = "LogSoftmax"

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(x) + abs(max x) + t + 1 + n / 16 + log n`, with `t = max x - x`.

        Underflow: `n + 2`.
        """
        dim = e.module.dim
        largest, terms = e.x.amax(dim, keepdim=True), e.x.shape[dim]
        size = e.x.abs() + largest.abs()
        rounding = size + (largest - e.x) + 1 + terms / 16 + log(terms)
        return e.bound(unless_beyond(rounding, size), 2 + terms)
