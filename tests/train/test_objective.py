"""Losses, compared with formulas that are written out, and their sum over several outputs."""

import pytest
import torch
from torch.nn import functional as F

from netdsl.data.dataset import TargetData
from netdsl.errors import SettingError
from netdsl.train.objective import Objective, build_loss
from netdsl.train.recipe.losses import (
    L1,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    Loss,
    OutputLoss,
    SmoothL1,
    parts_of,
    targets_of,
)

SCORES = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]])
LABELS = torch.tensor([0, 2])
ONE_HOT = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
PIXELS = torch.arange(24.0).reshape(2, 3, 2, 2).sin()
CLASSES = TargetData(("a", "b", "c"))
Ignoring = CrossEntropy | BinaryCrossEntropy | Dice
MASK = torch.tensor([[[0, 1], [2, 255]], [[255, 1], [1, 0]]])


def value(loss: Loss, scores: torch.Tensor = SCORES, targets: torch.Tensor = LABELS) -> float:
    return build_loss(loss, CLASSES)(scores, targets).item()


def test_cross_entropy() -> None:
    """Label smoothing, weights of classes, and an ignored class."""
    log = torch.log_softmax(SCORES, 1)
    smooth = -(0.9 * log[0, 0] + 0.1 * log[0].mean())
    smoothed = CrossEntropy(label_smoothing=0.1)
    assert value(smoothed, SCORES[:1], LABELS[:1]) == pytest.approx(smooth.item())
    weighted = -(2 * log[0, 0] + 0.5 * log[1, 2]) / 2.5
    assert value(CrossEntropy(weights=(2.0, 1.0, 0.5))) == pytest.approx(weighted.item())
    assert value(CrossEntropy(ignore=2)) == pytest.approx(-log[0, 0].item())


def test_cross_entropy_of_pixels() -> None:
    """Each pixel counts as an image does; those of the ignored class do not count."""
    log = torch.log_softmax(PIXELS, 1)
    chosen = [
        log[n, MASK[n, y, x], y, x]
        for n in range(2)
        for y in range(2)
        for x in range(2)
        if MASK[n, y, x] != 255
    ]
    expected = -torch.stack(chosen).mean().item()
    assert value(CrossEntropy(ignore=255), PIXELS, MASK) == pytest.approx(expected)


def test_binary_cross_entropy() -> None:
    """Classes become 0 and 1, values stay, and a net with one score has two classes."""
    chances = SCORES.sigmoid()
    errors = -(ONE_HOT * chances.log() + (1 - ONE_HOT) * (1 - chances).log())
    assert value(BinaryCrossEntropy()) == pytest.approx(errors.mean().item())
    assert value(BinaryCrossEntropy(), targets=ONE_HOT) == pytest.approx(errors.mean().item())
    weights = torch.tensor([2.0, 1.0, 0.5])
    assert value(BinaryCrossEntropy((2.0, 1.0, 0.5))) == pytest.approx(
        (errors * weights).mean().item()
    )
    single = F.softplus(torch.tensor([-2.0, 0.5])).mean().item()
    scores = torch.tensor([[2.0], [0.5]])
    assert value(BinaryCrossEntropy(), scores, torch.tensor([1, 0])) == pytest.approx(single)
    masked = value(BinaryCrossEntropy(ignore=255), PIXELS, MASK)
    kept = (MASK != 255).unsqueeze(1).expand_as(PIXELS)
    target = F.one_hot(MASK.clamp(max=2), 3).movedim(-1, 1).float()
    every = F.binary_cross_entropy_with_logits(PIXELS, target, reduction="none")
    assert masked == pytest.approx(every[kept].mean().item())


