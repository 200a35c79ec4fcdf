"""Reads pictures whose targets are in a CSV file."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.data.columns import ArrayColumn
from netdsl.data.dataset import Dataset, InputData, Split, TargetData
from netdsl.data.folder import PARTS, existing_folder, split_numbers
from netdsl.data.pictures import Form, examine
from netdsl.diagnostics import did_you_mean
from netdsl.errors import SettingError
from netdsl.words import listed

if TYPE_CHECKING:
    from netdsl.data.own import Table

SPLIT = "split"
MOST_ROW = 1 << 16  # characters in a field


def read_table(source: Table) -> Dataset:
    """The pictures of a table, C x H x W with bytes; raises SettingError."""
    path = Path(source.path).expanduser()
    values: np.ndarray
    names, rows = _rows(path)
    target = _column(path, names, source.target)
    root = existing_folder(source.images)
    parts = [_part(path, number, row) for number, row in enumerate(rows, 2)]
    if source.numbers:
        predicted = [[_number(path, n, row[target])] for n, row in enumerate(rows, 2)]
        values, groups = np.array(predicted, np.float32), np.zeros(len(rows), np.int64)
        classes = []
    else:
        classes = sorted({row[target] for row in rows}, key=_order)
        indices = {name: index for index, name in enumerate(classes)}
        values = groups = np.array([indices[row[target]] for row in rows], np.int64)
    files = [_file(path, n, root, row[names[0]]) for n, row in enumerate(rows, 2)]
    examined = examine(files, Form(*source.form), source.unreadable, source.path)
    kept = [number for number in range(len(rows)) if number not in examined.errors]
    numbers = split_numbers([parts[i] for i in kept], groups[kept], source)
    splits = {
        part: Split({"image": examined.column(own)}, {target: ArrayColumn(values[kept][own])})
        for part, own in numbers.items()
    }
    mean, std = examined.constants(numbers["train"])
    return Dataset(
        source.path,
        source.path,
        {"image": InputData(mean=mean, std=std)},
        {target: TargetData(tuple(classes))},
        splits["train"],
        splits["test"],
        splits.get("val"),
        is_resized=True,
        skipped=tuple(examined.errors.values()),
    )


def _rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The names of the columns, and the rows by these names."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            names = list(reader.fieldnames or ())
            rows = list(reader)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SettingError("data-not-found", message, "data") from None
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{path} is not a CSV file in UTF-8: {error}"
        raise SettingError("corrupt-data", message, "data") from None
    if len(names) < 2 or not rows:
        message = f"{path} has {len(names)} columns and {len(rows)} rows"
        help_ = "the first line has the names of the columns, such as `file,label`"
        raise SettingError("corrupt-data", message, "data", help_)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            message = f"{path}, row {number}: expected {len(names)} fields, as in the first row"
            raise SettingError("corrupt-data", message, "data")
    return names, rows


def _column(path: Path, names: list[str], wanted: str | None) -> str:
    """The name of the column with the targets."""
    others = [name for name in names[1:] if name != SPLIT]
    if wanted is None and others:
        return others[0]
    if wanted in others:
        return str(wanted)
    message = f"{path} has no column `{wanted}`" if wanted else f"{path} has no column of targets"
    help_ = did_you_mean(wanted or "", others) or f"its columns are {listed(names)}"
    raise SettingError("data-not-found", message, "data", help_)


def _part(path: Path, number: int, row: dict[str, str]) -> str:
    part = row.get(SPLIT, "")
    if part and part not in PARTS:
        message = f"{path}, row {number}: the split is `{part}`; it must be {listed(PARTS)}"
        raise SettingError("corrupt-data", message, "data")
    return part


def _file(path: Path, number: int, root: Path, name: str) -> Path:
    """The picture of a row, which is in the folder of the pictures or below."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        message = f"{path}, row {number}: the picture `{name}` is outside the folder {root}"
        raise SettingError("corrupt-data", message, "data", "write names relative to that folder")
    return root / name


def _number(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"{path}, row {number}: `{text}` is not a finite number"
        raise SettingError("corrupt-data", message, "data", "for classes, leave out `numbers`")
    return value


def _order(name: str) -> tuple[int, int, str]:
    """Numbers come first, in the order of their values."""
    is_number = name.isdecimal() and len(name) < 10
    return (0, int(name), name) if is_number else (1, 0, name)
