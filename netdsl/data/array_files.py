"""Reads inputs and targets from the arrays of `.npz` and `.npy` files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.arrays import open_archive, open_array, type_name
from netdsl.data.columns import ArrayColumn, MappedColumn
from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.data.folder import PARTS, existing_folder, missing_help, split_numbers
from netdsl.data.labels import checked_labels, class_names
from netdsl.data.pictures import constants_of, moments
from netdsl.errors import SettingError
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.arrays import StoredArray
    from netdsl.data.columns import Column
    from netdsl.data.own import Archive, ArrayFolder, Arrays

    Make = Callable[[StoredArray], Column]
    Parts = dict[str, Column]  # of one input or target, by the name of the split, or "" for all


def read_archive(source: Archive) -> Dataset:
    """The dataset of a `.npz` file, in memory; raises SettingError and `NetdslError`."""
    path = Path(source.path).expanduser()
    if not path.is_file():
        message = f"there is no file {path}"
        raise SettingError("data-not-found", message, "data", missing_help(path))
    return _read(source, open_archive(path), _in_memory)


def read_array_folder(source: ArrayFolder) -> Dataset:
    """The dataset of `.npy` files, whose inputs stay on the disk; raises as `read_archive`."""
    folder = existing_folder(source.path)
    files = {path.stem: open_array(path) for path in sorted(folder.glob("*.npy"))}
    return _read(source, files, _mapped)


def _in_memory(stored: StoredArray) -> Column:
    return ArrayColumn(np.ascontiguousarray(stored.read(stored.dtype.newbyteorder("="))))


def _mapped(stored: StoredArray) -> Column:
    return MappedColumn(stored.path, np.arange(stored.shape[0]))


def _read(source: Arrays, arrays: Mapping[str, StoredArray], make: Make) -> Dataset:
    inputs = {name: _parts(source, name, arrays, make) for name in source.inputs}
    targets = {name: _parts(source, name, arrays, _in_memory) for name in source.targets}
    lengths = _lengths(source, {**inputs, **targets})
    meaning = {name: _target(source, name, parts) for name, parts in targets.items()}
    _check_ignored(source, meaning)
    for name, columns_of in inputs.items():
        for part, column in columns_of.items():
            for piece in column.pieces():
                _check_finite(column.read(piece), _place(source, name, part), piece[0])
    parts = [part for part, length in lengths.items() for _ in range(length)]
    first = np.concatenate([_labels(column) for column in next(iter(targets.values())).values()])
    grouped = first.ndim == 1 and next(iter(meaning.values())).classes
    groups = first if grouped else np.zeros(len(parts), np.int64)
    splits = {}
    for part, numbers in split_numbers(parts, groups, source).items():
        own = numbers - parts.index(parts[numbers[0]])  # within the array of that split
        stored = parts[numbers[0]]
        splits[part] = Split(
            {name: columns[stored].take(own) for name, columns in inputs.items()},
            {name: columns[stored].take(own) for name, columns in targets.items()},
        )
    kinds = {name: _input(column) for name, column in splits["train"].inputs.items()}
    return Dataset(
        source.path, source.path, kinds, meaning, splits["train"], splits["test"], splits.get("val")
    )


def _parts(source: Arrays, name: str, arrays: Mapping[str, StoredArray], make: Make) -> Parts:
    """The columns of an input or target by split; the key "" is for all samples."""
    found = {part: arrays[f"{name}_{part}"] for part in PARTS if f"{name}_{part}" in arrays}
    if "train" not in found:
        if name not in arrays:
            message = f"{source.path} has no array `{name}` or `{name}_train`"
            has = listed([f"`{own}`" for own in arrays]) if arrays else "no arrays"
            help_ = f'it has {has}; name others with `inputs = ["..."]` and `targets = ["..."]`'
            if {"train_images", "train_labels"} <= {*arrays}:
                help_ = "store them as `x_train`, `y_train`, `x_test` and `y_test`"
            raise SettingError("data-not-found", message, "data", help_)
        found = {"": arrays[name]}
    for stored in found.values():
        _check_numbers(stored, is_target=name in source.targets)
    return {part: make(stored) for part, stored in found.items()}


def _check_numbers(stored: StoredArray, *, is_target: bool) -> None:
    """Raise SettingError unless an array has at least one sample of numbers."""
    if stored.dtype.kind not in "biuf":
        message = f"{stored.place} contains {type_name(stored.dtype)}, not numbers"
        help_ = "store the array as float32"
        if is_target:
            help_ = "store the numbers of the classes, from 0, and name them: `classes = [...]`"
        raise SettingError("wrong-dtype", message, "data", help_)
    if not stored.shape or 0 in stored.shape:
        sizes = "x".join(map(str, stored.shape)) or "that of a scalar"
        message = f"{stored.place} has no samples: its shape is {sizes}"
        help_ = "the first axis of an array has its samples"
        raise SettingError("corrupt-data", message, "data", help_)


def _lengths(source: Arrays, columns: Mapping[str, Parts]) -> dict[str, int]:
    """The number of samples by split; raises SettingError unless all arrays agree."""
    lengths = {
        name: {part: len(column) for part, column in parts.items()}
        for name, parts in columns.items()
    }
    first, expected = next(iter(lengths.items()))
    for name, parts in columns.items():
        own, shapes = lengths[name], {column.shape for column in parts.values()}
        if own != expected:
            has = f"`{name}` of {source.path} has {_counts(own)}"
            message = f"{has}, but `{first}` has {_counts(expected)}"
            help_ = "each sample needs a value in every array"
            raise SettingError("corrupt-data", message, "data", help_)
        if len(shapes) > 1:
            sizes = " and ".join(sorted("x".join(map(str, shape)) for shape in shapes))
            message = f"`{name}` of {source.path} has samples of different shapes: {sizes}"
            help_ = "give the samples of all splits one shape"
            raise SettingError("corrupt-data", message, "data", help_)
    return expected


def _counts(lengths: Mapping[str, int]) -> str:
    return listed([counted(count, f"{part} sample".strip()) for part, count in lengths.items()])


def _labels(column: Column) -> np.ndarray:
    return column.read(np.arange(len(column)))


def _input(column: Column) -> InputData:
    """Bytes C x H x W with 1 or 3 channels are images; anything else is used as it is."""
    if column.dtype != np.uint8 or len(column.shape) != 3 or column.shape[0] not in (1, 3):
        return InputData(is_image=False)
    sums = [moments(value) for piece in column.pieces() for value in column.read(piece)]
    mean, std = constants_of(np.stack(sums), column.shape)
    return InputData(mean=mean, std=std)


def _check_finite(values: np.ndarray, place: str, first: int = 0) -> None:
    """Raise SettingError unless all numbers are finite; the values begin at sample `first`."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    index = tuple(np.argwhere(~np.isfinite(values))[0])
    message = (
        f"{place} has numbers that are not finite: {values[index]} in sample {first + index[0]:,},"
        " counted from 0"
    )
    help_ = "correct or remove such samples; `numpy.isfinite` finds them"
    raise SettingError("corrupt-data", message, "data", help_)


