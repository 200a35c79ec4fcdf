"""Adds the layer kind `swish_beta` to netdsl. Importing this module registers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.ir.op import Op, Param
from netdsl.ops.args import boolean, number
from netdsl.ops.base import arg, fixed, layer

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, TypedName
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
    """x sigmoid(beta x) with a learned beta for each channel, or one for all channels (Ramachandran
    et al. 2017).
    """

    init: float = arg(number, 1.0, doc="beta at the start")
    shared: bool = arg(boolean, False, doc="one beta for all channels")

    def _count(self, x: TensorType) -> int:
        return 1 if self.shared else fixed(self, x.channels, "its input channels")

    def infer(self, *xs: TensorType) -> TensorType:
        self._count(xs[0])
        return xs[0]

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return {"beta": Param((self._count(xs[0]),), f"constant:{self.init}")}

    def torch(self, t: Any, *xs: TensorType) -> Any:
        # `torch.nn` has no module for this layer: a ParameterDict contains beta, and the call is
        # the formula.
        ones = ", 1" * len(xs[0].spatial)
        call = t.inline(f"{{0}} * torch.sigmoid({{m}}.beta.view(-1{ones}) * {{0}})")
        return call._replace(
            module=f"nn.ParameterDict(dict(beta=torch.full(({self._count(xs[0])},), {self.init})))"
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        beta = g.param("beta")
        if xs[0].type.spatial:
            beta = g.op("Reshape", beta, g.ints([-1, *(1 for _ in xs[0].type.spatial)]))
        return g.op("Mul", xs[0], g.op("Sigmoid", g.op("Mul", beta, xs[0])))
