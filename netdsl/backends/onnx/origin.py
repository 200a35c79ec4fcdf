"""Marks ONNX nodes with the layer that they come from, and its place in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

    from netdsl.ir.graph import Site

LINE, LAYER, KIND = "netdsl.line", "netdsl.layer", "netdsl.kind"
RESULT = "netdsl.result"


def line_of(site: Site) -> str:
    """The file and line of a place in the text: `lenet5.net:12`."""
    return f"{site.span.file.name}:{site.span.first.line}"


def mark(node: NodeProto, line: str, layer: str, kind: str) -> None:
    """Add the origin of a node to its metadata."""
    for key, value in ((LINE, line), (LAYER, layer), (KIND, kind)):
        node.metadata_props.add(key=key, value=value)


def layer_of(node: NodeProto) -> str:
    """The name of the layer that a node comes from; empty for a node without a mark."""
    return _entry(node, LAYER)


def result_of(node: NodeProto) -> str:
    """The name of the further result that a node makes; empty for most nodes."""
    return _entry(node, RESULT)


def _entry(node: NodeProto, key: str) -> str:
    return next((entry.value for entry in node.metadata_props if entry.key == key), "")
