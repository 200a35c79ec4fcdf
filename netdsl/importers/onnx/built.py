"""Builds ONNX models from descriptions of nets in other formats.

The model takes the place of an original that could run: it is translated and compared like a file.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np
from onnx import NodeProto, TensorProto, helper

from netdsl.errors import NetdslError
from netdsl.importers.onnx.foreign import StoredTensor
from netdsl.importers.onnx.reader import BuiltModel, OnnxModel
from netdsl.limits import limit, raise_help

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from netdsl.importers.onnx.foreign import Shape

OPSET = 21
IR_VERSION = 10
BATCH = 1  # samples that the model takes; no layer of a described net depends on their number
MOST_ELEMENTS = 1 << 29  # of one value of a described net, and of all of its weights


class BuiltValue(NamedTuple):
    """A value of the net: its name in the model, and its shape without the batch."""

    name: str
    shape: Shape

    @property
    def channels(self) -> int:
        """The size of its first axis."""
        return self.shape[0]

    @property
    def spatial(self) -> Shape:
        """The sizes after the channels."""
        return self.shape[1:]


class ModelBuilder:
    """A model that grows node by node.

    `layer` is the name of the layer that the next nodes belong to. Axes of ONNX operators count the
    batch, but shapes of values do not contain it.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.layer = ""
        self.stored: dict[str, StoredTensor] = {}
        self.outputs: list[str] = []
        self._nodes: list[NodeProto] = []
        self._inputs: list[BuiltValue] = []
        self._names: set[str] = set()
        self._elements = 0  # of all weights
        self._reshaped: dict[str, BuiltValue] = {}

    def input(self, name: str, shape: Shape) -> BuiltValue:
        """Add an input of the net."""
        value = BuiltValue(self._free(name), _checked(shape))
        self._inputs.append(value)
        return value

    def op(
        self, kind: str, inputs: Sequence[BuiltValue | str], shape: Shape, **attributes: object
    ) -> BuiltValue:
        """Add a node whose result has this shape; a text in `inputs` names a tensor."""
        result = BuiltValue(self._free(f"{self.layer}/{kind}"), _checked(shape))
        if len(self._nodes) >= limit("model_nodes"):
            message = f"the net has more than {limit('model_nodes'):,} nodes"
            raise NetdslError("model-too-large", message, help=raise_help("model_nodes"))
        names = [i if isinstance(i, str) else i.name for i in inputs]
        node = helper.make_node(kind, names, [result.name], name=result.name)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self._nodes.append(node)
        return result

    def same(self, kind: str, x: BuiltValue, **attributes: object) -> BuiltValue:
        """Add a node with one input, whose result has the shape of the input."""
        return self.op(kind, [x], x.shape, **attributes)

    def scaled(self, kind: str, x: BuiltValue, number: float) -> BuiltValue:
        """Add arithmetic with a number, such as `Mul`."""
        return self.op(kind, [x, self.number(number)], x.shape)

    def reshaped(self, x: BuiltValue, shape: Shape) -> BuiltValue:
        """Add a change of the shape; one that undoes the change before it gives the first value."""
        before = self._reshaped.get(x.name, x)
        if shape in (x.shape, before.shape):
            return x if x.shape == shape else before
        if len(shape) == 1:
            made = self.op("Flatten", [before], shape, axis=1)
        else:
            made = self.op("Reshape", [before, self.integers((BATCH, *shape))], shape)
        self._reshaped[made.name] = before
        return made

    def sliced(self, x: BuiltValue, axis: int, start: int, end: int) -> BuiltValue:
        """Add a slice; `axis` does not count the batch."""
        shape = (*x.shape[:axis], end - start, *x.shape[axis + 1 :])
        if shape == x.shape:
            return x
        bounds = [self.integers((i,)) for i in (start, end, axis + 1)]
        return self.op("Slice", [x, *bounds], shape)

    def output(self, name: str, value: BuiltValue) -> None:
        """Make a value an output of the net."""
        free = self._free(name)
        self._nodes.append(helper.make_node("Identity", [value.name], [free], name=free))
        self.outputs.append(free)

    def tensor(
        self, name: str, shape: Shape, read: Callable[[], np.ndarray], path: str = ""
    ) -> str:
        """Add a tensor, and return its name. Labels follow from `path`, such as `conv1.weight`."""
        free = self._free(name)
        self.stored[free] = StoredTensor(path, _checked(shape), "float32", read)
        self._elements += prod(shape)
        if self._elements > MOST_ELEMENTS:
            raise NetdslError("too-large", "the weights have more than 2^29 elements")
        return free

    def integers(self, values: tuple[int, ...]) -> str:
        """Add a constant list of integers, and return its name."""
        array = np.array(values, np.int64)
        free = self._free("integers")
        self.stored[free] = StoredTensor("", array.shape, "int64", lambda: array)
        return free

    def numbers(self, values: tuple[float, ...]) -> str:
        """Add a constant list of numbers, and return its name."""
        array = np.array(values, np.float32)
        return self.tensor("numbers", array.shape, lambda: array)

    def zeros(self, shape: Shape) -> str:
        """Add a tensor of zeros, and return its name."""
        return self.tensor("zeros", shape, lambda: np.zeros(shape, np.float32))

    def ones(self, shape: Shape) -> str:
        """Add a tensor of ones, and return its name."""
        return self.tensor("ones", shape, lambda: np.ones(shape, np.float32))

    def number(self, value: float) -> str:
        """Add a constant number, and return its name."""
        array = np.array(value, np.float32)
        return self.tensor("number", (), lambda: array)

    def model(self, path: Path, notes: Mapping[str, list[str]]) -> OnnxModel:
        """The whole model; `path` is the file that describes it."""
        graph = helper.make_graph(
            self._nodes,
            self.title,
            [
                helper.make_tensor_value_info(v.name, TensorProto.FLOAT, (BATCH, *v.shape))
                for v in self._inputs
            ],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in self.outputs],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        result = OnnxModel(path, BuiltModel(made, self.stored))
        result.notes = dict(notes)
        return result

    def _free(self, name: str) -> str:
        """The name, with a number if it is taken."""
        free, number = name, 1
        while free in self._names:
            number += 1
            free = f"{name}_{number}"
        self._names.add(free)
        return free


def random_numbers(name: str, shape: Shape, role: str) -> Callable[[], np.ndarray]:
    """Reads random weights that keep the size of values: always the same ones for a name.

    `role` is `kernel`, whose axis 0 are the outputs, or `variance`, `scale`, `shift`.
    """

    def read() -> np.ndarray:
        numbers = np.random.default_rng(crc32(name.encode("utf-8", "replace")))
        if role == "variance":
            return numbers.uniform(0.5, 2, shape).astype(np.float32)
        normal = numbers.standard_normal(shape, np.float32)
        if role == "scale":
            return np.abs(normal) * np.float32(0.2) + np.float32(0.5)
        if role == "shift":
            return normal * np.float32(0.1)
        return normal * np.float32((2 / max(prod(shape[1:]), 1)) ** 0.5)

    return read


def _checked(shape: Shape) -> Shape:
    """The shape; raises `NetdslError` if it has more elements than fit into memory."""
    if prod(shape) > MOST_ELEMENTS:
        text = "x".join(map(str, shape))
        raise NetdslError("too-large", f"the shape {text} has more than 2^29 elements")
    return shape
