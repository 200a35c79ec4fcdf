"""The warning about a batch that is too small for the averages of batch norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.lint.recipe import number_of
from netdsl.diagnostics import Annotation, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.ir.graph import Graph
    from netdsl.syntax import ast

LEAST_BATCH = 4  # samples whose mean is about that of all


def small_batch(entries: Mapping[str, ast.Entry], graph: Graph) -> Iterator[Diagnostic]:
    """`batch = 1` for a net with batch norms."""
    norms = [node for node in graph.nodes if node.op.kind == "bn" and not node.frozen]
    batch = number_of(entries["batch"].values[0]) if "batch" in entries else None
    if batch is None or not 0 < batch < LEAST_BATCH or not norms:
        return
    yield Diagnostic(
        "small-batch",
        f"`batch` is {batch:g}: with so few samples, the mean that a `bn` uses in training is far"
        " from the running mean that it uses in the test",
        entries["batch"].span,
        "warning",
        notes=(Annotation("the first `bn` is here", norms[0].span),),
        help="write a `batch` of 16 or more, or `groupnorm(1)` in place of `bn`; `accumulate` does"
        " not help",
    )
