"""Reads pictures whose targets are in a CSV file."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.data.dataset import TargetData
from netdsl.data.folder import PARTS, existing_folder, missing_help, split_numbers
from netdsl.data.pictures import PictureForm, examine, picture_dataset
from netdsl.diagnostics import did_you_mean
from netdsl.errors import SettingError
from netdsl.pictures import SUFFIXES
from netdsl.pipes import refuse_pipe
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.data.own import PictureTable

SPLIT = "split"
SIGNS = (";", "\t", "|")  # which other programs write in place of commas


def read_table(source: PictureTable) -> Dataset:
    """The pictures of a table, C x H x W with bytes; raises SettingError."""
    path = Path(source.path).expanduser()
    names, rows = _rows(path)
    target = _column(path, names, source.target)
    root = existing_folder(source.images)
    parts = [_part(path, number, row) for number, row in enumerate(rows, 2)]
    classes, values = _targets(source, path, [row[target] for row in rows])
    files = [_file(path, n, root, row[names[0]]) for n, row in enumerate(rows, 2)]
    examined = examine(files, PictureForm(*source.form), source.unreadable, source.path)
    kept = [number for number in range(len(rows)) if number not in examined.errors]
    groups = np.zeros(len(kept), np.int64)
    if classes:
        groups = values[kept]
    numbers = split_numbers([parts[i] for i in kept], groups, source)
    meaning = (target, TargetData(tuple(classes)))
    return picture_dataset(source.path, examined, meaning, values[kept], numbers)


def _targets(source: PictureTable, path: Path, texts: list[str]) -> tuple[list[str], np.ndarray]:
    """The classes, and the number of each row's class; or no classes, and numbers N x 1."""
    if source.numbers:
        predicted = [[_number(path, row, text)] for row, text in enumerate(texts, 2)]
        return [], np.array(predicted, np.float32)
    classes = sorted(set(texts), key=_order)
    indices = {name: index for index, name in enumerate(classes)}
    return classes, np.array([indices[text] for text in texts], np.int64)


def _rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The names of the columns, and the rows by these names."""
    try:
        refuse_pipe(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            names = list(reader.fieldnames or ())
            rows = list(reader)
    except FileNotFoundError:
        message = f"there is no file {path}"
        raise SettingError("data-not-found", message, "data", missing_help(path)) from None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SettingError("data-not-found", message, "data") from None
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{path} is not a CSV file in UTF-8: {error}"
        raise SettingError("corrupt-data", message, "data") from None
    _check_first(path, names)
    if len(names) < 2 or not rows:
        found = f"{counted(len(names), 'column')} and {counted(len(rows), 'row')}"
        message = f"{path} has {found}, but needs at least 2 columns and 1 row"
        help_ = "the first line has the names of the columns, such as `file,label`"
        raise SettingError("corrupt-data", message, "data", help_)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            found = counted(_fields(row), "field")
            message = f"row {number} of {path} has {found}, but the first row has {len(names)}"
            help_ = 'write a text that contains a comma in quotes: `"a, b"`'
            raise SettingError("corrupt-data", message, "data", help_)
    return names, rows


def _check_first(path: Path, names: list[str]) -> None:
    """Raise SettingError `corrupt-data` for a first row that is no list of the columns' names."""
    first = names[0] if names else ""
    if len(names) == 1 and any(sign in first for sign in SIGNS):
        message = f"{path} has no commas between its fields: its first row is `{first}`"
        help_ = "separate the fields by commas; a spreadsheet can save the table in this form"
        raise SettingError("corrupt-data", message, "data", help_)
    if first.lower().endswith(SUFFIXES):
        message = f"the first row of {path} has the picture `{first}`, not the names of columns"
        help_ = "insert a first row such as `file,label`"
        raise SettingError("corrupt-data", message, "data", help_)


def _fields(row: dict[str | None, object]) -> int:
    """The number of fields in a row; `csv` puts surplus ones under the key None."""
    surplus = row.get(None)
    named = sum(value is not None for name, value in row.items() if name is not None)
    return named + (len(surplus) if isinstance(surplus, list) else 0)


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
        message = f"row {number} of {path} has the split `{part}`; it must be train, val or test"
        raise SettingError("corrupt-data", message, "data", did_you_mean(part, PARTS))
    return part


def _file(path: Path, number: int, root: Path, name: str) -> Path:
    """The picture of a row, which is in the folder of the pictures or below."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        message = f"row {number} of {path} has the picture `{name}`, outside the folder {root}"
        raise SettingError("corrupt-data", message, "data", "write names relative to that folder")
    return root / name


def _number(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"row {number} of {path} has `{text}`, which is not a finite number"
        raise SettingError("corrupt-data", message, "data", "for classes, leave out `numbers`")
    return value


def _order(name: str) -> tuple[int, int, str]:
    """Numbers come first, in the order of their values."""
    is_number = name.isdecimal() and len(name) < 10
    return (0, int(name), name) if is_number else (1, 0, name)
