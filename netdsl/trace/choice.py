"""Chooses the layer and the place that the user names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.trace.kinds import WORK, obstacle
from netdsl.trace.worked import place_text
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node
    from netdsl.trace.worked import Place

IN_TRAINING = "bn"  # the kind that differs in training
LISTED = 12  # layers in a message


def chosen_layer(graph: Graph, name: str | None, *, training: bool = False) -> Node:
    """The layer of that name, or the only one that can be worked by hand; raises `NetdslError`.

    In `training`, it is a batch norm: all other layers that are worked do the same as ever.
    """
    nodes = [node for node in graph.nodes if node.aux is None]
    able = [node for node in nodes if node.op.kind in WORK and obstacle(node.op) is None]
    if training:
        able = [node for node in able if node.op.kind == IN_TRAINING and not node.frozen]
    if name is None:
        with_weights = [node for node in able if node.params()]
        for candidates in (able, with_weights):
            if len(candidates) == 1:
                return candidates[0]
        raise _which(graph, able, training=training)
    name = name.removeprefix("@")
    node = next((n for n in nodes if n.name == name), None)
    if node is None:
        part = [n for n in graph.part(name) if n in able]
        names = [n.name for n in nodes]
        advice = did_you_mean(name, names) or _listed(able)
        if part:
            advice = f"`{name}` is a block: name a layer in it, such as `{part[0].name}`"
        raise NetdslError("unknown-layer", f"`{graph.name}` has no layer `{name}`", help=advice)
    why = f"`netdsl trace` does not work out `{node.op.kind}`"
    if node.op.kind in WORK:
        why = obstacle(node.op) or ""
    if training and not why and node not in able:
        why = "in training it does the same as ever"
        if node.frozen:
            why = "it is frozen, so in training it uses the statistics that are kept"
    if why:
        raise NetdslError(
            "not-traceable",
            f"`{node.name}` cannot be traced: {why}",
            node.span,
            help=_listed(able),
        )
    return node


def _which(graph: Graph, able: list[Node], *, training: bool) -> NetdslError:
    if not able and training:
        message = f"`{graph.name}` has no `{IN_TRAINING}` with the statistics of a mini-batch"
        help_ = "leave `--train` out: all other layers that are worked do the same in training"
        return NetdslError("not-traceable", message, graph.site.span, help=help_)
    if not able:
        message = f"`{graph.name}` has no layer that `netdsl trace` works out"
        help_ = f"the kinds that it works out: {', '.join(WORK)}"
        return NetdslError("not-traceable", message, graph.site.span, help=help_)
    count = counted(len(able), "layer")
    message = f"`{graph.name}` has {count} that can be traced"
    return NetdslError("which-layer", message, graph.site.span, help=_listed(able))


def _listed(able: list[Node]) -> str:
    """The layers that can be traced."""
    names = ", ".join(f"{node.name} ({node.op.kind})" for node in able[:LISTED])
    if not able:
        return f"no layer of this net can be traced; the kinds that can: {', '.join(WORK)}"
    more = f" and {len(able) - LISTED} more" if len(able) > LISTED else ""
    return f"name one of {names}{more}"


def chosen_place(node: Node, shape: Place, text: str | None) -> Place:
    """The place in the result that the user names; raises `NetdslError`.

    Leading axes can be left out, and are 0 then; without a text, all are.
    """
    if text is None:
        return (0,) * len(shape)
    if not shape:
        raise NetdslError(
            "wrong-place",
            f"`{node.name}` is a single number, which has no place",
            node.span,
            help="leave `--at` out",
        )
    words = [word.strip() for word in text.strip().split(",")]
    sizes = "x".join(map(str, shape))
    example = place_text(tuple(size // 2 for size in shape))
    if not all(re.fullmatch(r"\d{1,9}", word) for word in words) or len(words) > len(shape):
        raise NetdslError(
            "wrong-place",
            f"`--at {text}` is not a place in `{node.name}`, which is {sizes}",
            help=f"write {counted(len(shape), 'number')} from 0, such as `--at {example}`",
        )
    given = tuple(map(int, words))
    at = (0,) * (len(shape) - len(given)) + given
    for axis, (index, size) in enumerate(zip(at, shape, strict=True)):
        if index >= size:
            names = _axes(len(shape))
            raise NetdslError(
                "wrong-place",
                f"`--at {text}` is outside of `{node.name}`, which is {sizes}: the {names[axis]} is"
                f" {index}",
                help=f"it can be 0 to {size - 1}",
            )
    return at


def _axes(count: int) -> tuple[str, ...]:
    """The names of the axes of a result."""
    usual = {1: ("unit",), 2: ("row", "column"), 3: ("channel", "row", "column")}
    return usual.get(count, tuple(f"number of axis {i + 1}" for i in range(count)))
