"""Whether a count of parameters is off by the biases of its layers."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.analysis.expect_advice import called, contributions
from netdsl.elaborate.join_repairs import changed_call
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.analysis.cost import Cost
    from netdsl.ir.graph import Node

LONGEST_CALL = 60  # characters of a call in a message


def difference_in(
    figure: ast.Expr, difference: float, rows: Iterable[tuple[Node, Cost]], start: str
) -> str:
    """How far a figure is off, and the biases or the layers that it comes from.

    `start` comes before each label, with a dot after it, if the line is in a block.
    """
    listed = list(rows)
    text = contributions(figure, difference, listed)
    nodes = [node for node, _ in listed]
    if isinstance(figure, ast.Function) and figure.name == "params":
        path = f"{start}{figure.arguments[0].span.text.removeprefix('@')}"
        counted = [n for n in nodes if f"{n.name}.".startswith(f"{path}.")]
    elif isinstance(figure, ast.Name) and figure.id in ("params", "trainable"):
        counted = nodes
    else:
        return text
    biases = _of_biases(difference, counted, nodes)
    if biases is None:
        return text
    return f"{text.partition(':')[0]}, which {biases}"


def _of_biases(difference: float, counted: Sequence[Node], nodes: Sequence[Node]) -> str | None:
    """Advice for a count that is too large by the biases of all layers, or of those before a norm.

    `counted` are the layers that are counted, and `nodes` all of them.
    """
    biased = [node for node in counted if _biases(node)]
    normed = {id(node.inputs[0]) for node in nodes if node.op.kind == "bn"}
    before_norms = [node for node in biased if id(node.output) in normed]
    for found, which in ((biased, ""), (before_norms, " before a `bn`")):
        total = sum(map(_biases, found))
        if not total or total != difference:
            continue
        if len(found) > 1:
            return f"are the biases of the {len(found)} layers{which}: write `bias = false`"
        [node] = found
        fact = f"is the bias of {called(node)}"
        written = changed_call(node, bias="false")
        if len(written) > LONGEST_CALL:
            return f"{fact}: write `bias = false`"
        return f"{fact}: write `{written}`"
    return None


def _biases(node: Node) -> int:
    """The numbers of the bias of a layer that can do without."""
    param = node.params().get("bias")
    if param is None or node.op.given.get("bias") is not True:
        return 0
    return prod(param.shape)
