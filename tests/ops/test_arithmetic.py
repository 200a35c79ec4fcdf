"""Functions, operators, reductions and `matmul`: values, shapes, counts and receptive fields."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

import netdsl
from netdsl.analysis.receptive import receptive_fields
from netdsl.analysis.valid import valid_for
from netdsl.driver import compile_net, program_of
from netdsl.ir.op import Param
from netdsl.ops import LAYERS
from netdsl.source import SourceFile
from netdsl.verify import verify_graph
from netdsl.verify.numbers import Settler, inputs_for
from tests.support.back_ends import both
from tests.support.small_nets import message, net_of

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph
    from netdsl.verify import Report

# ---- values

EDGES = np.array([[-inf, -2.0, -0.0, 0.0, 0.25, 1.0, 3e38, inf, nan]], np.float32)


@pytest.mark.parametrize(
    ("call", "slow"),
    [
        ("exp", np.exp),
        ("log", np.log),
        ("sqrt", np.sqrt),
        ("abs", np.abs),
        ("square", np.square),
        ("sin", np.sin),
        ("cos", np.cos),
        ("(@ / 3)", lambda x: x / np.float32(3)),
        ("(1 / @)", lambda x: 1 / x),
        ("(@ ** 2)", lambda x: x**2),
        ("(@ ** -1)", lambda x: x**-1),
        ("(-@)", np.negative),
    ],
)
def test_edges(call: str, slow: np.ufunc) -> None:
    """Infinities, NaNs and zeros give what numpy gives, the same in both back ends.

    The logarithm of 0 is -inf; the logarithm and the root of a negative number are NaN.
    """
    _, y = both(net_of(call, "9"), EDGES)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(y, slow(EDGES), rtol=1e-6)


def test_float_follows_the_type_of_the_weights() -> None:
    """Integers and booleans become numbers that the next layer computes with, in any precision."""
    net = netdsl.loads("net N {\ninput words: 3 int64\nfloat -> y: dense(2)\n}")
    module, words = net.torch(), torch.tensor([[-1, 0, 70_000]])
    for cast, dtype in ((nn.Module.double, torch.float64), (nn.Module.bfloat16, torch.bfloat16)):
        assert cast(module)(words).dtype == dtype
    assert list(module.state_dict()) == ["y.weight", "y.bias"]
    mask = netdsl.loads("net N {\ninput pads: 2 bool\nfloat\n}")
    assert mask.torch()(torch.tensor([[True, False]])).tolist() == [[1.0, 0.0]]
    assert mask.run(np.array([[True, False]])).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("steps", [1, 6])
def test_sinusoid_of_any_length(steps: int) -> None:
    """Angles computed from positions: Section 3.5 of Vaswani et al. 2017, with halves."""
    net = netdsl.loads(
        "net N {\ninput x: Tx4\npositions -> float -> reshape([T, 1])\nlet place = @\n"
        "const([[1, 1 / 100]])\nlet angle = place * @\n"
        "concat([sin(angle), cos(angle)], axis = 2)\n}"
    )
    angle = np.arange(steps)[:, None] * np.array([1, 1 / 100])
    _, result = both(net, np.zeros((1, steps, 4)))
    assert np.allclose(result[0], np.hstack([np.sin(angle), np.cos(angle)]), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "slow"),
    [
        ("(@ + @x1)", np.add),
        ("(@ - @x1)", np.subtract),
        ("(@x1 - @)", lambda x, z: z - x),
        ("(@ * @x1)", np.multiply),
        ("(@ / @x1)", np.divide),
        ("(@ ** @x1)", np.power),
        ("(2 ** @ - @x1 * 0.5)", lambda x, z: 2**x - z * 0.5),
    ],
)
@pytest.mark.parametrize("shapes", [("3x4", "3x4"), ("1x4", "3x1"), ("2x1x3", "1x4x1"), ("5", "1")])
def test_operators(call: str, slow: np.ufunc, shapes: tuple[str, ...]) -> None:
    """Operators compute what numpy computes; an axis of size 1 is repeated on either side."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 2, size=(2, *map(int, s.split("x")))) for s in shapes]
    _, y = both(net_of(call, *shapes), *arrays)
    np.testing.assert_allclose(y, slow(*arrays), rtol=1e-5, atol=1e-6)


REDUCED: dict[str, Any] = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_norm": lambda x, axis, keepdims: np.sqrt((x * x).sum(axis, keepdims=keepdims)),
}


