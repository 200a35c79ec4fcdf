"""Writes ONNX files as a stream: the weights are never in memory all at once.

A protobuf message is the concatenation of its fields in any order, and a sub-message is its length
and its bytes (protobuf encoding guide). So the small skeleton is written first, and the weights are
appended to its graph while they are computed. Models over 2 GB, the limit of a protobuf
message, have their weights in one file beside the model.
"""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from netdsl.backends.onnx.folded import stored_chunks
from netdsl.backends.onnx.make import EXTERNAL, GRAPH_FIELD, entry, tensor_head
from netdsl.backends.onnx.precision import narrowed
from netdsl.backends.onnx.proto import ModelProto, TensorProto, tag
from netdsl.files import replacing
from netdsl.weights.fresh import fresh_chunks
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

    import onnx

    from netdsl.backends.onnx.graph import Skeleton
    from netdsl.weights.fresh import Chunks

    Data = bytes | memoryview

LIMIT = 2_000_000_000
ALIGN = 4096
WRITERS = 2  # one hashes, one writes


def fresh_weights(seed: int = 0) -> Chunks:
    """The starting numbers of each tensor, as the net's text defines them."""
    return lambda name, param: fresh_chunks(name, param, seed)


def write_model(skeleton: Skeleton, path: Path, chunks: Chunks) -> dict[Path, str]:
    """Write the model; returns the new files with their SHA-256 sums.

    `chunks` gives the float32 numbers of each tensor of the checkpoint. The same skeleton and
    weights give the same bytes. Raises `NetdslError` for numbers that are too large for the model's
    type, and `ValueError` for a tensor with a wrong number of elements.
    """
    sizes = {name: skeleton.item * stored.param.size for name, stored in skeleton.stored.items()}
    if sum(sizes.values()) > LIMIT:
        return _write_external(skeleton, path, chunks, sizes)
    return _write_whole(skeleton, path, chunks, sizes)


def _write_whole(
    skeleton: Skeleton, path: Path, chunks: Chunks, sizes: Mapping[str, int]
) -> dict[Path, str]:
    graph = skeleton.model.graph.serialized()
    heads = {
        name: tensor_head(name, stored.param, skeleton.element, sizes[name])
        for name, stored in skeleton.stored.items()
    }
    length = len(graph) + sum(len(heads[name]) + size for name, size in sizes.items())
    head = skeleton.model.serialized(but="graph") + tag(GRAPH_FIELD, length)
    with replacing(path) as temporary, io.FileIO(temporary, "w") as file:
        out = _Out(file, len(head) + length)
        out.write(head + graph)
        for name in skeleton.stored:
            out.write(heads[name])
            _write_tensor(out, name, skeleton, chunks)
        return {path: out.sum()}


def _write_external(
    skeleton: Skeleton, path: Path, chunks: Chunks, sizes: Mapping[str, int]
) -> dict[Path, str]:
    data = path.with_name(path.name + ".data")
    tensors = []
    with replacing(data) as temporary, io.FileIO(temporary, "w") as file:
        out = _Out(file, sum(-(-size // ALIGN) * ALIGN for size in sizes.values()))
        for name, stored in skeleton.stored.items():
            out.write(b"\0" * (-out.size % ALIGN))
            place = {"location": data.name, "offset": str(out.size), "length": str(sizes[name])}
            tensors.append(
                TensorProto(
                    name=name,
                    data_type=skeleton.element,
                    dims=stored.param.shape,
                    external_data=[entry(*item) for item in place.items()],
                    data_location=EXTERNAL,
                )
            )
            _write_tensor(out, name, skeleton, chunks)
        data_sum = out.sum()
    with replacing(path) as temporary, io.FileIO(temporary, "w") as file:
        small = _Out(file)
        small.write(_with_tensors(skeleton.model, tensors).serialized())
        return {path: small.sum(), data: data_sum}


def as_onnx(skeleton: Skeleton) -> onnx.ModelProto:
    """The skeleton as a message of the package `onnx`."""
    import onnx  # few exports need it

    model = onnx.ModelProto()
    model.ParseFromString(skeleton.model.serialized())
    return model


def model_of(skeleton: Skeleton, chunks: Chunks) -> onnx.ModelProto:
    """A whole model in memory.

    `chunks` gives the float32 numbers of each tensor of the checkpoint.
    """
    import onnx  # few exports need it

    model = as_onnx(skeleton)
    for name, stored in skeleton.stored.items():
        pieces = stored_chunks(stored, skeleton.params, chunks)
        array = np.concatenate([narrowed(name, np.ravel(p), skeleton.dtype) for p in pieces])
        tensor = onnx.numpy_helper.from_array(array.reshape(stored.param.shape), name)
        model.graph.initializer.append(tensor)
    return model


def _with_tensors(model: ModelProto, tensors: list[TensorProto]) -> ModelProto:
    """A model with more tensors."""
    made, graph = copy(model), copy(model.graph)
    graph.initializer = [*graph.initializer, *tensors]
    made.graph = graph
    return made


class _Out:
    """A file, with the SHA-256 sum of what is written to it.

    It reserves `room` bytes on the disk at once: this makes writing several times faster, and it
    fails at the start if the disk is full.
    """

    def __init__(self, file: io.FileIO, room: int = 0) -> None:
        self.size = 0
        self._sum = hashlib.sha256()
        self._file = file
        if room and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, room)

    def write(self, data: Data) -> None:
        """Append bytes, or the memory of an array."""
        self.add(data)
        self.put(data)

    def add(self, data: Data) -> None:
        """Add data to the sum, which is one half of `write`."""
        self._sum.update(data)

    def put(self, data: Data) -> None:
        """Add data to the file, which is the other half of `write`."""
        view = memoryview(data)
        self.size += len(view)
        while view:
            view = view[self._file.write(view) :]

    def sum(self) -> str:
        """The SHA-256 sum of all data; frees the room that was not needed."""
        self._file.truncate(self.size)
        return self._sum.hexdigest()


def _write_tensor(out: _Out, name: str, skeleton: Skeleton, chunks: Chunks) -> None:
    stored = skeleton.stored[name]
    written = 0
    # The next numbers are computed while the last ones are hashed and written.
    with ThreadPoolExecutor(WRITERS) as pool:
        pending: list[Future[None]] = []
        pieces = iter(stored_chunks(stored, skeleton.params, chunks))
        for piece in pieces:
            written += piece.size
            numbers = narrowed(name, piece, skeleton.dtype, pieces).view(np.uint8).data
            for task in pending:
                task.result()
            pending = [pool.submit(out.add, numbers), pool.submit(out.put, numbers)]
        for task in pending:
            task.result()
    if written != stored.param.size:
        raise ValueError(
            f"`{name}` has {counted(written, 'element')}, but the net needs {stored.param.size}"
        )


def check_file(path: str | os.PathLike[str]) -> None:
    """Run ONNX's full check of a written model; raises `onnx.checker.ValidationError`."""
    import onnx  # only `verify` needs it

    onnx.checker.check_model(os.fspath(path), full_check=True)
