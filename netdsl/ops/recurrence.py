"""What recurrent layers share: they apply the same weights to each step of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Op, Param
from netdsl.ir.rounding import Known
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, integer, number, tensor
from netdsl.ops.base import END, arg, fixed
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netdsl.ir.lowering import (
        Emitter,
        Evaluation,
        Lowered,
        Recorder,
        TrainingEmitter,
        TypedName,
    )
    from netdsl.ir.rounding import Bound, Tensor
    from netdsl.ir.types import Sym


_WEIGHTS = ("weight_ih", "weight_hh")
_BIASES = ("bias_ih", "bias_hh")


class Moment(NamedTuple):
    """The operands of the next state."""

    inner: Known  # W_ih x + b_ih
    outer: Known  # W_hh h + b_hh
    h: Known
    c: Known


class Recurrent(Op):
    """Base of the kinds that turn T x D into T x hidden, or T x (2 hidden) if bidirectional.

    The initial states are named arguments, and the final states are further results. A state is a
    vector, or has a row for each layer and direction if there are several, in PyTorch's order.
    """

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
    bias: bool = arg(boolean, True, doc="add the learned biases b_ih and b_hh")
    h: bool | None = arg(
        tensor,
        None,
        doc="the initial state, in place of zeros: a vector of length `hidden`, or one row of that"
        " length for each layer and direction",
    )
    multiplies = True
    is_global = True
    fused = True

    order: tuple[int, ...] = (0,)  # the positions of ONNX's gates among PyTorch's
    operator = ""  # the name in PyTorch and in ONNX
    states: tuple[str, ...] = ("h",)

    @property
    def directions(self) -> tuple[str, ...]:
        """The suffix of the names of each direction's weights."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def width(self) -> int:
        """The length of the result's vectors."""
        return self.hidden * len(self.directions)

    @property
    def rows(self) -> int:
        """The number of states: one for each layer and direction."""
        return self.layers * len(self.directions)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of a state: a vector, or a row for each layer and direction."""
        return (self.hidden,) if self.rows == 1 else (self.rows, self.hidden)

    def infer(self, x: TensorType, *states: TensorType) -> TensorType:
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
        self._check_states(self.named(states))
        if self.last:
            return TensorType((self.width,), x.dtype)
        return TensorType((x.shape[0], self.width), x.dtype)

    def _check_states(self, states: Mapping[str, TensorType]) -> None:
        """Raise `OpError` if an initial state is missing or has a wrong shape."""
        for name in self.states:
            if states and name not in states:
                raise OpError(
                    "missing-argument",
                    f"`{self.kind}` has the initial state `{next(iter(states))}`, but not `{name}`",
                    help="give both, as in `h = @enc.h, c = @enc.c`, or none",
                )
        for name, state in states.items():
            sizes = zip(state.shape, self.state_shape, strict=False)
            fits = all(self.needs_equal(a, b) for a, b in sizes)
            if len(state.shape) != len(self.state_shape) or not fits:
                wanted = TensorType(self.state_shape)
                raise OpError(
                    "shape-mismatch",
                    f"`{name}` of `{self.kind}` must be {wanted}, found {state}",
                    name,
                    self._state_advice(state),
                )

    def _state_advice(self, state: TensorType) -> str:
        label = "`@enc.h` is the final state of the layer `enc`"
        if self.rows == len(state.shape) == 1 and isinstance(state.shape[0], int):
            return (
                f"a state is a vector of length `hidden`: make `hidden` {state.shape[0]}, or make"
                f" the state with `dense({self.hidden})`"
            )
        if self.rows == 1:
            return f"a state is a vector of length `hidden`; {label}"
        parts = f"{counted(self.layers, 'layer')} and {counted(len(self.directions), 'direction')}"
        return f"a state has a row of length `hidden` for each of the {parts}; {label}"

    def _input_width(self, x: TensorType) -> int:
        return fixed(self, x.shape[1], "the length of its input's vectors")

    def results(self, x: TensorType, *states: TensorType) -> dict[str, TensorType]:
        return {name: TensorType(self.state_shape, x.dtype) for name in self.states}

    def params(self, x: TensorType, *states: TensorType) -> dict[str, Param]:
        rows = len(self.order) * self.hidden
        columns = self._input_width(x)
        init = f"uniform:{self.hidden}"
        params: dict[str, Param] = {}
        for i in range(self.layers):
            for suffix in self.directions:
                end = f"l{i}{suffix}"
                params[f"weight_ih_{end}"] = Param((rows, columns), init)
                params[f"weight_hh_{end}"] = Param((rows, self.hidden), init, role="state")
                if self.bias:
                    params |= {f"{name}_{end}": Param((rows,), init) for name in _BIASES}
            columns = self.width
        return params

    def macs(self, y: TensorType, x: TensorType, *states: TensorType) -> int | Sym:
        return x.shape[0] * self.weights(x)

    def torch(self, t: Recorder, x: TensorType, *states: TensorType) -> Lowered:
        module = t.module(
            self.operator,
            x.shape[1],
            self.hidden,
            num_layers=(self.layers, 1),
            **self.torch_extra(),
            bias=(self.bias, True),
            batch_first=(True, False),
            dropout=(self.dropout, 0.0),
            bidirectional=(self.bidirectional, False),
        )
        call = f"{{m}}({', '.join(['{0}', *self._torch_states(len(states))])})"
        if t.results:
            places = [self.states.index(name) for name in t.results]
            last = [f"last={len(self.directions)}"] if self.last else []
            helper = t.helper("with_states", call, *places, *last)
            return module._replace(call=helper.call, uses=helper.uses)
        state = "[1]" if len(self.states) == 1 else "[1][0]"
        result = "[0]"
        if self.last and self.bidirectional:
            result = f"{state}[-2:].transpose(0, 1).flatten(1)"
        elif self.last:
            result = f"{state}[-1]"
        return module.with_call(f"{call}{result}")

    def _torch_states(self, count: int) -> list[str]:
        """The argument for the initial states, if there are any: a tuple if there are two."""
        move = "unsqueeze(0)" if self.rows == 1 else "transpose(0, 1).contiguous()"
        states = [f"{{{i}}}.{move}" for i in range(1, count + 1)]
        return states if count <= 1 else [f"({', '.join(states)})"]

    def torch_extra(self) -> dict[str, tuple[object, object]]:
        """Arguments of PyTorch's module that only this kind has, as (value, default) pairs."""
        return {}

    def onnx_extra(self) -> dict[str, object]:
        """Attributes of the ONNX operator that only this kind has."""
        return {}

    def onnx(self, g: Emitter, x: TypedName, *states: TypedName) -> str:
        return self._onnx(g, x, states, lambda y: y)

    def onnx_training(self, g: TrainingEmitter, x: TypedName, *states: TypedName) -> str:
        if not self.dropout:
            return self.onnx(g, x, *states)
        return self._onnx(g, x, states, lambda y: g.op("Mul", y, g.mask(g.shape(y), self.dropout)))

    def _onnx(
        self,
        g: Emitter,
        x: TypedName,
        states: Sequence[TypedName],
        between: Callable[[str], str],
    ) -> str:
        """The layers one after the other; `between` is applied to the values that pass on."""
        initial = [self._onnx_rows_first(g, state) for state in states]
        finals: list[list[str]] = []  # of each layer
        y = g.op("Transpose", x, perm=[1, 0, 2])
        for i in range(self.layers):
            if i:
                joined = g.op("Transpose", y, perm=[0, 2, 1, 3])
                y = between(g.op("Reshape", joined, g.ints([0, 0, self.width])))
            y, *own = self._onnx_layer(g, y, i, initial)
            finals.append(own)
        for name in g.results:
            rows = [own[self.states.index(name)] for own in finals]
            g.result(name, self._onnx_batch_first(g, rows))
        if self.last:
            return self._onnx_last(g, y)
        sequence = g.op("Transpose", y, perm=[2, 0, 1, 3])
        return g.op("Reshape", sequence, g.ints([0, 0, self.width]))

    def _onnx_rows_first(self, g: Emitter, state: str) -> str:
        """An initial state as rows x N x hidden."""
        if self.rows == 1:
            return g.op("Unsqueeze", state, g.ints([0]))
        return g.op("Transpose", state, perm=[1, 0, 2])

    def _onnx_batch_first(self, g: Emitter, finals: Sequence[str]) -> str:
        """A final state of the net, from those of each layer: directions x N x hidden."""
        if self.rows == 1:
            return g.op("Squeeze", finals[0], g.ints([0]))
        rows = g.op("Concat", *finals, axis=0) if len(finals) > 1 else finals[0]
        return g.op("Transpose", rows, perm=[1, 0, 2])

    def _onnx_last(self, g: Emitter, y: str) -> str:
        """The last state that each direction computes, from T x directions x N x hidden."""
        final = g.op("Slice", y, g.ints([-1, 0]), g.ints([END, 1]), g.ints([0, 1]))
        if self.bidirectional:
            first = g.op("Slice", y, g.ints([0, 1]), g.ints([1, 2]), g.ints([0, 1]))
            final = g.op("Concat", final, first, axis=3)
        return g.op("Squeeze", final, g.ints([0, 1]))

    def _onnx_layer(self, g: Emitter, x: str, i: int, initial: Sequence[str]) -> list[str]:
        """One layer, T x N x inputs to T x directions x N x hidden.

        The final states are further results, if the net uses any.
        """
        inputs = [x, *(self._stacked(g, f"{name}_l{i}") for name in _WEIGHTS)]
        if self.bias:
            biases = [self._stacked(g, f"{name}_l{i}") for name in _BIASES]
            inputs.append(g.op("Squeeze", g.op("Concat", *biases, axis=1), g.ints([2])))
        if initial:
            inputs += [""] * (5 - len(inputs))  # no bias, and no lengths of the sequences
            inputs += [self._onnx_own_rows(g, state, i) for state in initial]
        attributes = {
            "hidden_size": self.hidden,
            "direction": "bidirectional" if self.bidirectional else "forward",
            **self.onnx_extra(),
        }
        count = 1 + len(self.states) if g.results else 1
        return g.several(self.operator, count, *inputs, **attributes)

    def _onnx_own_rows(self, g: Emitter, state: str, i: int) -> str:
        """The rows of one layer in an initial state."""
        if self.layers == 1:
            return state
        count = len(self.directions)
        return g.op("Slice", state, g.ints([i * count]), g.ints([(i + 1) * count]), g.ints([0]))

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
        initial = self._initial(e)
        sequence = Known.exactly(e.x)
        finals: list[tuple[Known, Known]] = []  # h and c of each layer and direction
        for i in range(self.layers):
            runs = []
            for suffix in self.directions:
                end = f"_l{i}{suffix}"
                own = {n.removesuffix(end): w for n, w in weights.items() if n.endswith(end)}
                start = initial[len(finals)]
                states, *final = self._direction(e, own, sequence, start, reverse=bool(suffix))
                runs.append(states)
                finals.append((final[0], final[1]))
            sequence = e.joined(runs, -1)
        if self.last:
            sequence = e.joined([h for h, _ in finals[-len(self.directions) :]], -1)
        further = {name: self._final(e, finals, self.states.index(name)) for name in e.results}
        return sequence.bound._replace(value=sequence.value, results=further)

    def _initial(self, e: Evaluation) -> list[tuple[Known, Known]]:
        """The initial h and c of each layer and direction: N x hidden."""
        shape = e.x.shape[0], self.rows, self.hidden
        given = [Known.exactly(state.reshape(shape)) for state in e.xs[1:]]
        h, *others = given or [Known.exactly(e.x.new_zeros(shape))]
        return [(h.at(row), (*others, h)[0].at(row)) for row in range(self.rows)]

    def _final(self, e: Evaluation, finals: list[tuple[Known, Known]], place: int) -> Bound:
        """The bound of a final state, from the h and c of each layer and direction."""
        rows = [pair[place].map(lambda tensor: tensor.unsqueeze(1)) for pair in finals]
        state = e.joined(rows, 1)
        if self.rows == 1:
            state = state.at(0)
        return state.bound._replace(value=state.value)

    def _direction(
        self,
        e: Evaluation,
        weights: Mapping[str, Tensor],
        x: Known,
        start: tuple[Known, Known],
        *,
        reverse: bool,
    ) -> tuple[Known, Known, Known]:
        """All states of one direction, and the last h and c that it computes."""
        h, c = start
        states: list[Known] = []
        inner = x.linear(weights["weight_ih"], weights.get("bias_ih"))
        steps = list(range(x.value.shape[1]))
        if reverse:
            steps.reverse()
        for step in steps:
            outer = h.linear(weights["weight_hh"], weights.get("bias_hh"))
            h, c = self.next_state(Moment(inner.at(step), outer, h, c))
            states.append(h.map(lambda tensor: tensor.unsqueeze(1)))
        if reverse:
            states.reverse()
        return e.joined(states, 1), h, c

    def next_state(self, m: Moment) -> tuple[Known, Known]:
        """The next hidden state, and the next state of the cell if the kind has one."""
        raise NotImplementedError(self.kind)
