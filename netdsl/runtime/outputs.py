"""Writes the outputs of a model for all inputs to one `.npz` file."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from netdsl.runtime.inputs import Item

INPUTS = "inputs"


def has_rows(output: Any, item: Item) -> bool:
    """Whether an output has a row for each sample of its input."""
    return bool(output.ndim and len(output) == item.samples)


def write_outputs(
    path: Path, names: Iterable[str], kept: list[tuple[Item, list[Any]]]
) -> list[str]:
    """Write the outputs under their names, all samples in one array where their sizes are the same,
    else an array for each input file with its number; and `inputs`: the file of each sample.
    Returns what is to be said of names that were taken.
    """
    arrays: dict[str, Any] = {
        INPUTS: np.array([str(item.path) for item, _ in kept for _ in range(item.samples)])
    }
    notes = []
    for i, name in enumerate(names):
        parts = [outputs[i] for _, outputs in kept]
        if (
            all(has_rows(p, item) for p, (item, _) in zip(parts, kept, strict=True))
            and len({p.shape[1:] for p in parts}) == 1
        ):
            made = {name: np.concatenate(parts)}
        else:
            made = {f"{name}_{k}": p for k, p in enumerate(parts)}
        for wanted, array in made.items():
            free = _free(wanted, arrays)
            arrays[free] = array
            if free != wanted:
                notes.append(
                    f"the output `{wanted}` is called `{free}` in {path}, where another has its"
                    " name"
                )
    # numpy.savez has parameters of its own, whose names no output could have.
    with (
        replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(
                    file,
                    array.astype(str) if array.dtype.kind == "O" else array,
                    allow_pickle=False,
                )
    return notes


def _free(name: str, taken: dict[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name
