"""The loss of a net: the sum of the losses of its outputs, with their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netdsl.train.recipe import losses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.data.dataset import TargetData

NO_CLASS = -100  # no data have it
LossFunction = Callable[[Tensor, Tensor], Tensor]


class _Term(NamedTuple):
    output: int  # its number
    target: str
    loss: LossFunction
    weight: float


class Objective:
    """The loss of the outputs of a net, for targets by name.

    In training, the outputs of a net are followed by the scores of its auxiliary heads, which have
    the loss and the target of the first part, with weights of their own.
    """

    def __init__(
        self,
        parts: Sequence[losses.OutputLoss],
        outputs: Sequence[str],
        targets: Mapping[str, TargetData],
        heads: Sequence[float] = (),
        data: str = "the data",
    ) -> None:
        classes = {name: len(target.classes) or None for name, target in targets.items()}
        names = losses.targets_of(parts, classes, data)
        self._count = len(outputs)
        self._terms = [
            _Term(
                outputs.index(part.output), name, build_loss(part.loss, targets[name]), part.weight
            )
            for part, name in zip(parts, names, strict=True)
        ]
        first = self._terms[0]
        self._heads = [
            first._replace(output=len(outputs) + number, weight=weight)
            for number, weight in enumerate(heads)
        ]

    @property
    def main(self) -> int:
        """The number of the output that the metrics are about: the first that is trained."""
        return self._terms[0].output

    @property
    def takes_one_score(self) -> bool:
        """Whether one score of that output is enough for two classes."""
        return isinstance(self._terms[0].loss, _BinaryCrossEntropy | _Dice)

    @property
    def target(self) -> str:
        """The name of the target of that output."""
        return self._terms[0].target

    def __call__(self, values: Sequence[Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """The loss of the outputs of the net, a scalar."""
        terms = [*self._terms]
        if len(values) > self._count:
            terms += self._heads
        first, *others = (_weighted(term, values, targets) for term in terms)
        return sum(others, start=first)


def _weighted(term: _Term, values: Sequence[Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    loss = term.loss(values[term.output].float(), targets[term.target])
    if term.weight == 1:
        return loss  # without a step for autograd, which a small net would notice
    return term.weight * loss


def build_loss(loss: losses.Loss, target: TargetData) -> LossFunction:
    """A function that takes scores and targets, and gives the mean loss, a scalar.

    Scores are N x K, or N x K x H x W for pixels. Targets are classes, N or N x H x W, or values
    with the shape of the scores. The classes that the loss and the target ignore are left out.
    """
    both = {getattr(loss, "ignore", None), target.ignored}
    ignored = tuple(label for label in both if label is not None)
    match loss:
        case losses.CrossEntropy():
            return _CrossEntropy(loss, ignored)
        case losses.BinaryCrossEntropy():
            return _BinaryCrossEntropy(loss, ignored)
        case losses.Dice():
            return _Dice(loss, ignored)
        case losses.MSE():
            return _of_values(partial(F.mse_loss, reduction="none"), ignored)
        case losses.L1():
            return _of_values(partial(F.l1_loss, reduction="none"), ignored)
        case losses.SmoothL1(beta=beta):
            return _of_values(partial(F.smooth_l1_loss, reduction="none", beta=beta), ignored)


class _CrossEntropy(nn.Module):
    def __init__(self, loss: losses.CrossEntropy, ignored: Sequence[int]) -> None:
        super().__init__()
        self._weights = _class_weights(loss.weights)
        self._ignores = bool(ignored)
        self._ignore, *self._others = ignored or [NO_CLASS]
        self._smoothing = loss.label_smoothing

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of scores and targets, a scalar; 0 if no target counts."""
        weights = self._weights
        if weights is not None:
            weights = weights.to(scores.device)
        ignore, smoothing = self._ignore, self._smoothing
        can_ignore = self._ignores and not targets.is_floating_point()
        if can_ignore:
            for other in self._others:
                targets = targets.masked_fill(targets == other, ignore)
        loss = F.cross_entropy(
            scores, targets, weight=weights, ignore_index=ignore, label_smoothing=smoothing
        )
        if can_ignore:  # the mean of no targets is not a number
            loss = torch.where((targets != ignore).any(), loss, 0.0)
        return loss


class _BinaryCrossEntropy(nn.Module):
    def __init__(self, loss: losses.BinaryCrossEntropy, ignored: Sequence[int]) -> None:
        super().__init__()
        self._weights = _class_weights(loss.weights)
        self._ignored = ignored

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        values, counts = _values_of(scores, targets, self._ignored)
        errors = F.binary_cross_entropy_with_logits(scores, values, reduction="none")
        if self._weights is not None:
            weights = self._weights.to(scores.device)
            if scores.shape[1] == 1:  # for two classes
                errors = errors * torch.lerp(weights[0], weights[1], values)
            else:
                errors = errors * _along_classes(weights, scores)
        return _mean(errors, counts)


class _Dice(nn.Module):
    def __init__(self, loss: losses.Dice, ignored: Sequence[int]) -> None:
        super().__init__()
        self._smooth, self._ignored = loss.smooth, ignored

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        values, counts = _values_of(scores, targets, self._ignored)
        chances = scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(1)
        if counts is not None:
            values, chances = values * counts, chances * counts
        axes = [axis for axis in range(scores.dim()) if axis != 1]
        both = (values * chances).sum(axes)
        each = values.sum(axes) + chances.sum(axes)
        return 1 - ((2 * both + self._smooth) / (each + self._smooth)).mean()


def _of_values(error: LossFunction, ignored: Sequence[int]) -> LossFunction:
    def mean_error(scores: Tensor, targets: Tensor) -> Tensor:
        values, counts = _values_of(scores, targets, ignored)
        return _mean(error(scores, values), counts)

    return mean_error


def _mean(errors: Tensor, counts: Tensor | None) -> Tensor:
    """The mean of the errors that count; 0 if none does."""
    if counts is None:
        return errors.mean()
    return (errors * counts).sum() / counts.expand_as(errors).sum().clamp(min=1)


def _values_of(
    scores: Tensor, targets: Tensor, ignored: Sequence[int]
) -> tuple[Tensor, Tensor | None]:
    """The targets as values with the shape of the scores, and which of them count, as 0 or 1.

    A class becomes 1 for that class and 0 for the others; it is the value itself if there is only
    one score. The second result has one class, and is None if all values count.
    """
    if targets.is_floating_point():
        return targets.to(scores.dtype).reshape(scores.shape), None
    counts = None
    if ignored:
        is_ignored = torch.stack([targets == label for label in ignored]).any(0)
        counts = (~is_ignored).unsqueeze(1).to(scores.dtype)
        targets = targets.masked_fill(is_ignored, 0)
    if scores.shape[1] == 1:
        return targets.unsqueeze(1).to(scores.dtype), counts
    return F.one_hot(targets, scores.shape[1]).movedim(-1, 1).to(scores.dtype), counts


def _class_weights(weights: str | tuple[float, ...]) -> Tensor | None:
    if isinstance(weights, str):
        raise TypeError(f"the weights are `{weights}`: `with_class_weights` gives their numbers")
    return torch.tensor(weights) if weights else None


def _along_classes(weights: Tensor, scores: Tensor) -> Tensor:
    return weights.reshape(-1, *[1] * (scores.dim() - 2))
