"""Makes ONNX's messages: nodes, attributes, constants and types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.elements import (
    BFLOAT16,
    DOUBLE,
    FLOAT,
    FLOAT16,
    INT64,
    bfloat16_bits,
    half_bits,
)
from netdsl.backends.onnx.proto import (
    AttributeProto,
    DimensionProto,
    GraphProto,
    NodeProto,
    OperatorSetProto,
    StringStringEntryProto,
    TensorProto,
    TensorShapeProto,
    TensorTypeProto,
    TypeProto,
    ValueInfoProto,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.ir.op import Param

GRAPH_FIELD, _INITIALIZER_FIELD, _RAW_DATA_FIELD = 7, 5, 9  # of a model, a graph, a tensor
EXTERNAL = 1  # the `data_location` of a tensor whose numbers are in another file
_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "g": 5, "floats": 6, "ints": 7, "strings": 8}


def make_node(
    op_type: str, inputs: Iterable[str], outputs: Iterable[str], name: str, **attributes: Any
) -> NodeProto:
    """A node; attributes that are None are left out."""
    domain = attributes.pop("domain", None)
    listed = [make_attribute(k, v) for k, v in sorted(attributes.items()) if v is not None]
    return NodeProto(
        input=inputs, output=outputs, name=name, op_type=op_type, attribute=listed, domain=domain
    )


def make_attribute(name: str, value: Any) -> AttributeProto:
    """An attribute, whose type is that of the value; in a list, that of its items."""
    field, content = _field_of(value)
    return AttributeProto(name=name, type=_TYPES[field], **{field: content})


def value_of(attribute: AttributeProto) -> Any:
    """The value of an attribute, with texts as `str`."""
    field = next(name for name, number in _TYPES.items() if number == attribute.type)
    value = getattr(attribute, field)
    if field == "s":
        return value.decode()
    return [text.decode() for text in value] if field == "strings" else value


def _field_of(value: Any) -> tuple[str, Any]:
    match value:
        case float():
            return "f", value
        case int():
            return "i", value
        case str():
            return "s", value.encode()
        case TensorProto():
            return "t", value
        case GraphProto():
            return "g", value
    items = list(value)
    if all(isinstance(item, int) for item in items):
        return "ints", items
    if all(isinstance(item, str) for item in items):
        return "strings", [item.encode() for item in items]
    return "floats", [float(item) for item in items]


def make_tensor(
    name: str, element: int, shape: Iterable[int], values: Sequence[float]
) -> TensorProto:
    """A constant."""
    field, content = _content(element, values)
    return TensorProto(name=name, data_type=element, dims=shape, **{field: content})


def _content(element: int, values: Sequence[float]) -> tuple[str, list[float]]:
    """The list of a tensor for its type, and the numbers as it has them."""
    if element == FLOAT:
        return "float_data", [float(value) for value in values]
    if element == DOUBLE:
        return "double_data", [float(value) for value in values]
    if element == INT64:
        return "int64_data", [int(value) for value in values]
    if element == FLOAT16:
        return "int32_data", [half_bits(value) for value in values]
    if element == BFLOAT16:
        return "int32_data", [bfloat16_bits(value) for value in values]
    return "int32_data", [int(value) for value in values]


def make_value_info(name: str, element: int, shape: Iterable[int | str]) -> ValueInfoProto:
    """The type of a tensor; sizes are numbers or names."""
    dims = [
        DimensionProto(dim_value=size) if isinstance(size, int) else DimensionProto(dim_param=size)
        for size in shape
    ]
    tensor = TensorTypeProto(elem_type=element, shape=TensorShapeProto(dim=dims))
    return ValueInfoProto(name=name, type=TypeProto(tensor_type=tensor))


def entry(key: str, value: str) -> StringStringEntryProto:
    """An entry of metadata."""
    return StringStringEntryProto(key=key, value=value)


def operator_sets(opset: int, *domains: str) -> list[OperatorSetProto]:
    """The version of ONNX's operators, and version 1 of those of other domains."""
    others = [OperatorSetProto(domain=domain, version=1) for domain in domains]
    return [OperatorSetProto(domain="", version=opset), *others]


def tensor_head(name: str, param: Param, element: int, size: int) -> bytes:
    """The field of an initialiser up to its numbers, which take `size` bytes."""
    tensor = TensorProto(name=name, data_type=element, dims=param.shape)
    inner = tensor.serialized() + tag(_RAW_DATA_FIELD, size)
    return tag(_INITIALIZER_FIELD, len(inner) + size) + inner
