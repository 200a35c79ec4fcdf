"""Activations: elementwise functions, and `softmax` along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import Op, Param
from netdsl.ops.args import boolean, integer, number, text
from netdsl.ops.base import arg, axis_index, fixed, layer

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder
    from netdsl.ir.types import TensorType

# kind: (PyTorch module, ONNX operator, the function)
_PLAIN = {
    "relu": ("ReLU", "Relu", "max(0, x) (Nair and Hinton 2010)"),
    "sigmoid": ("Sigmoid", "Sigmoid", "1 / (1 + exp(-x))"),
    "tanh": ("Tanh", "Tanh", "(exp(x) - exp(-x)) / (exp(x) + exp(-x))"),
    "softplus": ("Softplus", "Softplus", "log(1 + exp(x))"),
    "hard_swish": ("Hardswish", "HardSwish", "x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019)"),
    "mish": ("Mish", "Mish", "x tanh(log(1 + exp(x))) (Misra 2019)"),
    "selu": ("SELU", "Selu", "scale (max(0, x) + min(0, alpha (exp(x) - 1))) (Klambauer et al. 2017)"),
}


def _plain(kind: str, module: str, operator: str, formula: str) -> None:
    """Register an activation without arguments that both back ends have."""

    class Plain(Op):
        __doc__ = f"{formula}."

        def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
            return t.module(module)

        def onnx(self, g: Emitter, *xs: Any) -> str:
            return g.op(operator, xs[0])

    Plain.__name__ = module
    layer(kind, family="activation", examples=[("3x4", kind), ("6", kind)])(Plain)


for _kind, _row in _PLAIN.items():
    _plain(_kind, *_row)


@layer("relu6", family="activation", examples=[("3x4", "relu6")])
class ReLU6(Op):
    """min(max(0, x), 6)."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("ReLU6")

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op("Clip", xs[0], g.floats(0.0), g.floats(6.0))


@layer("leaky_relu", family="activation", examples=[("3x4", "leaky_relu"), ("5", "leaky_relu(0.1)")])
class LeakyReLU(Op):
    """x where positive, slope x elsewhere."""

    slope: float = arg(number, 0.01, doc="factor of negative values")

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("LeakyReLU", negative_slope=(self.slope, 0.01))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op("LeakyRelu", xs[0], alpha=self.slope)


@layer("elu", family="activation", examples=[("3x4", "elu"), ("5", "elu(alpha = 0.5)")])
class ELU(Op):
    """x where positive, alpha (exp(x) - 1) elsewhere (Clevert et al. 2015)."""

    alpha: float = arg(number, 1.0, doc="limit of negative values")

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("ELU", alpha=(self.alpha, 1.0))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op("Elu", xs[0], alpha=self.alpha)


@layer("prelu", family="activation", examples=[("3x4x4", "prelu"), ("5", "prelu(shared = true)"), ("4x6", "prelu(init = 0.1)"), ("3x4x4", "prelu(shared = true)")])
class PReLU(Op):
    """x where positive, a learned slope times x elsewhere (He et al. 2015): one slope for each channel, or one for all."""

    shared: bool = arg(boolean, False, doc="one slope for all channels")
    init: float = arg(number, 0.25, doc="the slope at the start")

    def infer(self, *xs: TensorType) -> TensorType:
        if not self.shared:
            if not xs[0].shape:
                raise OpError("wrong-rank", "`prelu` needs channels, its input is a scalar", help="one slope for all: `prelu(shared = true)`")
            fixed(self, xs[0].channels, "its input channels")
        return xs[0]

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return {"weight": Param((1 if self.shared else fixed(self, xs[0].channels, "its input channels"),), f"constant:{self.init}")}

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("PReLU", num_parameters=(1 if self.shared else xs[0].channels, 1), init=(self.init, 0.25))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        slope = g.param("weight")
        if not self.shared and xs[0].type.spatial:
            slope = g.op("Reshape", slope, g.ints([-1, *(1 for _ in xs[0].type.spatial)]))
        return g.op("PRelu", xs[0], slope)


@layer("gelu", family="activation", examples=[("3x4", "gelu"), ("5", "gelu(approximate = tanh)")])
class GELU(Op):
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016), exact or by tanh."""

    approximate = arg(text, "none", doc="exact, or by tanh", choices=("none", "tanh"))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("GELU", approximate=(self.approximate, "none"))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        x = xs[0]
        if self.approximate == "none":
            inner = g.op("Erf", g.op("Mul", x, g.floats(0.5**0.5)))
        else:
            cube = g.op("Mul", g.op("Mul", x, g.op("Mul", x, x)), g.floats(0.044715))
            inner = g.op("Tanh", g.op("Mul", g.op("Add", x, cube), g.floats((2 / 3.141592653589793) ** 0.5)))
        return g.op("Mul", g.op("Mul", x, g.floats(0.5)), g.op("Add", inner, g.floats(1.0)))


@layer("silu", family="activation", examples=[("3x4", "silu")])
class SiLU(Op):
    """x / (1 + exp(-x)), also called swish (Elfwing et al. 2017)."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("SiLU")

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op("Mul", xs[0], g.op("Sigmoid", xs[0]))


@layer("hard_sigmoid", family="activation", examples=[("3x4", "hard_sigmoid")])
class HardSigmoid(Op):
    """min(max(x + 3, 0), 6) / 6."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module("Hardsigmoid")

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op("HardSigmoid", xs[0], alpha=1 / 6, beta=0.5)


@layer("scaled_tanh", family="activation", examples=[("3x4", "scaled_tanh")])
class ScaledTanh(Op):
    """1.7159 tanh(2 x / 3) (LeCun et al. 1998)."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline("1.7159 * torch.tanh({0} * (2 / 3))")

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op("Mul", g.op("Tanh", g.op("Mul", xs[0], g.floats(2 / 3))), g.floats(1.7159))


class _Softmax(Op):
    axis: int = arg(integer, 1, doc="the axis to sum over, the batch being 0")
    module, operator = "", ""

    def infer(self, *xs: TensorType) -> TensorType:
        axis_index(self, xs[0], self.axis)
        return xs[0]

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.module(self.module, dim=(axis_index(self, xs[0], self.axis) + 1, None))

    def onnx(self, g: Emitter, *xs: Any) -> str:
        return g.op(self.operator, xs[0], axis=axis_index(self, xs[0].type, self.axis) + 1)


@layer("softmax", family="activation", examples=[("10", "softmax"), ("3x4x5", "softmax(axis = -1)"), ("3x4x5", "softmax")])
class Softmax(_Softmax):
    """exp(x) / sum exp(x) along an axis."""

    module, operator = "Softmax", "Softmax"


@layer("log_softmax", family="activation", examples=[("10", "log_softmax"), ("3x4", "log_softmax(axis = 2)")])
class LogSoftmax(_Softmax):
    """x - log sum exp(x) along an axis."""

    module, operator = "LogSoftmax", "LogSoftmax"
