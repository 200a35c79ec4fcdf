"""Depth, memory, rows and receptive fields, against slow and obvious ways to find them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch

import netdsl
from netdsl.analysis.cost import Costs, Totals
from netdsl.analysis.receptive import receptive_fields
from netdsl.analysis.summary import Summary
from netdsl.ir.types import ITEM_BYTES, Sym, subs
from tests.golden.pages import NETS
from tests.support.back_ends import randomise

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Value

LIBRARY = ["alexnet", "googlenet", "resnet:ResNet50", "senet:SEInception"]


def net_of(body: str, *inputs: str) -> netdsl.Net:
    """A net of these lines on inputs `x0`, `x1` and so on."""
    return netdsl.loads("net N {\n" + "".join(f"input x{i}: {shape}\n" for i, shape in enumerate(inputs)) + f"@x0 -> {body.strip()}\n}}\n")


# ---- depth and memory

GRAPHS = {
    "chain": net_of("conv(4, 3) -> relu -> conv(2, 1)", "3x8x8"),
    "unlike arms": net_of("concat { | conv(4, 1) -> conv(4, 1) | relu | conv(4, 1) -> conv(2, 1) -> conv(2, 1) } -> conv(2, 1)", "3x8x8"),
    "a long skip": net_of("a: conv(16, 1)\nconv(2, 1) -> conv(2, 1)\nconcat(@a) -> conv(4, 1)", "3x8x8"),
    "a value used twice by one layer": net_of("conv(4, 1)\na: relu\nadd(@a) -> conv(4, 1)", "3x8x8"),
    "an input that is used late": net_of("conv(4, 1) -> gap -> flatten -> dense(64)\nconcat(@x1)", "3x8x8", "100"),
    "an input that is not used": net_of("conv(4, 1) -> conv(3, 1)", "3x8x8", "1000"),
    "integers": net_of("embedding(10, 2) -> lstm(3) -> dense(2)", "9 int64"),
    "a head": net_of("a: conv(8, 3)\naux head(weight = 0.3) { flatten -> dense(200) }\n@a -> conv(4, 1)", "1x8x8"),
    "a head on a value of its own": net_of("b: conv(8, 3)\n@x0 -> conv(4, 3)\naux head(weight = 0.3) { flatten -> dense(2) }\n@b -> conv(2, 1) -> conv(20, 1) -> conv(20, 1) -> conv(2, 1)", "1x8x8"),
    "the input is the largest": net_of("conv(1, 3, stride = 2)", "3x65x65"),
    "an output that is an input": netdsl.loads("net N {\ninput x: 3x8x8\noutput a: @x\noutput b: relu\n}"),
    "two outputs": netdsl.loads("net N {\ninput x: 3x8x8\noutput a: conv(40, 1)\n@x -> conv(20, 1)\noutput b: conv(50, 1)\n}"),
}  # fmt: skip


@cache
def library(name: str) -> netdsl.Net:
    """A net of the library."""
    return netdsl.load(name)


def bytes_of(value: Value, at: dict[str, int]) -> int:
    """The size of a value."""
    size = ITEM_BYTES[value.type.dtype]
    for d in value.type.shape:
        size *= int(str(subs(d, at)))
    return size


def slow_depth(graph: Graph) -> int:
    """The longest path, node by node from the outputs back."""
    makers = {id(n.output): n for n in graph.nodes}

    @cache
    def deep(key: int) -> int:
        node = makers.get(key)
        return 0 if node is None else node.op.multiplies + max(deep(id(v)) for v in node.inputs)

    return max(deep(id(o.value)) for o in graph.outputs)


def slow_peak(graph: Graph, at: dict[str, int]) -> int:
    """For each moment, everything that is there and still needed; inputs that nothing needs are there to the end."""
    nodes = [n for n in graph.nodes if n.aux is None]
    needed = {id(o.value): len(nodes) for o in graph.outputs} | {id(v): len(nodes) for v in graph.inputs if not any(v is u for n in nodes for u in n.inputs)}
    for i, node in enumerate(nodes):
        for v in node.inputs:
            needed[id(v)] = max(i, needed.get(id(v), 0))
    values = [(-1, v) for v in graph.inputs] + [(i, n.output) for i, n in enumerate(nodes)]
    return max(sum(bytes_of(v, at) for made, v in values if made <= now <= max(needed.get(id(v), made), made)) for now in range(-1, len(nodes)))


def check_totals(net: netdsl.Net) -> Totals:
    """Depth and peak are those found slowly; the sums are those of the rows."""
    graph, costs = net.graph, Costs(net.graph)
    at = dict.fromkeys(graph.symbols, 512)
    totals = costs.totals()
    assert totals.depth == slow_depth(graph)
    assert int(str(subs(totals.activation_bytes, at))) >= int(str(subs(totals.peak_bytes, at)))
    assert int(str(subs(totals.peak_bytes, at))) == slow_peak(graph, at)
    main = [(n, c) for n, c in costs.rows() if n.aux is None]
    made: dict[str, list[Any]] = {
        "params": [c.params for _, c in main], "trainable": [c.params for n, c in main if not n.frozen], "macs": [c.macs for _, c in main], "weights": [c.weights for _, c in main],
        "units": [c.units for n, c in main if n.op.multiplies], "activation_bytes": [bytes_of(v, at) for v in [*graph.inputs, *(n.output for n, _ in main)]],
    }  # fmt: skip
    assert {name: sum(int(str(subs(v, at))) for v in values) for name, values in made.items()} == {name: int(str(subs(getattr(totals, name), at))) for name in made}
    return totals


@pytest.mark.parametrize("name", GRAPHS)
def test_totals(name: str) -> None:
    """Depth, peak and sums of little graphs."""
    check_totals(GRAPHS[name])


@pytest.mark.parametrize("name", LIBRARY)
def test_totals_of_library(name: str) -> None:
    """Depth, peak and sums of nets with many arms."""
    check_totals(library(name))


@pytest.mark.parametrize("path", NETS, ids=lambda p: p.stem)
def test_totals_of_open_sizes(path: Any) -> None:
    """Depth, peak and sums of nets of open size."""
    check_totals(netdsl.load(str(path)))


PEAKS = {
    ("conv(4, 1) -> relu -> conv(1, 1)", "3x4x4"): 4 * (64 + 64),
    ("gap -> flatten", "3x4x4"): 4 * (48 + 3),
    ("upsample(2) -> upsample(2)", "1x4x4"): 4 * (64 + 256),
    ("add(@x0) -> relu", "2x5"): 4 * (10 + 10),
    ("conv(1, 1) -> add(@x0)", "2x5"): 4 * (10 + 5 + 10),
}  # fmt: skip


@pytest.mark.parametrize(("body", "shape"), [c for c in PEAKS if "add" not in c[0] or "conv" not in c[0]])
def test_peaks_by_hand(body: str, shape: str) -> None:
    """Four bytes a number, each value from the layer that makes it to the last that needs it."""
    assert Costs(net_of(body, shape).graph).totals().peak_bytes == PEAKS[body, shape]


@pytest.mark.parametrize(("other", "peak"), [("32x32", "8200"), ("14x73", "8 * T + 4088")])
def test_peak_of_open_size_is_that_at_512(other: str, peak: str) -> None:
    """Two moments, of 8 T + 4 K and 8 K + 8 bytes, K the numbers of the other input: 2 T against K + 2, 1,024 at 512; the first of two that are equal."""
    net = net_of("relu -> gap -> flatten\na: relu\n@x1 -> flatten -> concat(@a)", "1xT", other)
    assert str(Costs(net.graph).totals().peak_bytes) == peak


# ---- receptive fields

SEEN = {
    "conv(2, 3)": 3, "conv(2, 3, pad = 1) -> relu": 3, "conv(2, 5, stride = 2)": 5, "conv(2, 3, dilation = 4)": 9, "conv(2, 3) -> conv(2, 3)": 5, "relu": 1, "lrn(3) -> bn": 1,
    "conv(2, 3, stride = 2) -> conv(2, 3)": 7, "conv(2, 3, stride = 2) -> conv(2, 3, stride = 3) -> maxpool(2)": 13, "maxpool(3, stride = 2) -> avgpool(2)": 5,
    "maxpool(2) -> maxpool(2) -> maxpool(2)": 8, "conv(2, 7, stride = 2, pad = 3) -> maxpool(3, stride = 2, pad = 1)": 11,
    "maxpool(2) -> upsample(2) -> conv(2, 3)": 4, "deconv(2, 4, stride = 2, pad = 1)": 2, "residual { conv(2, 3, pad = 1) -> conv(2, 3, pad = 1) }": 5,
    "add { | conv(2, 3, pad = 1) | conv(2, 7, pad = 3) }": 7, "concat { | conv(2, 3, pad = 2, dilation = 2) -> conv(2, 3, pad = 1) | conv(2, 5, pad = 2) }": 7,
    "add { | pad([(4, 0)]) -> conv(2, 5) | conv(2, 3, pad = 1) }": 6, "add { | pad([(3, 0)]) | pad([(0, 3)]) }": 4,
    "conv(2, 3, stride = 2, pad = 1) -> add { | pad([(2, 0)]) -> conv(2, 3) | identity }": 7,
    "concat { | maxpool(2) | conv(2, 4, stride = 2, pad = 1) }": 4, "concat { | slice(2, 40, axis = 2) | slice(0, 38, axis = 2) } -> conv(2, 2)": 4,
    "gap": 48, "conv(2, 3) -> flatten -> dense(3) -> relu": 48, "residual { | gap | conv(2, 1) }": 48,
}  # fmt: skip


def seen(net: netdsl.Net, size: int) -> int:
    """The most inputs that one output depends on: an input that is no number makes no number of each output that sees it."""
    x = torch.ones(size, 2, size)
    for i in range(size):
        x[i, :, i] = torch.nan
    with torch.no_grad():
        unknown = randomise(net.torch())(x).isnan().flatten(2).any(1) if net.outputs[0].value.type.spatial else randomise(net.torch())(x).isnan()
    places = [column.nonzero().flatten() for column in unknown.T]
    return max(int(p.max() - p.min()) + 1 for p in places)


@pytest.mark.parametrize("body", SEEN)
def test_receptive_fields(body: str) -> None:
    """The stretch counted by hand is the one that is given, and the one that a value not a number spreads over."""
    net = net_of(body, "2x48")
    assert receptive_fields(net.graph)[-1] == (SEEN[body],)
    assert seen(net, 48) == SEEN[body]


def test_receptive_fields_between_inputs() -> None:
    """Each axis has a stretch of its own; where several inputs join, the first one's counts; vectors have none until all of them is seen."""
    assert [receptive_fields(net_of(body, *shapes).graph)[-1] for body, shapes in (
        ("conv(2, [3, 1], stride = [2, 1]) -> maxpool([1, 2])", ["2x9x9"]), ("conv(2, 3) -> upsample(2) -> conv(2, 5)", ["2x9x9x9"]), ("conv(2, 3, pad = 1) -> add(@x1)", ["2x9", "2x9"]),
        ("conv(2, 3)\na: conv(2, 3)\n@x1 -> conv(2, 2) -> add(@a)", ["2x9", "2x6"]), ("relu", ["7"]), ("relu -> dense(2)", ["7"]), ("dense(2) -> relu", ["Tx7"]),
        ("gap -> conv(2, 1)", ["3xHxW"]), ("embedding(9, 4) -> relu", ["5x3 int64"]), ("conv(2, 3) -> add { | gap | identity }", ["3x9x9"]),
    )] == [(3, 2), (5, 5, 5), (3,), (2,), (), (7,), (7,), (Sym.var("H"), Sym.var("W")), (1,), (9, 9)]


