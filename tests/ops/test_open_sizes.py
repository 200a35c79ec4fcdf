"""Layers on open sizes and on every rank that they accept."""

from __future__ import annotations

import re

import onnx
import pytest

import netdsl
from netdsl.analysis.conditions import conditions
from netdsl.errors import OpError
from netdsl.ir.types import TensorType, subs
from netdsl.ops import LAYERS
from tests.support.back_ends import assert_back_ends_agree
from tests.support.contract import EXAMPLES, Example, check_onnx, check_shape, examples_of

# ---- open sizes


def opened(example: Example) -> tuple[list[str], dict[str, int]]:
    """The input shapes of the example with symbols, and the example's own sizes.

    Each size after the channels becomes a symbol, except 1.
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
# These kinds have weights for each position of the last axis.
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
}


def compiled_open(example: Example) -> netdsl.Net | None:
    """The net with open sizes, or None if the kind needs fixed sizes."""
    try:
        return netdsl.loads(example.text(opened(example)[0]))
    except netdsl.CompileError as error:
        assert [d.code for d in error.diagnostics] == ["open-size"]
        assert example.kind in MUST_KNOW_THE_SIZE
        return None


def inferred_at(net: netdsl.Net, sizes: dict[str, int]) -> TensorType | None:
    """The type that the kind infers from plain integers, or None if it refuses them."""
    (node,) = net.graph.nodes
    try:
        return node.op.infer(
            *(TensorType(tuple(subs(d, sizes) for d in t.shape), t.dtype) for t in node.types)
        )
    except OpError:
        return None


@pytest.mark.parametrize("example", OPENED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_open_sizes(example: Example) -> None:
    """For every size, the formula of the result has the value that plain integers give.

    The net is valid exactly for the sizes that the kind accepts as plain integers.
    """
    net = compiled_open(example)
    if net is None:
        return
    own = opened(example)[1]
    formulas, rules = net.outputs[0].value.type.shape, conditions(net.graph)
    for symbol in own:
        for size in (*range(1, 26), 31, 37, 64, 101, 224):
            sizes = own | {symbol: size}
            inferred = inferred_at(net, sizes)
            valid = all(c.holds(sizes) for c in rules)
            if valid:
                assert inferred is not None
                assert inferred.shape == tuple(subs(d, sizes) for d in formulas)
            elif len(net.graph.inputs) == 1:
                assert inferred is None or min(d for d in inferred.shape if isinstance(d, int)) < 1


@pytest.mark.parametrize("example", OPENED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_open_sizes_run(example: Example) -> None:
    """One exported model with open sizes gives PyTorch's values for several sizes."""
    net = compiled_open(example)
    if net is None:
        return
    own = opened(example)[1]
    model = net.onnx()
    rules = conditions(net.graph)
    larger = ({s: n + more for s, n in own.items()} for more in (0, 2, 12))
    valid = [sizes for sizes in larger if all(c.holds(sizes) for c in rules)]
    assert valid
    for sizes in valid:
        assert_back_ends_agree(net, sizes)
    onnx.checker.check_model(model, full_check=True)


# ---- ranks


FIRST = [examples_of(kind)[0] for kind in LAYERS]
RANKS = ("12", "6x12", "6x8x12", "6x6x8x9", "6x4x5x6x7", "1", "1x1", "6x1x1", "6x5x1", "[]")


@pytest.mark.parametrize(
    "example", [e for e in FIRST if re.fullmatch("[0-9x]+", e.shapes)], ids=lambda e: e.call
)
def test_every_accepted_rank_works(example: Example) -> None:
    """An input of any rank is refused with one diagnostic, or both back ends take it."""
    for shape in RANKS:
        tried = Example(example.kind, shape, example.call)
        try:
            net = tried.net()
        except netdsl.CompileError as error:
            assert 1 == len(error.diagnostics), shape
            continue
        check_shape(net)
        check_onnx(net)
