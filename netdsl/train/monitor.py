"""Which epoch of a run is the best, and when a run stops early.

Both depend only on the records of the epochs and on the validation set, never on the test set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.data.catalog import Published, source_of
from netdsl.errors import SettingError
from netdsl.train.records import best_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.data.dataset import Dataset
    from netdsl.train.config import TrainConfig
    from netdsl.train.records import Record


def check_monitored(config: TrainConfig, dataset: Dataset) -> None:
    """Raise SettingError `bad-argument` for early stopping without a validation set."""
    if config.early_stopping is not None and dataset.val is None:
        raise _needs_validation(config, dataset.name)


def check_split(config: TrainConfig) -> None:
    """The same for published data, of which it is known before they are read."""
    source = source_of(config.data)
    if config.early_stopping is not None and isinstance(source, Published) and not source.val:
        raise _needs_validation(config, config.data.name)


def _needs_validation(config: TrainConfig, data: str) -> SettingError:
    message = f"`early_stopping` needs a validation set, but {data} has none"
    split = config.data._replace(kwargs={**config.data.kwargs, "val": 0.1})
    help_ = f"split one off: `data = {split}`"
    return SettingError("bad-argument", message, "early_stopping", help_)


def best_epoch(history: Sequence[Record], metrics: Sequence[str]) -> int | None:
    """The number of the best epoch by the validation set, counted from 0; None without such a set.

    `metrics` are the keys of the metrics; the first one decides, or else the loss.
    """
    if not history or "val_loss" not in history[0]:
        return None
    best = best_of(history, metrics)
    return None if best is None else best.epoch - 1


def stops_early(config: TrainConfig, history: Sequence[Record], metrics: Sequence[str]) -> bool:
    """Whether the best epoch is as many epochs ago as `early_stopping` allows."""
    best = best_epoch(history, metrics)
    if config.early_stopping is None or best is None:
        return False
    return len(history) - 1 - best >= config.early_stopping
