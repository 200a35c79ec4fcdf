"""Makes the nodes, constants and weights of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from netdsl.backends.onnx.precision import ELEMENT, narrowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Node, Site
    from netdsl.ir.op import Param


class GraphEmitter:
    """Handed to `Op.onnx`: makes nodes, constants and the names of weights."""

    def __init__(self, opset: int, dtype: str = "float32") -> None:
        self.opset = opset
        self._dtype, self._float = dtype, ELEMENT[dtype]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[Any, ...], onnx.TensorProto] = {}
        self.params: dict[str, Param] = {}
        self._node: Node | None = None
        self._name = self._kind = self._place = ""
        self._count = 0

    def begin(self, node: Node) -> None:
        """Emit for this layer from now on."""
        self.begin_at(node.name, node.op.kind, node.output.site)
        self._node = node

    def begin_at(self, name: str, kind: str, site: Site) -> None:
        """Emit under this name from now on what belongs to no layer."""
        self._node, self._name, self._kind = None, name, kind
        self._place = f"{site.span.file.name}:{site.span.first.line}"
        self._count = 0

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        suffix = f"/{op_type}_{self._count}" if self._count or self._node is None else ""
        self._count += 1
        name = f"{self._name}{suffix}"
        made = helper.make_node(op_type, list(inputs), [name], name=name, **attributes)
        for key, value in (
            ("netdsl.line", self._place),
            ("netdsl.layer", self._name),
            ("netdsl.kind", self._kind),
        ):
            made.metadata_props.add(key=key, value=value)
        self.nodes.append(made)
        return name

    def pad(
        self, x: str, pairs: Sequence[tuple[int, int]], value: str, mode: str = "constant"
    ) -> str:
        """A border around every axis but the batch's, of the (begin, end) widths given.

        With its axes given, onnxruntime leaves the border alone; else it makes it the padding of a
        pooling that follows, and maxima do not see padding. All axes are given: where a
        transposition goes before, it takes the border to be that of all of them.
        """
        ends = [(0, 0), *pairs]
        pads = self.ints([a for a, _ in ends] + [b for _, b in ends])
        return self.op("Pad", x, pads, value, self.ints(list(range(len(ends)))), mode=mode)

    def param(self, name: str) -> str:
        """The initialiser of a weight or buffer of this layer."""
        assert self._node is not None
        full = f"{self._node.module}.{name}"
        if full not in self.params:
            self.params[full] = (self._node.params() | self._node.buffers())[name]
        return full

    def ints(self, values: Sequence[int]) -> str:
        """A constant of 64-bit integers."""
        return self._constant(TensorProto.INT64, (len(values),), tuple(values))

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant of floats: a scalar, or a vector."""
        narrowed(self._name, np.asarray(values, np.float32), self._dtype)  # refuses an overflow
        if isinstance(values, (int, float)):
            return self._constant(self._float, (), (float(values),))
        return self._constant(self._float, (len(values),), tuple(values))

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector that is float32 whatever the model's precision, as `Resize` wants its
        factors.
        """
        return self.wide(values, (len(values),))

    def wide(self, values: Sequence[float], shape: tuple[int, ...]) -> str:
        """A constant that is float32 whatever the model's precision."""
        return self._constant(TensorProto.FLOAT, shape, tuple(values))

    def _constant(self, kind: int, shape: tuple[int, ...], values: tuple[Any, ...]) -> str:
        key = (kind, shape, values)
        if key not in self.constants:
            self.constants[key] = helper.make_tensor(
                f"constant/{len(self.constants)}", kind, shape, values
            )
        return self.constants[key].name
