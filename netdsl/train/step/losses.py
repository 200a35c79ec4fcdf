"""Emits the losses of a recipe as ONNX, with the values that `netdsl.train.objective` computes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.backends.onnx.application import Numbers
from netdsl.train.recipe.losses import (
    L1,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    SmoothL1,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.backends.onnx.differentiate import Differentiator
    from netdsl.train.recipe.losses import Loss


def emit_loss(
    g: Differentiator, loss: Loss, scores: str, labels: str, ignored: int | None = None
) -> str:
    """The mean loss of scores, a scalar.

    Labels are classes, with the shape of the scores without the axis of the classes, or numbers
    with the shape of the scores. Classes that are `ignored`, by the loss or besides, do not count.
    """
    counts = None
    both = {ignored, getattr(loss, "ignore", None)} - {None}
    if both and not g.is_float(labels):
        labels, counts = _without(g, labels, both)
    match loss:
        case CrossEntropy():
            return _cross_entropy(g, loss, scores, labels, counts)
        case BinaryCrossEntropy():
            return _binary(g, loss, scores, labels, counts)
        case Dice():
            return _dice(g, loss, scores, labels, counts)
    error = g.op("Sub", scores, _targets(g, scores, labels))
    match loss:
        case MSE():
            error = g.op("Mul", error, error)
        case L1():
            error = g.op("Abs", error)
        case SmoothL1(beta=beta):
            error = _smooth(g, error, beta)
    return _mean(g, error, counts)


def _without(g: Differentiator, labels: str, ignored: Iterable[int | None]) -> tuple[str, str]:
    """The labels with the class 0 for those that do not count, and 1 for those that do, else 0."""
    ones, zeros = g.floats(1.0), g.floats(0.0)
    counts = ""
    for label in sorted(label for label in ignored if label is not None):
        is_ignored = g.op("Equal", labels, g.ints(label))
        labels = g.op("Where", is_ignored, g.ints(0), labels)
        own = g.op("Where", is_ignored, zeros, ones)
        counts = g.op("Mul", counts, own) if counts else own
    return labels, g.op("Unsqueeze", counts, g.ints([1]))


def _axes(g: Differentiator, x: str) -> str:
    return g.ints(list(range(len(g.shape(x)))))


def _sum(g: Differentiator, x: str) -> str:
    return g.op("ReduceSum", x, _axes(g, x), keepdims=0)


def _mean(g: Differentiator, x: str, counts: str | None = None) -> str:
    """The mean of the errors that count; 0 if none does."""
    size = prod(g.shape(x))
    if counts is None:
        return g.op("Mul", _sum(g, x), g.floats(1 / size))
    repeated = size / prod(g.shape(counts))
    number = g.op("Mul", _sum(g, counts), g.floats(repeated))
    total = _sum(g, g.op("Mul", x, counts))
    return g.op("Div", total, g.op("Max", number, g.floats(1.0)))


def _one_hot(g: Differentiator, scores: str, labels: str) -> str:
    """1 for the class of each sample or pixel, and 0 for the others."""
    count = g.shape(scores)[1]
    ones = [1] * (len(g.shape(scores)) - 2)
    classes = g.array(Numbers(tuple(range(count)), (1, count, *ones), "int64"))
    is_class = g.op("Equal", g.op("Unsqueeze", labels, g.ints([1])), classes)
    return g.op("Where", is_class, g.floats(1.0), g.floats(0.0))


def _along_classes(g: Differentiator, weights: tuple[float, ...], scores: str) -> str:
    shape = (1, len(weights), *(1 for _ in g.shape(scores)[2:]))
    return g.array(Numbers(weights, shape))


def _cross_entropy(
    g: Differentiator, loss: CrossEntropy, scores: str, labels: str, counts: str | None
) -> str:
    """The share `label_smoothing` of each target is divided equally among the classes."""
    smoothing, classes = loss.label_smoothing, g.shape(scores)[1]
    chosen = _one_hot(g, scores, labels)
    if counts is not None:
        chosen = g.op("Mul", chosen, counts)
    norm = None
    targets = chosen
    weights = loss.weights if isinstance(loss.weights, tuple) else ()
    if weights:
        own = _along_classes(g, weights, scores)
        targets = g.op("Mul", chosen, own)
    if weights or counts is not None:
        norm = _sum(g, targets)
    if smoothing:
        share = g.floats(smoothing / classes)
        even = g.op("Mul", own, share) if weights else share
        if counts is not None:
            even = g.op("Mul", counts, even)
        targets = g.op("Add", g.op("Mul", targets, g.floats(1 - smoothing)), even)
    total = _sum(g, g.op("Mul", targets, g.op("LogSoftmax", scores, axis=1)))
    if norm is None:
        return g.op("Mul", total, g.floats(-classes / prod(g.shape(scores))))
    if counts is not None:  # if no label counts, the sum is 0, and so is the loss
        is_zero = g.op("Equal", norm, g.floats(0.0))
        norm = g.op("Where", is_zero, g.floats(1.0), norm)
    return g.op("Neg", g.op("Div", total, norm))


def _targets(g: Differentiator, scores: str, labels: str) -> str:
    """The labels as numbers with the shape of the scores."""
    if g.is_float(labels):
        return labels
    if g.shape(scores)[1] == 1:
        return g.op("Cast", g.op("Unsqueeze", labels, g.ints([1])), to=1)
    return _one_hot(g, scores, labels)


def _binary(
    g: Differentiator, loss: BinaryCrossEntropy, scores: str, labels: str, counts: str | None
) -> str:
    """max(x, 0) - x t + log(1 + exp(-abs(x))), which is softplus(x) - x t."""
    targets = _targets(g, scores, labels)
    errors = g.op("Sub", g.op("Softplus", scores), g.op("Mul", scores, targets))
    weights = loss.weights if isinstance(loss.weights, tuple) else ()
    if weights and g.shape(scores)[1] == 1:  # for two classes
        spread = g.op("Mul", targets, g.floats(weights[1] - weights[0]))
        errors = g.op("Mul", errors, g.op("Add", spread, g.floats(weights[0])))
    elif weights:
        errors = g.op("Mul", errors, _along_classes(g, weights, scores))
    return _mean(g, errors, counts)


def _dice(g: Differentiator, loss: Dice, scores: str, labels: str, counts: str | None) -> str:
    targets = _targets(g, scores, labels)
    if g.shape(scores)[1] == 1:
        chances = g.op("Sigmoid", scores)
    else:
        chances = g.op("Softmax", scores, axis=1)
    if counts is not None:
        targets, chances = (g.op("Mul", v, counts) for v in (targets, chances))
    axes = g.ints([i for i in range(len(g.shape(scores))) if i != 1])
    both = g.op("ReduceSum", g.op("Mul", targets, chances), axes, keepdims=0)
    each = g.op("ReduceSum", g.op("Add", targets, chances), axes, keepdims=0)
    smooth = g.floats(loss.smooth)
    shares = g.op(
        "Div",
        g.op("Add", g.op("Mul", both, g.floats(2.0)), smooth),
        g.op("Add", each, smooth),
    )
    return g.op("Sub", g.floats(1.0), _mean(g, shares))


def _smooth(g: Differentiator, error: str, beta: float) -> str:
    """Half the square by `beta` below an error of `beta`, and the error less half of it above."""
    size = g.op("Abs", error)
    square = g.op("Mul", g.op("Mul", error, error), g.floats(0.5 / beta))
    line = g.op("Sub", size, g.floats(0.5 * beta))
    return g.op("Where", g.op("Less", size, g.floats(beta)), square, line)
