"""Depth, memory, sums and MACs, compared with slow and obvious computations."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

import netdsl
from netdsl.analysis.cost import Costs, Totals, peak_at
from netdsl.analysis.summary import Summary
from netdsl.ir.types import ITEM_BYTES, Sym, subs
from tests.golden.pages import NETS
from tests.support.small_nets import library, net_with

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Value

LIBRARY = ["alexnet", "googlenet", "resnet:ResNet50", "senet:SEInception"]


# ---- depth and memory


GRAPHS = {
    "chain": net_with("conv(4, 3) -> relu -> conv(2, 1)", "3x8x8"),
    "unlike arms": net_with(
        "concat { | conv(4, 1) -> conv(4, 1) | relu | conv(4, 1) -> conv(2, 1) -> conv(2, 1) } ->"
        " conv(2, 1)",
        "3x8x8",
    ),
    "a long skip": net_with(
        "a: conv(16, 1)\nconv(2, 1) -> conv(2, 1)\nconcat(@a) -> conv(4, 1)", "3x8x8"
    ),
    "a value used twice by one layer": net_with(
        "conv(4, 1)\na: relu\nadd(@a) -> conv(4, 1)", "3x8x8"
    ),
    "an input that is used late": net_with(
        "conv(4, 1) -> gap -> flatten -> dense(64)\nconcat(@x1)", "3x8x8", "100"
    ),
    "an input that is not used": net_with("conv(4, 1) -> conv(3, 1)", "3x8x8", "1000"),
    "integers": net_with("embedding(10, 2) -> lstm(3) -> dense(2)", "9 int64"),
    "a head": net_with(
        "a: conv(8, 3)\naux head(weight = 0.3) { flatten -> dense(200) }\n@a -> conv(4, 1)", "1x8x8"
    ),
    "a head on a value of its own": net_with(
        "b: conv(8, 3)\n@x0 -> conv(4, 3)\naux head(weight = 0.3) { flatten -> dense(2) }\n@b ->"
        " conv(2, 1) -> conv(20, 1) -> conv(20, 1) -> conv(2, 1)",
        "1x8x8",
    ),
    "the input is the largest": net_with("conv(1, 3, stride = 2)", "3x65x65"),
    "an output that is an input": netdsl.loads(
        "net N {\ninput x: 3x8x8\noutput a: @x\noutput b: relu\n}"
    ),
    "two outputs": netdsl.loads(
        "net N {\ninput x: 3x8x8\noutput a: conv(40, 1)\n@x -> conv(20, 1)\noutput b: conv(50,"
        " 1)\n}"
    ),
}


def bytes_of(value: Value, at: dict[str, int]) -> int:
    """The size of a value in bytes, with these sizes for the symbols."""
    size = ITEM_BYTES[value.type.dtype]
    for d in value.type.shape:
        size *= int(str(subs(d, at)))
    return size


def slow_depth(graph: Graph) -> int:
    """The number of layers with weights on the longest path, found from the outputs backwards."""
    makers = {id(n.output): n for n in graph.nodes}

    @cache
    def deep(key: int) -> int:
        node = makers.get(key)
        return 0 if node is None else node.op.multiplies + max(deep(id(v)) for v in node.inputs)

    return max(deep(id(o.value)) for o in graph.outputs)


def slow_peak(graph: Graph, at: dict[str, int]) -> int:
    """The most memory in use at once.

    For each moment, it adds up the values that exist and are still needed. An input that no layer
    uses stays in memory to the end.
    """
    nodes = [n for n in graph.nodes if n.aux is None]
    last_use = {id(o.value): len(nodes) for o in graph.outputs} | {
        id(v): len(nodes) for v in graph.inputs if not any(v is u for n in nodes for u in n.inputs)
    }
    for i, node in enumerate(nodes):
        for v in node.inputs:
            last_use[id(v)] = max(i, last_use.get(id(v), 0))
    values = [(-1, v) for v in graph.inputs] + [(i, n.output) for i, n in enumerate(nodes)]
    return max(
        sum(
            bytes_of(v, at)
            for start, v in values
            if start <= now <= max(last_use.get(id(v), start), start)
        )
        for now in range(-1, len(nodes))
    )


def check_totals(net: netdsl.Net) -> Totals:
    """Check depth and peak against the slow computations, and the totals against the rows."""
    graph, costs = net.graph, Costs(net.graph)
    at = dict.fromkeys(graph.symbols, 512)
    totals = costs.totals()
    assert totals.depth == slow_depth(graph)
    assert int(str(subs(totals.activation_bytes, at))) >= int(str(subs(totals.peak_bytes, at)))
    assert int(str(subs(totals.peak_bytes, at))) == slow_peak(graph, at)
    main = [(n, c) for n, c in costs.rows() if n.aux is None]
    figures: dict[str, list[Any]] = {
        "params": [c.params for _, c in main],
        "trainable": [c.params for n, c in main if not n.frozen],
        "macs": [c.macs for _, c in main],
        "weights": [c.weights for _, c in main],
        "buffers": [c.buffers for _, c in main],
        "units": [c.units for n, c in main if n.op.multiplies],
        "activation_bytes": [
            bytes_of(v, at) for v in [*graph.inputs, *(n.output for n, _ in main)]
        ],
    }
    sums = {name: sum(int(str(subs(v, at))) for v in values) for name, values in figures.items()}
    assert sums == {name: int(str(subs(getattr(totals, name), at))) for name in figures}
    return totals


@pytest.mark.parametrize("name", GRAPHS)
def test_totals(name: str) -> None:
    """Depth, peak memory and sums of small graphs."""
    check_totals(GRAPHS[name])


@pytest.mark.parametrize("name", LIBRARY)
def test_totals_of_library(name: str) -> None:
    """Depth, peak memory and sums of nets with many arms."""
    check_totals(library(name))


@pytest.mark.parametrize("path", NETS, ids=lambda p: p.stem)
def test_totals_of_open_sizes(path: Any) -> None:
    """Depth, peak memory and sums of the nets of the golden pages, some with open sizes."""
    check_totals(netdsl.load(str(path)))


PEAKS = {
    ("conv(4, 1) -> relu -> conv(1, 1)", "3x4x4"): 4 * (64 + 64),
    ("gap -> flatten", "3x4x4"): 4 * (48 + 3),
    ("upsample(2) -> upsample(2)", "1x4x4"): 4 * (64 + 256),
    ("add(@x0) -> relu", "2x5"): 4 * (10 + 10),
    ("conv(1, 1) -> add(@x0)", "2x5"): 4 * (10 + 5 + 10),
}


@pytest.mark.parametrize(("body", "shape"), PEAKS)
def test_peaks_by_hand(body: str, shape: str) -> None:
    """A number takes four bytes, from the layer that computes it to the last layer that uses it."""
    assert Costs(net_with(body, shape).graph).totals().peak_bytes == PEAKS[body, shape]


@pytest.mark.parametrize(("other", "peak"), [("32x32", "8200"), ("14x73", "8 * T + 4088")])
def test_peak_of_open_size_is_that_at_512(other: str, peak: str) -> None:
    """Which moment needs the most memory depends on T, and is decided for T = 512.

    With K elements in the other input, 8 T + 4 K bytes are in use while the first `relu` runs,
    and 8 K + 8 while `concat` runs. The first is larger if 2 T > K + 2, that is, if K < 1,022. At
    K = 1,022 both are equal, and the first moment counts.
    """
    net = net_with("relu -> gap -> flatten\na: relu\n@x1 -> flatten -> concat(@a)", "1xT", other)
    assert str(Costs(net.graph).totals().peak_bytes) == peak


def test_a_formula_of_the_peak_says_whether_it_is_for_all_sizes() -> None:
    """The last layers need the most memory, except on images of a few pixels and odd sizes."""
    deep = netdsl.loads(
        "net A {\n input x: 3xHxW\n conv(64, 4, stride = 2, pad = 1) -> relu\n"
        " conv(128, 4, stride = 2, pad = 1) -> conv(8, 3, pad = 1) -> conv(300, 1) -> relu\n}"
    )
    costs = Costs(deep.graph)
    assert not costs.peak.is_for_all_sizes
    for at in ({"H": 512, "W": 512}, {"H": 7, "W": 7}, {"H": 100, "W": 8}):
        assert (
            peak_at(deep.graph, at) == slow_peak(deep.graph, at) == deep.figure("peak_bytes", **at)
        )
    assert costs.peak.bytes.at({"H": 7, "W": 7}) < peak_at(deep.graph, {"H": 7, "W": 7})
    with pytest.raises(ValueError, match=r'as in figure\("peak_bytes", H=224, W=224\)'):
        deep.figure("peak_bytes")
    steps = netdsl.loads("net A {\n input x: Tx8\n dense(9) -> relu -> dense(3)\n}")
    assert Costs(steps.graph).peak == (72 * Sym.var("T"), True)


# ---- MACs for sizes that are multiples of all strides


MULTIPLES = {
    ("conv(4, 3, stride = 2, pad = 1)", "3xHxW"): "27 H W for H and W divisible by 2",
    (
        "conv(4, 3, stride = 2, pad = 1) -> gap -> flatten -> dense(10)",
        "3xHxW",
    ): "27 H W + 40 for H and W divisible by 2",
    ("conv(2, 1, stride = [2, 1])", "1xHxW"): "H W for H divisible by 2",
    ("conv(2, 1, stride = 2)", "1xT"): "T for T divisible by 2",
    ("conv(2, 3, stride = 2)", "1xT"): "3 T - 6 for T divisible by 2",
    ("conv(1, 1, stride = 2)", "1xT"): "",  # T / 2
    ("conv(6, 1, stride = 2) -> conv(1, 1, stride = 3)", "1xT"): "4 T for T divisible by 6",
    ("conv(4096, 1, stride = 4096)", "1xT"): "T for T divisible by 4096",
    ("conv(4097, 1, stride = 4097)", "1xT"): "",
    ("conv(4, 3, pad = 1)", "3xHxW"): "",
}


@pytest.mark.parametrize(("body", "shape"), MULTIPLES)
def test_macs_of_multiples(body: str, shape: str) -> None:
    """The formula without floors, and the sizes for which it is correct."""
    graph = net_with(body, shape).graph
    assert Summary(graph, Costs(graph)).macs_of_multiples() == MULTIPLES[body, shape]
