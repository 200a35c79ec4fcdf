"""Every back end agrees on a net, claim by claim, or the first node that differs is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.analysis.sizes import two_settings
from netdsl.verify.report import Report
from netdsl.verify.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.graph import Graph
    from netdsl.verify.report import Claim


def verify_graph(
    graph: Graph, *, weights: Mapping[str, Any] | None = None, seed: int = 0, threads: int = 0
) -> Report:
    """Verify a net; raises `NetdslError` if it finds no valid size.

    `weights` are arrays by their checkpoint names; without them they are random. `threads` are
    those of onnxruntime, 0 for all cores.
    """
    settings = two_settings(graph)
    report = Report(graph.name, sizes=settings)
    _merge(report, Verification(graph, settings, report, weights, seed, threads).claims())
    return report


def _merge(report: Report, claims: list[Claim]) -> None:
    """Add the claims about one graph: each claim once, failed where one of them failed."""
    for i, claim in enumerate(claims):
        if i >= len(report.claims):
            report.claims.append(claim)
        elif report.claims[i].ok:
            report.claims[i] = claim
