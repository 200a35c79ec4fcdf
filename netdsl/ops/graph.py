"""Layers on graphs: `gcn`, `cheb` and `sage`.

The first input has D features for each of V vertices. The second is the V x V matrix of the edges.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import ADJACENCY, EDGE_WEIGHTS, LAPLACIAN, NUMBERS, Op, Param, Sort
from netdsl.ir.rounding import NEAR, Known, grown
from netdsl.ir.types import TensorType
from netdsl.ops.args import bias_values, boolean, integer
from netdsl.ops.base import arg, fixed, layer
from netdsl.ops.init import bias_params

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym


_CALL = "{m}({0}, {1})"


class _GraphLayer(Op):
    """Base of the kinds that take V x D and V x V to V x units."""

    units: int = arg(integer, doc="features of each vertex in the output", min=1)
    bias = arg(bias_values, True, doc="add a learned bias to each output feature, or its numbers")
    inputs = (2, 2)
    multiplies = True
    is_global = True

    def infer(self, x: TensorType, edges: TensorType) -> TensorType:
        if len(x.shape) != 2:
            raise OpError(
                "wrong-rank",
                f"`{self.kind}` takes the features of vertices, V x D, but its input is {x}",
            )
        vertices = x.shape[0]
        if len(edges.shape) != 2 or not all(self.needs_equal(vertices, d) for d in edges.shape):
            raise self._wrong_edges(vertices, edges)
        self.features(x)
        return TensorType((vertices, self.units), x.dtype)

    def _wrong_edges(self, vertices: int | Sym, edges: TensorType) -> OpError:
        square = f"{vertices}x{vertices}"
        size = f"[{vertices}, {vertices}]" if " " in square else square
        return OpError(
            "shape-mismatch",
            f"`{self.kind}` has {vertices} vertices, so its edges must be {square}, found {edges}",
            help=f"edges are usually an input of their own: `input edges: {size}`",
        )

    def features(self, x: TensorType) -> int:
        """The number of features of each vertex; raises `OpError` if it is open."""
        return fixed(self, x.shape[1], "the number of features")

    def biases(self) -> dict[str, Param]:
        """The learned bias of the sum, if there is one."""
        return bias_params(self, Param((self.units,)))

    def matrix(self, x: TensorType, init: str) -> Param:
        """A matrix of units x features."""
        return Param((self.units, self.features(x)), init)

    def weights(self, x: TensorType, edges: TensorType) -> int:
        params = self.params(x, edges)
        return sum(p.size for name, p in params.items() if not name.endswith("bias"))

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

    def onnx_product(self, g: Emitter, x: str, name: str) -> str:
        """The product of `x` and a matrix of units x features."""
        return g.op("MatMul", x, g.op("Transpose", g.param(name), perm=[1, 0]))

    def onnx_plus_bias(self, g: Emitter, y: str, name: str) -> str:
        """The sum of `y` and the learned bias, if there is one."""
        if self.bias:
            y = g.op("Add", y, g.param(name))
        return y


def _onnx_degrees(g: Emitter, edges: str) -> str:
    """The sums of the rows, but at least 1: N x V x 1."""
    return g.op("Max", g.op("ReduceSum", edges, g.ints([2]), keepdims=1), g.floats(1.0))


def _plus(y: Known, bias: Tensor | None) -> Known:
    """The sum of `y` and the learned bias, if there is one."""
    return y if bias is None else y.shifted(bias)


def _normalised(edges: Tensor) -> Known:
    """D^(-1/2) (A + I) D^(-1/2): degrees are sums of numbers that are at least 0, plus 1."""
    looped = edges + edges.new_ones(edges.shape[-1]).diag()
    degrees = looped.sum(2).clamp(min=1)
    scale = degrees.rsqrt()
    matrix = scale[:, :, None] * looped * scale[:, None, :]
    most = looped.abs().sum(2)
    unsure = grown(edges.shape[-1]) * (most / degrees)
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
    """The graph convolution of Kipf and Welling (2017): A (X W) + b.

    A is the normalised adjacency D^(-1/2) (A' + I) D^(-1/2). The reference is A, or the
    plain adjacency A' if `normalize` is true.
    """

    normalize: bool = arg(
        boolean,
        False,
        doc="add self-loops to an adjacency of numbers of at least 0, and normalise it",
    )

    def params(self, x: TensorType, edges: TensorType) -> dict[str, Param]:
        return {**self.biases(), "lin.weight": self.matrix(x, "xavier_uniform")}

    def macs(self, y: TensorType, x: TensorType, edges: TensorType) -> int | Sym:
        vertices, features = x.shape
        return y.size * (features + vertices)

    def sorts(self) -> tuple[Sort, ...]:
        if self.normalize:
            return (NUMBERS, ADJACENCY)
        return super().sorts()

    def carried(self, e: Evaluation) -> Known:
        if self.normalize:
            matrix = _normalised(e.xs[1])
        else:
            matrix = Known.exactly(e.xs[1])
        return _plus(matrix @ Known.exactly(e.x).linear(e.module.lin.weight), e.module.bias)

    def torch(self, t: Recorder, x: TensorType, edges: TensorType) -> Lowered:
        module = t.custom("GCNConv", x.shape[1], self.units, bool(self.bias), self.normalize)
        return module.with_call(_CALL)

    def onnx(self, g: Emitter, x: TypedName, edges: TypedName) -> str:
        matrix: str = edges
        if self.normalize:
            matrix = self._onnx_normalised(g, edges)
        y = g.op("MatMul", matrix, self.onnx_product(g, x, "lin.weight"))
        return self.onnx_plus_bias(g, y, "bias")

    def _onnx_normalised(self, g: Emitter, edges: str) -> str:
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
    """The spectral convolution of Defferrard et al. (2016): sum of T_k(L) X W_k over k < K, plus b.

    T_0 = 1, T_1 = L and T_k = 2 L T_(k-1) - T_(k-2). The reference is L, which is 2 / l_max
    times the graph's Laplacian, minus I.
    """

    k: int = arg(
        integer,
        doc="number K of Chebyshev polynomials: an output sees neighbours K - 1 edges away",
        min=1,
        max=1000,
    )
    # Declared again, so that the positional arguments are units, k and bias, in this order.
    bias = arg(bias_values, True, doc="add a learned bias to each output feature, or its numbers")

    def params(self, x: TensorType, edges: TensorType) -> dict[str, Param]:
        matrices = {f"lins.{i}.weight": self.matrix(x, "xavier_uniform") for i in range(self.k)}
        return {**self.biases(), **matrices}

    def macs(self, y: TensorType, x: TensorType, edges: TensorType) -> int | Sym:
        vertices, features = x.shape
        return y.size * (self.k * features) + x.size * vertices * (self.k - 1)

    def sorts(self) -> tuple[Sort, ...]:
        return (NUMBERS, LAPLACIAN)

    def carried(self, e: Evaluation) -> Known:
        matrix = Known.exactly(e.xs[1])
        before = term = Known.exactly(e.x)
        total = term.linear(e.module.lins[0].weight)
        for k, lin in enumerate(e.module.lins[1:], start=1):
            product = matrix @ term
            if k > 1:
                product = product.times(2.0) - before
            before, term = term, product
            total = total + term.linear(lin.weight)
        return _plus(total, e.module.bias)

    def torch(self, t: Recorder, x: TensorType, edges: TensorType) -> Lowered:
        module = t.custom("ChebConv", x.shape[1], self.units, self.k, bool(self.bias))
        return module.with_call(_CALL)

    def onnx(self, g: Emitter, x: TypedName, edges: TypedName) -> str:
        terms: list[str] = [x]
        y = self.onnx_product(g, x, "lins.0.weight")
        for i in range(1, self.k):
            term = g.op("MatMul", edges, terms[-1])
            if i > 1:
                term = g.op("Sub", g.op("Mul", term, g.floats(2.0)), terms[-2])
            terms.append(term)
            y = g.op("Add", y, self.onnx_product(g, term, f"lins.{i}.weight"))
        return self.onnx_plus_bias(g, y, "bias")


@layer(
    "sage",
    family="graph",
    examples=[("5x3, 5x5", "sage(2)"), ("4x3, 4x4", "sage(units = 6, bias = false)")],
)
class Sage(_GraphLayer):
    """GraphSAGE with the mean aggregator (Hamilton et al. 2017): W_r x + W_l m + b.

    m is the mean of a vertex's neighbours, or 0 if it has none. The reference is the adjacency, of
    zeros and ones.
    """

    def params(self, x: TensorType, edges: TensorType) -> dict[str, Param]:
        matrix = self.matrix(x, "default")
        params = {"lin_l.weight": matrix, "lin_r.weight": matrix}
        start = Param((self.units,), f"uniform:{x.shape[1]}")
        for name, param in bias_params(self, start).items():
            params[f"lin_l.{name}"] = param
        return params

    def macs(self, y: TensorType, x: TensorType, edges: TensorType) -> int | Sym:
        vertices, features = x.shape
        return x.size * vertices + y.size * (2 * features)

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
        y = neighbours.linear(e.module.lin_l.weight, e.module.lin_l.bias)
        return y + own.linear(e.module.lin_r.weight)

    def torch(self, t: Recorder, x: TensorType, edges: TensorType) -> Lowered:
        return t.custom("SAGEConv", x.shape[1], self.units, bool(self.bias)).with_call(_CALL)

    def onnx(self, g: Emitter, x: TypedName, edges: TypedName) -> str:
        mean = g.op("Div", g.op("MatMul", edges, x), _onnx_degrees(g, edges))
        neighbours = self.onnx_product(g, mean, "lin_l.weight")
        y = g.op("Add", neighbours, self.onnx_product(g, x, "lin_r.weight"))
        return self.onnx_plus_bias(g, y, "lin_l.bias")
