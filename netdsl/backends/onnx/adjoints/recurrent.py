"""The gradients of recurrent operators, by one `Scan` backward in time for each direction.

The operator gives all hidden states, so the gates of all steps are computed again at once. The loop
only carries the gradients of the state: each step multiplies them by factors that are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.backends.onnx.adjoints.scan import LoopBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


class _Factors(NamedTuple):
    """What the backward steps of a direction multiply by, each T x N x hidden, or more columns.

    `gates` are the slopes of the sums of the gates. `keep` is the share of the state that passes
    through a step, of the cell for an LSTM. `cell` is the slope of the hidden state of an LSTM by
    its cell, and `new` that of the sum of the input's products of the new state of a GRU.
    """

    gates: str
    keep: str = ""
    cell: str = ""
    new: str = ""


class _Gradients(NamedTuple):
    """The gradients of one direction: of its sums, which inputs and states have, and of states."""

    inner: str
    outer: str
    start: list[str]


class _Direction:
    """One direction of a recurrent node."""

    def __init__(
        self, g: Adjoint, node: Made, number: int, gradients: Sequence[str | None]
    ) -> None:
        self.g, self.node, self.number = g, node, number
        self.steps, self.batch, _ = g.shape(node.x[0])
        self.hidden = int(node.attributes["hidden_size"])
        self.weight, self.matrix = (self._own(node.x[i], 0) for i in (1, 2))
        self.states = self._own(node.y[0], 1)
        self.is_reverse = number == 1
        self.prev = self._previous(self.states, self._initial(5))
        self._gradients = gradients

    def _own(self, x: str, axis: int) -> str:
        """The part of a value that belongs to the direction, without the axis of directions."""
        g = self.g
        if g.shape(x)[axis] > 1:
            x = part(g, x, axis, self.number, self.number + 1)
        return g.op("Squeeze", x, g.ints([axis]))

    def _initial(self, place: int) -> str:
        """An initial state, N x hidden."""
        inputs = self.node.x
        if len(inputs) > place and inputs[place]:
            return self._own(inputs[place], 0)
        return self.g.zeros((self.batch, self.hidden))

    def _previous(self, states: str, start: str) -> str:
        """For each step, the state before it; `states` are those after the steps."""
        g = self.g
        first = g.op("Unsqueeze", start, g.ints([0]))
        if self.steps == 1:
            return first
        if self.is_reverse:
            return g.op("Concat", part(g, states, 0, 1, self.steps), first, axis=0)
        return g.op("Concat", first, part(g, states, 0, 0, self.steps - 1), axis=0)

    def _bias(self, first: bool) -> str:
        count = GATES[self.node.operator] * self.hidden
        own = self._own(self.node.x[3], 0)
        return part(self.g, own, 0, 0 if first else count, count if first else 2 * count)

    def _sum(self, x: str, matrix: str, *, first: bool) -> str:
        """The products of all steps with a matrix, and the bias."""
        g = self.g
        total = g.op("MatMul", x, g.op("Transpose", matrix, perm=[1, 0]))
        if len(self.node.x) > 3 and self.node.x[3]:
            total = g.op("Add", total, self._bias(first))
        return total

    def sums(self) -> tuple[str, str]:
        """What the inputs add to the gates of all steps, and what the states add."""
        return (
            self._sum(self.node.x[0], self.weight, first=True),
            self._sum(self.prev, self.matrix, first=False),
        )

    def factors(self) -> _Factors:
        """The factors of the backward steps."""
        if self.node.operator == "LSTM":
            return self._lstm()
        if self.node.operator == "GRU":
            return self._gru()
        g, states = self.g, self.states
        kind = self.node.get("activations", ["Tanh"])[0]
        if kind == "Relu":
            return _Factors(g.op("Sign", states))
        return _Factors(_less(g, g.op("Mul", states, states)))

    def _lstm(self) -> _Factors:
        g = self.g
        i, o, f, new = parts(g, g.op("Add", *self.sums()), 4)
        i, o, f = (g.op("Sigmoid", gate) for gate in (i, o, f))
        new = g.op("Tanh", new)
        start = self._initial(6)
        cells = self._cells(f, g.op("Mul", i, new), start)
        before = self._previous(cells, start)
        bent = g.op("Tanh", cells)
        gates = g.op(
            "Concat",
            g.op("Mul", new, _slope(g, i)),
            g.op("Mul", bent, _slope(g, o)),
            g.op("Mul", before, _slope(g, f)),
            g.op("Mul", i, _less(g, g.op("Mul", new, new))),
            axis=2,
        )
        cell = g.op("Mul", o, _less(g, g.op("Mul", bent, bent)))
        return _Factors(gates, f, cell)

    def _cells(self, keep: str, add: str, start: str) -> str:
        """The cells after each step: keep c + add."""
        size = (self.batch, self.hidden)
        body = LoopBody(f"{self.node.y[0]}/cells{self.number}")
        c, f, a = (body.take(name, size) for name in ("c", "f", "a"))
        new = body.op("Add", body.op("Mul", f, c), a)
        body.give(new, size)
        body.give(body.op("Identity", new), size)
        directions = [int(self.is_reverse)]
        _, cells = body.scan(self.g, [start], [keep, add], directions, self.steps)
        return cells

    def _gru(self) -> _Factors:
        g = self.g
        inner, outer = self.sums()
        (z, r, n), (uz, ur, q) = parts(g, inner, 3), parts(g, outer, 3)
        z, r = (g.op("Sigmoid", g.op("Add", a, b)) for a, b in ((z, uz), (r, ur)))
        n = g.op("Tanh", g.op("Add", n, g.op("Mul", r, q)))
        new = g.op("Mul", _less(g, z), _less(g, g.op("Mul", n, n)))
        of_update = g.op("Mul", g.op("Sub", self.prev, n), _slope(g, z))
        of_reset = g.op("Mul", g.op("Mul", new, q), _slope(g, r))
        gates = g.op("Concat", of_update, of_reset, g.op("Mul", new, r), axis=2)
        return _Factors(gates, z, "", new)

    def back(self) -> _Gradients:
        """Emit the loop over the steps, from the last that the direction computes to the first."""
        g, operator = self.g, self.node.operator
        factors = self.factors()
        size = (self.batch, self.hidden)
        wide = (self.batch, GATES[operator] * self.hidden)
        dy, *finals = self._gradients
        given = g.zeros((self.steps, *size)) if dy is None else self._own(dy, 1)
        count = 2 if operator == "LSTM" else 1
        finals = [*finals, None, None][:count]
        states = [g.zeros(size) if f is None else self._own(f, 0) for f in finals]
        body = LoopBody(f"{self.node.y[0]}/back{self.number}")
        carried = [body.take(name, size) for name in ("h", "c")[:count]]
        own = body.take("dy", size)
        taken = {
            name: body.take(name, wide if name == "gates" else size)
            for name, value in factors._asdict().items()
            if value
        }
        dh = body.op("Add", carried[0], own)
        each = [dh] * GATES[operator]
        if count == 2:
            dc = body.op("Add", carried[1], body.op("Mul", dh, taken["cell"]))
            each = [dc, dh, dc, dc]
        joined = body.op("Concat", *each, axis=1) if len(each) > 1 else each[0]
        sums = body.op("Mul", joined, taken["gates"])
        before = body.op("MatMul", sums, self.matrix)
        if operator == "GRU":
            before = body.op("Add", before, body.op("Mul", dh, taken["keep"]))
        body.give(before, size)
        if count == 2:
            body.give(body.op("Mul", dc, taken["keep"]), size)
        body.give(sums, wide)
        if factors.new:
            body.give(body.op("Mul", dh, taken["new"]), size)
        scanned = [given, *(value for value in factors if value)]
        directions = [int(not self.is_reverse)]
        made = body.scan(g, states, scanned, directions, self.steps)
        start, outer = made[:count], made[count]
        inner = outer
        if factors.new:
            gates = part(g, outer, 2, 0, 2 * self.hidden)
            inner = g.op("Concat", gates, made[count + 1], axis=2)
        return _Gradients(inner, outer, start)


def part(g: Adjoint, x: str, axis: int, start: int, end: int) -> str:
    """A range of an axis."""
    return g.op("Slice", x, g.ints([start]), g.ints([end]), g.ints([axis]))


def parts(g: Adjoint, x: str, count: int) -> list[str]:
    """Equal parts of the last axis."""
    return g.several("Split", count, x, axis=len(g.shape(x)) - 1, num_outputs=count)


def _less(g: Adjoint, x: str) -> str:
    return g.op("Sub", g.floats(1.0), x)


def _slope(g: Adjoint, gate: str) -> str:
    """The slope of a sigmoid, from its value."""
    return g.op("Mul", gate, _less(g, gate))


class _Recurrent:
    """The gradients of a recurrent node, which its thunks share."""

    def __init__(self, g: Adjoint, node: Made, gradients: Sequence[str | None]) -> None:
        self.g, self.node = g, node
        count = g.shape(node.x[1])[0]
        self.directions = [_Direction(g, node, i, gradients) for i in range(count)]
        self.made = [direction.back() for direction in self.directions]

    def _stacked(self, values: Sequence[str]) -> str:
        g = self.g
        rows = [g.op("Unsqueeze", value, g.ints([0])) for value in values]
        return rows[0] if len(rows) == 1 else g.op("Concat", *rows, axis=0)

    def _products(self, sums: str, x: str) -> str:
        """The sum over steps and samples of the outer products."""
        g = self.g
        flat = [g.op("Reshape", v, g.ints([-1, g.shape(v)[2]])) for v in (sums, x)]
        return g.op("Gemm", *flat, transA=1)

    def of_input(self) -> str:
        pairs = zip(self.made, self.directions, strict=True)
        each = [self.g.op("MatMul", made.inner, d.weight) for made, d in pairs]
        return each[0] if len(each) == 1 else self.g.op("Add", *each)

    def of_weight(self) -> str:
        return self._stacked([self._products(m.inner, self.node.x[0]) for m in self.made])

    def of_matrix(self) -> str:
        pairs = zip(self.made, self.directions, strict=True)
        return self._stacked([self._products(made.outer, d.prev) for made, d in pairs])

    def of_bias(self) -> str:
        g, axes = self.g, self.g.ints([0, 1])
        return self._stacked(
            [
                g.op("Concat", *(g.op("ReduceSum", v, axes, keepdims=0) for v in m[:2]), axis=0)
                for m in self.made
            ]
        )

    def of_start(self, number: int) -> str:
        return self._stacked([made.start[number] for made in self.made])


def _recurrent(g: Adjoint, node: Made, gradients: Sequence[str | None]) -> Sequence[Thunk | None]:
    whole = _Recurrent(g, node, gradients)
    return (
        whole.of_input,
        whole.of_weight,
        whole.of_matrix,
        whole.of_bias,
        None,
        lambda: whole.of_start(0),
        lambda: whole.of_start(1),
    )


RULES: dict[str, Rule] = dict.fromkeys(GATES, _recurrent)