def _place(source: Arrays, name: str, part: str) -> str:
    """What a message calls the array of a split."""
    return f"`{name}_{part}` of {source.path}" if part else f"`{name}` of {source.path}"


def _check_one_number(labels: np.ndarray, place: str) -> None:
    """Raise SettingError for labels with a column for each class, of which one is 1."""
    is_table = labels.ndim == 2 and labels.shape[1] > 1
    if is_table and labels.min() >= 0 and (labels.sum(1) == 1).all():
        message = f"{place} has {labels.shape[1]} numbers for each sample, of which one is 1"
        help_ = "store the number of the class: `y.argmax(1)`; or store floats, for `loss = bce`"
        raise SettingError("data-mismatch", message, "data", help_)


def _check_ignored(source: Arrays, meaning: Mapping[str, TargetData]) -> None:
    """Raise SettingError `bad-argument` if a number is ignored, but no target has masks."""
    if source.ignored is None or any(target.ignored is not None for target in meaning.values()):
        return
    message = f"`ignored` is about the pixels of masks, but {source.path} has no masks"
    help_ = "leave it out; to ignore a class, write it in the loss: `cross_entropy(ignore = 3)`"
    raise SettingError("bad-argument", message, "data", help_)


def _target(source: Arrays, name: str, parts: Parts) -> TargetData:
    """The meaning of a target: integers are classes, other numbers are values.

    The columns of integers become int64, those of values float32.
    """
    place = f"`{name}` of {source.path}"
    values = {part: _labels(column) for part, column in parts.items()}
    if next(iter(values.values())).dtype.kind == "f":
        for part, own in values.items():
            _check_finite(own, _place(source, name, part))
            parts[part] = ArrayColumn(own.reshape(len(own), *own.shape[1:] or (1,)).astype("f4"))
        return TargetData()
    for own in values.values():
        _check_one_number(own, place)
    ignored = None
    if next(iter(values.values())).ndim > 1:  # masks
        ignored = source.ignored
    classes = class_names(source.classes, list(values.values()), place, ignored)
    for part, own in values.items():
        parts[part] = ArrayColumn(checked_labels(own, len(classes), place, ignored))
    return TargetData(classes, ignored)
