"""ONNX's messages, as far as netdsl writes them, and their bytes.

The package `onnx` has the same, but it is slow to import and does not run in a browser. Names and
numbers of the fields are those of ONNX's `onnx.proto3`, and the encoding is that of protocol
buffers (https://protobuf.dev/programming-guides/encoding/). Fields are written in the order of
their numbers, so the same model gives the same bytes, which are those that `onnx` would write.
"""

from __future__ import annotations

import struct
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# ---- the encoding

_VARINT, _BYTES, _FIXED32 = 0, 2, 5  # wire types


def tag(field: int, length: int) -> bytes:
    """The head of a field whose content has so many bytes."""
    return varint(field << 3 | _BYTES) + varint(length)


def varint(value: int) -> bytes:
    """A number with 7 bits in each byte; all bytes but the last have their highest bit set.

    A negative number is that of its 64-bit two's complement.
    """
    value &= (1 << 64) - 1
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    data.append(value)
    return bytes(data)


def _number(field: int, value: int) -> bytes:
    return varint(field << 3 | _VARINT) + varint(value)


def _float(field: int, value: float) -> bytes:
    return varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return tag(field, len(value)) + value


def _message(field: int, value: Message) -> bytes:
    return _bytes(field, value.serialized())


def _each(write: Callable[[int, Any], bytes]) -> Callable[[int, Sequence[Any]], bytes]:
    """Writes a list as one field for each item."""
    return lambda field, values: b"".join([write(field, value) for value in values])


def _packed(write: Callable[[Any], bytes]) -> Callable[[int, Sequence[Any]], bytes]:
    """Writes a list of numbers as one field."""
    return lambda field, values: _bytes(field, b"".join(map(write, values))) if values else b""


_numbers, _floats, _texts = _each(_number), _each(_float), _each(_text)
_messages, _strings = _each(_message), _each(_bytes)
_packed_numbers = _packed(varint)
_packed_floats = _packed(lambda value: struct.pack("<f", value))
_packed_doubles = _packed(lambda value: struct.pack("<d", value))
_LISTS = (
    *(_numbers, _floats, _texts, _messages, _strings),
    *(_packed_numbers, _packed_floats, _packed_doubles),
)


class Message:
    """A message. A field that is not given is an empty list, or is not written.

    `FIELDS` has the name, the number and the encoding of each field, in the order of the numbers.
    """

    FIELDS: ClassVar[tuple[tuple[str, int, Callable[[int, Any], bytes]], ...]] = ()

    def __init__(self, **values: Any) -> None:
        for name, _, write in self.FIELDS:
            value = values.pop(name, None)
            if write in _LISTS:
                value = list(value or ())
            setattr(self, name, value)
        if values:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(values))}")

    def serialized(self, but: str = "") -> bytes:
        """The message as bytes, without the field `but`."""
        parts = []
        for name, number, write in self.FIELDS:
            value = getattr(self, name)
            if value is not None and name != but:
                parts.append(write(number, value))
        return b"".join(parts)

    def copy(self) -> Self:
        """A message with the same contents."""
        return deepcopy(self)


# ---- the messages


class StringStringEntryProto(Message):
    """A key and a value."""

    key: str
    value: str
    FIELDS = (("key", 1, _text), ("value", 2, _text))


class AttributeProto(Message):
    """An attribute of a node: one of `f`, `i`, `s`, `t`, `g` or a list, as its `type` says."""

    name: str
    f: float
    i: int
    s: bytes
    t: TensorProto
    g: GraphProto
    floats: list[float]
    ints: list[int]
    type: int
    FIELDS = (
        ("name", 1, _text),
        ("f", 2, _float),
        ("i", 3, _number),
        ("s", 4, _bytes),
        ("t", 5, _message),
        ("g", 6, _message),
        ("floats", 7, _floats),
        ("ints", 8, _numbers),
        ("strings", 9, _strings),
        ("type", 20, _number),
    )


class NodeProto(Message):
    """An operator, with the names of the values that it takes and makes."""

    input: list[str]
    output: list[str]
    name: str
    op_type: str
    attribute: list[AttributeProto]
    domain: str
    metadata_props: list[StringStringEntryProto]
    FIELDS = (
        ("input", 1, _texts),
        ("output", 2, _texts),
        ("name", 3, _text),
        ("op_type", 4, _text),
        ("attribute", 5, _messages),
        ("domain", 7, _text),
        ("metadata_props", 9, _messages),
    )


class TensorProto(Message):
    """A constant. Its numbers are in the list for its type, or their bytes are in `raw_data`."""

    name: str
    dims: list[int]
    data_type: int
    FIELDS = (
        ("dims", 1, _numbers),
        ("data_type", 2, _number),
        ("float_data", 4, _packed_floats),
        ("int32_data", 5, _packed_numbers),
        ("int64_data", 7, _packed_numbers),
        ("name", 8, _text),
        ("raw_data", 9, _bytes),
        ("double_data", 10, _packed_doubles),
        ("external_data", 13, _messages),
        ("data_location", 14, _number),
    )


class DimensionProto(Message):
    """A size: a number, or a name."""

    dim_value: int | None
    dim_param: str | None
    FIELDS = (("dim_value", 1, _number), ("dim_param", 2, _text))


class TensorShapeProto(Message):
    """The sizes of a tensor."""

    dim: list[DimensionProto]
    FIELDS = (("dim", 1, _messages),)


class TensorTypeProto(Message):
    """The element type and the shape of a tensor."""

    elem_type: int
    shape: TensorShapeProto
    FIELDS = (("elem_type", 1, _number), ("shape", 2, _message))


class TypeProto(Message):
    """The type of a value."""

    tensor_type: TensorTypeProto
    FIELDS = (("tensor_type", 1, _message),)


class ValueInfoProto(Message):
    """The name and the type of a value."""

    name: str
    type: TypeProto
    FIELDS = (("name", 1, _text), ("type", 2, _message))


class GraphProto(Message):
    """The nodes of a model, its constants, and its values."""

    node: list[NodeProto]
    name: str
    initializer: list[TensorProto]
    doc_string: str
    input: list[ValueInfoProto]
    output: list[ValueInfoProto]
    value_info: list[ValueInfoProto]
    FIELDS = (
        ("node", 1, _messages),
        ("name", 2, _text),
        ("initializer", 5, _messages),
        ("doc_string", 10, _text),
        ("input", 11, _messages),
        ("output", 12, _messages),
        ("value_info", 13, _messages),
    )


class OperatorSetProto(Message):
    """A version of a set of operators."""

    domain: str
    version: int
    FIELDS = (("domain", 1, _text), ("version", 2, _number))


class FunctionProto(Message):
    """Nodes that a model calls by a name."""

    name: str
    input: list[str]
    output: list[str]
    node: list[NodeProto]
    FIELDS = (
        ("name", 1, _text),
        ("input", 4, _texts),
        ("output", 5, _texts),
        ("node", 7, _messages),
        ("opset_import", 9, _messages),
        ("domain", 10, _text),
    )


class ModelProto(Message):
    """A graph with its functions, and the versions of the operators that it uses."""

    graph: GraphProto
    functions: list[FunctionProto]
    opset_import: list[OperatorSetProto]
    metadata_props: list[StringStringEntryProto]
    FIELDS = (
        ("ir_version", 1, _number),
        ("producer_name", 2, _text),
        ("graph", 7, _message),
        ("opset_import", 8, _messages),
        ("metadata_props", 14, _messages),
        ("functions", 25, _messages),
    )
