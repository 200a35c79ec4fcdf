"""Writes the body of a `Scan`, a loop over the first axis of some values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.elements import FLOAT
from netdsl.backends.onnx.make import make_node, make_value_info
from netdsl.backends.onnx.proto import GraphProto

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint
    from netdsl.backends.onnx.proto import NodeProto, ValueInfoProto


class LoopBody:
    """The nodes of one step; all values are floats.

    Names begin with that of the loop, so that they differ from those of the graph, of which the
    body can use values.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[NodeProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._sizes: list[tuple[int, ...]] = []

    def take(self, name: str, shape: Sequence[int]) -> str:
        """Add an input: first the states, then the elements of what is scanned."""
        full = f"{self._name}/{name}"
        self._inputs.append(_info(full, shape))
        return full

    def give(self, value: str, shape: Sequence[int]) -> None:
        """Add an output: first the new states, then the elements of what the loop gives."""
        self._outputs.append(_info(value, shape))
        self._sizes.append(tuple(shape))

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        name = f"{self._name}/{op_type}_{len(self._nodes)}"
        self._nodes.append(make_node(op_type, inputs, [name], name, **attributes))
        return name

    def scan(
        self,
        g: Adjoint,
        states: Sequence[str],
        scanned: Sequence[str],
        directions: Sequence[int],
        steps: int,
    ) -> list[str]:
        """Add the loop; returns the last states, and then what its steps give, stacked."""
        graph = GraphProto(
            node=self._nodes, name=self._name, input=self._inputs, output=self._outputs
        )
        count = len(states)
        shapes = [*self._sizes[:count], *((steps, *size) for size in self._sizes[count:])]
        return g.loop(
            [*states, *scanned],
            shapes,
            body=graph,
            num_scan_inputs=len(scanned),
            scan_input_directions=[*directions] * len(scanned),
            scan_output_directions=[*directions] * (len(self._sizes) - count),
        )


def _info(name: str, shape: Sequence[int]) -> ValueInfoProto:
    return make_value_info(name, FLOAT, list(shape))
