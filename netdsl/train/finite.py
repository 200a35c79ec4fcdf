"""Stops a run whose numbers are no longer finite, and names the layer where that began."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from netdsl.errors import SettingError
from netdsl.train.parallel import total_norm, whole
from netdsl.train.processes import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.train.processes import Processes

CALMER = (
    "lower the `lr` of the optimizer; a warm-up, `schedule = cosine(warmup = 1)`, and a limit for"
    " the gradients, `clip_norm = 1`, also help"
)
AT_ONCE = (
    "no step was taken before, so the cause is not `lr`: look for numbers in the data, and for"
    " weights, that are far larger than 1"
)
TRAINING = "training"
MOST = 1e10  # a loss that is so many times the first one has diverged, although it is finite


class Watch:
    """Checks the loss, the gradients and the weights after each step.

    `first` is the loss of the first step of the run, or None before it. `processes` are those that
    divide the layers of the net; all of them find the same.
    """

    def __init__(
        self, module: nn.Module, first: float | None, processes: Processes = ALONE
    ) -> None:
        self.module, self._processes = module, processes
        self.first = first
        self._learned = [p for p in module.parameters() if p.requires_grad]

    def check_loss(self, loss: Tensor, place: str, again: Callable[[], object]) -> None:
        """Raise SettingError `diverged` for a loss that is not finite, before the weights change.

        After the step, all weights would be NaN, and the layer where that began could not be found.
        `place` is the step in words, and `again` repeats its forward pass.
        """
        value = float(loss)
        if not math.isfinite(value):
            advice = AT_ONCE if self.first is None else CALMER
            layer = self._agreed(self._where(again))
            raise _diverged(f"the training loss is {value} {place}", layer, advice)

    def check(self, loss: Tensor, place: str) -> None:
        """Raise SettingError `diverged` if a weight is not finite, or the loss is far too large.

        `loss` is finite, and `place` is the step in words. A gradient that is not finite makes its
        weight so in the same step. It also makes those of the layers before it so, to which it is
        passed back: the last one is named.
        """
        # The norm is not finite if a number is not, or if its square is too large: that is rare.
        norm = whole(total_norm(self._learned, self._processes))
        value, length = torch.stack((loss.float(), norm.float())).tolist()
        advice = CALMER
        if self.first is None:
            self.first, advice = value, AT_ONCE
        self._check_size(TRAINING, value, place)
        if math.isfinite(length):
            return
        name = self._wrong_gradient()
        if name is not None:
            fact = f"the gradient of `{name}` has numbers that are not finite {place}"
            raise _diverged(fact, advice=advice)
        name = self._agreed(_first_wrong(dict(self.module.named_parameters())))
        if name is not None:
            raise _diverged(f"`{name}` has numbers that are not finite {place}")

    def overflow_error(self, fact: str, again: Callable[[], object]) -> SettingError:
        """The error `diverged` about gradients that overflow fp16, with the layer that begins it.

        `fact` says how often, and `again` repeats the forward pass of the last step.
        """
        layer = self._agreed(self._where(again))
        if layer is None and (name := self._wrong_gradient()) is not None:
            fact += f"; backwards, the first one that is not finite is that of `{name}`"
        elif layer is not None:
            fact += f"; the first numbers that are not finite come from {layer}"
        help_ = "lower `lr` of the optimizer, or write `precision = bf16`"
        return SettingError("diverged", fact, "precision", help_)

    def check_tested(self, record: Mapping[str, float], place: str) -> None:
        """Raise SettingError `diverged` unless the losses of a test are finite, and not too large.

        `place` is the epoch in words.
        """
        for key, data in (("val_loss", "validation"), ("test_loss", "test")):
            value = record.get(key, 0.0)
            if not math.isfinite(value):
                raise _diverged(f"the {data} loss is {value} {place}")
            self._check_size(data, value, place)

    def _check_size(self, data: str, value: float, place: str) -> None:
        """Raise SettingError `diverged` for a loss far above that of the first step."""
        if self.first is not None and value > MOST * max(1.0, abs(self.first)):
            was = "was" if data == TRAINING else "the training loss was"
            fact = f"the {data} loss is {value:.3g} {place}, and {was} {self.first:.3g} at first"
            raise _diverged(fact)

    def check_stored(self, place: str) -> None:
        """Raise SettingError `diverged` if a stored tensor is not finite."""
        name = self._agreed(_first_wrong(self.module.state_dict()))
        if name is not None:
            raise _diverged(f"`{name}` has numbers that are not finite {place}")

    def _wrong_gradient(self) -> str | None:
        """The weight nearest to the loss whose gradient is not finite, if there is one."""
        last_first = reversed(list(self.module.named_parameters()))
        found = _first_wrong({name: p.grad for name, p in last_first})
        return next(filter(None, reversed(self._processes.texts(found or ""))), None)

    def _agreed(self, found: str | None) -> str | None:
        """What the first of the processes has found that has found anything."""
        return next(filter(None, self._processes.texts(found or "")), None)

    def _where(self, again: Callable[[], object]) -> str | None:
        """The first layer whose result is not finite when the forward pass is repeated, in words.

        A layer without weights can be no module of its own: then its neighbours are named.
        """
        found: list[str] = []
        before: list[str] = []  # the names of the modules whose results are finite

        def look(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
            def hook(_module: nn.Module, inputs: tuple[object, ...], result: object) -> None:
                if not _is_wrong(result):
                    before.append(name)
                elif not any(map(_is_wrong, inputs)):
                    found.append(f"layer `{name}`")
                elif before:
                    found.append(f"a layer between `{before[-1]}` and `{name}`")
                else:
                    found.append(f"a layer before `{name}`")

            return hook

        leaves = [(n, m) for n, m in self.module.named_modules() if n and not list(m.children())]
        handles = [module.register_forward_hook(look(name)) for name, module in leaves]
        with torch.no_grad():
            again()
        for handle in handles:
            handle.remove()
        return found[0] if found else None


def _is_wrong(value: object) -> bool:
    return isinstance(value, Tensor) and not bool(value.isfinite().all())


def _first_wrong(tensors: Mapping[str, Tensor | None]) -> str | None:
    """The name of the first tensor with a number that is not finite, if there is one."""
    for name, tensor in tensors.items():
        if tensor is not None and not whole(tensor).isfinite().all():
            return name
    return None


def _diverged(fact: str, layer: str | None = None, advice: str = CALMER) -> SettingError:
    if layer is not None:
        fact += f"; the first numbers that are not finite come from {layer}"
    return SettingError("diverged", fact, "optimizer", advice)
