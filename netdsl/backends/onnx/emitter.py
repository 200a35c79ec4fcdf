"""Makes the nodes, constants and weights of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.elements import ELEMENT, check_fits
from netdsl.backends.onnx.make import entry, make_node, make_tensor
from netdsl.backends.onnx.origin import RESULT, line_of, mark
from netdsl.ir.sizes import Arithmetic, AxisSize, expressed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.proto import NodeProto, TensorProto
    from netdsl.ir.graph import Node, Site
    from netdsl.ir.lowering import TypedName
    from netdsl.ir.op import Param
    from netdsl.ir.sizes import Expression
    from netdsl.ir.types import Sym


_OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "//": "Div"}


class GraphEmitter:
    """The argument of `Op.onnx`: makes nodes, constants and the names of weights."""

    def __init__(self, opset: int, dtype: str = "float32") -> None:
        self.opset = opset
        self._dtype = dtype
        self.nodes: list[NodeProto] = []
        self.constants: dict[tuple[object, ...], TensorProto] = {}
        self.params: dict[str, Param] = {}
        self.results: tuple[str, ...] = ()  # the further results of the layer that the net uses
        self.made: dict[str, str] = {}  # their names in the model
        self._node: Node | None = None
        self._taken: Sequence[TypedName] = ()
        self._name = self._kind = self._line = ""
        self._stored = ""  # the name of the layer, if it is that of a tensor
        self._count = 0

    def begin(self, node: Node, taken: Sequence[TypedName]) -> None:
        """Begin the nodes of this layer; `taken` are the names of the values that it takes."""
        self.begin_at(node.name, node.op.kind, node.output.site)
        self._node = node
        if node.name in node.tensors():
            self._stored = node.name
        self.results = tuple(node.results)
        self.made = {}
        self._taken = taken

    def rename(self, name: str) -> None:
        """Name the nodes that follow after another name than that of their layer."""
        self._name, self._stored, self._count = name, "", 1

    def begin_at(self, name: str, kind: str, site: Site) -> None:
        """Begin nodes with this name, which belong to no layer."""
        self._node, self._name, self._kind, self._stored = None, name, kind, ""
        self._line = line_of(site)
        self._count = 0

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result.

        The first node of a layer has the name of the layer.
        """
        return self.several(op_type, 1, *inputs, **attributes)[0]

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several results; returns their names, which begin with that of `op`."""
        name = self._name
        if self._count or self._node is None:
            name += f"/{op_type}_{self._count}"
        self._count += 1
        names = [name, *(f"{name}/{i}" for i in range(1, count))]
        if name == self._stored:
            names[0] += "/value"
        node = make_node(op_type, inputs, names, name, **attributes)
        mark(node, self._line, self._name, self._kind)
        self.nodes.append(node)
        return names

    def result(self, name: str, value: str) -> None:
        """Give a further result of the layer, and mark the node that makes it."""
        maker = next(node for node in reversed(self.nodes) if value in node.output)
        maker.metadata_props.append(entry(RESULT, name))
        self.made[name] = value

    def pad(
        self, x: str, pairs: Sequence[tuple[int, int]], value: str, mode: str = "constant"
    ) -> str:
        """Add a border of these (begin, end) widths around every axis except the batch.

        The node lists its axes because onnxruntime would otherwise merge it into the padding of a
        pooling that follows, and maxima ignore padding. It lists all axes, including the batch,
        because onnxruntime assumes that after a transposition.
        """
        widths = [(0, 0), *pairs]
        pads = self.ints([begin for begin, _ in widths] + [end for _, end in widths])
        return self.op("Pad", x, pads, value, self.ints(list(range(len(widths)))), mode=mode)

    def param(self, name: str) -> str:
        """The name of a weight or buffer of this layer."""
        assert self._node is not None
        param = (self._node.params() | self._node.buffers())[name]
        full = param.tied or self._node.tensor_name(name)
        self.params.setdefault(full, param)
        if param.is_constant:
            self._store_constant(full, param)
        return full

    def _store_constant(self, name: str, param: Param) -> None:
        dtype = param.dtype
        if dtype == "float32":
            dtype = self._dtype
            check_fits(name, param.values, dtype)
        self.constants[name,] = make_tensor(name, ELEMENT[dtype], param.shape, param.values)

    def ints(self, values: int | Sequence[int]) -> str:
        """A constant of 64-bit integers: a scalar, or a vector."""
        if isinstance(values, int):
            return self._constant("int64", (), (values,))
        return self._constant("int64", (len(values),), tuple(values))

    def sizes(self, values: Sequence[int | Sym]) -> str:
        """A vector of 64-bit integers; open sizes are computed from sizes of the values taken."""
        known = [value for value in values if isinstance(value, int)]
        if len(known) == len(values):
            return self.ints(known)
        parts = [self._size(value) for value in values]
        if len(parts) == 1:
            return parts[0]
        return self.op("Concat", *parts, axis=0)

    def _size(self, value: int | Sym) -> str:
        found = expressed(value, [name.type.shape for name in self._taken])
        assert found is not None, f"`needs_computed` was not called for {value}"
        return self._computed(found)

    def _computed(self, size: Expression) -> str:
        """The nodes of an expression; its value is a vector of one number."""
        if isinstance(size, AxisSize):
            return self.op("Shape", self._taken[size.tensor], start=size.axis, end=size.axis + 1)
        if isinstance(size, Arithmetic):
            operands = self._computed(size.left), self._computed(size.right)
            return self.op(_OPERATORS[size.operator], *operands)
        return self.ints([size])

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant in the model's type: a scalar, or a vector."""
        if isinstance(values, (int, float)):
            check_fits(self._name, (values,), self._dtype)
            return self._constant(self._dtype, (), (float(values),))
        check_fits(self._name, values, self._dtype)
        return self._constant(self._dtype, (len(values),), tuple(values))

    def scales(self, values: Sequence[float]) -> str:
        """A constant vector of float32, whatever the model's type: `Resize` needs such factors."""
        return self.wide(values, (len(values),))

    def wide(self, values: Sequence[float], shape: tuple[int, ...]) -> str:
        """A constant of float32, whatever the model's type."""
        return self._constant("float32", shape, tuple(values))

    def _constant(self, dtype: str, shape: tuple[int, ...], values: tuple[float, ...]) -> str:
        key = (dtype, shape, values)
        if key not in self.constants:
            name = f"constant/{len(self.constants)}"
            self.constants[key] = make_tensor(name, ELEMENT[dtype], shape, values)
        return self.constants[key].name
