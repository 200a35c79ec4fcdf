"""Reads pictures with masks, whose pixels are the numbers of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from netdsl.data.dataset import TargetData
from netdsl.data.folder import existing_folder, pictures_in, split_numbers
from netdsl.data.labels import checked_labels, class_names
from netdsl.data.pictures import PictureForm, examine, picture_dataset
from netdsl.errors import SettingError
from netdsl.pictures import SUFFIXES
from netdsl.pipes import refuse_pipe
from netdsl.words import listed

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.data.dataset import Dataset
    from netdsl.data.own import Segments

MODES = ("L", "P", "1")


def read_segments(source: Segments) -> Dataset:
    """The pictures, C x H x W with bytes, and masks H x W of class numbers; raises SettingError."""
    root, masks = existing_folder(source.images), existing_folder(source.masks)
    by_stem = {path.relative_to(masks).with_suffix(""): path for path in pictures_in(masks)}
    files = pictures_in(root)
    _check_pairs(source, root, files, by_stem)
    form = PictureForm(*source.form)
    examined = examine(files, form, source.unreadable, source.images)
    kept = [file for number, file in enumerate(files) if number not in examined.errors]
    paths = [by_stem[file.relative_to(root).with_suffix("")] for file in kept]
    array = np.stack([_mask(path, form) for path in paths])
    classes = class_names(source.classes, [array], source.masks, source.ignored)
    for path, mask in zip(paths, array, strict=True):
        checked_labels(mask[None], len(classes), str(path), source.ignored)
    numbers = split_numbers([""] * len(kept), np.zeros(len(kept), np.int64), source)
    target = ("mask", TargetData(classes, source.ignored))
    return picture_dataset(source.images, examined, target, array, numbers)


def _check_pairs(source: Segments, root: Path, files: list[Path], masks: dict[Path, Path]) -> None:
    missing = [file for file in files if file.relative_to(root).with_suffix("") not in masks]
    if not files:
        help_ = f"the names of pictures end in {listed(SUFFIXES)}"
        raise SettingError("data-not-found", f"{root} has no pictures", "data", help_)
    if missing:
        message = f"{missing[0]} has no mask in {source.masks}"
        if len(missing) > 1:
            message = f"{len(missing):,} pictures have no mask in {source.masks}: the first is"
            message += f" {missing[0]}"
        help_ = "a mask has the name of its picture, with any suffix: `images/a.jpg`, `masks/a.png`"
        raise SettingError("data-not-found", message, "data", help_)


def _mask(path: Path, form: PictureForm) -> np.ndarray:
    """The class numbers of a mask in the size of the pictures, without mixing of neighbours."""
    try:
        refuse_pipe(path)
        with Image.open(path, formats=("PNG", "BMP", "GIF", "TIFF")) as opened:
            if opened.mode not in MODES:
                message = f"the mask {path} has {opened.mode} colours; its pixels must be numbers"
                help_ = "save masks as PNG in grey or with a palette; the number is the class"
                raise SettingError("corrupt-data", message, "data", help_)
            size = (form.width, form.height)
            return np.asarray(opened.resize(size, Image.Resampling.NEAREST), np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingError("corrupt-data", f"{path} is not a mask: {reason}", "data") from None
