"""What a viewer shows under the pointer for each part of a picture, and the links to the text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from netdsl.analysis.cost import Costs
from netdsl.analysis.receptive import receptive_fields
from netdsl.ir.types import shape_text
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.draw.picture import Box
    from netdsl.ir.graph import Graph, Node, Scope
    from netdsl.source import Span


class Tips:
    """The shape, the parameters, the receptive field and the line of each layer and scope."""

    def __init__(self, graph: Graph) -> None:
        self.params = {id(node): cost.params for node, cost in graph.derived(Costs).rows()}
        fields = graph.derived(receptive_fields)
        self.fields = {id(node): field for node, field in zip(graph.nodes, fields, strict=True)}

    def of_box(self, box: Box) -> str:
        """The tip of a box; empty for inputs, outputs and losses."""
        if box.scope is not None:
            return self.of_scope(box.scope, box.nodes)
        return "\n\n".join(self.of_layer(node) for node in box.nodes)

    def of_layer(self, node: Node) -> str:
        """The tip of a layer."""
        lines = [f"{node.name}: {node.op.kind}", f"output {node.type}"]
        if self.params[id(node)]:
            lines.append(counted(self.params[id(node)], "parameter"))
        if self.fields[id(node)]:
            lines.append(f"receptive field {shape_text(self.fields[id(node)])}")
        return "\n".join([*lines, _place(node.span)])

    def of_scope(self, scope: Scope, nodes: list[Node]) -> str:
        """The tip of a scope that contains these layers."""
        title = ": ".join(filter(None, [scope.name, scope.kind]))
        own = sum(self.params[id(node)] for node in nodes)
        size = f"{counted(len(nodes), 'layer')}, {counted(own, 'parameter')}"
        lines = [title, f"output {nodes[-1].type}", size, _place(span_of(scope, nodes))]
        return "\n".join(line for line in lines if line)


def span_of(scope: Scope, nodes: list[Node]) -> Span:
    """Where the text calls for a scope, or else its first layer."""
    return (scope.site or nodes[0].output.site).span


def link_to(span: Span) -> str:
    """The address of a line, for a picture beside its text.

    It is quoted, so that no name is taken for a scheme such as `javascript:`.
    """
    return f"{quote(Path(span.file.name).name)}#L{span.first.line}"


def _place(span: Span) -> str:
    return f"{Path(span.file.name).name}:{span.first.line}"
