"""Which epoch of a run is the best, and when a run stops early.

Both depend only on the records of the epochs and on the validation set, never on the test set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.data.metrics import scores_of
from netdsl.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.data.dataset import Dataset
    from netdsl.train.config import TrainConfig
    from netdsl.train.records import Record


def check_monitored(config: TrainConfig, dataset: Dataset) -> None:
    """Raise SettingError `bad-argument` for early stopping without a validation set."""
    if config.early_stopping is not None and dataset.val is None:
        message = f"`early_stopping` needs a validation set, and {dataset.name} has none"
        help_ = f"split one off: `data = {config.data.name}(val = 0.1)`"
        raise SettingError("bad-argument", message, "early_stopping", help_)


def best_epoch(config: TrainConfig, history: Sequence[Record]) -> int | None:
    """The number of the epoch with the best first metric on the validation set, counted from 0.

    It is the first of equal ones. Without a metric the loss decides, and without a validation set
    no epoch is the best.
    """
    if not history or "val_loss" not in history[0]:
        return None
    key, sign = "val_loss", -1
    for metric in scores_of(config.metrics)[:1]:
        key, sign = f"val_{metric.key}", 1 if metric.rises else -1
    scores = [sign * record[key] for record in history]
    return scores.index(max(scores))


def stops_early(config: TrainConfig, history: Sequence[Record]) -> bool:
    """Whether the best epoch is as many epochs ago as `early_stopping` allows."""
    best = best_epoch(config, history)
    if config.early_stopping is None or best is None:
        return False
    return len(history) - 1 - best >= config.early_stopping