# ---- rows of blocks

FOLDED = """net N {
    input image: 3x12x12
    a: unit(4)
    g: {
        conv(4, 3)
        inner: unit(2)
    }
    repeat 2 { conv(4, 1) -> relu }
    unit(3) -> last
    aux head(weight = 0.5) { dense(7) -> dense(2) }
    dense(5)
}
block last() {
    flatten
}
block unit(n) {
    conv(n, 3) -> bn -> relu
}
"""


def test_folded_rows() -> None:
    """A block or group has one row: the sums of its layers, the shape of its last, the line where it stands."""
    graph = netdsl.loads(FOLDED).graph
    assert [(r.name, r.kind, str(r.line), r.shape, r.params, r.macs, r.weights, r.bytes, r.aux) for r in Summary(graph, Costs(graph)).rows(1)] == [
        ("a", "unit", "3", (4, 10, 10), 108 + 4 + 8, 10_800, 108, 4800, False),
        ("g", "group", "4", (2, 6, 6), 144 + 4 + 72 + 2 + 4, 9216 + 2592, 144 + 72, 1024 + 3 * 288, False),
        ("2", "conv", "8", (4, 6, 6), 12, 288, 8, 576, False),
        ("3", "relu", "8", (4, 6, 6), 0, 0, 0, 576, False),
        ("4", "conv", "8", (4, 6, 6), 20, 576, 16, 576, False),
        ("5", "relu", "8", (4, 6, 6), 0, 0, 0, 576, False),
        ("6", "unit", "9", (3, 4, 4), 108 + 3 + 6, 1728, 108, 576, False),
        ("7", "last", "9", (48,), 0, 0, 0, 192, False),
        ("head", "aux", "10", (2,), 343 + 16, 336 + 14, 336 + 14, 28 + 8, True),
        ("9", "dense", "11", (5,), 245, 240, 240, 20, False),
    ]


