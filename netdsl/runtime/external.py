"""Checks the files in which an ONNX model keeps its weights, before onnxruntime opens them.

Files outside the model's folder are refused.
"""

from __future__ import annotations

import mmap
import os
import stat
from math import prod
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from netdsl.errors import NetdslError
from netdsl.source import printable
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HELP = (
    "a model's own weights are in its folder, in files that are not links; do you trust the source"
    " of this model?"
)
_AGAIN = "copy the model and its data again, or write them again with `netdsl export`"
_PACKED = {
    getattr(onnx.TensorProto, name)
    for name in ("UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2")
    if hasattr(onnx.TensorProto, name)
}


def check_external(path: Path) -> list[Path]:
    """The files in which a model keeps weights, in alphabetical order.

    Raises `NetdslError`: `outside-data` for a file that is not in the model's own folder,
    `file-not-found` for a missing one, and `corrupt-model` if the numbers of a tensor do not fit
    its part of the file.
    """
    if not _can_have_any(path):
        return []
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return []  # not a model: onnxruntime reports that
    tensors = [t for t in _tensors(model) if t.data_location == onnx.TensorProto.EXTERNAL]
    locations = sorted({_entry(tensor, "location") for tensor in tensors})
    for location in locations:
        _check_file(path, location)
    for tensor in tensors:
        _check_range(path, tensor)
    return [path.parent / location for location in locations]


def _check_file(path: Path, location: str) -> None:
    fault = _fault(os.path.dirname(os.path.abspath(path)), location)
    if fault is not None:
        raise NetdslError(
            "outside-data",
            f"{path} keeps weights in `{printable(location)[:200]}`, {fault}",
            help=_HELP,
        )
    if not (path.parent / location).is_file():
        raise NetdslError(
            "file-not-found",
            f"there is no file {_shown(path.parent / location)}, in which {path} keeps weights",
            help="copy it beside the model: the two belong together",
        )


def _check_range(path: Path, tensor: onnx.TensorProto) -> None:
    """Check that a tensor has as many bytes as its type and shape take, and that its file has them.

    Raises `NetdslError` with the code `corrupt-model`.
    """
    data = path.parent / _entry(tensor, "location")
    name = f"`{printable(tensor.name)[:80]}`"
    place = f"of {name} in {_shown(data)}"
    begin = _bytes_entry(tensor, "offset", place) or 0
    length = _bytes_entry(tensor, "length", place)
    needed = _bytes_of(tensor)
    if length is None:
        length = needed
    if needed and length != needed:
        raise NetdslError(
            "corrupt-model",
            f"the length {place} is {counted(length, 'byte')}, its numbers take {needed:,}",
            help=_AGAIN,
        )
    size = data.stat().st_size
    if begin + length > size:
        raise NetdslError(
            "corrupt-model",
            f"{_shown(data)} has {counted(size, 'byte')}, {name} ends at byte {begin + length:,}:"
            " the file is cut off, or is another one",
            help=_AGAIN,
        )


def _bytes_entry(tensor: onnx.TensorProto, key: str, place: str) -> int | None:
    """The number of bytes in an entry of a tensor, or None if it has no such entry."""
    text = _entry(tensor, key)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise NetdslError(
            "corrupt-model",
            f"the {key} {place} is `{printable(text)[:40]}`, not a number of bytes",
            help=_AGAIN,
        )
    return int(text)


def _bytes_of(tensor: onnx.TensorProto) -> int:
    """The number of bytes that a tensor takes, or 0 if its type does not determine it."""
    try:
        itemsize: int = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError):
        return 0
    if tensor.data_type in _PACKED:
        return 0
    count: int = prod(tensor.dims)
    return count * itemsize


def _shown(path: Path) -> str:
    return printable(str(path))[:200]


def _can_have_any(path: Path) -> bool:
    """Whether the model can use other files. Most models do not, and need not be parsed here."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"location") >= 0


def _entry(tensor: onnx.TensorProto, key: str) -> str:
    return next((e.value for e in reversed(tensor.external_data) if e.key == key), "")


def _fault(folder: str, location: str) -> str | None:
    """The reason to refuse a file of weights, or None. A missing file is not refused here."""
    if "\0" in location or not location:
        return "which is not a file name"
    parts = location.replace("\\", "/").split("/")
    if location.startswith(("/", "\\", "~")) or location[1:2] == ":" or ".." in parts:
        return "which is outside the model's folder"
    path = os.path.join(folder, location)
    real_folder = os.path.realpath(folder)
    if os.path.commonpath([real_folder, os.path.realpath(path)]) != real_folder:
        return "a link that leads outside the model's folder"
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"which cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "which is not a regular file"
    if status.st_nlink > 1:
        return "which has another name elsewhere (a hard link)"
    return None


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: in its graphs, in the graphs inside nodes, and in its functions."""
    waiting: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    for training in model.training_info:
        waiting += [training.initialization, training.algorithm]
    while waiting:
        part = waiting.pop()
        if isinstance(part, onnx.GraphProto):
            yield from part.initializer
            for sparse in part.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for attribute in (a for node in part.node for a in node.attribute):
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            waiting += [attribute.g, *attribute.graphs]
