"""Recurrent layers over a sequence of T vectors of length D: `rnn`, `lstm`, `gru`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Known
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, integer, number, text
from netdsl.ops.base import END, arg, fixed, layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Moment(NamedTuple):
    """The operands of the next state."""

    inner: Known  # W_ih x + b_ih
    outer: Known  # W_hh h + b_hh
    h: Known
    c: Known


class _Recurrent(Op):
    """Base of the kinds that turn T x D into T x hidden, or T x (2 hidden) if bidirectional."""

    hidden: int = arg(integer, doc="length of the state, and of each direction's output", min=1)
    layers: int = arg(integer, 1, doc="number of stacked layers", min=1, max=1000)
    bidirectional: bool = arg(
        boolean, False, doc="read the sequence from both ends, and join the outputs"
    )
    dropout: float = arg(
        number, 0.0, doc="share of the values between layers that training zeroes", min=0, max=1
    )
    last: bool = arg(
        boolean,
        False,
        doc="give only the final state, a vector; with two directions, both states joined",
    )
    multiplies = True
    is_global = True
    fused = True

    order: tuple[int, ...] = (0,)  # the positions of ONNX's gates among PyTorch's
    operator = ""  # the name in PyTorch and in ONNX
    state = "[1]"  # takes the hidden state from the result of PyTorch's module

    @property
    def directions(self) -> tuple[str, ...]:
        """The suffix of the names of each direction's weights."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def width(self) -> int:
        """The length of the result's vectors."""
        return self.hidden * len(self.directions)

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 2:
            raise OpError(
                "wrong-rank",
                f"`{self.kind}` takes a sequence of vectors, T x D, but its input is {x}",
                help="`tokens` turns an image into a sequence, `embedding` turns integers into one",
            )
        self._input_width(x)
        if self.dropout and self.layers == 1:
            raise OpError(
                "bad-argument",
                f"`dropout` of `{self.kind}` is {self.dropout:g}, but it acts between layers, and"
                " there is only 1",
                "dropout",
                f"write `-> dropout({self.dropout:g})` after the layer",
                Correction({"dropout": None}, after=f"dropout({self.dropout:g})"),
            )
        if self.last:
            return TensorType((self.width,), x.dtype)
        return TensorType((x.shape[0], self.width), x.dtype)

    def _input_width(self, x: TensorType) -> int:
        return fixed(self, x.shape[1], "the length of its input's vectors")

    def params(self, x: TensorType) -> dict[str, Param]:
        rows = len(self.order) * self.hidden
        columns = self._input_width(x)
        init = f"uniform:{self.hidden}"
        params: dict[str, Param] = {}
        for i in range(self.layers):
            for suffix in self.directions:
                end = f"l{i}{suffix}"
                params[f"weight_ih_{end}"] = Param((rows, columns), init)
                params[f"weight_hh_{end}"] = Param((rows, self.hidden), init, role="state")
                params[f"bias_ih_{end}"] = Param((rows,), init)
                params[f"bias_hh_{end}"] = Param((rows,), init)
            columns = self.width
        return params

    def macs(self, y: TensorType, x: TensorType) -> int | Sym:
        return x.shape[0] * self.weights(x)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        module = t.module(
            self.operator,
            x.shape[1],
            self.hidden,
            num_layers=(self.layers, 1),
            **self.torch_extra(),
            batch_first=(True, False),
            dropout=(self.dropout, 0.0),
            bidirectional=(self.bidirectional, False),
        )
        result = "[0]"
        if self.last and self.bidirectional:
            result = f"{self.state}[-2:].transpose(0, 1).flatten(1)"
        elif self.last:
            result = f"{self.state}[-1]"
        return module.with_call(f"{{m}}({{0}}){result}")

    def torch_extra(self) -> dict[str, tuple[object, object]]:
        """Arguments of PyTorch's module that only this kind has, as (value, default) pairs."""
        return {}

    def onnx_extra(self) -> dict[str, object]:
        """Attributes of the ONNX operator that only this kind has."""
        return {}

    def onnx(self, g: Emitter, x: TypedName) -> str:
        y = self._onnx_layer(g, g.op("Transpose", x, perm=[1, 0, 2]), 0)
        for i in range(1, self.layers):
            states = g.op("Transpose", y, perm=[0, 2, 1, 3])
            y = self._onnx_layer(g, g.op("Reshape", states, g.ints([0, 0, self.width])), i)
        if self.last:
            return self._onnx_last(g, y)
        states = g.op("Transpose", y, perm=[2, 0, 1, 3])
        return g.op("Reshape", states, g.ints([0, 0, self.width]))

    def _onnx_last(self, g: Emitter, y: str) -> str:
        """The last state that each direction computes, from T x directions x N x hidden."""
        final = g.op("Slice", y, g.ints([-1, 0]), g.ints([END, 1]), g.ints([0, 1]))
        if self.bidirectional:
            first = g.op("Slice", y, g.ints([0, 1]), g.ints([1, 2]), g.ints([0, 1]))
            final = g.op("Concat", final, first, axis=3)
        return g.op("Squeeze", final, g.ints([0, 1]))

    def _onnx_layer(self, g: Emitter, x: str, i: int) -> str:
        """One layer, T x N x inputs to T x directions x N x hidden."""
        w, r, b_ih, b_hh = (self._stacked(g, f"{name}_l{i}") for name in _WEIGHTS)
        bias = g.op("Squeeze", g.op("Concat", b_ih, b_hh, axis=1), g.ints([2]))
        attributes = {
            "hidden_size": self.hidden,
            "direction": "bidirectional" if self.bidirectional else "forward",
            **self.onnx_extra(),
        }
        return g.op(self.operator, x, w, r, bias, **attributes)

    def _stacked(self, g: Emitter, name: str) -> str:
        """A parameter of all directions: directions x (gates hidden) x columns.

        The gates are in ONNX's order.
        """
        count = len(self.order)
        parts = []
        for suffix in self.directions:
            gates = g.op("Reshape", g.param(name + suffix), g.ints([count, self.hidden, -1]))
            ordered = g.op("Gather", gates, g.ints(self.order), axis=0)
            parts.append(g.op("Reshape", ordered, g.ints([1, count * self.hidden, -1])))
        if self.bidirectional:
            return g.op("Concat", *parts, axis=0)
        return parts[0]

    # ---- rounding

    def rounding(self, e: Evaluation) -> Bound:
        """Carried from step to step: `e(W x + c) = abs(W) (s abs(x) + e(x)) + abs(c)`.

        A function multiplies the error of its argument by its largest slope within the bounds, and
        adds 1.

        Underflow: carried from step to step: every operation adds 1, and a product multiplies the
        loss of each factor by the other factor.
        """
        weights = dict(e.module.named_parameters())
        sequence = Known.exactly(e.x)
        finals: list[Known] = []
        for i in range(self.layers):
            runs = []
            for suffix in self.directions:
                own = {name: weights[f"{name}_l{i}{suffix}"] for name in _WEIGHTS}
                runs.append(self._direction(e, own, sequence, reverse=bool(suffix)))
            finals = [final for _, final in runs]
            sequence = e.joined([states for states, _ in runs], -1)
        if self.last:
            sequence = e.joined(finals, -1)
        return sequence.bound._replace(value=sequence.value)

    def _direction(
        self, e: Evaluation, weights: Mapping[str, Tensor], x: Known, *, reverse: bool
    ) -> tuple[Known, Known]:
        """All states of one direction, and the last one that it computes."""
        h = c = Known.exactly(x.value.new_zeros(x.value.shape[0], self.hidden))
        states: list[Known] = []
        inner = x.linear(weights["weight_ih"], weights["bias_ih"])
        steps = list(range(x.value.shape[1]))
        if reverse:
            steps.reverse()
        for step in steps:
            outer = h.linear(weights["weight_hh"], weights["bias_hh"])
            h, c = self.next_state(Moment(inner.at(step), outer, h, c))
            states.append(h.map(lambda tensor: tensor.unsqueeze(1)))
        if reverse:
            states.reverse()
        return e.joined(states, 1), h

    def next_state(self, m: Moment) -> tuple[Known, Known]:
        """The next hidden state, and the next state of the cell if the kind has one."""
        raise NotImplementedError(self.kind)


