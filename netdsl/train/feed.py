"""Gives training its batches, on the device of the net.

Samples in memory are moved to the device once. Others are read and decoded by worker processes,
which draw nothing at random, so that results do not depend on their number.
"""

from __future__ import annotations

import signal
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from netdsl.data.columns import ArrayColumn
from netdsl.process.cores import cores
from netdsl.process.stops import STOPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from netdsl.data.columns import Column, Indices
    from netdsl.data.dataset import Split

MOST_WORKERS = 8
CPU = torch.device("cpu")


class Batch(NamedTuple):
    """The inputs and targets of some samples, as they are stored, by name."""

    inputs: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]

    def on(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return self._mapped(lambda values: values.to(device))

    def part(self, start: int, end: int) -> Batch:
        """The samples from `start` to before `end`."""
        return self._mapped(lambda values: values[start:end])

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(*({name: change(values) for name, values in part.items()} for part in self))


class Feed:
    """Reads the samples of a split in batches."""

    def __init__(self, split: Split, device: torch.device, workers: int | None = None) -> None:
        self.split, self.device = split, device
        columns = split.columns
        self._stored = {
            name: torch.from_numpy(column.array).to(device)
            for name, column in columns.items()
            if isinstance(column, ArrayColumn)
        }
        self._order = _Order()
        read = {name: column for name, column in columns.items() if name not in self._stored}
        self._loader = None
        self._reading: Any = None
        if read:
            with warnings.catch_warnings(action="ignore"):
                self._loader = _loader(read, self._order, workers)

    def batches(self, order: Sequence[Indices]) -> Iterator[Batch]:
        """The samples with these indices, one batch after the other."""
        if self._loader is None:
            for indices in order:
                yield self._batch(self._chosen(indices))
            return
        self._order.batches = order
        with warnings.catch_warnings(action="ignore"):  # the user may want more than the cores
            self._reading = iter(self._loader)
        for indices, read in zip(order, self._reading, strict=True):
            moved = {name: value.to(self.device) for name, value in read.items()}
            yield self._batch({**self._chosen(indices), **moved})

    def close(self) -> None:
        """End the workers; the feed cannot be used any more.

        An error refers to what is read, which would keep them, and Python would wait for them
        forever at its end: they ignore its signal.
        """
        end = getattr(self._reading, "_shutdown_workers", None)  # which PyTorch calls on deletion
        if end is None:
            return
        end()
        for worker in vars(self._reading)["_workers"]:
            if worker.is_alive():  # it was in the middle of a long read
                worker.kill()

    def _chosen(self, indices: Indices) -> dict[str, Tensor]:
        chosen = torch.from_numpy(indices).to(self.device)
        return {name: stored[chosen] for name, stored in self._stored.items()}

    def _batch(self, columns: Mapping[str, Tensor]) -> Batch:
        return Batch(
            {name: columns[name] for name in self.split.inputs},
            {name: columns[name] for name in self.split.targets},
        )


class _Order:
    """The batches that the loader reads next, as lists of indices."""

    batches: Sequence[Indices] = ()

    def __iter__(self) -> Iterator[Indices]:
        return iter(self.batches)


class _Columns:
    """Reads columns in a worker."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = columns

    def __getitems__(self, indices: Indices) -> dict[str, Tensor]:
        return {
            name: torch.from_numpy(column.read(indices)) for name, column in self.columns.items()
        }


def _loader(
    columns: Mapping[str, Column], order: _Order, workers: int | None
) -> DataLoader[dict[str, Tensor]]:
    if workers is None:
        workers = min(cores() - 1, MOST_WORKERS)
    return DataLoader(
        _Columns(columns),  # type: ignore[arg-type]
        batch_sampler=order,  # type: ignore[arg-type]
        collate_fn=_same,  # type: ignore[arg-type]
        num_workers=workers,
        worker_init_fn=_ignore_stops,
        persistent_workers=workers > 0,
    )


def _same(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch


def _ignore_stops(_: int) -> None:
    """Let the run save after a signal to the whole group; the workers end with it."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
