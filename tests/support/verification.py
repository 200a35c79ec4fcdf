"""A net of several kinds of layers, its verification, and a way to plant faults in it."""

from __future__ import annotations

from typing import Any

import pytest

from netdsl.driver import compile_net, program_of
from netdsl.ops import LAYERS
from netdsl.source import SourceFile
from netdsl.verify import Report, verify_graph

CLAIMS = [
    "params",
    "shapes",
    "macs",
    "values in PyTorch",
    "values in onnxruntime",
    "folded batch norms",
    "outputs",
]

# A fault in a layer of this net must be reported at its line.
MIXED = """net Mixed {
    input image: 3x19x17
    stem: conv(6, 3, pad = [(0, 1), (1, 2)]) -> tanh
    norm: bn(eps = 0.01) -> relu
    body: { conv(6, 3, pad = 1, bias = false) -> bn -> relu }
    add { | conv(6, 1) | }
    pool: maxpool(3, stride = 2, pad = 1)
    local: lrn(3, alpha = 0.1)
    up: deconv(4, 2, stride = 2)
    tokens
    memory: lstm(5, bidirectional = true)
    mix: attention(2)
    flatten
    output scores: head: dense(7) -> softmax
}
"""


def verified(text: str, **arguments: Any) -> Report:
    """The report of the only net of a text."""
    program = program_of(SourceFile("net.net", text))
    return verify_graph(compile_net(program, program.pick(None)).graph, threads=1, **arguments)


def mixed() -> Report:
    """The report of the net of several kinds of layers."""
    return verified(MIXED)


def line_of(part: str, text: str = MIXED) -> int:
    """The number of the first line that contains `part`."""
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


def replaced(monkeypatch: pytest.MonkeyPatch, kind: str, rule: str, replacement: Any) -> None:
    """Replace a rule of a kind of layer."""
    monkeypatch.setattr(LAYERS[kind], rule, replacement)


def swapped_pads(self: Any, g: Any, x: Any) -> str:
    """The ONNX lowering of a convolution, with the start and end of its padding exchanged."""
    k, s, p, d = self.geometry(x.type)
    bias = [g.param("bias")] if self.bias else []
    result: str = g.op(
        "Conv",
        x,
        g.param("weight"),
        *bias,
        kernel_shape=k,
        strides=s,
        pads=[b for _, b in p] + [a for a, _ in p],
        dilations=d,
        group=self.groups,
    )
    return result
