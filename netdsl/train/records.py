"""The records of a run, one for each epoch, and what their keys mean; imports no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Record = dict[str, float]
# The start of a key names the data that a number is computed on; a metric without it is of the
# test data.
SPLITS = {"train_": "training", "val_": "validation", "test_": "test"}
NORM = "gradient_norm."  # and the name of a layer
SMALL, LARGE = 1e-3, 1e6  # numbers outside are shown with an exponent, or with more digits
UNBOUNDED = ("loss", "mse", "mae", "rmse")  # numbers that are no share, and better if lower


class EpochRecord(Record):
    """The numbers of an epoch by their keys; another key is a `KeyError` that lists them."""

    def __missing__(self, key: str) -> float:
        advice = did_you_mean(str(key), self) or f"the keys are {', '.join(self)}"
        raise KeyError(f"there is no {key!r}; {advice}")


class Best(NamedTuple):
    """The best number of a run."""

    key: str
    value: float
    epoch: int


def quantity_of(key: str) -> str:
    """What a number is, without the data: `loss` for `test_loss`."""
    for prefix in SPLITS:
        key = key.removeprefix(prefix)
    return key


def split_of(key: str) -> str:
    """The data that a number is computed on; that of the learning rate is none."""
    if key == "lr":
        return ""
    return next((name for prefix, name in SPLITS.items() if key.startswith(prefix)), "test")


def is_share(quantity: str) -> bool:
    """Whether a number is a share, which is shown in percent, and better if higher."""
    return quantity not in UNBOUNDED and not quantity.startswith(NORM)


def words(key: str) -> str:
    """A key for people: `top5 accuracy`, `validation loss`."""
    if key == "lr":
        return "learning rate"
    prefix = next((prefix for prefix in SPLITS if key.startswith(prefix)), "")
    start = SPLITS.get(prefix, "")
    return f"{start} {key.removeprefix(prefix).replace('_', ' ')}".strip()


def shown(key: str, value: float) -> str:
    """A number for people: `85.70 %`, or `0.4120`."""
    if is_share(quantity_of(key)):
        return f"{100 * value:.2f} %"
    if value and not SMALL <= abs(value) < LARGE:
        return f"{value:.4g}"
    return f"{value:.4f}"


def keys_of(history: Sequence[Record]) -> list[str]:
    """The keys of all records, in the order of their first occurrence."""
    return list(dict.fromkeys(key for record in history for key in record))


def best_of(history: Sequence[Record], metrics: Iterable[str]) -> Best | None:
    """The best epoch by the first metric, or else by the loss; the first of several equal ones.

    It is that of the validation data if there are any, and otherwise that of the test data.
    """
    quantities = [*metrics, "loss"]
    candidates = [f"val_{q}" for q in quantities] + [
        k for q in quantities for k in (q, f"test_{q}")
    ]
    known = keys_of(history)
    key = next((k for k in candidates if k in known), None)
    if key is None:
        return None
    sign = -1
    if is_share(quantity_of(key)):
        sign = 1
    usable = [r for r in history if math.isfinite(r.get(key, math.nan))]
    if not usable:
        return None
    best = max(usable, key=lambda record: sign * record[key])
    return Best(key, best[key], int(best["epoch"]))
