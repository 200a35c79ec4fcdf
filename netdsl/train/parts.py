"""Builds the parts of a run from its settings: loss, optimizer, learning rate."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from netdsl.data.dataset import TargetData
from netdsl.errors import SettingError
from netdsl.train import settings

LossFunction = Callable[[Tensor, Tensor], Tensor]


class OneHotMSE(nn.Module):
    """Mean squared error between logits N x K and labels N in one-hot encoding, or shares N x K."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over all N x K values, a scalar."""
        if not labels.is_floating_point():
            labels = nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return nn.functional.mse_loss(logits, labels)


def build_loss(loss: settings.Loss, target: TargetData) -> LossFunction:
    """A function that takes the outputs and targets of a batch and gives the mean loss, a scalar.

    The outputs are logits N x K and the targets labels N, or N x K x H x W and N x H x W for masks;
    without classes, both are numbers of the same shape. Raises SettingError `data-mismatch` for
    cross entropy without classes.
    """
    if isinstance(loss, settings.MSE):
        return OneHotMSE() if target.classes else nn.MSELoss()
    if not target.classes:
        message = (
            "the loss is `cross_entropy`, and the targets of the data are numbers, not classes"
        )
        raise SettingError("data-mismatch", message, "loss", "write `loss = mse`")
    ignored = -100 if target.ignored is None else target.ignored
    return nn.CrossEntropyLoss(label_smoothing=loss.label_smoothing, ignore_index=ignored)


def build_optimizer(
    optimizer: settings.Optimizer, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """The torch optimizer over `parameters`.

    Raises SettingError `nothing-to-train` if there are no parameters, or all of them are frozen.
    """
    parameters = list(parameters)
    if not parameters:
        raise SettingError("nothing-to-train", "the net has no weights to train", "optimizer")
    if not any(parameter.requires_grad for parameter in parameters):
        help = "remove `frozen` from the layers that training is to change"
        message = "all weights of the net are frozen"
        raise SettingError("nothing-to-train", message, "optimizer", help)
    lr, decay = optimizer.lr, optimizer.weight_decay
    match optimizer:
        case settings.SGD(momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(
                parameters, lr=lr, momentum=momentum, weight_decay=decay, nesterov=nesterov
            )
        case settings.AdamW():
            return torch.optim.AdamW(parameters, lr=lr, weight_decay=decay)
        case settings.Adam():
            return torch.optim.Adam(parameters, lr=lr, weight_decay=decay)


def rate_factor(schedule: settings.Schedule, step: int, per_epoch: int, epochs: int) -> float:
    """The factor of the learning rate at batch `step` of the run, counted from 0.

    An epoch has `per_epoch` batches. `Cosine` is the annealing of Loshchilov and Hutter, "SGDR",
    2017, equation 5, without restarts.
    """
    epoch = step // per_epoch
    match schedule:
        case settings.Cosine(warmup=warmup):
            rise = warmup * per_epoch
            if step < rise:
                return (step + 1) / rise
            return (1 + math.cos(math.pi * (step - rise) / (epochs * per_epoch - rise))) / 2
        case settings.StepDecay(every=every, gamma=gamma):
            return gamma ** (epoch // every)
        case settings.MultiStep(at=at, gamma=gamma):
            return gamma ** sum(epoch >= milestone for milestone in at)
    return 1.0
