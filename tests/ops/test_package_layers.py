"""`verify` takes the rounding rule and the sorts of inputs of a layer from another package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import netdsl
from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder
from netdsl.ir.op import ADJACENCY, NUMBERS, Op, Param, Sort, boxes, indices
from netdsl.ir.rounding import Bound
from netdsl.ir.types import TensorType
from netdsl.ops import LAYERS
from netdsl.ops.base import layer
from netdsl.ops.rounding import exact, gated
from netdsl.verify import verify_graph
from netdsl.verify.numbers import Settler, inputs_for

OFF = 1 + 50 * 2.0**-24  # 50 units of rounding


class Twice(Op):
    """2 x, with an error of 50 units in the ONNX form."""

    inputs = (1, 2)

    def params(self, *xs: TensorType) -> dict[str, Param]:
        return {"codes": Param((200,), role="value")}

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        module = "nn.ParameterDict(dict(codes=torch.zeros(200)))"
        return t.inline("{0} * 2 + 0 * {m}.codes.sum()")._replace(module=module)

    def onnx(self, g: Emitter, *xs: Any) -> str:
        total = g.op("ReduceSum", g.param("codes"), g.ints([0]), keepdims=0)
        none = g.op("Mul", total, g.floats(0.0))
        return g.op("Add", g.op("Mul", xs[0], g.floats(2 * OFF)), none)


@pytest.fixture
def twice() -> Iterator[type[Op]]:
    """The layer, registered as a package would do it."""
    kind = type("TwiceOfATest", (Twice,), {"__doc__": Twice.__doc__})
    yield layer("twice", family="package", examples=[("6", "twice")])(kind)
    del LAYERS["twice"]


def differs() -> bool:
    """Whether `verify` reports that the values of the layer differ."""
    report = verify_graph(netdsl.loads("net N {\ninput x: 6\ntwice\n}").graph, threads=1)
    assert {d.code for d in report.differences()} <= {"values-differ", "outputs-differ"}
    return any(d.code == "values-differ" for d in report.differences())


def wide(_op: Op, e: Evaluation) -> Bound:
    """A rounding rule whose bound covers the error."""
    return e.bound(4 * e.y.abs(), 1)


@pytest.mark.parametrize(
    ("rule", "is_reported"),
    [(None, True), (exact, True), (gated(1.0), True), (gated(8.0), False), (wide, False)],
)
def test_rounding_rules(
    rule: Any, is_reported: bool, twice: type[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer can use a rounding rule of netdsl, or have one of its own.

    Without a rule, 16 units of the largest value are allowed.
    """
    if rule is not None:
        monkeypatch.setattr(twice, "rounding", rule, raising=False)
    assert differs() == is_reported


@pytest.mark.parametrize(
    ("sort", "fits"),
    [
        (ADJACENCY, lambda x: set(x.flatten().tolist()) == {0.0, 1.0}),
        (boxes(0.5), lambda x: 0 <= float(x.min()) and bool((x[..., 0] < x[..., 2]).all())),
        (NUMBERS, lambda x: bool((x < 0).any())),
    ],
)
def test_sorts_of_inputs(
    sort: Sort, fits: Any, twice: type[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The random numbers for an input have the sort that the layer gives."""
    monkeypatch.setattr(twice, "sorts", lambda _: (NUMBERS, sort), raising=False)
    graph = netdsl.loads("net N {\ninput x: 2x8x8\ninput e: 4x4\n@x -> twice(@e)\n}").graph
    _, second = inputs_for(graph, 2, {}, 0).values()
    assert fits(second)


def test_indices(twice: type[Op], monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers are below the limit of the layer, even if another layer passes them on."""
    monkeypatch.setattr(twice, "sorts", lambda _: (indices(3),), raising=False)
    monkeypatch.setattr(twice, "any_dtype", True, raising=False)
    graph = netdsl.loads("net N {\ninput x: 50 int64\nslice(0, 40) -> twice\n}").graph
    (integers,) = inputs_for(graph, 2, {}, 0).values()
    assert set(integers.flatten().tolist()) == {0, 1, 2}


def test_the_distribution_of_weights(twice: type[Op]) -> None:
    """Random weights with the role `value` have mean 0 and deviation 1, unlike scales."""
    (node,) = netdsl.loads("net N {\ninput x: 6\ntwice\n}").graph.nodes
    codes = torch.zeros(200)
    Settler(0).settle(node, {"codes": codes}, [torch.ones(2, 6)])
    assert -0.3 < float(codes.mean()) < 0.3
    assert 0.8 < float(codes.std()) < 1.2
