"""Advice for a label in an `expect` line that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, did_you_mean_path, nearest_path
from netdsl.errors import NetdslError
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Value

MOST_LABELS = 12  # that a message lists


def unknown_label(
    graph: Graph, labels: dict[str, Value], start: str, path: str, argument: ast.Expr
) -> NetdslError:
    """The error for a label that does not exist. Its help names labels that do.

    `start` is the prefix of the labels in the block of the `expect` line.
    """
    is_reference = isinstance(argument, ast.Reference)
    own = path.removeprefix(start)
    text = f"@{own}" if own and is_reference else argument.span.text
    nodes = [node.name for node in graph.nodes]
    known = []
    for name in _inside(start, [*labels, *graph.scopes, *nodes]):
        if is_reference or not all(part.isidentifier() for part in name.split(".")):
            known.append(f"@{name}")
        else:
            known.append(name)
    nearest = sorted(_inside(start, [*labels]), key=lambda name: name.count("."))
    advice = did_you_mean_path(own, known)
    if advice is None and nearest:
        advice = "labels here: " + ", ".join(f"`{label}`" for label in nearest[:MOST_LABELS])
    if start and own in labels:
        advice = "an `expect` in a block has only the labels of the block: move the line to the net"
    meant = nearest_path(own, (name.removeprefix("@") for name in known))
    fix = tuple(Edit(argument.span, name) for name in known if name.removeprefix("@") == meant)
    if argument.span.text.removeprefix("@") != own:
        fix = ()  # it has computed parts
    if isinstance(argument, ast.Literal) and argument.value in labels:
        advice = f"leave out the quotes: `{argument.value}`"
        fix = (Edit(argument.span, str(argument.value)),)
    elif argument.span.text.isdecimal() and f"{start}{argument.span.text}" in nodes:
        advice = f"the layer at position {argument.span.text} is `{_at(argument.span.text)}`"
        fix = (Edit(argument.span, _at(argument.span.text)),)
    elif own == "output" and len(graph.outputs) == 1:
        maker = graph.outputs[0].value
        advice = f"write `{_at(maker.name)}`, or give the last layer a label"
        if maker.name in labels:
            advice = f"the output is `{maker.name}`"
    message = f"there is no label `{text}`"
    return NetdslError("unknown-label", message, argument.span, help=advice, fix=fix[:1])


def _at(name: str) -> str:
    """The reference to a layer by its position: `@"2"`, `@features.0`."""
    first, dot, rest = name.partition(".")
    return f'@"{first}"{dot}{rest}' if first.isdecimal() else f"@{name}"


def _inside(start: str, names: list[str]) -> list[str]:
    """The names as the text of the block or group writes them; those outside it are left out.

    Names that begin with a digit cannot be written.
    """
    own = [name.removeprefix(start) for name in names if name.startswith(start)]
    return [name for name in own if not name[0].isdigit()]
