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
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.source import Span

MOST_BEFORE = 100  # characters before a layer in which its label is looked for


def unused_value_warnings(graph: Graph, expects: list[Expectation]) -> Iterator[Diagnostic]:
    """A warning for each input, and for each last layer of a branch, that nothing uses.

    A label in an `expect` is a use: some nets exist to show sizes.
    """
    used = {id(value) for node in graph.nodes for value in node.taken if _reads(node, value)}
    used.update(id(output.value) for output in graph.outputs)
    used.update(id(head.value) for head in graph.aux)
    tied = {param.tied for node in graph.nodes for param in node.params().values()}
    used.update(id(node.output) for node in graph.nodes if node.module in tied)
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
            source = next((n for n in graph.nodes if node.output in n.inputs), None)
            yield _unused(node, source, graph)


def _reads(node: Node, value: Value) -> bool:
    """Whether a layer uses numbers of a value; of an input of the net, sizes are enough."""
    return value.producer is None or not node.op.is_source


def _unused(node: Node, source: Node | None, graph: Graph) -> Diagnostic:
    """The warning for a layer that nothing uses, or of which another takes only sizes."""
    message = f"nothing uses the result of this `{node.op.kind}`"
    help_ = _label_moved(node, graph)
    if source is not None:
        message = f"{message}: `{source.op.kind}` after it uses only its sizes"
        help_ = _kept(node, source)
    if help_ is None:
        help_ = "remove it and the layers that lead only to it, or make it an `output`"
    return Diagnostic("unused-value", message, node.span, "warning", help=help_)


def _kept(node: Node, source: Node) -> str:
    """Advice for a value that a `param` or `positions` after it replaces.

    A `param` of its shape is added to it, as learned positions are, and one with vectors as long is
    joined with it, as a class token is.
    """
    label, given = "values", ""
    if node.name.isidentifier():
        label = node.name
    else:
        text = node.span.text
        if node.span.file.text[: node.span.start].rstrip().endswith("("):  # a formula
            text = f"({text})"
        given = f"give it a label, `values: {text}`, and "
    shape, other = node.type.shape, source.type.shape
    if shape == other:
        return f"{given}write `{source.span.text} -> add(@{label})`, which adds both"
    if len(shape) == len(other) > 1 and shape[1:] == other[1:]:
        return f"{given}write `{source.span.text} -> concat(@{label})`, which joins both"
    kind = source.op.kind
    return f"{given}write `@{label} ->` where the layers after `{kind}` go on from it"


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
                        f"`{before.span.text}` has no effect: `{after.span.text}` replaces it at"
                        " once",
                        before.span,
                        "warning",
                        help=f"write `-> {name}` to apply the layers of `{name}` again, or leave"
                        f" `{before.span.text}` out",
                    )


def frozen_without_weights(module: Module, graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `frozen` after a layer without weights, such as `conv -> relu -> frozen`.

    A block of the library, or one that is a parameter, may have weights in another call.
    """
    frozen = [node for node in graph.nodes if node.frozen]
    if not frozen:
        return
    weighted = {node.span for node in frozen if node.params() or node.buffers()}
    plain = {node.span for node in frozen} - weighted
    for definition in module.tree.definitions:
        for part in () if definition.body is None else definition.body.walk():
            if not isinstance(part, ast.Chain):
                continue
            for number, (before, after) in enumerate(pairwise(part.elements), start=1):
                is_frozen = isinstance(after, ast.Call) and after.name == "frozen"
                if is_frozen and isinstance(before, ast.Call) and before.span in plain:
                    yield _nothing_frozen(part.elements[:number], after.span)


def _nothing_frozen(elements: tuple[ast.Element, ...], place: Span) -> Diagnostic:
    """The warning for `frozen` after the last of some elements, which has no weights."""
    layers = [e for e in elements if not isinstance(e, ast.TakeUp)]
    text = place.file.text[layers[0].span.start : layers[-1].span.end]
    help_ = "leave `frozen` out"
    if len(layers) > 1:
        text = text if "\n" not in text else "..."
        help_ = f"to freeze all layers of the chain, write `{{ {text} }} -> frozen`"
    message = f"`frozen` applies only to `{layers[-1].span.text}`, which has no weights"
    return Diagnostic("nothing-frozen", message, place, "warning", help=help_)


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
