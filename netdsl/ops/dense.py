"""Dense layers: `dense`, `flatten`, `embedding`, `rbf`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param, Sort, indices
from netdsl.ir.rounding import unless_beyond
from netdsl.ir.types import Sym, TensorType
from netdsl.ops.args import bias_values, integer, text, weight_values
from netdsl.ops.base import arg, fixed, layer
from netdsl.ops.init import INITS, bias_params, weight_param
from netdsl.ops.rounding import exact, sum_of_products

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound


def _features(op: Op, x: TensorType) -> int:
    """The length of the vectors that a layer takes; raises `OpError` if it is open."""
    size = x.shape[-1]
    flattened = isinstance(size, Sym) and len(x.shape) == 1 and str(size) not in size.symbols()
    otherwise = "pool to a fixed size first: `gap -> flatten`" if flattened else None
    return fixed(op, size, "the length of its input", otherwise)


def _flattened(x: TensorType) -> Correction | None:
    """The correction for maps: they become a vector, after pooling if their sizes are open."""
    if len(x.shape) < 2:
        return None
    if isinstance(x.size, int):
        return Correction(before="flatten")
    if isinstance(x.channels, int) and len(x.shape) <= 4:
        return Correction(before="gap -> flatten")
    return None


@layer(
    "dense",
    family="dense",
    examples=[
        ("10", "dense(4)"),
        ("5x8", "dense(3, bias = false)"),
        ("3", "dense(2, weight = [[1,0,0],[0,1,0]])"),
        ("4x3", "dense(2, bias = [1, -0.5], init = he_normal)"),
        ("2x4x3", "dense(5, axis = -1)"),
    ],
)
class Dense(Op):
    """A fully connected layer, W x + b, of a vector, or of each vector of a sequence T x D.

    With `axis = -1`, it takes an input of any rank, and applies to each vector along the last axis.
    """

    rounding = sum_of_products()

    units = arg(integer, doc="outputs", min=1)
    bias = arg(bias_values, True, doc="add a learned bias to each output; a list is its numbers")
    weight = arg(
        weight_values,
        None,
        doc="the matrix, outputs x inputs: numbers or an earlier weight",
    )
    init = arg(text, "default", doc="how the weights are initialised", choices=INITS)
    axis = arg(integer, None, doc="the axis of the vectors, -1, in an input of any rank")
    multiplies = True
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        if self.axis not in (None, -1):
            raise OpError(
                "bad-axis",
                f"`axis` of `dense` can only be -1, found {self.axis}",
                "axis",
                f"`conv({self.units}, 1)` applies to the channels of a map; `permute` moves an axis"
                " to the end",
            )
        if not 1 <= len(x.shape) <= (2 if self.axis is None else len(x.shape)):
            raise OpError(
                "wrong-rank",
                f"`dense` takes a vector or a sequence of vectors, but its input is {x}",
                help="write `flatten -> dense(...)`, or `gap -> flatten -> dense(...)`; `axis = -1`"
                f" applies it along the last axis, and `conv({self.units}, 1)` along the channels",
                correction=_flattened(x),
            )
        _features(self, x)
        return TensorType((*x.shape[:-1], self.units), x.dtype)

    def params(self, x: TensorType) -> dict[str, Param]:
        features = _features(self, x)
        matrix = Param((self.units, features), self.init)
        bias = Param((self.units,), f"uniform:{features}")
        return {"weight": weight_param(self, matrix)} | bias_params(self, bias)

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return y.size * x.shape[-1]

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("Linear", x.shape[-1], self.units, bias=(bool(self.bias), True))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        weight = g.param("weight")
        bias = [g.param("bias")] if self.bias else []
        if len(x.type.shape) == 1:
            return g.op("Gemm", x, weight, *bias, transB=1)
        product = g.op("MatMul", x, g.op("Transpose", weight, perm=[1, 0]))
        return g.op("Add", product, *bias) if bias else product


@layer(
    "flatten",
    family="dense",
    examples=[("3x4x5", "flatten"), ("7", "flatten"), ("2x3", "flatten"), ("[]", "flatten")],
)
class Flatten(Op):
    """Merge all axes after the batch into one; the last of them varies fastest."""

    rounding = exact

    any_dtype = True
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((x.size,), x.dtype)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("Flatten") if x.shape else t.inline("{0}.unsqueeze(1)")

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Flatten", x, axis=1)


@layer(
    "embedding",
    family="dense",
    examples=[
        ("5 int64", "embedding(10, 4)"),
        ("2x3 int64", "embedding(7, 3)"),
        ("4 int64", "embedding(3, 2, weight = [[1, 2], [3, 4], [5, 6]])"),
    ],
)
class Embedding(Op):
    """A learned vector of `dim` numbers for each of `n` integers.

    The options of `nn.Embedding` that change how the vectors are trained are left out:
    `padding_idx`, `max_norm`, `scale_grad_by_freq` and `sparse`.
    """

    rounding = exact

    any_dtype = True

    n = arg(integer, doc="the number of integers, which are 0 to n - 1", min=1)
    dim = arg(integer, doc="length of each vector", min=1)
    weight = arg(weight_values, None, doc="the vectors, n x dim: numbers or an earlier weight")

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype not in ("int64", "int32"):
            raise OpError("wrong-dtype", f"`embedding` takes integers, but its input is {x.dtype}")
        if x.span is not None:
            self._check_span(*x.span)
        return TensorType((*x.shape, self.dim))

    def _check_span(self, least: int, most: int | Sym) -> None:
        """Refuse integers for which there is no vector."""
        if least >= 0 and self.needs_at_least(self.n, most + 1):
            return
        message = f"`embedding` has vectors for 0 to {self.n - 1}, but its input contains"
        if least < 0:
            raise OpError("index-out-of-range", f"{message} {least}")
        advice = f"write `embedding({most + 1}, ...)` or more"
        raise OpError("index-out-of-range", f"{message} {most}", "n", advice)

    def sorts(self) -> tuple[Sort, ...]:
        return (indices(self.n),)

    def params(self, x: TensorType) -> dict[str, Param]:
        vectors = Param((self.n, self.dim), "normal:1", role="value")
        return {"weight": weight_param(self, vectors)}

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module("Embedding", self.n, self.dim)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return g.op("Gather", g.param("weight"), x, axis=0)


@layer(
    "rbf",
    family="dense",
    examples=[("4", "rbf(3)"), ("3", "rbf(2, weight = [[1,-1,1],[-1,-1,1]])")],
)
class RadialBasis(Op):
    """LeNet-5's output (LeCun et al. 1998): y_i = sum over j of (x_j - w_ij)^2.

    It is the squared distance to the code of each class.
    """

    squares = True

    units = arg(integer, doc="outputs", min=1)
    weight = arg(
        weight_values, None, doc="the codes, outputs x inputs: numbers or an earlier weight"
    )
    multiplies = True
    is_global = True

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 1:
            raise OpError(
                "wrong-rank",
                f"`rbf` takes a vector, but its input is {x}",
                help="write `flatten -> rbf(...)`",
                correction=_flattened(x),
            )
        _features(self, x)
        return TensorType((self.units,), x.dtype)

    def params(self, x: TensorType) -> dict[str, Param]:
        codes = Param((self.units, _features(self, x)), "normal:1", role="code")
        return {"weight": weight_param(self, codes)}

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return y.size * x.size

    def rounding(self, e: Evaluation) -> Bound:
        """`sum of (abs(x) + abs(w))^2`.

        Underflow: `4 sum of (abs(x) + abs(w)) + 2 n + 1`.
        """
        sizes = e.x.abs().unsqueeze(1) + e.module.weight.abs()
        squares = sizes.square().sum(2)
        underflow = 4 * sizes.sum(2) + 2 * e.x.shape[1] + 1
        return e.bound(unless_beyond(squares, squares), underflow)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.custom("RBF", x.shape[0], self.units)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        difference = g.op("Sub", g.op("Unsqueeze", x, g.ints([1])), g.param("weight"))
        return g.op("ReduceSum", g.op("Mul", difference, difference), g.ints([2]), keepdims=0)
