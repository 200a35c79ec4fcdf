"""Every back end agrees on a net, claim by claim, or the first node that differs is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.analysis.sizes import two_settings
from netdsl.driver import compile_net
from netdsl.verify.report import Report
from netdsl.verify.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.driver import Program
    from netdsl.ir.graph import Graph
    from netdsl.verify.report import Claim


def verify_net(program: Program, name: str, *, inputs: Mapping[str, tuple[int, ...]] | None = None, weights: Mapping[str, Any] | None = None, seed: int = 0, threads: int = 0) -> Report:
    """Verify one net of a program; raises `NetdslError` if the text has errors.

    `weights` are arrays by their checkpoint names; random ones without. `threads` are onnxruntime's, 0 for all cores.
    """
    compiled = compile_net(program, name, inputs)
    settings = two_settings(compiled.graph)
    report = Report(name, sizes=settings)
    _merge(report, Verification(compiled.graph, settings, report, weights, seed, threads).claims())
    return report


def verify_graph(graph: Graph, *, seed: int = 0, threads: int = 0) -> Report:
    """Verify a graph without a program; raises `NetdslError` if it finds no valid size."""
    report = Report(graph.name, sizes=two_settings(graph))
    _merge(report, Verification(graph, report.sizes, report, None, seed, threads).claims())
    return report


def _merge(report: Report, claims: list[Claim]) -> None:
    """Add the claims about one graph: each claim once, failed where one of them failed."""
    for i, claim in enumerate(claims):
        if i >= len(report.claims):
            report.claims.append(claim)
        elif report.claims[i].ok:
            report.claims[i] = claim
