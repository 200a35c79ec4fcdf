"""Derives the gradients of a graph while its nodes are made: first forward, then backward."""

from __future__ import annotations

from itertools import zip_longest
from math import prod
from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.adjoints import CONSTANT, POLES, RULES
from netdsl.backends.onnx.adjoints.base import Made
from netdsl.backends.onnx.typed import HELP, TypedEmitter, attributes_of
from netdsl.errors import OpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.backends.onnx.application import Numbers
    from netdsl.backends.onnx.proto import NodeProto
    from netdsl.ir.graph import Node
    from netdsl.ir.lowering import TypedName


class Differentiator(TypedEmitter):
    """Makes the nodes of the layers as training computes them, and then those of the gradients.

    `wanted` are the names of the weights and inputs whose gradients are needed.
    """

    def __init__(self, opset: int, wanted: Iterable[str], *, takes_masks: bool = False) -> None:
        super().__init__(opset)
        self.masks: list[str] = []  # the names of the random factors that the graph takes
        self._takes_masks = takes_masks
        self.has_poles = False
        self._active = {*wanted}
        self._parts: dict[str, list[str]] = {}  # of the gradient of each value
        self.tape: list[NodeProto] = []  # of the layer whose gradient is derived
        self.updates: dict[str, str] = {}  # new values of running statistics
        self.saved: dict[str, str] = {}  # what the layer has kept for its gradient
        self.kept: dict[str, dict[str, str]] = {}

    # ---- forward

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node; remember which results depend on a value whose gradient is needed."""
        names = super().several(op_type, count, *inputs, **attributes)
        if op_type not in CONSTANT and not self._active.isdisjoint(inputs):
            self._active.update(name for name in names if self.is_float(name))
            self.has_poles |= op_type in POLES and not self.tape  # of the forward pass
        return names

    def update(self, name: str, value: str) -> None:
        """Give the new value of a buffer of this layer."""
        assert self._node is not None
        self.updates[self._node.tensor_name(name)] = value

    def save(self, **values: str) -> None:
        """Keep values of this layer for its gradient."""
        assert self._node is not None
        self.kept.setdefault(self._node.name, {}).update(values)

    def mask(self, shape: Sequence[int], p: float) -> str:
        """Random factors of that shape: 0 with probability p, and 1 / (1 - p) otherwise."""
        if self._takes_masks:
            self.masks.append(self.declare(f"mask/{len(self.masks)}", "float32", shape))
            return self.masks[-1]
        drawn = self.op("RandomUniform", shape=list(shape))
        kept = self.op("Less", drawn, self.floats(1 - p))
        return self.op("Where", kept, self.floats(0.0 if p >= 1 else 1 / (1 - p)), self.floats(0.0))

    # ---- backward

    def known(self, name: str) -> Numbers | None:
        """The numbers of a value that is a constant."""
        return self.numbers.get(name)

    def zeros(self, shape: Sequence[int]) -> str:
        """A value of zeros."""
        return self.op("ConstantOfShape", self.ints(list(shape)))

    def wants(self, name: str) -> bool:
        """Whether the gradient of a value is needed."""
        return name in self._active

    def add(self, name: str, gradient: str) -> None:
        """Add to the gradient of a value; what was broadcast is summed up."""
        self._parts.setdefault(name, []).append(self.reduced(gradient, self.shape(name)))

    def gradient(self, name: str) -> str | None:
        """The gradient of a value, once all layers that take it have been passed."""
        parts = self._parts.get(name)
        if parts is None:
            return None
        while len(parts) > 1:
            parts[:2] = [self.op("Add", *parts[:2])]
        return parts[0]

    def reduced(self, value: str, shape: Sequence[int]) -> str:
        """The sum of a value over the axes along which `shape` was broadcast to it."""
        found = self.shape(value)
        if found == tuple(shape):
            return value
        more = len(found) - len(shape)
        if more < 0 or prod(found) < prod(shape):  # the value itself was not broadcast yet
            return self.reduced(self.op("Expand", value, self.ints(list(shape))), shape)
        small = (1,) * more + tuple(shape)
        axes = [i for i, (a, b) in enumerate(zip(found, small, strict=True)) if a != b]
        if axes:
            value = self.op("ReduceSum", value, self.ints(axes), keepdims=1)
        if more:
            value = self.op("Reshape", value, self.ints(list(shape)))
        return value

    def begin_backward(self, node: Node, taken: Sequence[TypedName], tape: list[NodeProto]) -> None:
        """Begin the gradient of a layer, which the nodes on the tape compute."""
        self.begin(node, taken)
        self.rename(f"{node.name}/grad")
        self.tape = tape
        self.saved = self.kept.get(node.name, {})

    def derive(self) -> None:
        """Emit the gradients of the layer from those of its operators.

        Raises `OpError` for an operator without a rule.
        """
        for proto in reversed(self.tape):
            gradients = [self.gradient(name) for name in proto.output]
            if not any(gradients) or self._active.isdisjoint(proto.input):
                continue
            if proto.op_type in CONSTANT:
                continue
            self._pass(proto, gradients)

    def _pass(self, proto: NodeProto, gradients: list[str | None]) -> None:
        rule = RULES.get(proto.op_type)
        if rule is None:
            raise OpError("no-gradient", f"`{self._kind}` has no gradient yet", help=HELP)
        node = Made(proto.op_type, [*proto.input], [*proto.output], attributes_of(proto))
        for name, thunk in zip_longest(node.x, rule(self, node, gradients)):
            if thunk is not None and name in self._active:
                self.add(name, thunk())
