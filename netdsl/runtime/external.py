"""Weights that an ONNX model keeps in other files: refused where they lie outside the model's
folder, before onnxruntime opens any.
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
    "a model's own weights lie beside it, in files that are no links; is this model from a source"
    " that you trust?"
)
_AGAIN = "copy model and data again from where they came, or write them again with `netdsl export`"
_PACKED = {
    getattr(onnx.TensorProto, name)
    for name in ("UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2")
    if hasattr(onnx.TensorProto, name)
}


def check_external(path: Path) -> list[Path]:
    """The files that a model keeps weights in; raises `NetdslError` where one is not of its own
    folder, is missing or too short.
    """
    if not _has_any(path):
        return []
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return []  # no model: onnxruntime says so
    held = [t for t in _tensors(model) if t.data_location == onnx.TensorProto.EXTERNAL]
    for location in sorted({_entry(t, "location") for t in held}):
        _check_file(path, location)
    for tensor in held:
        _check_range(path, tensor)
    return [path.parent / location for location in sorted({_entry(t, "location") for t in held})]


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
            f"there is no file {printable(str(path.parent / location))[:200]}, in which {path}"
            " keeps weights",
            help="copy it beside the model: the two belong together",
        )


def _check_range(path: Path, tensor: onnx.TensorProto) -> None:
    """The part of its file that a tensor lies in: within the file, and as long as the tensor."""
    data = path.parent / _entry(tensor, "location")
    numbers = {key: _entry(tensor, key) for key in ("offset", "length")}
    what = f"of `{printable(tensor.name)[:80]}` in {printable(str(data))[:200]}"
    for key, text in numbers.items():
        if text and not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise NetdslError(
                "corrupt-model",
                f"the {key} {what} is `{printable(text)[:40]}`, no number of bytes",
                help=_AGAIN,
            )
    size, begin = data.stat().st_size, int(numbers["offset"] or 0)
    needed = _bytes_of(tensor)
    length = int(numbers["length"]) if numbers["length"] else needed
    if needed and length != needed:
        raise NetdslError(
            "corrupt-model",
            f"the length {what} is {counted(length, 'byte')}, its numbers take {needed:,}",
            help=_AGAIN,
        )
    if begin + length > size:
        raise NetdslError(
            "corrupt-model",
            f"{printable(str(data))[:200]} has {counted(size, 'byte')},"
            f" `{printable(tensor.name)[:80]}` ends at {begin + length:,}: it is cut off, or"
            " another file",
            help=_AGAIN,
        )


def _bytes_of(tensor: onnx.TensorProto) -> int:
    """How many bytes a tensor takes, or 0 where its type does not say."""
    try:
        bits = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * 8
    except (KeyError, ValueError):
        return 0
    return 0 if tensor.data_type in _PACKED else prod(tensor.dims) * bits // 8


def _has_any(path: Path) -> bool:
    """Whether the file can name others: most do not, and need not be parsed to know."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"location") >= 0


def _entry(tensor: onnx.TensorProto, key: str) -> str:
    return next((e.value for e in reversed(tensor.external_data) if e.key == key), "")


def _fault(folder: str, location: str) -> str | None:
    """What is wrong with a file of weights, if anything is."""
    if "\0" in location or not location:
        return "which is no name of a file"
    if (
        location.startswith(("/", "\\", "~"))
        or location[1:2] == ":"
        or ".." in location.replace("\\", "/").split("/")
    ):
        return "which is outside the model's folder"
    path = os.path.join(folder, location)
    real = os.path.realpath(path)
    if os.path.commonpath([os.path.realpath(folder), real]) != os.path.realpath(folder):
        return "a link that leads outside the model's folder"
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"which cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "which is no file"
    return "which has another name elsewhere (a hard link)" if found.st_nlink > 1 else None


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: of its graphs, of those inside nodes, of its functions."""
    todo: list[onnx.GraphProto | onnx.FunctionProto] = [
        model.graph,
        *model.functions,
        *(g for t in model.training_info for g in (t.initialization, t.algorithm)),
    ]
    while todo:
        part = todo.pop()
        if isinstance(part, onnx.GraphProto):
            yield from part.initializer
            for sparse in part.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for node in part.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                for s in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from (s.values, s.indices)
                todo += [attribute.g, *attribute.graphs]
