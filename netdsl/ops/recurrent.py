"""Recurrent layers over a sequence of T vectors of length D: `rnn`, `lstm`, `gru`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ops.args import tensor, text
from netdsl.ops.base import arg, layer
from netdsl.ops.recurrence import Recurrent

if TYPE_CHECKING:
    from netdsl.ir.rounding import Known
    from netdsl.ops.recurrence import Moment


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
        ("4x3, 2x5", "rnn(5, layers = 2, bias = false, h = @h)"),
    ],
)
class RNN(Recurrent):
    """The simple recurrent layer (Elman 1990): h_t = tanh(W x_t + b_ih + U h_(t-1) + b_hh)."""

    nonlinearity: str = arg(
        text, "tanh", doc="the function that is applied to the sum", choices=("tanh", "relu")
    )
    # After `nonlinearity`, because older nets give that by position.
    bias = Recurrent.bias
    h = Recurrent.h
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
        ("4x3, 5, 5", "lstm(5, h = @h, c = @c)"),
        ("4x3, 4x5, 4x5", "lstm(5, layers = 2, bidirectional = true, h = @h, c = @c)"),
        ("3x2", "lstm(4, bias = false)"),
    ],
)
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    c_t = f c_(t-1) + i g and h_t = o tanh(c_t). The gates i, f and o are sigmoids of
    W x_t + b_ih + U h_(t-1) + b_hh, each with its own weights, and g is the tanh of such a sum.
    """

    c: bool | None = arg(
        tensor, None, doc="the initial state of the cells, in place of zeros, of the shape of `h`"
    )
    operator = "LSTM"
    order = (0, 3, 1, 2)  # input, output, forget, cell
    states = ("h", "c")

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
        ("4x3, 2x5", "gru(5, bidirectional = true, bias = false, h = @h)"),
    ],
)
class GRU(Recurrent):
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