@pytest.mark.parametrize("kind", REDUCED)
@pytest.mark.parametrize("axes", ["1", "-1", "[2, 3]", "[-1, 1]", "[1, 2, 3]", "[2]"])
@pytest.mark.parametrize("keep", [False, True])
def test_reductions(kind: str, axes: str, keep: bool) -> None:
    """A reduction is that of numpy along the same axes, which count the batch as 0."""
    given = f"{axes}, keep = true" if keep else axes
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    numbers = tuple(map(int, axes.strip("[]").split(",")))
    expected = REDUCED[kind](x, axis=numbers, keepdims=keep)
    net = net_of(f"{kind}({given})", "3x4x5")
    assert (2, *net.outputs[0].value.type.shape) == expected.shape
    np.testing.assert_allclose(both(net, x)[1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "call", "subscripts"),
    [
        (("3x4", "4x5"), "matmul(@x1)", "nij,njk->nik"),
        (("3x4", "5x4"), "matmul(@x1, transpose = true)", "nij,nkj->nik"),
        (("2x3x4", "2x4x5"), "matmul(@x1)", "nhij,nhjk->nhik"),
        (("2x3x4x5", "2x3x6x5"), "matmul(@x1, transpose = true)", "nghij,nghkj->nghik"),
    ],
)
def test_matmul(shapes: tuple[str, str], call: str, subscripts: str) -> None:
    """`matmul` is the sum over the inner axis; its products are its MACs."""
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=(2, *map(int, s.split("x")))) for s in shapes]
    net = net_of(call, *shapes)
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(both(net, *arrays)[1], expected, rtol=1e-4, atol=1e-5)
    assert net.macs == expected[0].size * int(shapes[0].split("x")[-1])


