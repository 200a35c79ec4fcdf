"""Verifies a net: the entry point of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.sizes import two_settings
from netdsl.verify.expected import check_values
from netdsl.verify.report import Report
from netdsl.verify.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.analysis.expect_values import ValuesClaim
    from netdsl.ir.graph import Graph


def verify_graph(
    graph: Graph,
    *,
    weights: Mapping[str, object] | None = None,
    seed: int = 0,
    threads: int = 0,
    stated: Sequence[ValuesClaim] = (),
) -> Report:
    """Compare all back ends on a net. Raises `NetdslError` if no valid sizes are found.

    `weights` are arrays by their names in checkpoints; without them, weights are random, made from
    `seed`. `threads` is the number of threads of onnxruntime; 0 means one for each core. `stated`
    are the values that `expect` lines state, which are compared if all back ends agree.
    """
    settings = two_settings(graph)
    report = Report(graph.name, sizes=settings)
    verification = Verification(graph, settings, report, weights, seed, threads)
    report.claims = verification.claims()
    if report.ok:
        report.claims += check_values(graph, stated, threads)
    return report
