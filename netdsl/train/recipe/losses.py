"""The losses of a `train` section; imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from netdsl.config import BareWord
from netdsl.data.arguments import Constraint, Natural, Positive
from netdsl.errors import EntryPart, SettingError
from netdsl.words import counted

BALANCED = BareWord("balanced")


def _are_weights(values: BareWord | tuple[float, ...]) -> bool:
    if isinstance(values, str):
        return values == BALANCED
    return not values or (min(values) >= 0 and max(values) > 0)


Smoothing = Annotated[float, Constraint("a number of at least 0 and below 1", lambda v: 0 <= v < 1)]
ClassWeights = Annotated[
    BareWord | tuple[float, ...],
    Constraint("`balanced`, or a list of numbers of at least 0, one of them above 0", _are_weights),
]


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of the softmax of the scores, for each image or pixel.

    `weights` has a weight for each class, or is `balanced`, so that each class has the same share
    in the loss of the training set. Targets of the class `ignore` are left out.
    """

    label_smoothing: Smoothing = 0.0
    weights: ClassWeights = ()
    ignore: Natural | None = None


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Binary cross entropy of the sigmoid of each score, with `weights` as in `cross_entropy`."""

    weights: ClassWeights = ()
    ignore: Natural | None = None


@dataclass(frozen=True)
class Dice:
    """1 - the mean Dice coefficient of the classes, over all pixels of a batch.

    The coefficient is (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) for probabilities p and
    targets t: Milletari et al., "V-Net", 2016, without the squares.
    """

    smooth: Positive = 1.0
    ignore: Natural | None = None


@dataclass(frozen=True)
class MSE:
    """Mean squared error; for classes, the target is 1 for the image's class and 0 for others."""


@dataclass(frozen=True)
class L1:
    """Mean absolute error, with the targets of `mse`."""


@dataclass(frozen=True)
class SmoothL1:
    """Huber's loss divided by `beta`: squared below an error of `beta`, and absolute above it."""

    beta: Positive = 1.0


ONE_SCORE = (BinaryCrossEntropy, Dice)  # they take the sigmoid of a single score for two classes
Loss = CrossEntropy | BinaryCrossEntropy | Dice | MSE | L1 | SmoothL1

LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": CrossEntropy,
    "bce": BinaryCrossEntropy,
    "dice": Dice,
    "mse": MSE,
    "l1": L1,
    "smooth_l1": SmoothL1,
}


def name_of(loss: Loss) -> str:
    """The name of a loss in a section."""
    return next(name for name, kind in LOSSES.items() if kind is type(loss))


@dataclass(frozen=True)
class OutputLoss:
    """The loss of an output of the net, and its weight in the sum."""

    output: str
    loss: Loss
    weight: float = 1.0


LossEntry = Loss | tuple[OutputLoss, ...]


def parts_of(entry: LossEntry, outputs: tuple[str, ...]) -> tuple[OutputLoss, ...]:
    """The loss of each output that is trained, for a net with these outputs.

    Raises SettingError: `bad-argument` for an output that the net does not have, or for one loss
    and several outputs.
    """
    listed = ", ".join(f"`{name}`" for name in outputs)
    if not isinstance(entry, tuple):
        if len(outputs) == 1:
            return (OutputLoss(outputs[0], entry),)
        message = f"the net has the outputs {listed}, but `loss` names none of them"
        help_ = f"name those that are trained: `loss = [({outputs[0]}, cross_entropy)]`"
        raise SettingError("bad-argument", message, "loss", help_)
    for part in entry:
        if part.output not in outputs:
            message = f"`loss` names the output `{part.output}`, which the net does not have"
            found = "its output is" if len(outputs) == 1 else "its outputs are"
            raise SettingError("bad-argument", message, "loss", f"{found} {listed}")
    return entry


def targets_of(
    parts: Sequence[OutputLoss], classes: Mapping[str, int | None], data: str
) -> Sequence[str]:
    """The target of each output that is trained: that of its name, or the only one.

    `classes` has the number of classes of each target, or None if it has numbers, and `data` is the
    name of the data. Raises SettingError: `data-mismatch` if the names are not the same, or for a
    loss of classes and a target of numbers; `bad-argument` unless there is a weight for each class.
    """
    outputs, targets = [part.output for part in parts], list(classes)
    if len(outputs) == len(targets) == 1:
        names = targets
    elif set(outputs) <= set(targets):
        names = outputs
    else:
        listed = [", ".join(f"`{name}`" for name in names) for names in (outputs, targets)]
        message = f"`loss` trains {listed[0]}, but the targets of {data} are {listed[1]}"
        help_ = "give each output that is trained the name of its target"
        raise SettingError("data-mismatch", message, "loss", help_)
    for part, name in zip(parts, names, strict=True):
        _check_classes(part.loss, classes[name], data)
    return names


def _check_classes(loss: Loss, classes: int | None, data: str) -> None:
    name, weights = name_of(loss), getattr(loss, "weights", ())
    if classes is None and weights == BALANCED and not isinstance(loss, CrossEntropy):
        message = f"`weights` of `{name}` is `balanced`, but the targets of {data} are numbers"
        help_ = "balanced weights need targets with classes: give a list of numbers"
        raise SettingError("bad-argument", message, "loss", help_, part=EntryPart(name, "weights"))
    if classes is None and isinstance(loss, BinaryCrossEntropy) and loss.ignore is not None:
        message = f"`ignore` of `{name}` is {loss.ignore}, but the targets of {data} are numbers"
        part = EntryPart(name, "ignore")
        raise SettingError("bad-argument", message, "loss", "leave it out", part=part)
    if classes is None and isinstance(loss, CrossEntropy | Dice):
        message = f"the loss is `{name}`, but the targets of {data} are numbers, not classes"
        help_ = (
            "classes are integers from 0: of one-hot rows, store `y.argmax(1)`; for numbers, take a"
            " loss such as `mse`"
        )
        raise SettingError("data-mismatch", message, "loss", help_)
    if not weights or weights == BALANCED or classes is None or len(weights) == classes:
        return
    has = counted(len(weights), "number")
    message = f"`weights` of `{name}` has {has}, but {data} has {counted(classes, 'class')}"
    help_ = "write one number for each class, or `weights = balanced`"
    part = EntryPart(name, "weights")
    raise SettingError("bad-argument", message, "loss", help_, part=part)
