"""Weights that an ONNX model keeps in other files: refused where they lie outside the model's folder, before onnxruntime opens any."""

from __future__ import annotations

import mmap
import os
import stat
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from netdsl.diagnostics import fail
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HELP = "a model's own weights lie beside it, in files that are no links; is this model from a source that you trust?"


def check_external(path: Path) -> None:
    """Raise `CompileError` where a model names a file of weights that is not one of its own folder."""
    if not _has_any(path):
        return
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return  # no model: onnxruntime says so
    for location in sorted({_location(t) for t in _tensors(model) if t.data_location == onnx.TensorProto.EXTERNAL}):
        fault = _fault(os.path.dirname(os.path.abspath(path)), location)
        if fault is not None:
            shown = printable(location)[:200]
            fail("outside-data", f"{path} keeps weights in `{shown}`, {fault}", _HELP)


def _has_any(path: Path) -> bool:
    """Whether the file can name others: most do not, and need not be parsed to know."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"location") >= 0


def _location(tensor: onnx.TensorProto) -> str:
    return next((e.value for e in reversed(tensor.external_data) if e.key == "location"), "")


def _fault(folder: str, location: str) -> str | None:
    """What is wrong with a file of weights, if anything is."""
    if "\0" in location or not location:
        return "which is no name of a file"
    if location.startswith(("/", "\\", "~")) or location[1:2] == ":" or ".." in location.replace("\\", "/").split("/"):
        return "which is outside the model's folder"
    path = os.path.join(folder, location)
    real = os.path.realpath(path)
    if os.path.commonpath([os.path.realpath(folder), real]) != os.path.realpath(folder):
        return "a link that leads outside the model's folder"
    try:
        found = os.stat(path)
    except OSError as error:
        return f"which cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "which is no file"
    return "which has another name elsewhere (a hard link)" if found.st_nlink > 1 else None


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: of its graphs, of those inside nodes, of its functions."""
    todo: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions, *(g for t in model.training_info for g in (t.initialization, t.algorithm))]
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
