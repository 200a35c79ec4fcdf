"""The metrics that a `train` section can name.

numpy and torchmetrics are imported only when a metric is computed, because `netdsl check` reads
sections without them.
"""

from abc import ABC, abstractmethod
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
    from netdsl.data.meters import BatchMeter

Average = Annotated[BareWord, one_of("macro", "micro", "weighted")]
MACRO = BareWord("macro")


class _Measured(ABC):
    """A metric that is one number."""

    @abstractmethod
    def meter(self, classes: int) -> "BatchMeter":
        """What sums the metric over batches whose logits are N x `classes` x ..."""

    def __call__(self, logits: "Floats", labels: "Labels | Floats") -> float:
        """The metric of logits N x K x ... and labels N x ..., or values, as a single batch."""
        meter = self.meter(logits.shape[1])
        meter.add(logits, labels)
        return meter.value()


@dataclass(frozen=True)
class Accuracy(_Measured):
    """The share of images whose class is among the `top` largest logits.

    Of two equal logits, the one with the lower index counts as larger.
    """

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

    def meter(self, classes: int) -> "BatchMeter":
        """Counts the hits; raises as `check`."""
        from netdsl.data.meters import HitMeter

        self.check(classes)
        return HitMeter(self.top)


@dataclass(frozen=True)
class _Averaged(_Measured):
    """A metric of each class, and the mean over the classes that `average` chooses."""

    average: Average = MACRO

    @property
    def key(self) -> str:
        """Its name in logs and results, such as `f1` or `weighted_f1`."""
        name = type(self).__name__.lower()
        return name if self.average == MACRO else f"{self.average}_{name}"

    def meter(self, classes: int) -> "BatchMeter":
        """Counts the right and the wrong guesses of each class."""
        from torchmetrics import classification

        from netdsl.data.meters import TorchMeter

        kind = getattr(classification, self._class())
        return TorchMeter(kind(classes, average=str(self.average)), _tensors)

    def _class(self) -> str:
        """The class of torchmetrics that computes it."""
        return f"Multiclass{type(self).__name__}"


@dataclass(frozen=True)
class Precision(_Averaged):
    """The share of the images put into a class that belong to it."""


@dataclass(frozen=True)
class Recall(_Averaged):
    """The share of the images of a class that are put into it."""


@dataclass(frozen=True)
class F1(_Averaged):
    """The harmonic mean of precision and recall."""

    def _class(self) -> str:
        return "MulticlassF1Score"


@dataclass(frozen=True)
class AUC(_Measured):
    """The mean over the classes of the area under the ROC curve of each class against the rest."""

    key = "auc"

    def meter(self, classes: int) -> "BatchMeter":
        """Keeps all scores, because the area depends on their order."""
        from torchmetrics.classification import MulticlassAUROC

        from netdsl.data.meters import TorchMeter

        def chances(logits: "Floats", labels: "Labels | Floats") -> tuple["Tensor", "Tensor"]:
            scores, targets = _tensors(logits, labels)
            return scores.softmax(1), targets

        return TorchMeter(MulticlassAUROC(classes), chances)


@dataclass(frozen=True)
class MeanIoU(_Measured):
    """The mean over the classes of the intersection over the union of pixels."""

    ignore: Natural | None = None
    key = "mean_iou"

    def meter(self, classes: int) -> "BatchMeter":
        """Counts the pixels of each pair of classes."""
        from torchmetrics.classification import MulticlassJaccardIndex

        from netdsl.data.meters import TorchMeter

        return TorchMeter(MulticlassJaccardIndex(classes, ignore_index=self.ignore), _tensors)


@dataclass(frozen=True)
class _Error(_Measured):
    """The mean error of all values; for classes, the target is 1 for the class and 0 for others."""

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

    def meter(self, classes: int) -> "BatchMeter":
        """Sums the squares."""
        from torchmetrics import MeanSquaredError

        from netdsl.data.meters import TorchMeter

        return TorchMeter(MeanSquaredError(), self._values)


@dataclass(frozen=True)
class AbsoluteError(_Error):
    """The mean absolute error."""

    key = "mae"

    def meter(self, classes: int) -> "BatchMeter":
        """Sums the magnitudes."""
        from torchmetrics import MeanAbsoluteError

        from netdsl.data.meters import TorchMeter

        return TorchMeter(MeanAbsoluteError(), self._values)


@dataclass(frozen=True)
class Confusion:
    """How many images of each class were put into each class: a table in a file, not a number."""

    key = "confusion"


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
