"""Warnings about layers and inputs whose values nothing uses."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.bodies import Expectation
    from netdsl.elaborate.module import Module
    from netdsl.ir.graph import Graph, Node
    from netdsl.source import Span

MOST_BEFORE = 100  # characters before a layer in which its label is looked for


def unused_value_warnings(graph: Graph, expects: list[Expectation]) -> Iterator[Diagnostic]:
    """A warning for each input, and for each last layer of a branch, that nothing uses.

    A label in an `expect` is a use: some nets exist to show sizes.
    """
    used = {id(value) for node in graph.nodes for value in node.taken}
    used.update(id(output.value) for output in graph.outputs)
    used.update(id(head.value) for head in graph.aux)
    for value in graph.inputs:
        if id(value) not in used:
            yield Diagnostic(
                "unused-value",
                f"no layer uses the input `{value.name}`",
                value.site.span,
                "warning",
                help=f"remove it, or refer to it with `@{value.name}`",
            )
    expected = _names_of(expects)
    useful: set[Span] = {
        node.span
        for node in graph.nodes
        if _is_used(node, used) or not expected.isdisjoint(node.name.split("."))
    }
    for node in graph.nodes:
        # In a loop or a block, one use of a layer's text is enough.
        if not _is_used(node, used) and node.span not in useful:
            yield Diagnostic(
                "unused-value",
                f"nothing uses the result of this `{node.op.kind}`",
                node.span,
                "warning",
                help=_label_moved(node, graph)
                or "remove it and the layers that lead only to it, or make it an `output`",
            )


def _label_moved(node: Node, graph: Graph) -> str | None:
    """Advice for the end of a chain whose first layer has a label that a reference names."""
    first, label = _labelled_before(node)
    uses = sum(first.output in other.taken for other in graph.nodes)
    if label is None or first is node or uses < 2:
        return None
    before = " ".join(node.span.file.text[first.span.start : node.span.start].split())
    return (
        f"`@{label}` is the `{first.op.kind}`, not the end of its chain: to refer to this"
        f" `{node.op.kind}`, write `{before} {label}: {node.span.text}`"
    )


def _labelled_before(node: Node) -> tuple[Node, str | None]:
    """The nearest layer in the same chain that has a label, and the label."""
    text = node.span.file.text
    while (label := re.search(r"(\w+):[ ]*$", text[: node.span.start][-MOST_BEFORE:])) is None:
        before = node.inputs[0].producer if node.inputs else None
        if before is None or before.span.file is not node.span.file:
            return node, None
        between = text[before.span.end : node.span.start]
        if not re.fullmatch(r"\s*->\s*", between):
            return node, None
        node = before
    return node, label[1]


def dropped_values(module: Module) -> Iterator[Diagnostic]:
    """A warning for each reference in a chain that another reference follows at once."""
    for definition in module.tree.definitions:
        for part in () if definition.body is None else definition.body.walk():
            if not isinstance(part, ast.Chain):
                continue
            for before, after in pairwise(part.elements):
                if isinstance(before, ast.TakeUp) and isinstance(after, ast.TakeUp):
                    name = after.span.text.removeprefix("@")
                    yield Diagnostic(
                        "unused-value",
                        f"`{after.span.text}` takes the place of `{before.span.text}`",
                        before.span,
                        "warning",
                        help=f"write `-> {name}` to apply the layers of `{name}` again, or leave"
                        f" `{before.span.text}` out",
                    )


def _is_used(node: Node, used: set[int]) -> bool:
    """Whether a result of a layer is one of the values with these ids."""
    return any(id(value) in used for value in node.outputs)


def _names_of(expects: list[Expectation]) -> set[str]:
    """The labels, and other names, in `expect` lines."""
    names: set[str] = set()
    for expectation in expects:
        for part in expectation.statement.condition.walk():
            if isinstance(part, ast.Name):
                names.add(part.id)
            elif isinstance(part, ast.Attribute):
                names.add(part.name)
    return names
