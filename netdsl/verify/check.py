"""Every back end agrees on a net, claim by claim, or the first node that differs is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Fault
from netdsl.driver import compile_net, failure
from netdsl.ops.base import OpError
from netdsl.verify.numbers import shape_of
from netdsl.verify.onnx_side import OnnxSide
from netdsl.verify.report import Report
from netdsl.verify.sizes import two_settings
from netdsl.verify.torch_side import TorchSide
from netdsl.verify.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.driver import Compiled, Program
    from netdsl.ir.graph import Graph
    from netdsl.verify.report import Claim
    from netdsl.verify.sizes import Sizes


def verify_net(program: Program, name: str, *, inputs: Mapping[str, tuple[int, ...]] | None = None, weights: Mapping[str, Any] | None = None, seed: int = 0, threads: int = 0) -> Report:
    """Verify one net of a program; raises `CompileError` where the text has errors or a back end cannot say the net.

    `weights` are arrays by their checkpoint names; random ones without. `threads` are onnxruntime's, 0 for all cores.
    """
    compiled = compile_net(program, name, inputs)
    try:
        settings = two_settings(compiled.graph)
    except Fault as fault:
        raise failure([fault.diagnostic]) from None
    report = Report(name, sizes=settings)
    whole = compiled.graph
    parts = [(whole, settings)] if _can_be_open(whole) else [(_fixed(program, name, compiled, s), [{}]) for s in settings]
    for graph, sizes in parts:
        _merge(report, Verification(graph, sizes, report, weights, seed, threads).claims())
    return report


def verify_graph(graph: Graph, *, seed: int = 0, threads: int = 0) -> Report:
    """Verify a graph whose back ends can leave its open sizes open."""
    report = Report(graph.name, sizes=two_settings(graph))
    _merge(report, Verification(graph, report.sizes, report, None, seed, threads).claims())
    return report


def _can_be_open(graph: Graph) -> bool:
    """Whether both back ends can say the graph with its sizes open: some layers need numbers there."""
    try:
        if graph.symbols:
            TorchSide(graph)
            OnnxSide(graph)
    except OpError:
        return False
    except Exception:  # noqa: S110 - the verification itself meets it again, and reports it
        pass
    return True


def _fixed(program: Program, name: str, compiled: Compiled, sizes: Sizes) -> Graph:
    return compile_net(program, name, {v.name: shape_of(v, 1, sizes)[1:] for v in compiled.graph.inputs}).graph


def _merge(report: Report, claims: list[Claim]) -> None:
    """Add the claims about one graph: each claim once, failed where one of them failed."""
    for i, claim in enumerate(claims):
        if i >= len(report.claims):
            report.claims.append(claim)
        elif report.claims[i].ok:
            report.claims[i] = claim
