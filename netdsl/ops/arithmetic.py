"""Arithmetic with two operands: the operators `+ - * / **`, and `matmul`.

The operators are written between tensors and numbers, as in `(@a * 0.5 + @b)`. Their kinds are
their symbols, so no name in a text can be one of them.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import NUMBERS, POSITIVE, Op
from netdsl.ir.rounding import TINY, Known, subnormal, unless_beyond
from netdsl.ir.types import shape_text
from netdsl.ops.args import boolean, number, show
from netdsl.ops.base import arg, layer
from netdsl.ops.join import broadcast, common_size

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.op import Sort
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym, TensorType

    Size = int | Sym

LARGEST_INTEGER = 2**24  # numbers up to it are written without a decimal point
STEEP = 2.0**125  # a power with a negative exponent beyond it may divide by zero


def _examples(symbol: str) -> list[tuple[str, str]]:
    """Examples of an operator between tensors, and with a number on each side.

    `{}` is the place of the reference.
    """
    return [
        ("3x4, 3x4", f"(@ {symbol} {{}})"),
        ("3x4, 3x1", f"({{}} {symbol} @)"),
        ("3x4", f"(@ {symbol} 0.3)"),
        ("5", f"(2 {symbol} @)"),
    ]


class Operator(Op):
    """What the operators share: two operands, of which at most one is a number."""

    left: float | None = arg(number, None, doc="the number that `x` is, if it is not a tensor")
    right: float | None = arg(number, None, doc="the number that `y` is, if it is not a tensor")
    inputs = (1, 2)
    is_function = True
    operator = ""  # its name in ONNX

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0]._replace(shape=broadcast(self, xs, "operand"))

    def kind_text(self) -> str:
        left, right = "x", "y"
        if self.left is not None:
            left, right = _written(self.left), "x"
        if self.right is not None:
            right = _written(self.right)
        return f"{left} {self.kind} {right}"

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        left, right = "{0}", f"{{{len(xs) - 1}}}"
        if self.left is not None:
            left = _written(self.left)
        if self.right is not None:
            right = _written(self.right)
        return t.inline(f"{left} {self.kind} {right}")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        left: str = xs[0]
        right: str = xs[-1]
        if self.left is not None:
            left = g.floats(self.left)
        if self.right is not None:
            right = g.floats(self.right)
        return g.op(self.operator, left, right)

    def operands(self, e: Evaluation) -> tuple[Tensor, Tensor]:
        """The operands in double precision; numbers are tensors without axes."""
        left, right = e.xs[0], e.xs[-1]
        if self.left is not None:
            left = e.x.new_tensor(self.left)
        if self.right is not None:
            right = e.x.new_tensor(self.right)
        return left, right


def _written(value: float) -> str:
    """A number in PyTorch source."""
    if value.is_integer() and abs(value) <= LARGEST_INTEGER:
        return str(int(value))
    return repr(value)


def _sum(op: Operator, e: Evaluation) -> Bound:
    """`sum of abs(x)`.

    Underflow: `4`.
    """
    left, right = op.operands(e)
    sizes = left.abs() + right.abs()
    return e.bound(unless_beyond(sizes, sizes), 4)


@layer("+", family="arithmetic", examples=_examples("+"))
class Plus(Operator):
    """The sum of two values, element by element; an axis of size 1 is repeated."""

    operator = "Add"
    rounding = _sum


@layer("-", family="arithmetic", examples=_examples("-"))
class Minus(Operator):
    """The difference of two values, element by element; an axis of size 1 is repeated."""

    operator = "Sub"
    rounding = _sum


@layer("*", family="arithmetic", examples=_examples("*"))
class Product(Operator):
    """The product of two values, element by element; an axis of size 1 is repeated.

    `-x` is `x * -1`.
    """

    operator = "Mul"

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)`.

        Underflow: 1, plus the loss of each factor times the other factor.
        """
        left, right = self.operands(e)
        return (Known.exactly(left) * Known.exactly(right)).bound


@layer("/", family="arithmetic", examples=_examples("/"))
class Quotient(Operator):
    """The quotient of two values, element by element; an axis of size 1 is repeated."""

    operator = "Div"

    def infer(self, *xs: TensorType) -> TensorType:
        if self.right == 0:
            raise OpError("division-by-zero", "`/` divides a tensor by 0", "right")
        return super().infer(*xs)

    def rounding(self, e: Evaluation) -> Bound:
        """`2 abs(y)`, since `1 / d` may be rounded first; divisors below 2^-126 are not compared.

        Underflow: 1, plus the loss of the dividend over the divisor, plus the dividend times the
        loss of `1 / d`.
        """
        dividend, divisor = self.operands(e)
        inverse = 1 / divisor
        lost = subnormal(dividend) * inverse.abs() + dividend.abs() * subnormal(inverse)
        return e.bound((2 * e.y.abs()).where(divisor.abs() >= TINY, inf), 1 + lost)


