"""Makes the nodes of an ONNX graph whose sizes are all known, with the type of every value.

What depends only on constants is computed at once, so that the graph has no nodes for sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.application import Application, Numbers, TensorKind, UnknownShapeError
from netdsl.backends.onnx.constants import computed
from netdsl.backends.onnx.elements import ELEMENT, FLOAT
from netdsl.backends.onnx.emitter import GraphEmitter
from netdsl.backends.onnx.make import value_of
from netdsl.backends.onnx.shapes import kinds_of
from netdsl.errors import OpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.proto import NodeProto
    from netdsl.ir.op import Param

HELP = "`netdsl train` trains it with PyTorch; the layer can stay if nothing before it is trained"


class TypedEmitter(GraphEmitter):
    """An emitter that knows the type of every value, and the numbers of every constant."""

    def __init__(self, opset: int) -> None:
        super().__init__(opset)
        self.kinds: dict[str, TensorKind] = {}
        self.numbers: dict[str, Numbers] = {}

    def declare(self, name: str, dtype: str, shape: Sequence[int]) -> str:
        """Record the type of an input of the graph; returns its name."""
        self.kinds[name] = TensorKind(ELEMENT[dtype], tuple(shape))
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of a value, with the batch."""
        return self.kinds[name].shape

    def element(self, name: str) -> int:
        """ONNX's number of the element type of a value."""
        return self.kinds[name].element

    def is_float(self, name: str) -> bool:
        """Whether the elements of a value are floats, so that it can have a gradient."""
        return self.element(name) == FLOAT

    def array(self, numbers: Numbers) -> str:
        """A constant of any shape."""
        return self._constant(numbers.dtype, numbers.shape, numbers.values)

    def param(self, name: str) -> str:
        """The name of a weight or buffer of this layer, which is an input of the graph."""
        full = super().param(name)
        param = self.params[full]
        if not param.is_constant and full not in self.kinds:
            self.declare(full, param.dtype, param.shape)
        return full

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several results; returns their names.

        If its inputs are constants, its result can be, too, and then there is no node. Raises
        `OpError` for an operator whose results have no known shape.
        """
        kinds = [self.kinds.get(name) for name in inputs]
        numbers = [self.numbers.get(name) for name in inputs]
        node = Application(op_type, kinds, numbers, attributes, count)
        try:
            made = kinds_of(node)
        except UnknownShapeError as error:
            raise OpError("no-gradient", f"`{self._kind}` {error}", help=HELP) from None
        known = computed(node, made[0])
        if known is not None:
            return [self.array(known)]
        names = super().several(op_type, count, *inputs, **attributes)
        self.kinds |= zip(names, made, strict=True)
        return names

    def loop(
        self, inputs: Sequence[str], shapes: Sequence[tuple[int, ...]], **attributes: Any
    ) -> list[str]:
        """Add a `Scan` whose results are floats of these shapes; returns their names."""
        names = super().several("Scan", len(shapes), *inputs, **attributes)
        for name, shape in zip(names, shapes, strict=True):
            self.declare(name, "float32", shape)
        return names

    def _constant(self, dtype: str, shape: tuple[int, ...], values: tuple[float, ...]) -> str:
        name = super()._constant(dtype, shape, values)
        self._record(name, Numbers(values, shape, dtype))
        return name

    def _store_constant(self, name: str, param: Param) -> None:
        super()._store_constant(name, param)
        self._record(name, Numbers(tuple(param.values), param.shape, param.dtype))

    def _record(self, name: str, numbers: Numbers) -> None:
        self.numbers.setdefault(name, numbers)
        self.declare(name, numbers.dtype, numbers.shape)


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node by name."""
    return {attribute.name: value_of(attribute) for attribute in node.attribute}
