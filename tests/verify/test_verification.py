"""`netdsl verify` on correct nets: they agree, and their sizes, inputs and weights are suitable."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import netdsl
from netdsl.analysis.sizes import two_settings
from netdsl.driver import open_program
from netdsl.errors import NetdslError
from netdsl.library import library_names
from netdsl.verify import LIMIT, verify_graph
from netdsl.verify.bounds import witnesses
from netdsl.verify.numbers import Settler, inputs_for
from netdsl.verify.torch_side import TorchSide
from tests.support.contract import EXAMPLES, Example
from tests.support.verification import CLAIMS, MIXED, mixed, verified

NETS = [f"{file}:{net}" for file in library_names() for net in open_program(file).nets()]
NEVER_RUN = {"perceptron:Megapixel"}  # 4 GB of weights


def test_all_claims_hold() -> None:
    """Every claim about a net of many kinds is tested and true.

    Every node is compared in both executors.
    """
    report = mixed()
    assert [d.message for d in report.differences()] == []
    assert CLAIMS == [c.name for c in report.claims]
    assert report.ok
    nodes = len(netdsl.loads(MIXED).graph.nodes)
    # One more for the folded norm. The other norm does not follow a layer with weights.
    assert 2 * nodes + 1 == report.comparisons
    assert 0.1 < report.worst < LIMIT


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.call} on {e.shapes}")
def test_every_kind(example: Example) -> None:
    """Every example of every kind of layer agrees."""
    report = verify_graph(example.net().graph, threads=1)
    assert [d.message for d in report.differences()] == []
    assert report.ok


def test_open_sizes() -> None:
    """Open sizes are verified at two different settings."""
    report = verified(
        "net A {\n    input x: 2xHxW\n    conv(3, 3, stride = 2) -> upsample(2)\n    residual {"
        " conv(3, 3, pad = 1) }\n}"
    )
    assert report.ok
    assert len(report.sizes) == 2
    assert all(report.sizes[0][s] != report.sizes[1][s] for s in "HW")
    assert verified("net A {\n    input x: 2xHxW\n    conv(3, 3) -> adaptive_avgpool(3)\n}").ok


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        (
            "input x: 2xHxW\n conv(3, 7) -> maxpool(2)\n residual { conv(3, 3, pad = 1) }",
            lambda s: s["H"] >= 8 and s["W"] >= 8,
        ),
        (
            "input x: 2xHxW\n down: conv(3, 4, stride = 4)\n deconv(2, 4, stride = 4)\n add(@x)",
            lambda s: s["H"] % 4 == 0 == s["W"] % 4,
        ),
        ("input x: Vx3\n input e: UxU\n gcn(4, @e)", lambda s: s["U"] == s["V"]),
    ],
)
def test_settings_are_valid(body: str, is_valid: Any) -> None:
    """The two settings differ, and both satisfy the conditions of the net."""
    settings = two_settings(netdsl.loads(f"net A {{\n {body}\n}}").graph)
    assert len(settings) == 2
    assert settings[0] != settings[1]
    assert all(is_valid(s) for s in settings)


def test_no_valid_setting() -> None:
    """It is an error if none of the sizes that are tried is valid."""
    with pytest.raises(NetdslError, match="no H from 2"):
        two_settings(netdsl.loads("net A {\n input x: 1xH\n conv(2, 5000)\n}").graph)


def test_inputs_suit_their_layers() -> None:
    """Integers suit every embedding, boxes are inside the image, and edges suit their layers."""
    graph = netdsl.loads(
        "net A {\n input t: 50 int64\n input m: 2x9x9\n input b: 20x4\n @t -> slice(0, 40) -> e:"
        " embedding(5, 3)\n output o: @m -> roi_pool(2, 0.5, @b)\n output p: @e -> flatten\n}"
    ).graph
    words, _, boxes = inputs_for(graph, 3, {}, 0).values()
    assert {0, 1, 2, 3, 4} == set(words.flatten().tolist())
    assert 0 <= boxes.min() <= boxes.max() <= 18
    assert (boxes[..., 0] < boxes[..., 2]).all()
    assert (boxes[..., 1] < boxes[..., 3]).all()
    for call, fits in (
        ("gcn(4, normalize = true, @e)", {0.0, 1.0}),
        ("sage(4, @e)", {0.0, 1.0}),
        ("cheb(4, 3, @e)", None),
    ):
        edges = list(
            inputs_for(
                netdsl.loads(f"net A {{\n input x: 8x3\n input e: 8x8\n {call}\n}}").graph, 2, {}, 0
            ).values()
        )[1]
        torch.testing.assert_close(edges, edges.mT)
        assert fits is None or set(edges.flatten().tolist()) == fits
        assert fits is not None or float(torch.linalg.matrix_norm(edges, 2).max()) <= 1


def test_values_keep_their_scale() -> None:
    """The numbers of a deep net neither vanish nor explode.

    No batch norm has a mean of 0 or a variance of 1, so that a missing statistic shows.
    """
    graph = netdsl.loads(
        "net A {\n input x: 3x8x8\n repeat 60 {\n conv(8, 3, pad = 1) -> bn -> relu\n residual {"
        " conv(8, 3, pad = 1) -> tanh }\n }\n}"
    ).graph
    side = TorchSide(graph)
    settler = Settler(0)
    for step, _, (y,) in side.walk(
        inputs_for(graph, 7, {}, 0), lambda step, xs: settler.settle(step.node, step.tensors(), xs)
    ):
        assert 0.05 < float(y.square().mean().sqrt()) < 50
        if step.node.op.kind == "bn":
            assert step.tensors()["running_mean"].abs().min() > 0
            assert not torch.isclose(step.tensors()["running_var"], torch.ones(())).any()


@pytest.mark.parametrize(
    "call",
    [
        "rnn(3, layers = 2, nonlinearity = relu)",
        "lstm(4, layers = 2, bidirectional = true, last = true)",
        "gru(3, bidirectional = true)",
    ],
)
def test_recurrent_witness(call: str) -> None:
    """The formulas of the recurrent witness agree with PyTorch's module in double precision."""
    graph = netdsl.loads(f"net A {{\n input x: 6x5\n {call}\n}}").graph
    side, settler = TorchSide(graph), Settler(0)
    ((step, xs, _),) = side.walk(
        inputs_for(graph, 2, {}, 0), lambda step, xs: settler.settle(step.node, step.tensors(), xs)
    )
    ((value, _),) = witnesses(step, xs)
    with torch.no_grad():
        torch.testing.assert_close(
            value, step([x.double() for x in xs], step.double()), rtol=1e-12, atol=1e-12
        )