@layer(
    "**",
    family="arithmetic",
    examples=[
        ("3x4", "(@ ** 2)"),
        ("3x4", "(@ ** -3)"),
        ("6", "(@ ** 0.5)"),
        ("6", "(@ ** 1.3)"),
        ("5", "(2 ** @)"),
        ("3x4, 3x1", "(@ ** {})"),
    ],
)
class Power(Operator):
    """The power of two values, element by element; an axis of size 1 is repeated.

    A power of a negative number is NaN unless the exponent is an integer.
    """

    operator = "Pow"

    def infer(self, *xs: TensorType) -> TensorType:
        if self.left is not None and self.left <= 0:
            raise OpError(
                "bad-argument",
                f"the base of `**` must be positive, found {show(self.left)}",
                "left",
                "for a sign that alternates, write `cos(3.141592653589793 * x)`",
            )
        return super().infer(*xs)

    def sorts(self) -> tuple[Sort, ...]:
        if self.left is not None or (self.right is not None and self.right.is_integer()):
            return ()
        return (POSITIVE, NUMBERS)

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)` for a multiple of 0.5 as the exponent.

        For other exponents p and a base a, `abs(y) (1 + abs(p log a))`, and a base that is a number
        adds `abs(p y)`. Where a base, or a power with a negative exponent, may be read as zero, it
        is not compared.

        Underflow: 2, plus the loss of a base that may be read as zero, plus the loss of the
        exponent times `abs(y log a)`.
        """
        base, exponent = self.operands(e)
        size = e.y.abs()
        slope = base.abs().clamp(min=TINY).log().abs()
        rounding = size
        if self.right is None or not (2 * self.right).is_integer():
            rounding = size * (1 + exponent.abs() * slope)
        if self.left is not None:
            rounding = rounding + exponent.abs() * size
        lost = subnormal(base) * size / TINY + subnormal(exponent) * size * slope
        small, negative = base.abs() < TINY, exponent < 0
        unsure = negative & (size >= STEEP) | small & (negative | (subnormal(exponent) > 0))
        return e.bound(rounding.where(~unsure, inf), 2 + lost)


@layer(
    "matmul",
    family="arithmetic",
    examples=[
        ("3x4, 4x5", "matmul"),
        ("3x4, 5x4", "matmul(transpose = true)"),
        ("2x3x4, 2x4x5", "matmul"),
        ("6x3x4, 1x5x4", "matmul(true)"),
    ],
)
class MatMul(Op):
    """The matrix product over the last two axes, for each position of the axes before them.

    An axis of size 1 before them is repeated. Both inputs have the same number of axes: `reshape`
    gives them the same number, as for the product of a matrix and a vector.
    """

    transpose: bool = arg(
        boolean, False, doc="exchange the last two axes of the reference before the product"
    )
    inputs = (2, 2)
    is_global = True
    is_function = True

    def infer(self, x: TensorType, other: TensorType) -> TensorType:
        if len(x.shape) < 2 or len(x.shape) != len(other.shape):
            raise OpError(
                "wrong-rank",
                f"`matmul` needs the same number of axes in both inputs, and at least 2, found {x}"
                f" and {other}",
                help="give them the same number of axes with `reshape`",
            )
        *stack, rows, columns = x.shape
        other_rows, width = self._matrix(other)
        if not self.needs_equal(columns, other_rows):
            raise self._unlike_inner(x, other)
        leading = [common_size(self, a, b) for a, b in zip(stack, other.shape[:-2], strict=True)]
        if None in leading:
            raise OpError(
                "shape-mismatch",
                f"`matmul` cannot multiply {x} by {other}: the axes before the last two are"
                f" {shape_text(stack)} and {shape_text(other.shape[:-2])}",
                help="these axes need the same size, or size 1",
            )
        sizes = [size for size in leading if size is not None]
        return x._replace(shape=(*sizes, rows, width))

    def _matrix(self, other: TensorType) -> tuple[Size, Size]:
        """The rows and columns of the second matrix."""
        rows, columns = other.shape[-2:]
        return (columns, rows) if self.transpose else (rows, columns)

    def _unlike_inner(self, x: TensorType, other: TensorType) -> OpError:
        """The error of rows that do not fit the columns of the other matrix."""
        rows, columns = self._matrix(other)
        help, correction = None, None
        if x.shape[-1] == columns and self.transpose:
            help = "leave out `transpose`: the reference fits as it is"
            correction = Correction({"transpose": None})
        elif x.shape[-1] == columns and x.shape[-1] != x.shape[-2]:
            help = "write `transpose = true` for the product with the transpose of the reference"
            correction = Correction({"transpose": "true"})
        elif x.shape[-2] == rows:
            last = len(x.shape)
            axes = [*range(1, last - 1), last, last - 1]
            help = (
                f"exchange the last two axes of the current value: write `permute({axes})` before"
            )
        transposed = "the transpose of " if self.transpose else ""
        return OpError(
            "shape-mismatch",
            f"`matmul` cannot multiply {x} by {transposed}{other}: rows have {x.shape[-1]}"
            f" elements, columns have {rows}",
            help=help,
            correction=correction,
        )

    def macs(self, y: TensorType, x: TensorType, other: TensorType) -> int | Sym:
        return y.size * x.shape[-1]

    def rounding(self, e: Evaluation) -> Bound:
        """`s (sum of abs(x) abs(z))` for the inputs x and z.

        Underflow: `2 n`, plus the loss of each factor times the other factor.
        """
        other = e.xs[1].mT if self.transpose else e.xs[1]
        return (Known.exactly(e.x) @ Known.exactly(other)).bound

    def torch(self, t: Recorder, x: TensorType, other: TensorType) -> Lowered:
        return t.inline("{0} @ {1}.mT" if self.transpose else "{0} @ {1}")

    def onnx(self, g: Emitter, x: TypedName, other: TypedName) -> str:
        factor: str = other
        if self.transpose:
            last = len(other.type.shape)
            factor = g.op("Transpose", other, perm=[*range(last - 1), last, last - 1])
        return g.op("MatMul", x, factor)