JOINS = """net N {
    input image: 3x8x8
    mixed: concat {
        | a: conv(4, 3, pad = 1)
        | b: conv(6, 1) -> relu
    }
    s: {
        conv(4, 3) -> relu
        conv(4, 3)
    }
    let t = "a.b"
    l{t}: relu
    aux head(weight = 0.5) { flatten -> dense(7) }
    conv(2, 1)
}
"""


def test_folded_rows_of_joins() -> None:
    """A labelled join stands for its arms, and a label with a dot for a group; the units of a part are those that `units(label)` gives."""
    graph = netdsl.loads(JOINS).graph
    costs = Costs(graph)
    rows = Summary(graph, costs).rows(1)
    assert [(r.name, r.kind, r.line, r.params, r.macs, r.units) for r in rows] == [
        ("mixed", "concat", 3, 112 + 24, 6912 + 1152, 256 + 384), ("s", "group", 7, 364 + 148, 12_960 + 2304, 144 + 64), ("la", "group", 12, 0, 0, 0),
        ("head", "aux", 13, 455, 448, 7), ("4", "conv", 14, 10, 128, 32),
    ]  # fmt: skip
    assert [r.units for r in rows] == [costs.of(r.name)[-1] for r in rows]


def test_rows_folded_to_the_net() -> None:
    """With depth 0 there is one row: the totals of the net at inference."""
    net = netdsl.loads(JOINS)
    totals = Costs(net.graph).totals()
    (row,) = Summary(net.graph, Costs(net.graph)).rows(0)
    assert (row.name, row.kind, row.line, row.shape, row.aux) == ("N", "net", 1, (2, 4, 4), False)
    assert (row.params, row.macs, row.weights, row.units) == (totals.params, totals.macs, totals.weights, totals.units)


