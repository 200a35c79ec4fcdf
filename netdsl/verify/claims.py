"""The claims of a verification about one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.verify.report import Claim, Difference
from netdsl.verify.shapes import INFERENCE
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph
    from netdsl.verify.report import Report

WITNESS = "each layer in fp64"


class Claims:
    """What is claimed about a graph, in the order of the report."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        layers = sum(n.aux is None for n in graph.nodes)
        self.params = Claim("params", ("layers", "PyTorch", "ONNX's initialisers"))
        self.shapes = Claim(
            "shapes", ("types", "PyTorch", INFERENCE, "onnxruntime"), counted(layers, "layer")
        )
        self.macs = Claim("macs", ("layers", "PyTorch, counted", "ONNX's nodes"))
        self.in_torch = Claim("values in PyTorch", (WITNESS,))
        self.in_onnx = Claim("values in onnxruntime", (WITNESS,))
        self.folded = Claim("folded batch norms", ("each layer and its norm in fp64",))
        self.outputs = Claim("outputs", ("layer by layer", "whole module", "exported model"))
        self.params_agree = False

    @property
    def all(self) -> list[Claim]:
        """Every claim."""
        return [
            self.params,
            self.shapes,
            self.macs,
            self.in_torch,
            self.in_onnx,
            self.folded,
            self.outputs,
        ]

    def stop(self) -> None:
        """Mark the claims that a failure leaves untested as not tried."""
        for claim in self.all:
            agreed = claim is self.params and self.params_agree
            claim.ran = agreed or claim.difference is not None

    def conclude(self, report: Report) -> list[Claim]:
        """Every claim with its verdict, and each difference with a place in the text."""
        if report.empty:
            self._nothing_compared()
        for claim in self.all:
            if claim.difference is not None and claim.difference.span is None:
                claim.difference.span = self.graph.site.span  # no layer: use the place of the net
        return self.all

    def _nothing_compared(self) -> None:
        """Let the claims about values fail, because every value depends on non-finite numbers."""
        message = "no value can be compared: all depend on numbers that are not finite in float32"
        for claim in (self.in_torch, self.in_onnx, self.outputs):
            if claim.ran and claim.difference is None:
                advice = "check the weights for infinities, NaNs and very large numbers"
                claim.difference = Difference("not-finite", message, {}, help=advice)
