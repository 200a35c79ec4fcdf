"""The errors of variants: means and deviations over their seeds, and curves over the epochs."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

from netdsl.train.records import NORM
from netdsl.train.run_file import FINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netdsl.train.compare.runs import Ended
    from netdsl.train.compare.variants import Variant
    from netdsl.train.records import Record

HITS = ("train_accuracy", "accuracy")  # the shares from which errors are computed


class Spread(NamedTuple):
    """The mean of a number over the seeds, and its deviation; with one seed, there is none."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The mean and the sample's standard deviation of at least one value."""
        deviation = None
        if len(values) > 1:
            deviation = stdev(values)
        return cls(fmean(values), deviation)


class ErrorCurve(NamedTuple):
    """A curve over the epochs: at each, the mean over the seeds, the least and the largest."""

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


class Measure(NamedTuple):
    """What is compared: the share of wrong answers, or the loss.

    The two keys are those of the training and of the test data; `curve` is that of the validation
    data, if there are any, and otherwise of the test data.
    """

    name: str
    train: str
    test: str
    curve: str

    @property
    def is_error(self) -> bool:
        """Whether it is a share, which is shown in percent."""
        return self.train in HITS

    def value(self, record: Record, key: str) -> float:
        """A number of a record; an error is what is left of the share of right answers."""
        return 1 - record[key] if self.is_error else record[key]

    def shown(self, value: float) -> str:
        """A number for people: `12.35` percent, or the loss `0.4120`."""
        return f"{100 * value:.2f}" if self.is_error else f"{value:.4f}"


class Compared(NamedTuple):
    """A variant and the outcomes of its seeds."""

    variant: Variant
    outcomes: Sequence[Ended]

    @property
    def finished(self) -> list[Ended]:
        """The outcomes that have all epochs."""
        return [o for o in self.outcomes if o.state == FINISHED and o.history]

    @property
    def histories(self) -> list[Sequence[Record]]:
        """The epochs of all seeds; those of a run that diverged end early."""
        return [o.history for o in self.outcomes if o.history]

    def spread(self, number: Callable[[Ended], float]) -> Spread | None:
        """The spread of a number over the seeds that finished, if any did."""
        values = [number(outcome) for outcome in self.finished]
        return Spread.of(values) if values else None

    def error(self, measure: Measure, key: str) -> Spread | None:
        """The error after the last epoch."""
        return self.spread(lambda outcome: measure.value(outcome.history[-1], key))

    def seconds(self) -> Spread | None:
        """The time of training and test."""
        return self.spread(lambda outcome: sum(r["seconds"] for r in outcome.history))

    def band(self, number: Callable[[Record], float]) -> ErrorCurve:
        """The curve of a number, over the epochs that at least one seed has."""
        length = max(map(len, self.histories), default=0)
        columns = [
            [number(history[i]) for history in self.histories if i < len(history)]
            for i in range(length)
        ]
        epochs = list(range(1, length + 1))
        return ErrorCurve(
            epochs, [*map(fmean, columns)], [*map(min, columns)], [*map(max, columns)]
        )

    def norms(self, epoch: int) -> dict[str, float]:
        """The mean norm of the gradients of an epoch, counted from 1, by layer."""
        records = [h[epoch - 1] for h in self.histories if len(h) >= epoch]
        if not records:
            return {}
        layers = [key for key in records[0] if key.startswith(NORM)]
        return {key.removeprefix(NORM): fmean(r[key] for r in records) for key in layers}


def results_of(variants: Iterable[Variant], outcomes: Iterable[Ended]) -> list[Compared]:
    """The outcomes by variant, in the order of the variants and of the seeds."""
    found = list(outcomes)
    results = []
    for variant in variants:
        own = [o for o in found if o.trial.variant is variant]
        results.append(Compared(variant, sorted(own, key=lambda o: o.trial.config.seed)))
    return results


def measure_of(results: Iterable[Compared]) -> Measure:
    """The error if all runs classify, and otherwise the loss."""
    records = [h[-1] for result in results for h in result.histories]
    has_val = bool(records) and all("val_loss" in record for record in records)
    if records and all(key in record for record in records for key in HITS):
        has_val = has_val and all("val_accuracy" in record for record in records)
        return Measure("error", *HITS, "val_accuracy" if has_val else "accuracy")
    return Measure("loss", "train_loss", "test_loss", "val_loss" if has_val else "test_loss")
