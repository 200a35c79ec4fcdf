"""Nets of a few lines, and the errors of wrong nets."""

from __future__ import annotations

from functools import cache

import pytest

import netdsl
from netdsl.analysis.cost import Costs

X = "input x: 3x8x8\n"
TINY = "net Tiny {\n input image: 1x4x4\n flatten\n output y: dense(3)\n}"
TRAINED = """net Flat {
    input image: 1x28x28
    flatten
    output logits: dense(10)
}
train Flat {
    data = fashion_mnist_sample()
    epochs = 1
}
"""
OPEN = (
    "net Tiny {\n input image: 3xHxW\n c: conv(4, 3, pad = 1, bias = false) -> bn -> relu ->"
    " maxpool(2)\n gap -> flatten\n output y: dense(3)\n}\n"
)
NORMED = (
    "net Tiny(classes = 3) {\n input image: 3x6x6\n c: conv(4, 3, bias = false) -> n: bn -> relu\n"
    " gap -> flatten -> dropout\n output y: dense(classes)\n}\n"
)


def net(body: str, before: str = "") -> netdsl.Net:
    """The net with this body; `before` is the text before the net in the file."""
    return netdsl.loads(f"{before}\nnet N {{\n{body}\n}}", "N")


def shape(body: str, before: str = "") -> str:
    """The type of the first output."""
    return str(net(body, before).outputs[0].value.type)


def code_of(body: str, before: str = "") -> tuple[str, int, str | None]:
    """The code, the line in the body and the help of the only error."""
    text = f"{before}\nnet N {{\n{body}\n}}"
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text, "N")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    line = diagnostic.span.first.line - before.count("\n") - 2
    return diagnostic.code, line, diagnostic.help


def codes(text: str, net: str | None = None) -> list[str]:
    """The codes of the errors of a program."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text, net)
    return [d.code for d in caught.value.diagnostics]


def net_of(call: str, *inputs: str) -> netdsl.Net:
    """A net of one layer `y` on the first input; `call` refers to the other inputs."""
    lines = [f"    input x{i}: {shape}" for i, shape in enumerate(inputs)]
    return netdsl.loads("\n".join(["net Example {", *lines, f"    @x0 -> y: {call}", "}"]))


def weights_of(net: netdsl.Net) -> int:
    """The number of weights, without biases."""
    return Costs(net.graph).totals().weights


def message(call: str, *inputs: str) -> str:
    """The code and message of the only error of a layer."""
    with pytest.raises(netdsl.CompileError) as caught:
        net_of(call, *inputs)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code}: {diagnostic.message}"


def net_with(body: str, *inputs: str) -> netdsl.Net:
    """A net with this body on inputs `x0`, `x1` and so on; the body begins at `x0`."""
    return netdsl.loads(
        "net N {\n"
        + "".join(f"input x{i}: {shape}\n" for i, shape in enumerate(inputs))
        + f"@x0 -> {body.strip()}\n}}\n"
    )


@cache
def library(name: str) -> netdsl.Net:
    """A net of the library."""
    return netdsl.load(name)
