"""Verifies a net: the entry point of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.sizes import two_settings
from netdsl.verify.report import Report
from netdsl.verify.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.graph import Graph


def verify_graph(
    graph: Graph,
    *,
    weights: Mapping[str, object] | None = None,
    seed: int = 0,
    threads: int = 0,
) -> Report:
    """Compare all back ends on a net. Raises `NetdslError` if no valid sizes are found.

    `weights` are arrays by their names in checkpoints; without them, weights are random, made from
    `seed`. `threads` is the number of threads of onnxruntime; 0 means one for each core.
    """
    settings = two_settings(graph)
    report = Report(graph.name, sizes=settings)
    verification = Verification(graph, settings, report, weights, seed, threads)
    report.claims = verification.claims()
    return report
