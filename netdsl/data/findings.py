"""What is remarkable about a dataset: its counts, missing classes, equal samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.diagnostics import Diagnostic
from netdsl.ir.types import shape_text
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.data.dataset import Dataset, Split

SHOWN = 5  # classes and files in a message
MOST_IMBALANCE = 10  # samples of the largest class for each of the smallest


def described_counts(dataset: Dataset) -> str:
    """A line with the sizes of the splits, the shape of a sample, and the classes."""
    counts = listed([f"{len(split):,} {name}" for name, split in dataset.splits.items()])
    shapes = listed([shape_text(column.shape) for column in dataset.train.inputs.values()])
    line = f"{dataset.name}: {counts} samples of {shapes}"
    if not dataset.classes:
        return line
    line += f" in {counted(len(dataset.classes), 'class')}"
    numbers = class_counts(dataset, dataset.train)
    if numbers is None:
        return line
    least, most = int(numbers.argmin()), int(numbers.argmax())
    if numbers[least] == numbers[most]:
        return f"{line}, {counted(int(numbers[least]), 'training sample')} each"
    smallest, largest = (f"{numbers[i]:,} ({dataset.classes[i]})" for i in (least, most))
    return f"{line}, from {smallest} to {largest} training samples"


def class_counts(dataset: Dataset, split: Split) -> np.ndarray | None:
    """The number of samples of each class, or None if samples do not have a single class."""
    labels = next(iter(split.targets.values()))
    if not dataset.classes or labels.shape:
        return None
    return np.bincount(split.labels, minlength=len(dataset.classes))


def warnings_about(dataset: Dataset) -> list[Diagnostic]:
    """Warnings about files left out, missing classes, imbalance, and samples in two splits."""
    return [*_skipped(dataset), *_missing(dataset), *_imbalance(dataset), *_shared(dataset)]


def _warning(code: str, message: str, help: str) -> Diagnostic:
    return Diagnostic(code, message, None, "warning", help=help)


def _skipped(dataset: Dataset) -> Iterator[Diagnostic]:
    files = dataset.skipped
    if not files:
        return
    names = "; ".join(files[:SHOWN])
    if len(files) > SHOWN:
        names += f"; and {len(files) - SHOWN:,} more"
    left = "picture is" if len(files) == 1 else "pictures are"
    message = f"{len(files):,} {left} left out of {dataset.name}: {names}"
    these = "this file" if len(files) == 1 else "these files"
    yield _warning("unreadable-pictures", message, f"remove or replace {these}")


def _missing(dataset: Dataset) -> Iterator[Diagnostic]:
    for name, split in dataset.splits.items():
        counts = class_counts(dataset, split)
        if counts is None or counts.all():
            continue
        missing = [f"`{dataset.classes[i]}`" for i in np.flatnonzero(counts == 0)]
        if len(missing) > SHOWN:
            missing = [*missing[:SHOWN], f"{len(missing) - SHOWN:,} more"]
        message = f"{dataset.name} has no {name} samples of {listed(missing)}"
        them, what = ("it", "the class") if len(missing) == 1 else ("them", "the classes")
        help_ = f"add {name} samples of {them}, or remove {what} from the data"
        alike = _alike([dataset.classes[i] for i in np.flatnonzero(counts == 0)], dataset.classes)
        if alike is not None:
            help_ = f"`{alike[0]}` and `{alike[1]}` differ only in capitals: write them alike"
        yield _warning("missing-class", message, help_)


def _alike(names: list[str], classes: tuple[str, ...]) -> tuple[str, str] | None:
    """One of the names, and a class that differs from it only in capitals; None without any."""
    small = {other.lower(): other for other in classes if other not in names}
    pairs = ((name, small[name.lower()]) for name in names if name.lower() in small)
    return next(pairs, None)


def _imbalance(dataset: Dataset) -> Iterator[Diagnostic]:
    counts = class_counts(dataset, dataset.train)
    if counts is None or not counts.any():
        return
    present = np.where(counts == 0, counts.max(), counts)
    least, most = int(present.argmin()), int(counts.argmax())
    if counts[most] < MOST_IMBALANCE * present[least]:
        return
    small, large = dataset.classes[least], dataset.classes[most]
    samples = counted(int(counts[least]), "training sample")
    message = f"{dataset.name} has {samples} of `{small}`, but {counts[most]:,} of `{large}`"
    help_ = (
        f"add samples of `{small}`, or write `loss = cross_entropy(weights = balanced)`: a net can"
        " have a high accuracy without it"
    )
    yield _warning("class-imbalance", message, help_)


def _shared(dataset: Dataset) -> Iterator[Diagnostic]:
    splits = {name: sample_sums(split) for name, split in dataset.splits.items()}
    names = list(splits)
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            known = {value: index for index, value in enumerate(splits[first])}
            twice = [index for index, value in enumerate(splits[second]) if value in known]
            count = len(twice)
            if not count:
                continue
            index = twice[0]
            example = _equal(dataset, (second, index), (first, known[splits[second][index]]))
            samples = counted(len(splits[second]), f"{second} sample")
            occur = "occurs" if count == 1 else "occur"
            message = (
                f"{count:,} of the {samples} of {dataset.name} {occur} in the {first} set too:"
                f" {example}"
            )
            help_ = f"keep each sample once: results on the {second} set look better than they are"
            yield _warning("shared-samples", message, help_)


def _equal(dataset: Dataset, *places: tuple[str, int]) -> str:
    """The sentence that the samples at two places, each a split and an index, are equal."""
    files = [next(iter(dataset.splits[part].inputs.values())).file(i) for part, i in places]
    if None not in files:
        return f"{files[0]} is {files[1]}"
    samples = [f"sample {i:,} of the {part} set" for part, i in places]
    return f"{samples[0]} is {samples[1]}, counted from 0"


def sample_sums(split: Split) -> list[bytes]:
    """A sum of all inputs of each sample."""
    sums = [column.sums() for column in split.inputs.values()]
    return [b"".join(parts) for parts in zip(*sums, strict=True)]
