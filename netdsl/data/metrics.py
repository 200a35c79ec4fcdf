"""The metrics that a `train` section can name.

numpy and torchmetrics are imported only when a metric is computed, because `netdsl check` reads
sections without them.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from netdsl.config import BareWord
from netdsl.data.arguments import Count, Natural, one_of
from netdsl.errors import SettingError
from netdsl.words import counted

if TYPE_CHECKING:
    from torch import Tensor

    from netdsl.data.dataset import Floats, Labels

Average = Annotated[BareWord, one_of("macro", "micro", "weighted")]
MACRO = BareWord("macro")


@dataclass(frozen=True)
class Accuracy:
    """The share of images whose class is among the `top` largest logits."""

    top: Count = 1

    @property
    def key(self) -> str:
        """Its name in logs and results: `accuracy`, or `top5_accuracy`."""
        return "accuracy" if self.top == 1 else f"top{self.top}_accuracy"

    def check(self, classes: int) -> None:
        """Raise SettingError `bad-argument` if `top` is above the number of classes."""
        if self.top > classes:
            has = counted(classes, "class")
            message = f"`top` of `accuracy` is {self.top}, but the net has {has}"
            help_ = f"write a number below {classes}"
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


@dataclass(frozen=True)
class _Averaged:
    """A metric of each class, and the mean over the classes that `average` chooses."""

    average: Average = MACRO

    @property
    def key(self) -> str:
        """Its name in logs and results, such as `f1` or `weighted_f1`."""
        name = type(self).__name__.lower()
        return name if self.average == MACRO else f"{self.average}_{name}"

    def check(self, classes: int) -> None:
        """Every number of classes is allowed."""

    def __call__(self, logits: "Floats", labels: "Labels") -> float:
        """The metric for logits N x K x ... and labels N x ..., from 0 to 1."""
        from torchmetrics.functional import classification

        function = getattr(classification, self._function())
        scores, targets = _tensors(logits, labels)
        with warnings.catch_warnings():  # about classes that a part of the data does not have
            warnings.simplefilter("ignore", UserWarning)
            return float(function(scores, targets, scores.shape[1], average=self.average))

    def _function(self) -> str:
        """The function of torchmetrics that computes it."""
        return f"multiclass_{type(self).__name__.lower()}"


@dataclass(frozen=True)
class Precision(_Averaged):
    """The share of the images put into a class that belong to it."""


@dataclass(frozen=True)
class Recall(_Averaged):
    """The share of the images of a class that are put into it."""


@dataclass(frozen=True)
class F1(_Averaged):
    """The harmonic mean of precision and recall."""

    def _function(self) -> str:
        return "multiclass_f1_score"


@dataclass(frozen=True)
class AUC:
    """The mean over the classes of the area under the ROC curve of each class against the rest."""

    key = "auc"

    def check(self, classes: int) -> None:
        """Every number of classes is allowed."""

    def __call__(self, logits: "Floats", labels: "Labels") -> float:
        """The area, from 0 to 1, for logits N x K and labels N."""
        from torchmetrics.functional.classification import multiclass_auroc

        scores, targets = _tensors(logits, labels)
        with warnings.catch_warnings():  # about classes that a part of the data does not have
            warnings.simplefilter("ignore", UserWarning)
            return float(multiclass_auroc(scores.softmax(1), targets, scores.shape[1]))


@dataclass(frozen=True)
class MeanIoU:
    """The mean over the classes of the intersection over the union of pixels."""

    ignore: Natural | None = None
    key = "mean_iou"

    def check(self, classes: int) -> None:
        """Every number of classes is allowed."""

    def __call__(self, logits: "Floats", labels: "Labels") -> float:
        """The mean, from 0 to 1, for logits N x K x H x W and labels N x H x W."""
        from torchmetrics.functional.classification import multiclass_jaccard_index

        scores, targets = _tensors(logits, labels)
        count = scores.shape[1]
        return float(multiclass_jaccard_index(scores, targets, count, ignore_index=self.ignore))


@dataclass(frozen=True)
class _Error:
    """The mean error of all values; for classes, the target is 1 for the class and 0 for others."""

    def check(self, classes: int) -> None:
        """Every number of classes is allowed."""

    def _values(self, logits: "Floats", labels: "Labels | Floats") -> tuple["Tensor", "Tensor"]:
        import numpy as np

        values = np.asarray(labels, np.float32)
        if np.issubdtype(labels.dtype, np.integer) and labels.shape != logits.shape:
            values = np.moveaxis(np.eye(logits.shape[1], dtype=np.float32)[labels], -1, 1)
        return _tensors(logits, values.reshape(logits.shape))


@dataclass(frozen=True)
class SquaredError(_Error):
    """The mean squared error."""

    key = "mse"

    def __call__(self, logits: "Floats", labels: "Labels | Floats") -> float:
        """The mean over all values."""
        from torchmetrics.functional import mean_squared_error

        return float(mean_squared_error(*self._values(logits, labels)))


@dataclass(frozen=True)
class AbsoluteError(_Error):
    """The mean absolute error."""

    key = "mae"

    def __call__(self, logits: "Floats", labels: "Labels | Floats") -> float:
        """The mean over all values."""
        from torchmetrics.functional import mean_absolute_error

        return float(mean_absolute_error(*self._values(logits, labels)))


@dataclass(frozen=True)
class Confusion:
    """How many images of each class were put into each class: a table in a file, not a number."""

    key = "confusion"

    def check(self, classes: int) -> None:
        """Every number of classes is allowed."""


Score = Accuracy | Precision | Recall | F1 | AUC | MeanIoU | SquaredError | AbsoluteError
Metric = Score | Confusion

METRICS: dict[str, Callable[..., Metric]] = {
    "accuracy": Accuracy,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "auc": AUC,
    "mean_iou": MeanIoU,
    "mse": SquaredError,
    "mae": AbsoluteError,
    "confusion": Confusion,
}


def scores_for(metrics: Sequence[Metric], *, classes: bool) -> list[Score]:
    """The metrics that are one number; only those of any numbers, unless there are classes."""
    scores = [metric for metric in metrics if not isinstance(metric, Confusion)]
    return [metric for metric in scores if classes or isinstance(metric, _Error)]


def _tensors(logits: "Floats", labels: "Labels | Floats") -> tuple["Tensor", "Tensor"]:
    import torch

    return torch.from_numpy(logits), torch.from_numpy(labels)
