"""Augments a share of a batch as if the whole batch were there.

Every process draws the numbers of kornia's augmentations for all samples of a batch, and uses those
of its own samples. So the number of processes changes nothing about the augmented images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kornia.augmentation import AugmentationBase2D
from kornia.augmentation.auto import RandAugment
from kornia.augmentation.container.params import ParamItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

SHAPE = "forward_input_shape"  # of the batch for which numbers were drawn
SHARED = (SHAPE, "order")  # what kornia draws only once for a batch


class Portion:
    """Which samples of a batch of `whole` samples this process has."""

    def __init__(self) -> None:
        self.whole, self.own = 0, slice(0, 0)

    def divide(self, change: nn.Module) -> nn.Module:
        """Let an augmentation draw the numbers of the whole batch, and use those of its samples."""
        parts: list[Any] = [change]
        if not isinstance(change, RandAugment):  # it draws the numbers of its parts itself
            parts = [part for part in change.modules() if isinstance(part, AugmentationBase2D)]
        for part in parts:
            part.forward_parameters = self._divided(part.forward_parameters)
        return change

    def _divided(self, draw: Callable[[tuple[int, ...]], Any]) -> Callable[[tuple[int, ...]], Any]:
        return lambda shape: self._part(draw((self.whole, *shape[1:])), shape[0])

    def _part(self, drawn: Any, count: int) -> Any:
        """The numbers of the samples of this process; lists are of augmentations, one by one."""
        if isinstance(drawn, list):
            return [ParamItem(item.name, self._part(item.data, count)) for item in drawn]
        own = {name: values[self.own] for name, values in drawn.items() if name not in SHARED}
        drawn[SHAPE][0] = count
        return {**drawn, **own}
