"""Makes the nodes of an ONNX graph whose sizes are all known, with the type of every value.

What depends only on constants is computed at once, so that the graph has no nodes for sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.defs import get_schema
from onnx.reference import ReferenceEvaluator

from netdsl.backends.onnx.elements import ELEMENT
from netdsl.backends.onnx.emitter import GraphEmitter
from netdsl.weights.dtypes import DTYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.backends.onnx.proto import NodeProto
    from netdsl.ir.op import Param

MOST_FOLDED = 1 << 16  # elements of a constant that replaces a node
FLOAT = ELEMENT["float32"]


class TypedEmitter(GraphEmitter):
    """An emitter that knows the type of every value, and the numbers of every constant."""

    def __init__(self, opset: int) -> None:
        super().__init__(opset)
        self.types: dict[str, onnx.TypeProto] = {}
        self.numbers: dict[str, np.ndarray] = {}
        self._opsets = [helper.make_opsetid("", opset)]

    def declare(self, name: str, dtype: str, shape: Sequence[int]) -> str:
        """Record the type of an input of the graph; returns its name."""
        self.types[name] = helper.make_tensor_type_proto(ELEMENT[dtype], list(shape))
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of a value, with the batch."""
        return tuple(d.dim_value for d in self.types[name].tensor_type.shape.dim)

    def element(self, name: str) -> int:
        """ONNX's number of the element type of a value."""
        return int(self.types[name].tensor_type.elem_type)

    def is_float(self, name: str) -> bool:
        """Whether the elements of a value are floats, so that it can have a gradient."""
        return self.element(name) == FLOAT

    def array(self, values: np.ndarray) -> str:
        """A constant of any shape."""
        dtype = values.dtype.name
        return self._constant(dtype, values.shape, tuple(values.ravel().tolist()))

    def param(self, name: str) -> str:
        """The name of a weight or buffer of this layer, which is an input of the graph."""
        full = super().param(name)
        param = self.params[full]
        if not param.is_constant and full not in self.types:
            self.declare(full, param.dtype, param.shape)
        return full

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several results; returns their names.

        If its inputs are constants, its results are, too, and there is no node.
        """
        names = super().several(op_type, count, *inputs, **attributes)
        node = onnx.NodeProto.FromString(self.nodes[-1].serialized())
        made = self._computed_now(node)
        if made is not None:
            self.nodes.pop()
            return [self.array(numbers) for numbers in made]
        self.types |= self._inferred(node)
        return names

    def loop(
        self, inputs: Sequence[str], shapes: Sequence[tuple[int, ...]], **attributes: Any
    ) -> list[str]:
        """Add a `Scan` whose results are floats of these shapes; returns their names."""
        names = super().several("Scan", len(shapes), *inputs, **attributes)
        for name, shape in zip(names, shapes, strict=True):
            self.declare(name, "float32", shape)
        return names

    def _computed_now(self, node: onnx.NodeProto) -> list[np.ndarray] | None:
        """The results of a node that depends only on constants, unless they are too large."""
        given = [name for name in node.input if name]
        if node.op_type == "Shape":
            axes = {a.name: a.i for a in node.attribute}
            shape = self.shape(given[0])
            return [np.array(shape[axes.get("start", 0) : axes.get("end")], np.int64)]
        if not given or node.op_type.startswith("Random"):
            return None
        if not all(name in self.numbers for name in given):
            return None
        inferred = self._inferred(node)
        sizes = [_size_of(type_) for type_ in inferred.values()]
        if any(size is None or size > MOST_FOLDED for size in sizes):
            return None
        feeds = {name: self.numbers[name] for name in given}
        return [np.asarray(result) for result in ReferenceEvaluator(node).run(None, feeds)]

    def _inferred(self, node: onnx.NodeProto) -> dict[str, onnx.TypeProto]:
        data = {
            name: numpy_helper.from_array(self.numbers[name], name)
            for name in node.input
            if name in self.numbers
        }
        schema = get_schema(node.op_type, self.opset, "")
        types = {name: self.types[name] for name in node.input if name}
        return shape_inference.infer_node_outputs(
            schema, node, types, data, opset_imports=self._opsets
        )

    def _constant(self, dtype: str, shape: tuple[int, ...], values: tuple[float, ...]) -> str:
        name = super()._constant(dtype, shape, values)
        self._record(name, np.array(values, DTYPES[dtype]).reshape(shape))
        return name

    def _store_constant(self, name: str, param: Param) -> None:
        super()._store_constant(name, param)
        self._record(name, np.array(param.values, DTYPES[param.dtype]).reshape(param.shape))

    def _record(self, name: str, numbers: np.ndarray) -> None:
        self.numbers.setdefault(name, numbers)
        self.declare(name, numbers.dtype.name, numbers.shape)


def _size_of(type_: onnx.TypeProto) -> int | None:
    dims = type_.tensor_type.shape.dim
    size = 1
    for dim in dims:
        size *= dim.dim_value
    return size


def attributes_of(node: NodeProto) -> Mapping[str, Any]:
    """The attributes of a node by name."""
    found = onnx.NodeProto.FromString(node.serialized())
    return {a.name: helper.get_attribute_value(a) for a in found.attribute}