@layer(
    "rnn",
    family="sequence",
    examples=[
        ("4x3", "rnn(5)"),
        (
            "3x2",
            "rnn(hidden = 4, layers = 2, bidirectional = true, dropout = 0.2, nonlinearity = relu)",
        ),
        ("4x3", "rnn(2, last = true)"),
    ],
)
class RNN(_Recurrent):
    """The simple recurrent layer (Elman 1990): h_t = tanh(W x_t + b_ih + U h_(t-1) + b_hh)."""

    nonlinearity: str = arg(
        text, "tanh", doc="the function that is applied to the sum", choices=("tanh", "relu")
    )
    operator = "RNN"

    def torch_extra(self) -> dict[str, tuple[object, object]]:
        return {"nonlinearity": (self.nonlinearity, "tanh")}

    def onnx_extra(self) -> dict[str, object]:
        return {"activations": [self.nonlinearity.capitalize()] * len(self.directions)}

    def next_state(self, m: Moment) -> tuple[Known, Known]:
        total = m.inner + m.outer
        if self.nonlinearity == "relu":
            return total.relu(), m.c
        return total.tanh(), m.c


@layer(
    "lstm",
    family="sequence",
    examples=[
        ("4x3", "lstm(5)"),
        ("3x2", "lstm(hidden = 4, layers = 3, bidirectional = true, dropout = 0.2)"),
        ("4x3", "lstm(2, last = true)"),
        ("3x5", "lstm(2, layers = 2, bidirectional = true, last = true)"),
    ],
)
class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    c_t = f c_(t-1) + i g and h_t = o tanh(c_t). The gates i, f and o are sigmoids of
    W x_t + b_ih + U h_(t-1) + b_hh, each with its own weights, and g is the tanh of such a sum.
    """

    operator = "LSTM"
    order = (0, 3, 1, 2)  # input, output, forget, cell
    state = "[1][0]"

    def next_state(self, m: Moment) -> tuple[Known, Known]:
        i, f, g, o = (m.inner + m.outer).split(4)
        c = f.sigmoid() * m.c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


@layer(
    "gru",
    family="sequence",
    examples=[
        ("4x3", "gru(5)"),
        ("3x2", "gru(hidden = 4, layers = 2, bidirectional = true, dropout = 0.2)"),
        ("4x3", "gru(2, bidirectional = true, last = true)"),
    ],
)
class GRU(_Recurrent):
    """The gated recurrent unit (Cho et al. 2014): h_t = (1 - z) n + z h_(t-1).

    n = tanh(W x_t + b_ih + r (U h_(t-1) + b_hh)). The gates r and z are sigmoids of
    W x_t + b_ih + U h_(t-1) + b_hh, each with its own weights.
    """

    operator = "GRU"
    order = (1, 0, 2)  # update, reset, new

    def onnx_extra(self) -> dict[str, object]:
        return {"linear_before_reset": 1}

    def next_state(self, m: Moment) -> tuple[Known, Known]:
        (r1, z1, n1), (r2, z2, n2) = m.inner.split(3), m.outer.split(3)
        z = (z1 + z2).sigmoid()
        new = (n1 + (r1 + r2).sigmoid() * n2).tanh()
        return z.less_from_one() * new + z * m.h, m.c
