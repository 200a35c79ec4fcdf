"""The metrics that a `train` section can name.

numpy is imported only when a metric is computed, because `netdsl check` reads sections without it.
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

    @property
    def rises(self) -> bool:
        """Whether higher values are better."""
        return True

    def check(self, classes: int) -> None:
        """Raise SettingError `bad-argument` if `top` is above the number of classes."""
        if self.top > classes:
            message = f"`top` of `accuracy` is {self.top}, the net has {counted(classes, 'class')}"
            help_ = f"`top` is at most {classes}, and below it to be of use"
            raise SettingError("bad-argument", message, "metrics", help_)

    def __call__(self, logits: "Floats", labels: "Labels") -> float:
        """The share, from 0 to 1, for logits N x K and labels N.

        Of two equal logits, the one with the lower index counts as larger. Raises SettingError
        `bad-argument` if `top` is above K.
        """
        import numpy as np

        classes = logits.shape[1]
        self.check(classes)
        own = logits[np.arange(len(labels)), labels][:, None]
        later = np.arange(classes) > labels[:, None]
        # A NaN is neither smaller nor larger. Counting the smaller logits makes it a miss.
        smaller = (logits < own) | ((logits == own) & later)
        return float((classes - 1 - smaller.sum(axis=1) < self.top).mean())


METRICS: dict[str, Callable[..., Accuracy]] = {"accuracy": Accuracy}
