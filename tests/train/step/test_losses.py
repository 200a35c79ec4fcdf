"""The losses of a training step are those of `netdsl train`, with their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
from netdsl.backends.onnx.differentiate import Differentiator
from netdsl.backends.onnx.form import OPSET
from netdsl.backends.onnx.training import Terminal, model_of_ports
from netdsl.data.dataset import TargetData
from netdsl.train.objective import build_loss
from netdsl.train.recipe.losses import (
    L1,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    Loss,
    SmoothL1,
)
from netdsl.train.step.losses import emit_loss
from tests.support.train_steps import as_onnx, run_model

SITE = netdsl.loads("net A { input x: 1 \n relu }").graph.site
VECTORS, PIXELS, ONE = (4, 3), (2, 3, 2, 5), (6, 1)
WEIGHTS = (0.5, 2.0, 1.0)
CASES: list[tuple[Loss, tuple[int, ...], bool, int | None]] = [
    (CrossEntropy(), VECTORS, True, None),
    (CrossEntropy(label_smoothing=0.1), VECTORS, True, None),
    (CrossEntropy(weights=WEIGHTS), VECTORS, True, None),
    (CrossEntropy(0.2, WEIGHTS), PIXELS, True, None),
    (CrossEntropy(0.2, WEIGHTS, 1), PIXELS, True, None),
    (CrossEntropy(0.1, ignore=2), PIXELS, True, 0),
    (CrossEntropy(), PIXELS, True, 1),
    (BinaryCrossEntropy(), VECTORS, True, None),
    (BinaryCrossEntropy(weights=(0.5, 3.0)), ONE, True, None),
    (BinaryCrossEntropy(WEIGHTS, 1), PIXELS, True, None),
    (BinaryCrossEntropy(WEIGHTS), VECTORS, False, None),
    (Dice(), PIXELS, True, None),
    (Dice(smooth=0.5, ignore=0), PIXELS, True, 1),
    (Dice(), ONE, True, None),
    (MSE(), VECTORS, False, None),
    (MSE(), PIXELS, True, 2),
    (MSE(), ONE, True, None),
    (L1(), PIXELS, False, None),
    (SmoothL1(beta=0.5), VECTORS, False, None),
]


def emitted(
    loss: Loss, scores: np.ndarray, labels: np.ndarray, ignored: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The loss, and the gradient of the scores."""
    g = Differentiator(OPSET, ["x"])
    g.declare("x", "float32", scores.shape)
    g.declare("t", labels.dtype.name, labels.shape)
    g.begin_at("loss", "loss", SITE)
    value = emit_loss(g, loss, "x", "t", ignored)
    g.add(value, g.floats(1.0))
    g.tape = list(g.nodes)
    g.derive()
    gradient = g.gradient("x")
    assert gradient is not None
    outputs = [Terminal("loss", value), Terminal("gradient", gradient)]
    ports = [Terminal("x", "x"), Terminal("t", "t")]
    model = as_onnx(model_of_ports(g, "loss", "", ports, outputs, {}))
    found = run_model(model, {"x": scores, "t": labels})
    return found["loss"], found["gradient"]


@pytest.mark.parametrize(("loss", "shape", "has_classes", "ignored"), CASES)
def test_loss(loss: Loss, shape: tuple[int, ...], has_classes: bool, ignored: int | None) -> None:
    """Classes and numbers, vectors and pixels, weights, smoothing, and classes that are ignored."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=shape).astype(np.float32)
    labels: np.ndarray = rng.integers(0, max(2, shape[1]), (shape[0], *shape[2:]))
    if not has_classes:
        labels = rng.normal(size=shape).astype(np.float32)
    x = torch.from_numpy(scores).double().requires_grad_()
    target = TargetData(("a", "b", "c")[: max(2, shape[1])], ignored)
    given = torch.from_numpy(labels)
    function = build_loss(loss, target if has_classes else TargetData())
    if isinstance(function, torch.nn.Module):
        function = function.double()
    weights = getattr(function, "_weights", None)
    if weights is not None:
        setattr(function, "_weights", weights.double())
    expected = function(x, given if has_classes else given.double())
    torch.autograd.backward(expected)
    assert x.grad is not None
    value, gradient = emitted(loss, scores, labels, ignored)
    assert value == pytest.approx(expected.item(), rel=2e-6)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", [CrossEntropy(ignore=1), Dice(ignore=1), MSE()])
def test_all_ignored(loss: Loss) -> None:
    """If no label counts, the loss has no gradient, and it is a number."""
    scores = np.ones((2, 3), np.float32)
    value, gradient = emitted(loss, scores, np.array([1, 1]), 1)
    assert np.isfinite(value)
    assert not gradient.any()
