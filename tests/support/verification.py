"""A net of several kinds, its verification, and a way to plant faults in it."""

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

# A net of several kinds: what is wrong in one of them is to be found at its line, here the one in
# brackets.
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
    """The report of a text's only net."""
    program = program_of(SourceFile("net.net", text))
    return verify_graph(compile_net(program, program.pick(None)).graph, threads=1, **arguments)


def mixed() -> Report:
    """The report of the net of several kinds."""
    return verified(MIXED)


def line_of(part: str, text: str = MIXED) -> int:
    """The line that has that text."""
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


def replaced(monkeypatch: pytest.MonkeyPatch, kind: str, rule: str, made: Any) -> None:
    """Put another rule in place of a kind's."""
    monkeypatch.setattr(LAYERS[kind], rule, made)


def swapped_pads(self: Any, g: Any, x: Any) -> str:
    """A convolution's ONNX lowering with the begins and ends of its padding exchanged."""
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
