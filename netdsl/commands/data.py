"""`netdsl data`: prints the data of a `train` section, and draws augmented samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from netdsl.commands.common import UsageError, load_one, print_diagnostics, suffix_of
from netdsl.commands.consoles import listing
from netdsl.commands.output import printing, say, say_json
from netdsl.commands.train import parse_settings
from netdsl.data.catalog import open_dataset
from netdsl.data.findings import class_counts, warnings_about
from netdsl.errors import SettingError
from netdsl.files import check_replaceable
from netdsl.ir.types import shape_text
from netdsl.render import as_json
from netdsl.train.fit import fitted
from netdsl.train.section import placed, read_config
from netdsl.train.sheet import draw_samples
from netdsl.train.unscaled import scale_warnings
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse

    from netdsl.data.dataset import Dataset
    from netdsl.diagnostics import Diagnostic
    from netdsl.driver import Compiled

SUFFIX = ".png"


def run(arguments: argparse.Namespace) -> int:
    """Print the counts, the constants and the warnings, and write the sheet of samples."""
    sheet = arguments.output
    if suffix_of(sheet) != SUFFIX:
        raise UsageError(f"-o takes a name that ends in {SUFFIX}, not `{sheet}`")
    check_replaceable(Path(sheet))
    compiled = load_one(arguments)
    settings = parse_settings(arguments.set)
    config = read_config(compiled, arguments.data, settings)
    try:
        dataset = config.adapt(open_dataset(config.data, progress=not printing().quiet))
        warnings = warnings_about(dataset)
        is_drawn = draw_samples(dataset, config, Path(sheet))
    except SettingError as error:
        replaced = {*settings, *(["data"] if arguments.data is not None else [])}
        raise placed(error, compiled, replaced) from None
    for warning in warnings:
        warning.file = arguments.data or compiled.program.source.name
    warnings += _misfits(compiled, dataset, arguments.data)
    if arguments.format == "json":
        say_json(_described(dataset, warnings, sheet if is_drawn else None), indent=2)
        return 0
    print_diagnostics(warnings)
    _print(dataset)
    if is_drawn:
        say(f"samples: {sheet}")
    return 0


def _misfits(compiled: Compiled, dataset: Dataset, given: str | None) -> list[Diagnostic]:
    """The warnings about samples that do not fit the inputs of the net, or not as they are."""
    try:
        sized, dataset = fitted(compiled, dataset)
        errors = list(scale_warnings(sized.graph, dataset))
    except SettingError as error:
        errors = [error]
    found = [
        placed(error, compiled, () if given is None else ("data",)).diagnostic for error in errors
    ]
    for diagnostic in found:
        diagnostic.severity = "warning"
    return found


def _print(dataset: Dataset) -> None:
    say(dataset.note)
    for name, column in dataset.train.inputs.items():
        given = dataset.inputs[name]
        line = f"input `{name}`: {shape_text(column.shape)} {column.dtype}"
        if given.is_image:
            line += f", mean {_numbers(given.mean)}, deviation {_numbers(given.std)}"
        say(line)
    for name, column in dataset.train.targets.items():
        target = dataset.targets[name]
        kind = counted(len(target.classes), "class") if target.classes else str(column.dtype)
        shape = f"{shape_text(column.shape)} " if column.shape else ""
        say(f"target `{name}`: {shape}{kind}")
    say(f"checksum of all samples (BLAKE2b): {dataset.sum()}")
    _print_classes(dataset)


def _print_classes(dataset: Dataset) -> None:
    counts = _counts(dataset)
    if not counts:
        return
    table = Table("class", box=None, pad_edge=False)
    for name in counts:
        table.add_column(name, justify="right")
    for row, own in zip(dataset.classes, np.transpose(list(counts.values())), strict=True):
        table.add_row(row, *(f"{count:,}" for count in own))
    listing().print(table)


def _counts(dataset: Dataset) -> dict[str, list[int]]:
    """The samples of each class, by the name of the split."""
    found = {name: class_counts(dataset, split) for name, split in dataset.splits.items()}
    return {name: counts.tolist() for name, counts in found.items() if counts is not None}


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _described(
    dataset: Dataset, warnings: list[Diagnostic], sheet: str | None
) -> dict[str, object]:
    inputs = [
        {
            "name": name,
            "shape": list(column.shape),
            "dtype": str(column.dtype),
            "mean": list(dataset.inputs[name].mean),
            "std": list(dataset.inputs[name].std),
        }
        for name, column in dataset.train.inputs.items()
    ]
    targets = [
        {"name": name, "shape": list(column.shape), "classes": list(dataset.targets[name].classes)}
        for name, column in dataset.train.targets.items()
    ]
    data = {
        "name": dataset.name,
        "samples": {name: len(split) for name, split in dataset.splits.items()},
        "inputs": inputs,
        "targets": targets,
        "counts": _counts(dataset),
        "skipped": list(dataset.skipped),
        "sum": dataset.sum(),
        "sheet": sheet,
    }
    return {"data": data, "diagnostics": [as_json(warning) for warning in warnings]}
