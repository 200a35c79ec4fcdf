"""Layers on graphs of V vertices with D features each; the V x V matrix of the edges is the second
input.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from netdsl.errors import OpError
from netdsl.ir.op import ADJACENCY, EDGE_WEIGHTS, LAPLACIAN, NUMBERS, Op, Param, Sort
from netdsl.ir.rounding import NEAR, Known, grown
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, integer
from netdsl.ops.base import arg, fixed, layer

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym


class _GraphLayer(Op):
    """V x D and V x V to V x units."""

    units: int = arg(integer, doc="features of each vertex in the output", min=1)
    bias: bool = arg(boolean, True, doc="add a learned bias to each output feature")
    inputs = (2, 2)
    multiplies = True
    is_global = True

    def infer(self, *xs: TensorType) -> TensorType:
        x, edges = xs
        if len(x.shape) != 2:
            raise OpError(
                "wrong-rank",
                f"`{self.kind}` takes the features of vertices, V x D, its input is {x}",
            )
        vertices = x.shape[0]
        if len(edges.shape) != 2 or not all(self.needs_equal(vertices, d) for d in edges.shape):
            square = f"{vertices}x{vertices}"
            message = f"`{self.kind}` has {vertices} vertices and edges of {edges}"
            size = f"[{vertices}, {vertices}]" if " " in square else square
            advice = f"edges are usually an input of their own: `input edges: {size}`"
            raise OpError("shape-mismatch", f"{message}; they must be {square}", help=advice)
        fixed(self, x.shape[1], "the number of features")
        return TensorType((vertices, self.units), x.dtype)

    def sorts(self) -> tuple[Sort, ...]:
        return (NUMBERS, EDGE_WEIGHTS)

    def rounding(self, e: Evaluation) -> Bound:
        """Carried from step to step: `e(W x + c) = abs(W) (s abs(x) + e(x)) + abs(c)`.

        Underflow: carried from step to step: every operation adds 1, and a product multiplies the
        loss of each factor by the other factor.
        """
        return self.carried(e).bound

    def carried(self, e: Evaluation) -> Known:
        """The result, computed from numbers that carry their bounds."""
        raise NotImplementedError(self.kind)

    def matrix(self, x: TensorType, init: str) -> Param:
        """A matrix of units x features."""
        return Param((self.units, fixed(self, x.shape[1], "the number of features")), init)

    def weights(self, *xs: TensorType) -> int:
        return sum(p.size for name, p in self.params(*xs).items() if not name.endswith("bias"))

    def onnx_matrix(self, g: Emitter, x: str, name: str) -> str:
        """The product with a matrix of units x features."""
        return g.op("MatMul", x, g.op("Transpose", g.param(name), perm=[1, 0]))


def _onnx_degrees(g: Emitter, edges: str) -> str:
    """The sums of the rows, 1 at least: N x V x 1."""
    return g.op("Max", g.op("ReduceSum", edges, g.ints([2]), keepdims=1), g.floats(1.0))


def _plus(made: Known, bias: Tensor | None) -> Known:
    """The sum with a learned bias, if there is one."""
    return made if bias is None else made.shifted(bias)


def _normalised(edges: Tensor) -> Known:
    """D^(-1/2) (A + I) D^(-1/2): degrees are sums of numbers that are at least 0, plus 1."""
    looped = edges + edges.new_ones(edges.shape[-1]).diag()
    scale = looped.sum(2).clamp(min=1).rsqrt()
    matrix = scale[:, :, None] * looped * scale[:, None, :]
    most = looped.abs().sum(2)
    unsure = grown(edges.shape[-1]) * (most / looped.sum(2).clamp(min=1))
    rounding = matrix.abs() * (3 + unsure[:, :, None] + unsure[:, None, :])
    rounding = rounding.where(most[:, :, None] <= NEAR, inf)
    return Known(matrix, rounding, matrix.new_full(matrix.shape, 4.0))


@layer(
    "gcn",
    family="graph",
    examples=[
        ("5x3, 5x5", "gcn(2)"),
        ("4x3, 4x4", "gcn(units = 6, bias = false, normalize = true)"),
    ],
)
class GraphConvolution(_GraphLayer):
    """The graph convolution of Kipf and Welling (2017):

    A (X W) + b, A the normalised adjacency D^(-1/2) (A + I) D^(-1/2), as the reference gives it or
    as `normalize` makes it.
    """

    normalize: bool = arg(
        boolean,
        False,
        doc="add self-loops to a plain adjacency of numbers from 0 on, and normalise it",
    )

    def params(self, *xs: TensorType) -> dict[str, Param]:
        made = {"lin.weight": self.matrix(xs[0], "xavier_uniform")}
        return {"bias": Param((self.units,)), **made} if self.bias else made

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        return y.size * (xs[0].shape[1] + xs[0].shape[0])

    def sorts(self) -> tuple[Sort, ...]:
        return (NUMBERS, ADJACENCY if self.normalize else EDGE_WEIGHTS)

    def carried(self, e: Evaluation) -> Known:
        edges = _normalised(e.xs[1]) if self.normalize else Known.exactly(e.xs[1])
        return _plus(edges @ Known.exactly(e.x).linear(e.module.lin.weight), e.module.bias)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.custom("GCNConv", xs[0].shape[1], self.units, self.bias, self.normalize).with_call(
            "{m}({0}, {1})"
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        edges = self._onnx_normalized(g, xs[1]) if self.normalize else xs[1]
        y = g.op("MatMul", edges, self.onnx_matrix(g, xs[0], "lin.weight"))
        return g.op("Add", y, g.param("bias")) if self.bias else y

    def _onnx_normalized(self, g: Emitter, edges: Any) -> str:
        size = g.op("Shape", edges, start=1)
        looped = g.op("Add", edges, g.op("EyeLike", g.op("Expand", g.floats(0.0), size)))
        scale = g.op("Reciprocal", g.op("Sqrt", _onnx_degrees(g, looped)))
        return g.op("Mul", g.op("Mul", scale, looped), g.op("Transpose", scale, perm=[0, 2, 1]))


@layer(
    "cheb",
    family="graph",
    examples=[
        ("5x3, 5x5", "cheb(2, 3)"),
        ("4x3, 4x4", "cheb(units = 2, bias = false, k = 1)"),
        ("4x3, 4x4", "cheb(5, k = 2)"),
    ],
)
class Chebyshev(_GraphLayer):
    """The spectral convolution of Defferrard et al.

    (2016): the sum over k < K of T_k(L) X W_k, plus b, with T_0 = 1, T_1 = L, T_k = 2 L T_(k-1) -
    T_(k-2); the reference is the scaled Laplacian 2 L / l_max - I.
    """

    k: int = arg(
        integer,
        doc="Chebyshev polynomials, K: an output sees neighbours K - 1 edges away",
        min=1,
        max=1000,
    )
    bias: bool = arg(boolean, True, doc="add a learned bias to each output feature")

    def params(self, *xs: TensorType) -> dict[str, Param]:
        made = {f"lins.{i}.weight": self.matrix(xs[0], "xavier_uniform") for i in range(self.k)}
        return {"bias": Param((self.units,)), **made} if self.bias else made

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        return y.size * (self.k * xs[0].shape[1]) + xs[0].size * xs[0].shape[0] * (self.k - 1)

    def sorts(self) -> tuple[Sort, ...]:
        return (NUMBERS, LAPLACIAN)

    def carried(self, e: Evaluation) -> Known:
        matrix = Known.exactly(e.xs[1])
        before = term = Known.exactly(e.x)
        made = term.linear(e.module.lins[0].weight)
        for k, lin in enumerate(e.module.lins[1:], start=1):
            product = matrix @ term
            before, term = term, product if k == 1 else product.times(2.0) - before
            made = made + term.linear(lin.weight)
        return _plus(made, e.module.bias)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.custom("ChebConv", xs[0].shape[1], self.units, self.k, self.bias).with_call(
            "{m}({0}, {1})"
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        terms = [str(xs[0])]
        y = self.onnx_matrix(g, terms[0], "lins.0.weight")
        for i in range(1, self.k):
            term = g.op("MatMul", xs[1], terms[-1])
            terms.append(
                term if i == 1 else g.op("Sub", g.op("Mul", term, g.floats(2.0)), terms[-2])
            )
            y = g.op("Add", y, self.onnx_matrix(g, terms[-1], f"lins.{i}.weight"))
        return g.op("Add", y, g.param("bias")) if self.bias else y


@layer(
    "sage",
    family="graph",
    examples=[("5x3, 5x5", "sage(2)"), ("4x3, 4x4", "sage(units = 6, bias = false)")],
)
class Sage(_GraphLayer):
    """GraphSAGE with the mean aggregator (Hamilton et al. 2017):

    W_r x + W_l m + b, m the mean over a vertex's neighbours, 0 where it has none; the reference is
    the adjacency of zeros and ones.
    """

    def params(self, *xs: TensorType) -> dict[str, Param]:
        made = {
            "lin_l.weight": self.matrix(xs[0], "default"),
            "lin_r.weight": self.matrix(xs[0], "default"),
        }
        return (
            made | {"lin_l.bias": Param((self.units,), f"uniform:{xs[0].shape[1]}")}
            if self.bias
            else made
        )

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        return xs[0].size * xs[0].shape[0] + y.size * (2 * xs[0].shape[1])

    def sorts(self) -> tuple[Sort, ...]:
        return (NUMBERS, ADJACENCY)

    def carried(self, e: Evaluation) -> Known:
        own, edges = Known.exactly(e.x), Known.exactly(e.xs[1])
        degrees = edges @ Known.exactly(e.x.new_ones((*e.x.shape[:-1], 1)))
        total, divisor = edges @ own, degrees.value.clamp(min=1)
        mean = total.value / divisor
        neighbours = Known.rounded(
            mean,
            (total.rounding + mean.abs() * degrees.rounding) / divisor,
            (total.underflow + mean.abs() * degrees.underflow) / divisor,
        )
        made = neighbours.linear(e.module.lin_l.weight, e.module.lin_l.bias)
        return made + own.linear(e.module.lin_r.weight)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.custom("SAGEConv", xs[0].shape[1], self.units, self.bias).with_call(
            "{m}({0}, {1})"
        )

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        mean = g.op("Div", g.op("MatMul", xs[1], xs[0]), _onnx_degrees(g, xs[1]))
        y = g.op(
            "Add",
            self.onnx_matrix(g, mean, "lin_l.weight"),
            self.onnx_matrix(g, xs[0], "lin_r.weight"),
        )
        return g.op("Add", y, g.param("lin_l.bias")) if self.bias else y
