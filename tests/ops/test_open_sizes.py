"""Layers on open sizes and on every rank that they accept."""

from __future__ import annotations

import re

import onnx
import pytest

import netdsl
from netdsl.analysis.valid import conditions
from netdsl.errors import OpError
from netdsl.ir.types import TensorType, subs
from netdsl.ops import LAYERS
from tests.support.back_ends import assert_back_ends_agree
from tests.support.contract import EXAMPLES, Example, check_onnx, check_shape, examples_of

# ---- open sizes


def opened(example: Example) -> tuple[list[str], dict[str, int]]:
    """The example's input shapes with a symbol for each size after the channels (1 stays), and the
    example's own sizes.
    """
    shapes, sizes = [], {}
    for i, text in enumerate(example.shapes.split(", ")):
        sizes_text, *dtype = text.split(" ")
        channels, *rest = sizes_text.split("x")
        for axis, size in enumerate(rest):
            if size != "1":
                rest[axis] = f"S{i}{axis}"
                sizes[rest[axis]] = int(size)
        shapes.append(" ".join(["x".join([channels, *rest]), *dtype]))
    return shapes, sizes


OPENED = [e for e in EXAMPLES if opened(e)[1] and "x" in e.shapes]
# Those that act on the last axis, or whose bounds may count from an end.
MUST_KNOW_THE_SIZE = {
    "attention",
    "cheb",
    "dense",
    "gcn",
    "gru",
    "layernorm",
    "lstm",
    "rmsnorm",
    "rnn",
    "sage",
    "slice",
    "split",
}


def compiled_open(example: Example) -> netdsl.Net | None:
    """The net with open sizes, or None where the kind must know them."""
    try:
        return netdsl.loads(example.text(opened(example)[0]))
    except netdsl.CompileError as error:
        assert [d.code for d in error.diagnostics] == ["open-size"]
        assert example.kind in MUST_KNOW_THE_SIZE
        return None


def inferred_at(net: netdsl.Net, sizes: dict[str, int]) -> TensorType | None:
    """The type that the kind infers from plain integers, None where it refuses them."""
    (node,) = net.graph.nodes
    try:
        return node.op.infer(
            *(TensorType(tuple(subs(d, sizes) for d in t.shape), t.dtype) for t in node.types)
        )
    except OpError:
        return None


@pytest.mark.parametrize("example", OPENED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_open_sizes(example: Example) -> None:
    """At every size the formula gives what the rule gives for that number, and the net is valid
    just where the rule accepts it.
    """
    net = compiled_open(example)
    if net is None:
        return
    own = opened(example)[1]
    wanted, rules = net.outputs[0].value.type, conditions(net.graph)
    for symbol in own:
        for size in (*range(1, 26), 31, 37, 64, 101, 224):
            sizes = own | {symbol: size}
            made = inferred_at(net, sizes)
            valid = all(c.holds(sizes) for c in rules)
            if valid:
                assert made is not None
                assert made.shape == tuple(subs(d, sizes) for d in wanted.shape)
            elif len(net.graph.inputs) == 1:
                assert made is None or min(d for d in made.shape if isinstance(d, int)) < 1


@pytest.mark.parametrize("example", OPENED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_open_sizes_run(example: Example) -> None:
    """One exported model with open sizes computes what PyTorch does at the example's sizes and at
    larger ones.
    """
    net = compiled_open(example)
    if net is None:
        return
    own = opened(example)[1]
    try:
        model = net.onnx()
    except netdsl.CompileError as error:
        assert [d.code for d in error.diagnostics] == ["open-size"]
        assert example.kind in FIXED_IN_ONNX
        return
    rules = conditions(net.graph)
    larger = ({s: n + more for s, n in own.items()} for more in (0, 2, 12))
    valid = [sizes for sizes in larger if all(c.holds(sizes) for c in rules)]
    assert valid
    for sizes in valid:
        assert_back_ends_agree(net, sizes)
    onnx.checker.check_model(model, full_check=True)


# Windows that depend on the size; `ceil` with padding.
FIXED_IN_ONNX = {"adaptive_avgpool", "adaptive_maxpool", "spp", "maxpool"}


# ---- ranks


FIRST = [examples_of(kind)[0] for kind in LAYERS]


@pytest.mark.parametrize(
    "example", [e for e in FIRST if re.fullmatch("[0-9x]+", e.shapes)], ids=lambda e: e.call
)
@pytest.mark.parametrize(
    "shape", ["12", "6x12", "6x8x12", "6x6x8x9", "6x4x5x6x7", "1", "1x1", "6x1x1", "6x5x1", "[]"]
)
def test_every_accepted_rank_works(example: Example, shape: str) -> None:
    """An input that a kind does not refuse with a diagnostic is one that both back ends take, of
    whatever rank.
    """
    tried = Example(example.kind, shape, example.call)
    try:
        net = tried.net()
    except netdsl.CompileError as error:
        assert 1 == len(error.diagnostics)
        return
    check_shape(net)
    check_onnx(net)
