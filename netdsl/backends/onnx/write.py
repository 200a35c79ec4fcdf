"""Writes ONNX files as a stream: the weights never stand in memory together.

A protobuf message is the concatenation of its fields in any order, and a sub-message is its length
and its bytes (protobuf encoding guide). So the small skeleton is serialised by `onnx`, and the
initialisers are appended to its graph as they are made. Models over 2 GB, the limit of a protobuf
message, keep their weights in one file beside the model.
"""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto

from netdsl.backends.onnx.fold import stored_chunks
from netdsl.backends.onnx.precision import narrowed
from netdsl.files import replacing
from netdsl.weights.fresh import fresh_chunks
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from pathlib import Path

    from netdsl.backends.onnx.fold import Stored
    from netdsl.backends.onnx.graph import Skeleton
    from netdsl.ir.op import Param

LIMIT = 2_000_000_000
ALIGN = 4096
WRITERS = 2  # one sums up, one writes
_GRAPH_FIELD, _INITIALIZER_FIELD, _RAW_DATA_FIELD = 7, 5, 9


def fresh_weights(seed: int = 0) -> Callable[[str, Param], Iterable[Any]]:
    """Weights as the initialisers of the net say."""
    return lambda name, param: fresh_chunks(name, param, seed)


def write_model(
    skeleton: Skeleton, path: Path, chunks: Callable[[str, Param], Iterable[Any]]
) -> dict[Path, str]:
    """Write the model, with `chunks(name, param)` giving the float32 numbers of each tensor;
    returns the files made with their SHA-256 sums.

    The same skeleton and weights give the same bytes.
    """
    sizes = {name: skeleton.item * stored.param.size for name, stored in skeleton.stored.items()}
    if sum(sizes.values()) > LIMIT:
        return _write_external(skeleton, path, chunks, sizes)
    model = onnx.ModelProto()
    model.CopyFrom(skeleton.model)
    graph = _bytes(model.graph)
    model.ClearField("graph")
    heads = {}
    for name, size in sizes.items():
        inner = _tensor_head(name, skeleton.stored[name].param, skeleton.element) + _tag(
            _RAW_DATA_FIELD, size
        )
        heads[name] = _tag(_INITIALIZER_FIELD, len(inner) + size) + inner
    length = len(graph) + sum(len(heads[name]) + size for name, size in sizes.items())
    head = _bytes(model) + _tag(_GRAPH_FIELD, length)
    with replacing(path) as temporary, io.FileIO(temporary, "w") as file:
        out = _Out(file, len(head) + length)
        out.write(head + graph)
        for name, stored in skeleton.stored.items():
            out.write(heads[name])
            _write_chunks(out, name, skeleton, stored, chunks)
        return {path: out.sum()}


def _write_external(
    skeleton: Skeleton,
    path: Path,
    chunks: Callable[[str, Param], Iterable[Any]],
    sizes: dict[str, int],
) -> dict[Path, str]:
    data = path.with_name(path.name + ".data")
    model = onnx.ModelProto()
    model.CopyFrom(skeleton.model)
    with replacing(data) as temporary, io.FileIO(temporary, "w") as file:
        out = _Out(file, sum(-(-size // ALIGN) * ALIGN for size in sizes.values()))
        for name, stored in skeleton.stored.items():
            out.write(b"\0" * (-out.size % ALIGN))
            tensor = model.graph.initializer.add(
                name=name, data_type=skeleton.element, dims=stored.param.shape
            )
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (
                ("location", data.name),
                ("offset", str(out.size)),
                ("length", str(sizes[name])),
            ):
                tensor.external_data.add(key=key, value=value)
            _write_chunks(out, name, skeleton, stored, chunks)
        data_sum = out.sum()
    with replacing(path) as temporary, io.FileIO(temporary, "w") as file:
        small = _Out(file)
        small.write(_bytes(model))
        return {path: small.sum(), data: data_sum}


def model_of(skeleton: Skeleton, chunks: Callable[[str, Param], Iterable[Any]]) -> onnx.ModelProto:
    """A whole model in memory, with `chunks(name, param)` giving the float32 numbers of each tensor
    of the checkpoint.
    """
    model = onnx.ModelProto()
    model.CopyFrom(skeleton.model)
    for name, stored in skeleton.stored.items():
        array = np.concatenate(
            [
                narrowed(name, np.ravel(c), skeleton.dtype)
                for c in stored_chunks(stored, skeleton.params, chunks)
            ]
        )
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(array.reshape(stored.param.shape), name)
        )
    return model


class _Out:
    """A file that sums up what is written to it.

    The room on the disk is taken at once: writing is several times faster then, and a full disk is
    known before the work.
    """

    def __init__(self, file: io.FileIO, room: int = 0) -> None:
        self.size = 0
        self._sum = hashlib.sha256()
        self._file = file
        if room and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, room)

    def write(self, data: Any) -> None:
        """Append bytes, or the memory of an array."""
        self.add(data)
        self.put(data)

    def add(self, data: Any) -> None:
        """Half of writing: the sum."""
        self._sum.update(data)

    def put(self, data: Any) -> None:
        """The other half: the file."""
        view = memoryview(data)
        self.size += len(view)
        while view:
            view = view[self._file.write(view) :]

    def sum(self) -> str:
        """The SHA-256 sum of all of it; room that was not needed is given back."""
        self._file.truncate(self.size)
        return self._sum.hexdigest()


def _write_chunks(
    out: _Out,
    name: str,
    skeleton: Skeleton,
    stored: Stored,
    chunks: Callable[[str, Param], Iterable[Any]],
) -> None:
    written = 0
    with ThreadPoolExecutor(
        WRITERS
    ) as pool:  # the next numbers are made while the last are summed up and written
        pending: list[Future[None]] = []
        pieces = iter(stored_chunks(stored, skeleton.params, chunks))
        for chunk in pieces:
            written += chunk.size
            made = narrowed(name, chunk, skeleton.dtype, pieces).view(np.uint8)
            for task in pending:
                task.result()
            pending = [pool.submit(out.add, made), pool.submit(out.put, made)]
        for task in pending:
            task.result()
    if written != stored.param.size:
        raise ValueError(
            f"`{name}` has {counted(written, 'element')}, the net needs {stored.param.size}"
        )


def _tensor_head(name: str, param: Param, element: int) -> bytes:
    return _bytes(TensorProto(name=name, data_type=element, dims=param.shape))


def _bytes(message: Any) -> bytes:
    made: bytes = message.SerializeToString(deterministic=True)
    return made


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
