"""Reads ONNX models as foreign graphs. A file that cannot be read gives one diagnostic."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, numpy_helper
from onnx.inliner import inline_local_functions

from netdsl.errors import NetdslError
from netdsl.habits.files import is_text
from netdsl.importers.onnx.constants import Constants, dtype_name
from netdsl.importers.onnx.foreign import Foreign, ForeignNode, StoredTensor
from netdsl.missing import no_file
from netdsl.runtime.expansion import check_work
from netdsl.runtime.external import check_external
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BATCH = 3  # samples, if the model takes any number of them
ZIP = b"PK\x03\x04"  # the first bytes of an archive
START = 1024  # bytes of a file that tell whether it is text
# Names that exporters give to every graph.
NO_NAMES = ("graph", "main", "main_graph", "tf2onnx", "torch_jit", "torch_jit_export")
SMALL = 100  # nodes whose metadata are read for the name of the net
STANDARD = ("", "ai.onnx")


class BuiltModel(NamedTuple):
    """A model that was built in memory. Its tensors are beside it, because they may be large."""

    model: onnx.ModelProto
    stored: dict[str, StoredTensor]


class OnnxModel:
    """An ONNX model whose file is safe to read, or one that was built from another file.

    `inputs` are its inputs with their sizes; a text is the name of an open one, and axis 0 is the
    batch. `outputs` are the names of its outputs. `notes` are about layers that were left out, by
    a value before them. `title` is what the text calls the original.
    """

    def __init__(self, path: Path, built: BuiltModel | None = None) -> None:
        self.path = path
        self.title = path.name
        self.notes: dict[str, list[str]] = {}
        if built is not None:
            self.model, self.stored = built
        else:
            self.model = _loaded(path)
            _check_versions(self.model, path)
            tensors = self.model.graph.initializer
            self.stored = {t.name: _stored(t, path.parent) for t in tensors}
        graph = self.model.graph
        self.inputs = {
            value.name: _sizes(value, path)
            for value in graph.input
            if value.name not in self.stored
        }
        self.outputs = [value.name for value in graph.output]
        if not self.inputs:
            raise NetdslError(
                "unsupported-operator", f"{printable(str(path))} has no inputs, and a net has some"
            )

    def foreign(self, sizes: Mapping[str, tuple[int, ...]]) -> Foreign:
        """The graph with these shapes of the inputs; raises `NetdslError`."""
        try:
            constants = Constants(self.model, self.stored, sizes)
        except onnx.shape_inference.InferenceError as error:
            raise _bad(self.path, str(error)) from None
        nodes = [_node(n) for n in constants.nodes]
        name = _net_name(self.model.graph, self.path)
        opened = {
            k: {i: s for i, s in enumerate(v) if isinstance(s, str)} for k, v in self.inputs.items()
        }
        return Foreign(
            name, list(self.inputs), self.outputs, nodes, constants.types, constants.stored, opened
        )


def _loaded(path: Path) -> onnx.ModelProto:
    """The model without the data in other files; raises `NetdslError`."""
    shown = printable(str(path))
    try:
        path.stat()
    except FileNotFoundError:
        raise no_file(path) from None
    except OSError as error:
        raise NetdslError("file-not-found", f"{shown}: {error.strerror}") from None
    except ValueError:  # a zero byte
        raise NetdslError("file-not-found", f"{shown} is not a file name") from None
    if not path.is_file():
        raise NetdslError("not-a-file", f"{shown} is not a file")
    try:
        check_work(path)
        check_external(path)
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read {shown}: {error.strerror}") from None
    except DecodeError as error:
        raise _no_model(path, f"is not a complete ONNX model: {error}") from None
    if not model.HasField("graph") or not model.graph.node:
        raise _no_model(path, "is not an ONNX model: it has no nodes")
    if model.functions:
        model = inline_local_functions(model)
    return model


def _no_model(path: Path, fact: str) -> NetdslError:
    """The error of a file that is no model, or only a part of one."""
    with open(path, "rb") as file:
        start = file.read(START)
    help_ = "copy it again"
    if start.startswith(ZIP):
        help_ = "it is an archive, as torch.save writes: torch.onnx.export writes a model"
    if start.strip() and is_text(start):
        help_ = "it is text: does it describe nets? then its name ends in .net"
    return NetdslError("corrupt-model", f"{path} {fact}", help=help_)


def _check_versions(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a version that is newer than the package onnx, or that has no number."""
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in STANDARD and not 7 <= opset.version <= newest:
            raise NetdslError(
                "bad-model",
                f"{path} has opset {opset.version}; netdsl imports opsets 7 to {newest}",
                help="convert it with `onnx.version_converter.convert_version`",
            )
    names = [output for node in model.graph.node for output in node.output if output]
    if len(names) != len(set(names)):
        raise _bad(path, "two nodes make a value of the same name")
    made = {t.name for t in model.graph.initializer} | {v.name for v in model.graph.input}
    for node in model.graph.node:
        missing = [name for name in node.input if name and name not in made]
        if missing:
            named = printable(node.name or next(iter(node.output), ""))[:80]
            where = f"the node `{named}` ({printable(node.op_type)[:40]}) takes"
            raise _bad(path, f"{where} `{printable(missing[0])}`, which no node before it makes")
        made.update(node.output)
    lost = [value.name for value in model.graph.output if value.name not in made]
    if lost:
        raise _bad(path, f"no node makes the output `{printable(lost[0])}`")


