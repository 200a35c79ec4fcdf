"""Writes the outputs of a model for all inputs to one `.npz` file."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np

from netdsl.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from netdsl.runtime.inputs import Item

INPUTS = "inputs"  # the array with the names of the files


def has_rows(output: np.ndarray, item: Item) -> bool:
    """Whether an output has a row for each sample of its input."""
    return bool(output.ndim and len(output) == item.samples)


def write_outputs(
    path: Path, names: Iterable[str], kept: list[tuple[Item, list[np.ndarray]]]
) -> dict[str, str]:
    """Write the outputs of all items to a `.npz` file, under the `names` of the outputs.

    An output is one array with a row for each sample if all its rows have the same size, else an
    array for each item, with the number of the item appended to the name. The array `inputs`
    contains the file of each sample.

    Returns the outputs that got other names because theirs were taken, with these names.
    """
    arrays = {INPUTS: np.array([str(item.path) for item, _ in kept for _ in range(item.samples)])}
    renamed = {}
    for index, name in enumerate(names):
        for wanted, array in _arrays_of(name, index, kept).items():
            free = _free(wanted, arrays)
            arrays[free] = array
            if free != wanted:
                renamed[wanted] = free
    _write(path, arrays)
    return renamed


def _arrays_of(
    name: str, index: int, kept: list[tuple[Item, list[np.ndarray]]]
) -> dict[str, np.ndarray]:
    """The arrays of the output `index`, by the names that they are to have."""
    outputs = [of_item[index] for _, of_item in kept]
    items = [item for item, _ in kept]
    all_rows = all(has_rows(output, item) for output, item in zip(outputs, items, strict=True))
    if all_rows and len({output.shape[1:] for output in outputs}) == 1:
        return {name: np.concatenate(outputs)}
    return {f"{name}_{number}": output for number, output in enumerate(outputs)}


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    # Not with numpy.savez: the names of its parameters cannot be names of arrays.
    with (
        replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        for name, array in arrays.items():
            plain = array.astype(str) if array.dtype.kind == "O" else array
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, plain, allow_pickle=False)


def _free(name: str, taken: dict[str, np.ndarray]) -> str:
    """The name, with as many underscores appended as it takes to be new."""
    while name in taken:
        name += "_"
    return name
