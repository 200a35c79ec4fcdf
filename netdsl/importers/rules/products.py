"""The multiply-accumulates of an operator of ONNX, for operators that stay as they are."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from onnx import defs

from netdsl.importers.rules.common import batch_of

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign, ForeignNode, Shape

# Which input is the kernel, by operator.
CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "Gemm", "Dense")
RECURRENT = ("RNN", "GRU", "LSTM")
# Operators of the standard whose products are not counted here.
OTHERS = """
    Attention DeformConv Det DFT Einsum If LinearAttention Loop MelWeightMatrix Scan SequenceMap
    STFT
"""


def macs_of(node: ForeignNode, graph: Foreign) -> int | None:
    """The MACs of one sample, or None if they are not known."""
    kind = node.kind.rpartition(".")[2]
    if kind in CONVOLUTIONS:
        return _convolution(node, graph, CONVOLUTIONS[kind], transposed=kind == "ConvTranspose")
    if kind in PRODUCTS:
        return _product(node, graph)
    if kind in RECURRENT:
        return _recurrent(node, graph)
    if defs.has(node.kind) and kind not in OTHERS.split():
        return 0
    return None


def _convolution(node: ForeignNode, graph: Foreign, kernel: int, *, transposed: bool) -> int | None:
    """Each output, or for a transposed convolution each input, is multiplied by a kernel."""
    places = graph.shape(node.input(0) if transposed else node.output)
    weights = graph.shape(node.input(kernel))
    if places is None or weights is None:
        return None
    return _of_sample(graph, places, prod(weights[1:]))


def _product(node: ForeignNode, graph: Foreign) -> int | None:
    """Each output is a sum of as many products as the last axis of the first factor is long."""
    left, result = graph.shape(node.input(0)), graph.shape(node.output)
    if not left or result is None:
        return None
    is_turned = bool(node.attributes.get("transA")) and len(left) > 1
    return _of_sample(graph, result, left[-2] if is_turned else left[-1])


def _recurrent(node: ForeignNode, graph: Foreign) -> int | None:
    """Each step multiplies by all weights."""
    x, w, r = (graph.shape(node.input(i)) for i in range(3))
    if x is None or w is None or r is None or len(x) < 2:
        return None
    return (prod(w) + prod(r)) * x[1 if node.attributes.get("layout") else 0]


def _of_sample(graph: Foreign, shape: Shape, each: int) -> int:
    """The products of one sample, for a value whose first axis is the batch or is not."""
    if shape[:1] == (batch_of(graph),):
        shape = shape[1:]
    return prod(shape) * each