def _bad(path: Path, fact: str) -> NetdslError:
    return NetdslError("bad-model", f"{path} is not a valid ONNX model: {fact[:300]}")


def _net_name(graph: onnx.GraphProto, path: Path) -> str:
    """The name of a net: that of the graph, unless an exporter gave it to every graph.

    Then it is the class of the module, which PyTorch's new exporter records, or that of the file.
    """
    if graph.name and re.sub(r"\W+", "_", graph.name).lower() not in NO_NAMES:
        return graph.name
    for entry in (each for node in graph.node[:SMALL] for each in node.metadata_props):
        if entry.key == "pkg.torch.onnx.class_hierarchy":
            classes = re.match(r"\['(?!torch\.|aten\.)[\w.]*\.(\w+)',", entry.value[:START])
            return classes[1] if classes is not None else path.stem
    return path.stem


def _sizes(value: onnx.ValueInfoProto, path: Path) -> tuple[int | str, ...]:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        raise _bad(path, f"the input `{printable(value.name)}` has no shape")
    sizes: list[int | str] = []
    for i, dim in enumerate(tensor.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value > 0:
            sizes.append(dim.dim_value)
        else:
            sizes.append(dim.dim_param or f"{value.name}_{i}")
    return tuple(sizes)


def _stored(tensor: onnx.TensorProto, folder: Path) -> StoredTensor:
    shape = tuple(tensor.dims)
    if prod(shape) < 0 or min(shape, default=0) < 0:
        raise NetdslError("corrupt-model", f"`{printable(tensor.name)}` has a negative size")
    return StoredTensor(
        tensor.name,
        shape,
        dtype_name(tensor.data_type),
        lambda: numpy_helper.to_array(tensor, str(folder)),
    )


def _node(proto: onnx.NodeProto) -> ForeignNode:
    kind = proto.op_type
    if proto.domain not in STANDARD:
        kind = f"{proto.domain}.{kind}"
    attributes = {a.name: _attribute(a) for a in proto.attribute}
    return ForeignNode(
        kind, proto.name, list(proto.input), list(proto.output), attributes, _scope(proto)
    )


def _attribute(attribute: AttributeProto) -> object:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS):
        return tuple(value)
    if isinstance(value, np.generic):
        return value.item()
    return value


def _scope(proto: onnx.NodeProto) -> tuple[str, ...]:
    """The path of the module that a node came from, as PyTorch's two exporters record it.

    The old one names nodes `/layer1/layer1.0/conv1/Conv`, where each part repeats the path of a
    container. The new one stores the paths from the module down in the node's metadata.
    """
    for entry in proto.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            return _from_metadata(entry.value)
    if not proto.name.startswith("/"):
        return ()
    *parts, _ = proto.name[1:].split("/")
    path: list[str] = []
    for part in parts:
        names = re.sub(r"_\d+$", "", part) if part in path else part
        inner = names.split(".")
        # `layer1.0` after `layer1` repeats it; a list of modules appears only in the repetition.
        while path and inner and inner[0] == path[-1] and len(inner) > 1:
            inner = inner[1:]
        path += inner
    return tuple(path)


def _from_metadata(text: str) -> tuple[str, ...]:
    scopes = re.findall(r"'([^']*)'", text[:10_000])
    if len(scopes) < 2:
        return ()
    return tuple(part for part in scopes[-2].split(".") if part)
