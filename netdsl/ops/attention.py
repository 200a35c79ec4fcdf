"""Attention over sequences: `attention`."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING, TypeVar

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Known
from netdsl.ops.args import boolean, integer, mask, number, truths
from netdsl.ops.attention_masks import Roles, check_masks, hidden, masked, onnx_masked
from netdsl.ops.base import arg, divisors, fixed, layer
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import (
        Emitter,
        Evaluation,
        Lowered,
        Recorder,
        TrainingEmitter,
        TypedName,
    )
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym, TensorType

T = TypeVar("T")
_CAUSAL = (
    "attn_mask=nn.Transformer.generate_square_subsequent_mask({0}.shape[-2], device={0}.device,"
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
        ("3x4, 5x6, 5x3", "attention(2)"),
        ("3x4, 2x3", "attention(4, bias = false)"),
        ("4x6, 3x4x4", "attention(3, mask = @bias)"),
        ("4x6, 4x4 bool", "attention(2, mask = @hidden, causal = true)"),
        ("4x6, 5x4, 5 bool", "attention(2, padding = @ends)"),
        ("3x4x6, 2x4x4, 3x4 bool", "attention(2, windowed = true, mask = @bias, padding = @ends)"),
        ("2x5x4, 2x1x5x5 bool", "attention(2, windowed = true, mask = @hidden)"),
        ("3x2x4x6, 2x4 bool", "attention(2, windowed = true, padding = @ends)"),
    ],
)
class Attention(Op):
    """Multi-head attention (Vaswani et al. 2017): softmax(Q K^T / sqrt(D / heads)) V per head.

    The heads are joined and projected. Keys and values come from the reference if there is one, and
    from the input otherwise; with two references, the keys come from the first and the values from
    the second. A query whose keys are all hidden gets zeros before the projection. Of
    `nn.MultiheadAttention`, `add_bias_kv` and `add_zero_attn` are missing, because few nets use
    them, and the attention weights are not a result.
    """

    heads: int = arg(integer, doc="number of heads, a divisor of the input's D", min=1)
    bias: bool = arg(boolean, True, doc="add learned biases in the projections")
    causal: bool = arg(boolean, False, doc="hide from each step those that follow it")
    dropout: float = arg(
        number, 0.0, doc="share of the attention weights that training zeroes", min=0, max=1
    )
    windowed: bool = arg(
        boolean, False, doc="take W x T x D: each window attends only to itself, with equal weights"
    )
    mask: bool | None = arg(
        mask,
        None,
        doc="queries x keys, or heads x queries x keys, or windows x heads x queries x keys, where"
        " sizes of 1 are repeated: numbers are added to the scores, and true hides a key",
    )
    padding: bool | None = arg(
        truths,
        None,
        doc="true hides a key, which is padding, from all queries: keys, or windows x keys",
    )
    inputs = (1, 3)
    multiplies = True
    is_global = True

    def _roles(self, xs: Sequence[T]) -> Roles[T]:
        """What belongs to each input; `xs` has it for every input, in order."""
        named = self.named(xs)
        plain = xs[: len(xs) - len(named)]
        key = plain[min(1, len(plain) - 1)]
        return Roles(plain[0], key, plain[-1], named.get("mask"), named.get("padding"))

    def infer(self, x: TensorType, *others: TensorType) -> TensorType:
        roles = self._roles((x, *others))
        self._check_sequences(roles)
        width = self._width(x)
        if width % self.heads:
            raise OpError(
                "bad-groups",
                f"vectors of length {width} cannot be divided into"
                f" {counted(self.heads, 'equal head')}",
                "heads",
                divisors(width),
            )
        if self.causal and roles.key is not x:
            raise OpError(
                "bad-argument",
                "`causal` of `attention` needs queries and keys of one sequence, but the keys come"
                " from a reference",
                "causal",
                "leave out `causal` or the reference; `mask` can hide any keys",
            )
        check_masks(self, roles)
        return x

    def _check_sequences(self, roles: Roles[TensorType]) -> None:
        """Raise `OpError` unless queries, keys and values are sequences that fit together."""
        x, key, value = roles.query, roles.key, roles.value
        for sequence in (x, key, value):
            self._width(sequence, is_only=value is x)
        for name, a, b in (("windows", x, key), ("windows", x, value), ("keys", key, value)):
            end = -1 if name == "keys" else -2
            pairs = list(zip(a.shape[:end], b.shape[:end], strict=False))
            if len(a.shape) != len(b.shape) or not all(self.needs_equal(*pair) for pair in pairs):
                message = f"`attention` cannot combine {a} and {b}: the numbers of {name} differ"
                help_ = "each key needs a value" if name == "keys" else None
                raise OpError("shape-mismatch", message, help=help_)

    def _width(self, sequence: TensorType, *, is_only: bool = False) -> int:
        """The length of the vectors of a sequence; raises `OpError`."""
        rank = len(sequence.shape)
        if self.windowed and rank < 3:
            raise OpError(
                "wrong-rank",
                f"`attention` with `windowed` takes W x T x D, found {sequence}",
                help="leave out `windowed` for a single sequence",
                correction=Correction({"windowed": None}),
            )
        if not self.windowed and rank != 2:
            is_image = is_only and rank in (3, 4)
            help_ = "`tokens` turns an image into a sequence"
            if rank > 2:
                help_ += "; `windowed = true` takes windows, W x T x D"
            raise OpError(
                "wrong-rank",
                f"`attention` takes sequences of vectors, T x D, found {sequence}",
                help=help_,
                correction=Correction(before="tokens") if is_image else None,
            )
        return fixed(self, sequence.shape[-1], "the length of its input's vectors")

    def _widths(self, xs: Sequence[TensorType]) -> tuple[int, int, int]:
        """The lengths of the vectors of the queries, keys and values."""
        query, key, value, *_ = self._roles(xs)
        return self._width(query), self._width(key), self._width(value)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        width, key_width, value_width = self._widths(xs)
        params: dict[str, Param] = {}
        if width == key_width == value_width:
            params["in_proj_weight"] = Param((3 * width, width), "xavier_uniform")
        else:
            for name, columns in (("q", width), ("k", key_width), ("v", value_width)):
                params[f"{name}_proj_weight"] = Param((width, columns), "xavier_uniform")
        if self.bias:
            params["in_proj_bias"] = Param((3 * width,))
        params["out_proj.weight"] = Param((width, width), "default", role="after-norm")
        if self.bias:
            params["out_proj.bias"] = Param((width,))
        return params

    def weights(self, *xs: TensorType) -> int:
        return sum(p.size for name, p in self.params(*xs).items() if not name.endswith("bias"))

    def macs(self, y: TensorType, *xs: TensorType) -> int | Sym:
        width, key_width, value_width = self._widths(xs)
        *windows, keys, _ = self._roles(xs).key.shape
        projected = prod(windows) * keys * (key_width * width + value_width * width)
        return 2 * y.size * width + projected + 2 * y.size * keys

    def rounding(self, e: Evaluation) -> Bound:
        """Carried from step to step: `e(W x + c) = abs(W) (s abs(x) + e(x)) + abs(c)`.

        Underflow: carried from step to step: every operation adds 1, and a product multiplies the
        loss of each factor by the other factor.
        """
        roles = self._roles(e.xs)
        q, k, v = (
            part.map(lambda t: t.unflatten(-1, (self.heads, -1)).transpose(-3, -2))
            for part in _projections(e, roles)
        )
        # Queries and keys are each multiplied by this factor, as in PyTorch.
        scale = (e.x.shape[-1] // self.heads) ** -0.25
        scores = q.times(scale) @ k.times(scale).map(lambda t: t.mT)
        scores = masked(scores, roles.mask, roles.padding)
        if self.causal:
            scores = hidden(scores, scores.value.new_ones(scores.value.shape).triu(1) > 0)
        joined = (_softmax(scores) @ v).map(lambda t: t.transpose(-3, -2).flatten(-2))
        return joined.linear(e.module.out_proj.weight, e.module.out_proj.bias).bound

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        width, key_width, value_width = self._widths(xs)
        module = t.module(
            "MultiheadAttention",
            width,
            self.heads,
            dropout=(self.dropout, 0.0),
            bias=(self.bias, True),
            kdim=(key_width, width),
            vdim=(value_width, width),
            batch_first=(True, False),
        )
        roles = self._roles([f"{{{i}}}" for i in range(len(xs))])
        flat = ".flatten(0, -3)" if self.windowed else ""
        arguments = [f"{role}{flat}" for role in (roles.query, roles.key, roles.value)]
        arguments.append("need_weights=False")
        back = ".reshape({0}.shape)" if self.windowed else ""
        if roles.mask is None and roles.padding is None:
            if self.causal:
                arguments.append(_CAUSAL)
            return module.with_call(f"{{m}}({', '.join(arguments)})[0]{back}")
        given = {"mask": roles.mask, "padding": roles.padding, "causal": self.causal or None}
        pairs = [f"{name}={value}" for name, value in given.items() if value is not None]
        keys = f"{roles.key}.shape[-2]"
        made = t.helper("attention_mask", roles.query, keys, self.heads, *pairs)
        arguments.append(f"attn_mask={made.call}")
        return module._replace(call=f"{{m}}({', '.join(arguments)})[0]{back}", uses=made.uses)

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return self._onnx(g, xs, None)

    def onnx_training(self, g: TrainingEmitter, *xs: TypedName) -> str:
        return self._onnx(g, xs, g)

    def _onnx(self, g: Emitter, xs: tuple[TypedName, ...], training: TrainingEmitter | None) -> str:
        """The layer at inference, or in training with the emitter of that."""
        roles = self._roles(xs)
        width, *others = self._widths([x.type for x in xs])
        is_fused = others == [width, width]
        *lead, t, h, d = range(len(xs[0].type.shape) + 2)  # N, windows, steps, heads, width
        parts = [
            self._onnx_part(g, x, i, width, is_fused=is_fused)
            for i, x in enumerate((roles.query, roles.key, roles.value))
        ]
        q = g.op("Transpose", parts[0], perm=[*lead, h, t, d])
        k = g.op("Transpose", parts[1], perm=[*lead, h, d, t])
        v = g.op("Transpose", parts[2], perm=[*lead, h, t, d])
        scores = g.op("MatMul", g.op("Mul", q, g.floats((width // self.heads) ** -0.5)), k)
        shares = self._onnx_shares(g, scores, roles, is_training=training is not None)
        if training is not None and self.dropout:
            factors = training.mask(training.shape(shares), self.dropout)
            shares = g.op("Mul", shares, factors)
        back = g.op("Transpose", g.op("MatMul", shares, v), perm=[*lead, h, t, d])
        joined = g.op("Reshape", back, g.ints([0] * (len(lead) + 1) + [width]))
        y = g.op("MatMul", joined, g.op("Transpose", g.param("out_proj.weight"), perm=[1, 0]))
        if self.bias:
            y = g.op("Add", y, g.param("out_proj.bias"))
        return y

    def _onnx_shares(
        self, g: Emitter, scores: str, roles: Roles[TypedName], *, is_training: bool
    ) -> str:
        """The attention weights; zeros for a query whose keys are all hidden, as in PyTorch."""
        steps = len(roles.query.type.shape) - 1
        scores = onnx_masked(g, scores, roles.mask, roles.padding, windows=steps - 1)
        if self.causal:
            length = g.op("Shape", roles.query, start=steps, end=steps + 1)
            scores = _onnx_without_later(g, scores, length)
        if roles.mask is None and roles.padding is None:
            return g.op("Softmax", scores, axis=-1)
        if is_training:  # without infinities alone, whose shares would not be numbers
            is_empty = _onnx_is_empty(g, scores)
            scores = g.op("Where", is_empty, g.floats(0.0), scores)
        shares = g.op("Softmax", scores, axis=-1)
        if not is_training:
            is_empty = _onnx_is_empty(g, scores)
        return g.op("Where", is_empty, g.floats(0.0), shares)

    def _onnx_part(self, g: Emitter, x: TypedName, part: int, width: int, *, is_fused: bool) -> str:
        """The queries (0), keys (1) or values (2): N x steps x heads x width of a head.

        `width` is that of the queries; `is_fused` tells whether one matrix makes all three.
        """
        rows = g.ints([part * width]), g.ints([(part + 1) * width]), g.ints([0])
        if is_fused:
            weight = g.op("Slice", g.param("in_proj_weight"), *rows)
        else:
            weight = g.param(f"{'qkv'[part]}_proj_weight")
        y = g.op("MatMul", x, g.op("Transpose", weight, perm=[1, 0]))
        if self.bias:
            y = g.op("Add", y, g.op("Slice", g.param("in_proj_bias"), *rows))
        kept = [0] * len(x.type.shape)  # the batch, the windows and the steps
        return g.op("Reshape", y, g.ints([*kept, self.heads, width // self.heads]))


def _onnx_is_empty(g: Emitter, scores: str) -> str:
    """Whether all keys of a query are hidden."""
    largest = g.op("ReduceMax", scores, g.ints([-1]), keepdims=1)
    return g.op("Equal", largest, g.floats(-inf))


def _onnx_without_later(g: Emitter, scores: str, steps: str) -> str:
    """The scores, but minus infinity for keys later than the query; `steps` is their number."""
    square = g.op("Expand", g.floats(-inf), g.op("Concat", steps, steps, axis=0))
    later = g.op("Trilu", square, g.op("Squeeze", g.ints([1])), upper=1)
    return g.op("Add", scores, later)


def _projections(e: Evaluation, roles: Roles[Tensor]) -> list[Known]:
    """Queries, keys and values."""
    joined, bias = e.module.in_proj_weight, e.module.in_proj_bias
    if joined is None:
        weights = (e.module.q_proj_weight, e.module.k_proj_weight, e.module.v_proj_weight)
    else:
        weights = joined.chunk(3)
    biases: Sequence[Tensor | None] = (None, None, None)
    if bias is not None:
        biases = bias.chunk(3)
    sequences = (roles.query, roles.key, roles.value)
    return [
        Known.exactly(sequence).linear(weight, own)
        for sequence, weight, own in zip(sequences, weights, biases, strict=True)
    ]


def _softmax(scores: Known) -> Known:
    """Shares along the last axis. An error in a score changes its share and all others.

    If all scores are minus infinity, the shares are 0.
    """
    largest = scores.value.amax(-1, keepdim=True)
    share = scores.value.softmax(-1).masked_fill(largest == -inf, 0)
    below = largest - scores.value
    unsure = scores.rounding + below.where(share > 0, 0)
    rounding = share * (1 + unsure + (share * unsure).sum(-1, keepdim=True))
    moved = (share * scores.underflow).sum(-1, keepdim=True)
    underflow = share * (scores.underflow + moved + share.shape[-1]) + 1
    return Known(share, rounding, underflow)
