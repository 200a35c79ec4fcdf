"""Reads pictures whose class is the name of their folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.data.dataset import TargetData
from netdsl.data.pictures import PictureForm, examine, picture_dataset
from netdsl.data.split import parted
from netdsl.diagnostics import nearest
from netdsl.errors import SettingError
from netdsl.missing import similar
from netdsl.pictures import SUFFIXES
from netdsl.words import listed

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.data.own import Folder, OwnData

DEFAULT_TEST = 0.2  # the share of the test set if the section does not give it
PARTS = ("train", "val", "test")
FOLDERS = {  # of pictures, in the order of their use
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
LAYOUT = "put the pictures of each class into a folder of its own, such as `{}/cat/1.jpg`"
READERS = {  # advice for a file in place of a folder, by its suffix
    ".csv": 'a table of pictures is `csv("{}", images = "DIR", size = 64)`',
    ".npz": 'arrays are `npz("{}")`',
    ".zip": "unpack the archive, and give the folder that it makes",
    ".tar": "unpack the archive, and give the folder that it makes",
    ".gz": "unpack the archive, and give the folder that it makes",
    ".tgz": "unpack the archive, and give the folder that it makes",
}


class Labelled(NamedTuple):
    """A picture file and the number of its class; `part` is the folder of its split, or ""."""

    path: Path
    label: int
    part: str


def read_folder(source: Folder) -> Dataset:
    """The pictures of a folder, C x H x W with bytes; raises SettingError."""
    root = existing_folder(source.path)
    parts = _splits(root)
    classes = _classes(next(iter(parts.values())))
    _check_classes(root, list(parts.values()), classes)
    files = [
        Labelled(path, label, part)
        for part, folder in parts.items()
        for label, name in enumerate(classes)
        for path in pictures_in(folder / name)
    ]
    examined = examine(
        [f.path for f in files], PictureForm(*source.form), source.unreadable, source.path
    )
    kept = [file for number, file in enumerate(files) if number not in examined.errors]
    labels = np.array([file.label for file in kept], np.int64)
    numbers = split_numbers([file.part for file in kept], labels, source)
    target = ("label", TargetData(tuple(classes)))
    return picture_dataset(source.path, examined, target, labels, numbers)


def _splits(root: Path) -> dict[str, Path]:
    """The folders of the splits by their names here; without that of `train`, `root` as ""."""
    found: dict[str, Path] = {}
    for part, known in FOLDERS.items():
        folders = [root / name for name in known if _classes(root / name)]
        if len(folders) > 1:
            names = listed([str(folder) for folder in folders])
            message = f"{names} are all for the split `{part}`"
            raise SettingError("data-mismatch", message, "data", "remove or rename one of them")
        if folders:
            found[part] = folders[0]
    return found if "train" in found else {"": root}


def existing_folder(name: str) -> Path:
    """The folder of that name; raises SettingError `data-not-found` unless it exists."""
    # Unlike Path, os.path does not raise for an unknown user or an unreadable folder.
    folder = os.path.expanduser(name)
    if os.path.isfile(folder):
        help_ = READERS.get(os.path.splitext(folder)[1].lower(), "give the folder with the files")
        message = f"{folder} is a file, not a folder"
        raise SettingError("data-not-found", message, "data", help_.format(folder))
    if not os.path.isdir(folder):
        message = f"there is no folder {folder}"
        raise SettingError("data-not-found", message, "data", missing_help(folder))
    return Path(folder)


def missing_help(path: str | os.PathLike[str]) -> str:
    """Advice for a file or a folder that is missing: the names beside it that are like its own."""
    above = re.match(r"([^*?\[]*)/[^/]*[*?\[]", os.fspath(path))
    if above is not None:
        return f'write the folder that has those of the classes, without a pattern: "{above[1]}"'
    meant, rule = similar(path), "a relative name begins at the current folder"
    if meant is None:
        return f"{rule}; `--data` gives other data"
    return f"{meant} ({rule})"


def split_numbers(parts: list[str], groups: np.ndarray, source: OwnData) -> dict[str, np.ndarray]:
    """The numbers of the samples of `train`, `val` and `test`.

    `parts` is the split that each sample belongs to, or "" for all. Without test samples, the share
    `test` of the training samples becomes the test set, with the `groups` in proportion.
    """
    found = {part: np.flatnonzero([p == part for p in parts]) for part in PARTS}
    if not len(found["train"]):
        found["train"] = np.flatnonzero([p == "" for p in parts])
    train = found["train"]
    if not len(found["test"]):
        rest, chosen = parted(groups[train], source.test or DEFAULT_TEST, "test")
        found |= {"train": train[rest], "test": train[chosen]}
    elif source.test is not None:
        message = f"`test` is {source.test:g}, but the data has a test set of its own"
        raise SettingError("bad-argument", message, "data", "leave out `test`")
    return {part: numbers for part, numbers in found.items() if len(numbers)}


def _classes(folder: Path) -> list[str]:
    """The folders of classes in a folder, by name."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in os.scandir(folder) if entry.is_dir())
    return sorted(name for name in names if not name.startswith("."))


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder and below, in order of their names."""
    return sorted(
        Path(inside, name)
        for inside, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    )


def _check_classes(root: Path, parts: list[Path], classes: list[str]) -> None:
    """Raise SettingError unless there are at least two classes, which the other splits have."""
    if len(classes) < 2:
        found = f"only one folder, {classes[0]}" if classes else "no folders"
        message = f"{root} has {found}; training needs at least two classes"
        raise SettingError("data-not-found", message, "data", _layout_help(root, classes))
    for part in parts[1:]:
        others = [name for name in _classes(part) if name not in classes]
        if others:
            noun = "class" if len(others) == 1 else "classes"
            message = f"{part} has the {noun} {listed(others)}, but {parts[0]} does not"
            help_ = "each class needs training pictures; rename the folder or remove it"
            meant = [(name, _like(name, classes)) for name in others]
            renamed = [f"{part / name} to {other}" for name, other in meant if other is not None]
            if len(renamed) == len(others):
                help_ = f"did you mean the same classes? rename {listed(renamed)}"
            raise SettingError("unknown-class", message, "data", help_)


def _like(name: str, classes: list[str]) -> str | None:
    """The class that is probably meant by a name: `cat` by `Cat`, `cats` and `catt`."""
    keys = {other.lower().removesuffix("s"): other for other in classes}
    return keys.get(name.lower().removesuffix("s"), nearest(name, classes))


def _layout_help(root: Path, classes: list[str]) -> str:
    """Advice for a folder without classes: the folder above or below that has them, if one has."""
    above = Path(os.path.normpath(root / "..")) if not classes else root
    for other in (above, *(root / name for name in classes)):
        inside = [_has_picture(other / name) for name in _classes(other)]
        if other != root and sum(inside) >= 2 and all(inside):
            return f'the folders of the classes are in {other}: write `folder("{other}", ...)`'
    return LAYOUT.format(root)


def _has_picture(folder: Path) -> bool:
    """Whether a picture file is directly in a folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(name.lower().endswith(SUFFIXES) for name in names)