def test_folded_rows_of_nets() -> None:
    """Rows folded at any depth hold what the rows of the layers hold, in their order."""
    for net in [library("googlenet"), library("resnet:ResNet50"), *(netdsl.load(str(p)) for p in NETS)]:
        summary = Summary(net.graph, Costs(net.graph))
        layers = summary.rows()
        for depth in (1, 2, 3):
            folded = summary.rows(depth)
            assert all(len(r.name.split(".")) <= depth for r in folded)
            for figure in ("params", "macs", "weights", "bytes"):
                assert sum(getattr(r, figure) for r in folded) == sum(getattr(r, figure) for r in layers)
            assert list(dict.fromkeys(r.name for r in folded)) == list(dict.fromkeys(".".join(r.name.split(".")[:depth]) for r in layers))
            assert [f.field for f in folded] == [[r for r in layers if r.name == f.name or r.name.startswith(f.name + ".")][-1].field for f in folded]


def test_figures_of_a_part() -> None:
    """The figures of a layer, block or group are the sums of its layers'; the units those of layers that multiply, or of one layer its own."""
    for net in [library("googlenet"), library("resnet:ResNet50"), *(netdsl.load(str(p)) for p in NETS)]:
        costs = Costs(net.graph)
        rows = list(costs.rows())
        for prefix in {".".join(n.name.split(".")[:k]) for n, _ in rows for k in (1, 2, 3)} | {"none"}:
            own = [(n, c) for n, c in rows if (n.name + ".").startswith(prefix + ".")]
            wanted = [sum(getattr(c, figure) for _, c in own) for figure in ("params", "macs", "weights")]
            assert costs.of(prefix) == (*wanted, sum(c.units for n, c in own if n.op.multiplies or [m.name for m, _ in own] == [prefix]))


# ---- MACs for sizes that are multiples of all strides

MULTIPLES = {
    ("conv(4, 3, stride = 2, pad = 1)", "3xHxW"): "27 H W for H and W divisible by 2",
    ("conv(4, 3, stride = 2, pad = 1) -> gap -> flatten -> dense(10)", "3xHxW"): "27 H W + 40 for H and W divisible by 2",
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
    """The short formula, and what it holds for."""
    graph = net_of(body, shape).graph
    assert Summary(graph, Costs(graph)).macs_of_multiples() == MULTIPLES[body, shape]