def test_matmul_repeats_leading_axes() -> None:
    """An axis of size 1 before the last two is repeated, in either input."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 1, 3, 4)), rng.normal(size=(2, 5, 4, 6))
    _, y = both(net_of("matmul(@x1)", "1x3x4", "5x4x6"), x, z)
    np.testing.assert_allclose(y, x @ z, rtol=1e-4, atol=1e-5)


# ---- shapes, counts, receptive fields


@pytest.mark.parametrize(
    ("call", "shapes", "valid"),
    [
        ("matmul(@x1)", ("HxW", "SxT"), "H >= 1, W >= 1, T >= 1, S == W"),
        ("matmul(@x1, transpose = true)", ("HxW", "Sx8"), "H >= 1, W == 8, S >= 1"),
        ("matmul(@x1)", ("CxHx2", "3x2xW"), "C == 3, H >= 1, W >= 1"),
        ("reduce_sum(1)", ("HxW",), "H >= 1, W >= 1"),
        ("(@ * @x1)", ("3xH", "3x8"), "H == 8"),
    ],
)
def test_open_sizes(call: str, shapes: tuple[str, ...], valid: str) -> None:
    """Sizes that must be equal are conditions on open sizes."""
    assert valid == valid_for(net_of(call, *shapes).graph)


def test_matmul_counts_only_in_macs() -> None:
    """The products of `matmul` are MACs; it has no weights, so `depth` and `units` leave it out."""
    plain = netdsl.loads("net N {\ninput x: 5x4\ndense(4)\n}")
    product = netdsl.loads("net N {\ninput x: 5x4\ny: dense(4)\n@y -> matmul(@y, true)\n}")
    assert product.macs - plain.macs == 5 * 5 * 4
    assert (product.depth, product.weights) == (plain.depth, plain.weights) == (1, 16)
    assert LAYERS["matmul"].multiplies is False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("conv(2, 3) -> exp", (3, 3)),
        ("conv(2, 3) -> (@ * 0.5 + 0.1)", (3, 3)),
        ("conv(2, 3) -> reduce_mean(1, keep = true) -> conv(2, 3)", (5, 5)),
        ("conv(2, 3) -> reduce_mean(-3, keep = true)", (3, 3)),
        ("conv(2, 3) -> reduce_mean(2, keep = true)", (32, 32)),
        ("conv(2, 3) -> reduce_mean(1)", (32, 32)),
        ("conv(2, 3) -> reduce_norm([2, 3], keep = true)", (32, 32)),
    ],
)
def test_receptive_fields(body: str, field: tuple[int, int]) -> None:
    """Functions and reductions over the channels see one position, other reductions the image."""
    net = netdsl.loads(f"net N {{\ninput x: 3x32x32\n{body}\n}}")
    assert field == receptive_fields(net.graph)[-1]


# ---- errors


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        ("clamp", ("3",), "missing-argument: `clamp` needs `min`, `max` or both"),
        ("clamp(2, 1)", ("3",), "bad-argument: `min` of `clamp` is 2, but `max` is 1"),
        ("(@ / 0)", ("3",), "division-by-zero: `/` divides a tensor by 0"),
        (
            "((-2) ** @)",
            ("3",),
            "bad-argument: the base of `**` must be positive, found -2.0",
        ),
        (
            "reduce_max([1, -2])",
            ("3x4",),
            "bad-axis: `reduce_max` needs each axis once, found [1, -2]",
        ),
        (
            "(@ + @x1)",
            ("3x4", "5x4"),
            "shape-mismatch: `+` cannot join 3x4 and 5x4: axis 1 is 3 and 5",
        ),
    ],
)
def test_errors(call: str, shapes: tuple[str, ...], expected: str) -> None:
    """Wrong arguments and inputs are refused, with the values that are wrong."""
    assert message(call, *shapes).startswith(expected)


# ---- verify


def graph(body: str) -> Graph:
    """The graph of a net with that body."""
    program = program_of(SourceFile("n.net", f"net N {{\n{body}\n}}\n"))
    return compile_net(program, "N").graph


@pytest.mark.parametrize(
    "body", ["input x: 40\nlog", "input x: 5x8\nflatten -> sqrt", "input x: 40\n(@ ** 0.3)"]
)
def test_inputs_are_positive(body: str) -> None:
    """`verify` chooses positive numbers for an input of `log`, so that all values are compared."""
    net = graph(body)
    (x,) = inputs_for(net, 2, {}, 0).values()
    assert float(x.min()) >= 0
    assert verify_graph(net, threads=1).skipped == 0


def test_weights_after_infinities_are_finite() -> None:
    """Random weights are finite, even if an earlier layer gives NaNs and infinities."""
    (node,) = graph("input x: 4\nl: dense(3)").nodes
    tensors = {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}
    assert isinstance(node.params()["weight"], Param)
    Settler(0).settle(node, tensors, [torch.tensor([[nan, inf, 1.0, -inf]])])
    assert all(tensor.isfinite().all() and tensor.any() for tensor in tensors.values())


def verified(body: str) -> Report:
    """The report of a net with that body."""
    return verify_graph(graph(body), threads=1)


NETS = {
    "L2 normalisation": (
        "input x: 16x7x7\n"
        "norm: reduce_norm(axis = 1, keep = true) -> clamp(min = 1e-12)\n"
        "(@x / @norm)"
    ),
    "bilinear pooling": (  # Lin et al. 2015
        "input image: 3xHxW\n"
        "conv(8, 3, pad = 1) -> relu -> tokens -> rows: permute([2, 1])\n"
        "@rows -> matmul(@rows, transpose = true) -> products: flatten\n"
        "size: abs -> root: sqrt\n"
        "@products -> sign -> mul(@root)\n"
        "(@ / reduce_norm(@, 1, keep = true))\n"
        "dense(10)"
    ),
    "attention, written out": (  # Vaswani et al. 2017
        "input x: Tx16\n"
        "q: dense(16)\n"
        "k: @x -> dense(16)\n"
        "v: @x -> dense(16)\n"
        "@q -> matmul(@k, transpose = true)\n"
        "(@ / 4) -> softmax(axis = -1) -> matmul(@v)"
    ),
    "a variational autoencoder": (  # Kingma and Welling 2013
        "input image: 1x28x28\n"
        "input noise: 20\n"
        "@image -> flatten -> dense(400) -> h: relu\n"
        "mean: @h -> dense(20)\n"
        "logvar: @h -> dense(20)\n"
        "(@mean + exp(0.5 * @logvar) * @noise)\n"
        "dense(400) -> relu -> dense(784) -> sigmoid"
    ),
    "the squash of a capsule": (  # Sabour et al. 2017
        "input s: 10x16\nn: reduce_norm(axis = 2, keep = true)\n(@n ** 2 / (1 + @n ** 2) * @s / @n)"
    ),
}


@pytest.mark.parametrize("net", NETS)
def test_nets(net: str) -> None:
    """Every witness agrees on formulas from papers, and all of their values are compared."""
    report = verified(NETS[net])
    assert [d.message for d in report.differences()] == []
    assert report.skipped == 0
