"""What a viewer shows under the pointer for each part of a picture, and the links to the text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from netdsl.analysis.cost import Costs
from netdsl.analysis.receptive import receptive_fields
from netdsl.ir.types import shape_text
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.draw.options import Options
    from netdsl.ir.graph import Graph, Node, Scope
    from netdsl.source import Span


class Tips:
    """The shape, the parameters, the receptive field and the line of each layer and scope."""

    def __init__(self, graph: Graph, options: Options) -> None:
        self.params = {id(node): cost.params for node, cost in graph.derived(Costs).rows()}
        fields = graph.derived(receptive_fields)
        self.fields = {id(node): field for node, field in zip(graph.nodes, fields, strict=True)}
        self.link = options.link or link_to

    def of_layer(self, node: Node) -> str:
        """The tip of a layer."""
        lines = [f"{node.name}: {node.op.kind}", f"output {node.type}"]
        if self.params[id(node)]:
            lines.append(counted(self.params[id(node)], "parameter"))
        if self.fields[id(node)]:
            lines.append(f"receptive field {shape_text(self.fields[id(node)])}")
        lines.append(_place(node.span))
        return "\n".join(lines)

    def of_scope(self, scope: Scope, nodes: list[Node]) -> str:
        """The tip of a scope that contains these layers."""
        title = scope.name
        if scope.kind:
            title += f": {scope.kind}"
        own = sum(self.params[id(node)] for node in nodes)
        size = f"{counted(len(nodes), 'layer')}, {counted(own, 'parameter')}"
        lines = [title, f"output {nodes[-1].type}", size, _place(self._span(scope, nodes))]
        return "\n".join(line for line in lines if line)

    def link_of_layer(self, node: Node) -> str:
        """The address of a layer in the text."""
        return self._address(node.span)

    def link_of_scope(self, scope: Scope, nodes: list[Node]) -> str:
        """The address of a scope in the text."""
        return self._address(self._span(scope, nodes))

    @staticmethod
    def _span(scope: Scope, nodes: list[Node]) -> Span:
        return scope.site.span if scope.site is not None else nodes[0].span

    def _address(self, span: Span) -> str:
        return self.link(span.file.name, span.first.line)


def link_to(name: str, line: int) -> str:
    """A line of a file beside the picture; no name is taken for a scheme such as `javascript:`."""
    return f"{quote(name)}#L{line}"


def _place(span: Span) -> str:
    return f"{span.file.name}:{span.first.line}"