def test_dice() -> None:
    """It is 0 for a perfect prediction, and the formula holds without the ignored pixels."""
    perfect = 100 * F.one_hot(MASK.clamp(max=2), 3).movedim(-1, 1).float()
    assert value(Dice(ignore=255), perfect, MASK) == pytest.approx(0, abs=1e-6)
    chances = PIXELS.softmax(1)
    kept = MASK != 255
    coefficients = []
    for k in range(3):
        p, t = chances[:, k][kept], (MASK[kept] == k).float()
        coefficients.append((2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
    expected = 1 - torch.stack(coefficients).mean().item()
    assert value(Dice(ignore=255), PIXELS, MASK) == pytest.approx(expected)


def test_losses_of_values() -> None:
    """Squared, absolute and smooth errors, for classes and for values."""
    for loss, errors in (
        (MSE(), (SCORES - ONE_HOT) ** 2),
        (L1(), (SCORES - ONE_HOT).abs()),
        (SmoothL1(0.5), F.smooth_l1_loss(SCORES, ONE_HOT, beta=0.5, reduction="none")),
    ):
        assert value(loss) == pytest.approx(errors.mean().item())
        assert value(loss, targets=ONE_HOT) == pytest.approx(errors.mean().item())
    assert value(MSE(), SCORES[:, :1], torch.tensor([0.0, 1.5])) == pytest.approx((4 + 1) / 2)


def test_the_losses_of_several_outputs() -> None:
    """Each output has its target by name, its loss and its weight; the others are not trained."""
    parts = (OutputLoss("kind", CrossEntropy()), OutputLoss("size", L1(), 0.5))
    objective = Objective(parts, ["extra", "size", "kind"], {"kind": CLASSES, "size": TargetData()})
    results = (torch.tensor(9.0), SCORES[:, :1], SCORES)
    targets = {"kind": LABELS, "size": torch.tensor([1.0, 2.0])}
    expected = value(CrossEntropy()) + 0.5 * (1 + 1.5) / 2
    assert objective(results, targets).item() == pytest.approx(expected)
    assert (objective.main, objective.target) == (2, "kind")


def test_outputs_and_targets_match_by_name() -> None:
    """A single output and target match whatever their names; otherwise both sides are listed."""
    single = Objective([OutputLoss("logits", MSE())], ["a", "logits"], {"label": CLASSES})
    assert single.main == 1
    two = [OutputLoss("a", MSE()), OutputLoss("b", MSE())]
    with pytest.raises(
        SettingError, match="trains `a`, `b`, but the targets of the data are `label`"
    ):
        Objective(two, ["a", "b"], {"label": CLASSES})


def test_a_loss_names_outputs_of_the_net() -> None:
    """A net with two outputs needs names, and these must be its own."""
    assert parts_of(MSE(), ("out",)) == (OutputLoss("out", MSE()),)
    with pytest.raises(SettingError, match="has the outputs `a`, `b`, but `loss` names none"):
        parts_of(MSE(), ("a", "b"))
    with pytest.raises(SettingError, match="names the output `c`, which the net does not have"):
        parts_of((OutputLoss("c", MSE()),), ("a", "b"))


def test_the_class_that_a_target_ignores_is_left_out() -> None:
    """A loss that names no class ignores that of the data."""
    target = TargetData(("a", "b", "c"), 255)
    for loss in (CrossEntropy, BinaryCrossEntropy, Dice):
        of_data = build_loss(loss(), target)(PIXELS, MASK).item()
        assert of_data == value(loss(ignore=255), PIXELS, MASK)


@pytest.mark.parametrize("loss", [CrossEntropy, BinaryCrossEntropy, Dice])
def test_a_loss_ignores_a_class_besides_that_of_the_target(loss: type[Ignoring]) -> None:
    """Pixels without a class are left out, too, if the loss ignores a class."""
    target = TargetData(("a", "b", "c"), 255)
    found = build_loss(loss(ignore=1), target)(PIXELS, MASK).item()
    without = MASK.masked_fill(MASK == 1, 255)
    assert found == pytest.approx(value(loss(ignore=255), PIXELS, without))


def test_errors_of_values_leave_out_pixels_without_a_class() -> None:
    """The squared error of a mask is the mean over the pixels that have a class."""
    found = build_loss(MSE(), TargetData(("a", "b", "c"), 255))(PIXELS, MASK)
    one_hot = F.one_hot(MASK.masked_fill(MASK == 255, 0), 3).movedim(-1, 1)
    kept = (MASK != 255)[:, None].expand_as(PIXELS)
    assert found.item() == pytest.approx((PIXELS - one_hot)[kept].square().mean().item())


@pytest.mark.parametrize("loss", [CrossEntropy, BinaryCrossEntropy, Dice])
def test_a_batch_in_which_no_target_counts(loss: type[Ignoring]) -> None:
    """Its loss is finite, and its gradient is 0: such a batch changes nothing."""
    scores = PIXELS.clone().requires_grad_()
    found = build_loss(loss(ignore=1), CLASSES)(scores, torch.ones_like(MASK))
    torch.autograd.backward(found)
    assert found.isfinite()
    assert scores.grad is not None
    assert not scores.grad.any()


def test_weights_of_a_single_score() -> None:
    """The first weight is that of the class 0."""
    scores, targets = torch.tensor([[2.0], [0.5], [-1.0]]), torch.tensor([1, 0, 0])
    errors = F.binary_cross_entropy_with_logits(
        scores[:, 0], targets.float(), reduction="none"
    ) * torch.tensor([5.0, 0.5, 0.5])
    found = value(BinaryCrossEntropy((0.5, 5.0)), scores, targets)
    assert found == pytest.approx(errors.mean().item())


def test_losses_that_do_not_fit_the_target() -> None:
    """Numbers have no classes, and weights need one for each class."""
    with pytest.raises(SettingError, match="`cross_entropy`, but the targets of D are numbers"):
        targets_of([OutputLoss("a", CrossEntropy())], {"y": None}, "D")
    with pytest.raises(SettingError, match="has 2 numbers, but D has 3 classes"):
        targets_of([OutputLoss("a", CrossEntropy(weights=(1.0, 2.0)))], {"y": 3}, "D")
    assert targets_of([OutputLoss("a", MSE())], {"y": None}, "D") == ["y"]
