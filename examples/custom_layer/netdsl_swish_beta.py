"""Adds the layer kind `swish_beta` to netdsl. Importing this module registers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.op import Op, Param
from netdsl.ops.args import boolean, number
from netdsl.ops.base import arg, fixed, layer
from netdsl.ops.rounding import gated

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import TensorType


@layer(
    "swish_beta",
    family="activation",
    examples=[
        ("3x4x4", "swish_beta"),
        ("6", "swish_beta(init = 0.5)"),
        ("4x5", "swish_beta(shared = true)"),
    ],
)
class SwishBeta(Op):
    """x sigmoid(beta x) with a learned beta (Ramachandran et al. 2017).

    There is one beta for each channel, or one for all channels.
    """

    # Float32 may be off by some units of x: sigmoid is between 0 and 1, and the rounding of beta x
    # changes it by less than a unit.
    rounding = gated(1.0)

    init = arg(number, 1.0, doc="beta at the start")
    shared = arg(boolean, False, doc="one beta for all channels")

    def infer(self, x: TensorType) -> TensorType:
        self._count(x)  # raises an error if the number of channels is open
        return x

    def _count(self, x: TensorType) -> int:
        """The number of betas."""
        return 1 if self.shared else fixed(self, x.channels, "its input channels")

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"beta": Param((self._count(x),), f"constant:{self.init}")}

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        # `torch.nn` has no module for this layer: a ParameterDict contains beta, and the call is
        # the formula.
        ones = ", 1" * len(x.spatial)
        call = t.inline(f"{{0}} * torch.sigmoid({{m}}.beta.view(-1{ones}) * {{0}})")
        beta = f"torch.full(({self._count(x)},), {self.init})"
        return call._replace(module=f"nn.ParameterDict(dict(beta={beta}))")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        beta = g.param("beta")
        if x.type.spatial:
            beta = g.op("Reshape", beta, g.ints([-1, *(1 for _ in x.type.spatial)]))
        return g.op("Mul", x, g.op("Sigmoid", g.op("Mul", beta, x)))
