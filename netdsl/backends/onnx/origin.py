"""Marks ONNX nodes with the layer that they come from, and its place in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from netdsl.backends.onnx.make import entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.backends.onnx.proto import NodeProto
    from netdsl.ir.graph import Site

LINE, LAYER, KIND = "netdsl.line", "netdsl.layer", "netdsl.kind"
RESULT = "netdsl.result"


class Marked(Protocol):
    """A node, of `onnx` or of `proto`."""

    @property
    def metadata_props(self) -> Iterable[Any]:
        """Its metadata: each has a `key` and a `value`."""


def line_of(site: Site) -> str:
    """The file and line of a place in the text: `lenet5.net:12`."""
    return f"{site.span.file.name}:{site.span.first.line}"


def mark(node: NodeProto, line: str, layer: str, kind: str) -> None:
    """Add the origin of a node to its metadata."""
    for key, value in ((LINE, line), (LAYER, layer), (KIND, kind)):
        node.metadata_props.append(entry(key, value))


def layer_of(node: Marked) -> str:
    """The name of the layer that a node comes from; empty for a node without a mark."""
    return _value(node, LAYER)


def result_of(node: Marked) -> str:
    """The name of the further result that a node makes; empty for most nodes."""
    return _value(node, RESULT)


def _value(node: Marked, key: str) -> str:
    return next((item.value for item in node.metadata_props if item.key == key), "")
