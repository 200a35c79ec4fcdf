"""Writes ONNX files as a stream: the weights never stand in memory together.

A protobuf message is the concatenation of its fields in any order, and a sub-message is its length and its bytes (protobuf
encoding guide). So the small skeleton is serialised by `onnx`, and the initialisers are appended to its graph as they are made.
Models over 2 GB, the limit of a protobuf message, keep their weights in one file beside the model.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto

from netdsl.backends.weights import fresh_chunks
from netdsl.files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from netdsl.backends.onnx import Skeleton
    from netdsl.ops.base import Param

Chunks = "Callable[[str, Param], Iterable[Any]]"
LIMIT = 2_000_000_000
ALIGN = 4096
_GRAPH_FIELD, _INITIALIZER_FIELD, _RAW_DATA_FIELD = 7, 5, 9


def fresh_weights(seed: int = 0) -> Callable[[str, Param], Iterable[Any]]:
    """Weights as the initialisers of the net say."""
    return lambda name, param: fresh_chunks(name, param, seed)


def write_model(skeleton: Skeleton, path: Path, chunks: Callable[[str, Param], Iterable[Any]]) -> list[Path]:
    """Write the model, with `chunks(name, param)` giving each weight's float32 arrays in order; returns the files made.

    The same skeleton and weights give the same bytes.
    """
    total = sum(skeleton.item * p.size for p in skeleton.params.values())
    if total > LIMIT:
        return _write_external(skeleton, path, chunks)
    model = onnx.ModelProto()
    model.CopyFrom(skeleton.model)
    graph = model.graph.SerializeToString(deterministic=True)
    model.ClearField("graph")
    heads = {name: _tensor_head(name, p, skeleton.element) for name, p in skeleton.params.items()}
    sizes = {name: len(heads[name]) + len(_tag(_RAW_DATA_FIELD, skeleton.item * p.size)) + skeleton.item * p.size for name, p in skeleton.params.items()}
    length = len(graph) + sum(len(_tag(_INITIALIZER_FIELD, s)) + s for s in sizes.values())
    head = model.SerializeToString(deterministic=True) + _tag(_GRAPH_FIELD, length)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        _reserve(file, len(head) + length)
        file.write(head)
        file.write(graph)
        for name, param in skeleton.params.items():
            file.write(_tag(_INITIALIZER_FIELD, sizes[name]) + heads[name] + _tag(_RAW_DATA_FIELD, skeleton.item * param.size))
            _write_chunks(file, name, param, chunks, skeleton.dtype)
    return [path]


def _reserve(file: Any, size: int) -> None:
    """Take the room on the disk at once: writing is several times faster then, and a full disk is known before the work."""
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)


def _write_chunks(file: Any, name: str, param: Param, chunks: Callable[[str, Param], Iterable[Any]], dtype: str) -> None:
    written = 0
    with ThreadPoolExecutor(1) as writer:  # the next numbers are made while the last are written
        pending = None
        for chunk in chunks(name, param):
            written += chunk.size
            if pending is not None:
                pending.result()
            pending = writer.submit(file.write, chunk.astype(dtype, copy=False).data)
        if pending is not None:
            pending.result()
    if written != param.size:
        raise ValueError(f"`{name}` has {written} elements, the net needs {param.size}")


def _write_external(skeleton: Skeleton, path: Path, chunks: Callable[[str, Param], Iterable[Any]]) -> list[Path]:
    data = path.with_name(path.name + ".data")
    model = onnx.ModelProto()
    model.CopyFrom(skeleton.model)
    room = sum(-(-skeleton.item * p.size // ALIGN) * ALIGN for p in skeleton.params.values())
    with replacing(data) as temporary, open(temporary, "wb") as file:
        _reserve(file, room)
        for name, param in skeleton.params.items():
            offset = -(-file.tell() // ALIGN) * ALIGN
            file.write(b"\0" * (offset - file.tell()))
            tensor = model.graph.initializer.add(name=name, data_type=skeleton.element, dims=param.shape)
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", data.name), ("offset", str(offset)), ("length", str(skeleton.item * param.size))):
                tensor.external_data.add(key=key, value=value)
            _write_chunks(file, name, param, chunks, skeleton.dtype)
        file.truncate()
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    return [path, data]


def _tensor_head(name: str, param: Param, element: int) -> bytes:
    head: bytes = TensorProto(name=name, data_type=element, dims=param.shape).SerializeToString(deterministic=True)
    return head


def _tag(field: int, length: int) -> bytes:
    """The head of a length-delimited field (wire type 2)."""
    return _varint(field << 3 | 2) + _varint(length)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
