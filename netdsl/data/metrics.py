"""What a `train` section can measure. numpy is loaded where something is measured:

`netdsl check` reads sections without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdsl.data.arguments import Count
from netdsl.errors import SettingError
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.data.dataset import Floats, Labels


@dataclass(frozen=True)
class Accuracy:
    """The share of images whose class is among the `top` largest logits."""

    top: Count = 1

    @property
    def key(self) -> str:
        """Its name in logs and results: `accuracy`, or `top5_accuracy`."""
        return "accuracy" if self.top == 1 else f"top{self.top}_accuracy"

    def __call__(self, logits: "Floats", labels: "Labels") -> float:
        """Logits N x K, labels N: a value from 0 to 1.

        Of equal logits the first counts as larger.
        """
        import numpy as np

        classes = logits.shape[1]
        if self.top > classes:
            message = f"`top` of `accuracy` is {self.top}, the net has {counted(classes, 'class')}"
            raise SettingError("bad-argument", message, "metrics")
        own = logits[np.arange(len(labels)), labels][:, None]
        later = np.arange(classes) > labels[:, None]
        # Counting what is surely smaller lets a NaN, which compares with nothing, count as a miss.
        smaller = (logits < own) | ((logits == own) & later)
        return float((classes - 1 - smaller.sum(axis=1) < self.top).mean())


METRICS: dict[str, Callable[..., Accuracy]] = {"accuracy": Accuracy}
