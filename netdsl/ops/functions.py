"""Functions of one value, element by element: `exp`, `log`, `clamp` and so on.

`torch` has more of them. Those that a few of these give are left out (`exp2`, `log1p`, `rsqrt`,
`softsign`), and so are those that no published network has needed (`tan`, `sinh`, `lgamma`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import OpError
from netdsl.ir.op import POSITIVE, Op
from netdsl.ir.rounding import TINY, subnormal
from netdsl.ops.args import number
from netdsl.ops.base import arg, layer
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.op import Sort
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import TensorType
    from netdsl.ops.rounding import Rule


# The errors of libraries are relative to the value, also where it is near 0: the input is exact, so
# no digits cancel. This was measured on four million float32 numbers of all sizes.


def _relative(_op: Op, e: Evaluation) -> Bound:
    """`abs(y)`.

    Underflow: `2`.
    """
    return e.bound(e.y.abs(), 2)


def _logarithm(_op: Op, e: Evaluation) -> Bound:
    """`abs(y)`; inputs below 2^-126 are not compared.

    Underflow: `1`.
    """
    return e.bound(e.y.abs().where(e.x >= TINY, inf), 1)


def _root(_op: Op, e: Evaluation) -> Bound:
    """`abs(y)`.

    Underflow: `1`; `y`, if the input is below 2^-126 and may be read as zero.
    """
    return e.bound(e.y.abs(), 1 + subnormal(e.x) * e.y.abs().nan_to_num() / TINY)


def _sign(_op: Op, e: Evaluation) -> Bound:
    """0.

    Underflow: 1, if the input is below 2^-126 and may be read as zero.
    """
    rounding = e.x.new_zeros(e.x.shape).where(e.x.isfinite(), inf)
    return e.bound(rounding, subnormal(e.x) / TINY)


def _odd(_op: Op, e: Evaluation) -> Bound:
    """`abs(y) + min(abs(x), 1)`, because a large input is first reduced by multiples of pi.

    Underflow: `2`.
    """
    return e.bound(e.y.abs() + e.x.abs().clamp(max=1), 2)


def _even(_op: Op, e: Evaluation) -> Bound:
    """`1`, because the input is first reduced by multiples of pi.

    Underflow: `2`.
    """
    return e.bound(e.y.new_ones(e.y.shape).where(e.y.isfinite(), inf), 2)


class _Function(NamedTuple):
    """A function that both back ends have."""

    torch: str  # its name in PyTorch
    operator: str  # its name in ONNX
    doc: str
    rounding: Rule
    sorts: tuple[Sort, ...] = ()


_FUNCTIONS = {
    "exp": _Function("exp", "Exp", "e to the power of x.", _relative),
    "log": _Function(
        "log",
        "Log",
        "The natural logarithm of x; -inf for 0, and NaN for negative numbers.",
        _logarithm,
        (POSITIVE,),
    ),
    "sqrt": _Function(
        "sqrt", "Sqrt", "The square root of x; NaN for negative numbers.", _root, (POSITIVE,)
    ),
    "abs": _Function("abs", "Abs", "The absolute value of x.", exact),
    "sign": _Function(
        "sign",
        "Sign",
        "1 for positive x, -1 for negative x, and 0 for 0; its gradient is 0 everywhere.",
        _sign,
    ),
    "sin": _Function("sin", "Sin", "The sine of x, in radians.", _odd),
    "cos": _Function("cos", "Cos", "The cosine of x, in radians.", _even),
    "erf": _Function(
        "erf",
        "Erf",
        "The error function of x, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.",
        _relative,
    ),
}


def _function(kind: str, row: _Function) -> None:
    """Register a kind of `_FUNCTIONS`."""

    class UnaryFunction(Op):
        __doc__ = row.doc
        is_function = True
        rounding = row.rounding

        def sorts(self) -> tuple[Sort, ...]:
            return row.sorts

        def torch(self, t: Recorder, x: TensorType) -> Lowered:
            return t.inline(f"torch.{row.torch}({{0}})")

        def onnx(self, g: Emitter, x: TypedName) -> str:
            return g.op(row.operator, x)

    UnaryFunction.__name__ = row.operator
    layer(kind, family="arithmetic", examples=[("3x4", kind), ("6", kind)])(UnaryFunction)


for _kind, _row in _FUNCTIONS.items():
    _function(_kind, _row)


@layer("square", family="arithmetic", examples=[("3x4", "square"), ("6", "square")])
class Square(Op):
    """The product of x with itself."""

    is_function = True
    rounding = _relative

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.inline("torch.square({0})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Mul", x, x)


@layer(
    "clamp",
    family="arithmetic",
    examples=[
        ("3x4", "clamp(-0.7, 0.3)"),
        ("6", "clamp(min = 0.1)"),
        ("3x4", "clamp(max = 0.5)"),
    ],
)
class Clamp(Op):
    """min(max(x, `min`), `max`); either bound can be left out."""

    is_function = True

    min: float | None = arg(number, None, doc="the smallest result; no bound by default")
    max: float | None = arg(number, None, doc="the largest result; no bound by default")

    def infer(self, x: TensorType) -> TensorType:
        if self.min is None and self.max is None:
            raise OpError(
                "missing-argument",
                "`clamp` needs `min`, `max` or both",
                help="write `clamp(0, 1)`, `clamp(min = 0)` or `clamp(max = 1)`",
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OpError(
                "bad-argument",
                f"`min` of `clamp` is {self.min:g}, but `max` is {self.max:g}",
                "min",
                "give the smaller bound first",
            )
        return x

    def rounding(self, e: Evaluation) -> Bound:
        """0; `abs(y)` where the result is a bound, which is rounded to float32.

        Underflow: `1`.
        """
        return e.bound(e.y.abs().where(e.y != e.x, 0), 1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        bounds = {"min": self.min, "max": self.max}
        given = ", ".join(f"{k}={v!r}" for k, v in bounds.items() if v is not None)
        return t.inline(f"{{0}}.clamp({given})")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        bounds = ["" if bound is None else g.floats(bound) for bound in (self.min, self.max)]
        if self.max is None:
            bounds.pop()
        return g.op("Clip", x, *bounds)
