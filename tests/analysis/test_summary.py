"""The rows of folded blocks, compared with the rows of their layers."""

from __future__ import annotations

import netdsl
from netdsl.analysis.cost import Costs
from netdsl.analysis.summary import Summary
from tests.golden.pages import NETS
from tests.support.small_nets import library

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
    """A block or group has one row.

    It has the sums of its layers, the shape of the last layer, and the line of the block or group.
    """
    graph = netdsl.loads(FOLDED).graph
    assert [
        (r.name, r.kind, str(r.line), r.shape, r.params, r.macs, r.weights, r.bytes, r.aux)
        for r in Summary(graph, Costs(graph)).rows(1)
    ] == [
        ("a", "unit", "3", (4, 10, 10), 108 + 4 + 8, 10_800, 108, 4800, False),
        (
            "g",
            "group",
            "4",
            (2, 6, 6),
            144 + 4 + 72 + 2 + 4,
            9216 + 2592,
            144 + 72,
            1024 + 3 * 288,
            False,
        ),
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
    """The row of a labelled join includes its arms, and a label with a dot makes a group.

    The units of each row equal those that `units(label)` gives.
    """
    graph = netdsl.loads(JOINS).graph
    costs = Costs(graph)
    rows = Summary(graph, costs).rows(1)
    assert [(r.name, r.kind, r.line, r.params, r.macs, r.units) for r in rows] == [
        ("mixed", "concat", 3, 112 + 24, 6912 + 1152, 256 + 384),
        ("s", "group", 7, 364 + 148, 12_960 + 2304, 144 + 64),
        ("la", "group", 12, 0, 0, 0),
        ("head", "aux", 13, 455, 448, 7),
        ("4", "conv", 14, 10, 128, 32),
    ]
    assert [r.units for r in rows] == [costs.of(r.name).units for r in rows]
    assert [r.buffers for r in rows] == [costs.of(r.name).buffers for r in rows]


def test_rows_folded_to_the_net() -> None:
    """With depth 0 there is one row: the totals of the net at inference."""
    net = netdsl.loads(JOINS)
    totals = Costs(net.graph).totals()
    (row,) = Summary(net.graph, Costs(net.graph)).rows(0)
    assert (row.name, row.kind, row.line, row.shape, row.aux) == ("N", "net", 1, (2, 4, 4), False)
    assert (row.params, row.macs, row.weights, row.units) == (
        totals.params,
        totals.macs,
        totals.weights,
        totals.units,
    )


def test_folded_rows_of_nets() -> None:
    """Rows folded at any depth have the sums, the order and the fields of their layers' rows."""
    for net in [
        library("googlenet"),
        library("resnet:ResNet50"),
        *(netdsl.load(str(p)) for p in NETS),
    ]:
        summary = Summary(net.graph, Costs(net.graph))
        layers = summary.rows()
        for depth in (1, 2, 3):
            folded = summary.rows(depth)
            assert all(len(r.name.split(".")) <= depth for r in folded)
            for figure in ("params", "macs", "buffers", "weights", "bytes"):
                assert sum(getattr(r, figure) for r in folded) == sum(
                    getattr(r, figure) for r in layers
                )
            assert list(dict.fromkeys(r.name for r in folded)) == list(
                dict.fromkeys(".".join(r.name.split(".")[:depth]) for r in layers)
            )
            assert [f.field for f in folded] == [
                [r for r in layers if r.name == f.name or r.name.startswith(f.name + ".")][-1].field
                for f in folded
            ]


def test_figures_of_a_part() -> None:
    """The figures of a layer, block or group are the sums over its layers.

    The units are summed only over the layers with weights, unless the part is a single layer.
    """
    for net in [
        library("googlenet"),
        library("resnet:ResNet50"),
        *(netdsl.load(str(p)) for p in NETS),
    ]:
        costs = Costs(net.graph)
        rows = list(costs.rows())
        for prefix in {".".join(n.name.split(".")[:k]) for n, _ in rows for k in (1, 2, 3)} | {
            "none"
        }:
            own = [(n, c) for n, c in rows if (n.name + ".").startswith(prefix + ".")]
            expected = [
                sum(getattr(c, figure) for _, c in own) for figure in ("params", "macs", "weights")
            ]
            assert costs.of(prefix) == (
                *expected,
                sum(
                    c.units
                    for n, c in own
                    if n.op.multiplies or [m.name for m, _ in own] == [prefix]
                ),
                sum(c.buffers for _, c in own),
            )
