"""Attention over sequences: `attention`."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Known
from netdsl.ops.args import boolean, integer, number
from netdsl.ops.base import arg, divisors, fixed, layer
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym, TensorType

_CAUSAL = (
    ", attn_mask=nn.Transformer.generate_square_subsequent_mask({0}.shape[1], device={0}.device,"
    " dtype={0}.dtype), is_causal=True"
)


@layer(
    "attention",
    family="sequence",
    examples=[
        ("4x6", "attention(2)"),
        ("3x4", "attention(heads = 1, bias = false, causal = true, dropout = 0.1)"),
        ("3x4, 5x4", "attention(2)"),
        ("3x4, 5x6", "attention(2)"),
        ("3x4, 2x3", "attention(4, bias = false)"),
    ],
)
class Attention(Op):
    """Multi-head attention (Vaswani et al. 2017): softmax(Q K^T / sqrt(D / heads)) V per head.

    The heads are joined and projected. Keys and values come from the reference if there is one, and
    from the input otherwise.
    """

    heads: int = arg(integer, doc="number of heads, a divisor of the input's D", min=1)
    bias: bool = arg(boolean, True, doc="add learned biases in the projections")
    causal: bool = arg(boolean, False, doc="hide from each step those that follow it")
    dropout: float = arg(
        number, 0.0, doc="share of the attention weights that training zeroes", min=0, max=1
    )
    inputs = (1, 2)
    multiplies = True
    is_global = True

    def infer(self, x: TensorType, source: TensorType | None = None) -> TensorType:
        width, _ = self._widths(x, source)
        if width % self.heads:
            raise OpError(
                "bad-groups",
                f"vectors of length {width} do not divide into {counted(self.heads, 'head')}",
                "heads",
                divisors(width),
            )
        if self.causal and source is not None:
            raise OpError(
                "bad-argument",
                f"`causal` of `attention` needs one sequence, found {x} and {source}",
                "causal",
                "leave out `causal` or the reference",
            )
        return x

    def _widths(self, x: TensorType, source: TensorType | None) -> tuple[int, int]:
        """The lengths of the vectors in the input and in the source of keys and values."""
        return self._width(x, is_only=source is None), self._width(source or x)

    def _width(self, sequence: TensorType, *, is_only: bool = False) -> int:
        """The length of the vectors of a sequence; raises `OpError`."""
        if len(sequence.shape) != 2:
            is_image = is_only and len(sequence.shape) in (3, 4)
            raise OpError(
                "wrong-rank",
                f"`attention` takes sequences of vectors, T x D, found {sequence}",
                help="`tokens` turns an image into a sequence",
                correction=Correction(before="tokens") if is_image else None,
            )
        return fixed(self, sequence.shape[1], "the length of its input's vectors")

    def params(self, x: TensorType, source: TensorType | None = None) -> dict[str, Param]:
        width, source_width = self._widths(x, source)
        params: dict[str, Param] = {}
        if width == source_width:
            params["in_proj_weight"] = Param((3 * width, width), "xavier_uniform")
        else:
            for name, columns in (("q", width), ("k", source_width), ("v", source_width)):
                params[f"{name}_proj_weight"] = Param((width, columns), "xavier_uniform")
        if self.bias:
            params["in_proj_bias"] = Param((3 * width,))
        params["out_proj.weight"] = Param((width, width), "default", role="after-norm")
        if self.bias:
            params["out_proj.bias"] = Param((width,))
        return params

    def weights(self, x: TensorType, source: TensorType | None = None) -> int:
        params = self.params(x, source)
        return sum(p.size for name, p in params.items() if not name.endswith("bias"))

    def macs(self, y: TensorType, x: TensorType, source: TensorType | None = None) -> int | Sym:
        width, source_width = self._widths(x, source)
        keys = (source or x).shape[0]
        return 2 * y.size * width + 2 * keys * (source_width * width) + 2 * y.size * keys

    def rounding(self, e: Evaluation) -> Bound:
        """Carried from step to step: `e(W x + c) = abs(W) (s abs(x) + e(x)) + abs(c)`.

        Underflow: carried from step to step: every operation adds 1, and a product multiplies the
        loss of each factor by the other factor.
        """
        q, k, v = (
            part.map(lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2))
            for part in _projections(e)
        )
        # Queries and keys are each multiplied by this factor, as in PyTorch.
        scale = (e.x.shape[-1] // self.heads) ** -0.25
        scores = q.times(scale) @ k.times(scale).map(lambda t: t.mT)
        if self.causal:
            later = scores.value.new_ones(scores.value.shape).triu(1) > 0
            scores = Known(
                scores.value.masked_fill(later, -inf),
                scores.rounding.masked_fill(later, 0),
                scores.underflow.masked_fill(later, 0),
            )
        joined = (_softmax(scores) @ v).map(lambda t: t.transpose(1, 2).flatten(2))
        return joined.linear(e.module.out_proj.weight, e.module.out_proj.bias).bound

    def torch(self, t: Recorder, x: TensorType, source: TensorType | None = None) -> Lowered:
        width, source_width = self._widths(x, source)
        module = t.module(
            "MultiheadAttention",
            width,
            self.heads,
            dropout=(self.dropout, 0.0),
            bias=(self.bias, True),
            kdim=(source_width, width),
            vdim=(source_width, width),
            batch_first=(True, False),
        )
        keys = "{0}" if source is None else "{1}"
        arguments = f"{{0}}, {keys}, {keys}, need_weights=False"
        if self.causal:
            arguments += _CAUSAL
        return module.with_call(f"{{m}}({arguments})[0]")

    def onnx(self, g: Emitter, x: TypedName, source: TypedName | None = None) -> str:
        source = source or x
        width, source_width = self._widths(x.type, source.type)
        fused = width == source_width
        q = g.op("Transpose", self._onnx_part(g, x, 0, width, fused=fused), perm=[0, 2, 1, 3])
        k = g.op("Transpose", self._onnx_part(g, source, 1, width, fused=fused), perm=[0, 2, 3, 1])
        v = g.op("Transpose", self._onnx_part(g, source, 2, width, fused=fused), perm=[0, 2, 1, 3])
        scores = g.op("MatMul", g.op("Mul", q, g.floats((width // self.heads) ** -0.5)), k)
        if self.causal:
            scores = _onnx_without_later(g, scores, g.op("Shape", x, start=1, end=2))
        heads = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
        joined = g.op("Reshape", g.op("Transpose", heads, perm=[0, 2, 1, 3]), g.ints([0, 0, width]))
        y = g.op("MatMul", joined, g.op("Transpose", g.param("out_proj.weight"), perm=[1, 0]))
        if self.bias:
            y = g.op("Add", y, g.param("out_proj.bias"))
        return y

    def _onnx_part(self, g: Emitter, x: str, part: int, width: int, *, fused: bool) -> str:
        """The queries (0), keys (1) or values (2): N x steps x heads x width of a head.

        `fused` tells whether one matrix makes all three.
        """
        rows = g.ints([part * width]), g.ints([(part + 1) * width]), g.ints([0])
        if fused:
            weight = g.op("Slice", g.param("in_proj_weight"), *rows)
        else:
            weight = g.param(f"{'qkv'[part]}_proj_weight")
        y = g.op("MatMul", x, g.op("Transpose", weight, perm=[1, 0]))
        if self.bias:
            y = g.op("Add", y, g.op("Slice", g.param("in_proj_bias"), *rows))
        return g.op("Reshape", y, g.ints([0, 0, self.heads, width // self.heads]))


def _onnx_without_later(g: Emitter, scores: str, steps: str) -> str:
    """The scores, but minus infinity for keys later than the query; `steps` is their number."""
    square = g.op("Expand", g.floats(-inf), g.op("Concat", steps, steps, axis=0))
    later = g.op("Trilu", square, g.op("Squeeze", g.ints([1])), upper=1)
    return g.op("Add", scores, later)


def _projections(e: Evaluation) -> list[Known]:
    """Queries, keys and values."""
    joined, bias = e.module.in_proj_weight, e.module.in_proj_bias
    if joined is None:
        weights = (e.module.q_proj_weight, e.module.k_proj_weight, e.module.v_proj_weight)
    else:
        weights = joined.chunk(3)
    biases: Sequence[Tensor | None] = (None, None, None)
    if bias is not None:
        biases = bias.chunk(3)
    sequences = (e.x, e.xs[-1], e.xs[-1])
    return [
        Known.exactly(sequence).linear(weight, own)
        for sequence, weight, own in zip(sequences, weights, biases, strict=True)
    ]


def _softmax(scores: Known) -> Known:
    """Shares along the last axis. An error in a score changes its share and all others."""
    share = scores.value.softmax(-1)
    below = scores.value.amax(-1, keepdim=True) - scores.value
    unsure = scores.rounding + below.where(share > 0, 0)
    rounding = share * (1 + unsure + (share * unsure).sum(-1, keepdim=True))
    moved = (share * scores.underflow).sum(-1, keepdim=True)
    underflow = share * (scores.underflow + moved + share.shape[-1]) + 1
    return Known(share, rounding, underflow)
