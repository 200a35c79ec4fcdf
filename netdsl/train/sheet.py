"""Draws a sheet of training samples: each as it is stored, and as the net gets it in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.colors import TABLEAU_COLORS, to_rgb
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from netdsl.data.findings import class_counts
from netdsl.files import replacing
from netdsl.train.augment import build_input
from netdsl.train.feed import CPU, Feed
from netdsl.train.order import seed_draws

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.data.dataset import Dataset
    from netdsl.train.config import TrainConfig

ROWS, COLUMNS = 12, 9  # samples, and versions of each; the first is the stored one
LEAST = 64  # pixels of the side of a small image
GAP, LABEL = 2, 12  # pixels between images, and for the name above each row
WHITE = 255
MIXED = 0.5  # the part of the colour of a class where a mask has it
COLOURS = {name.removeprefix("tab:"): to_rgb(code) for name, code in TABLEAU_COLORS.items()}


def draw_samples(dataset: Dataset, config: TrainConfig, path: Path) -> bool:
    """Write a PNG with samples of all classes in turn; false if the data has no images.

    The first image of a row is the stored one; the others are augmented with the seed of the run.
    Masks are drawn over the images.
    """
    name = next((n for n, given in dataset.inputs.items() if given.is_image), None)
    if name is None:
        return False
    chosen = _chosen(dataset)
    stored = dataset.train.inputs[name].read(chosen) / WHITE
    masks = next(iter(dataset.train.targets.values())).read(chosen)
    versions = [_masked(dataset, stored, masks), *_augmented(dataset, config, name, chosen)]
    images = np.stack(versions, 1).clip(0, 1)
    with replacing(path) as temporary:
        _sheet(images, _titles(dataset, chosen)).save(temporary, "PNG")
    return True


def _chosen(dataset: Dataset) -> np.ndarray:
    """The first training samples of every class in turn, at most `ROWS` in all."""
    counts = class_counts(dataset, dataset.train)
    if counts is None:
        return np.arange(min(ROWS, len(dataset.train)))
    by_class = np.argsort(dataset.train.labels, kind="stable")
    starts = np.cumsum(counts) - counts
    turns = [
        by_class[start + turn]
        for turn in range(ROWS)
        for start, count in zip(starts, counts, strict=True)
        if turn < count
    ]
    return np.array(turns[:ROWS])


def _augmented(
    dataset: Dataset, config: TrainConfig, name: str, chosen: np.ndarray
) -> list[np.ndarray]:
    """Augmented versions of the samples, scaled to 0..1 again."""
    prepare = build_input(config.augment, dataset, CPU)
    given = dataset.inputs[name]
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (given.mean, given.std))
    place = list(dataset.inputs).index(name)
    versions = []
    for number in range(1, COLUMNS):
        (batch,) = Feed(dataset.train, CPU, 0).batches([chosen])
        seed_draws(config.seed + number, CPU)
        with torch.inference_mode():
            inputs, targets = prepare(batch)
        masks = next(iter(targets.values())).numpy()
        versions.append(_masked(dataset, inputs[place].numpy() * std + mean, masks))
    return versions


def _masked(dataset: Dataset, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Images N x C x H x W with the classes of their masks N x H x W in colours, if they have any.

    Class 0, which is the background, and pixels of no class stay as they are.
    """
    if not dataset.classes or masks.shape[1:] != images.shape[2:]:
        return images
    ignored = masks == dataset.target.ignored
    return coloured(images, np.where(ignored, 0, masks))


def coloured(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Images ... x C x H x W, from 0 to 1, with the classes of masks ... x H x W in colours.

    Pixels of class 0, which is the background, and of negative numbers stay as they are. Images
    that are grey get three channels.
    """
    palette = np.array(list(COLOURS.values()), images.dtype)
    colours = np.moveaxis(palette[(masks - 1) % len(palette)], -1, -3)
    mixed = MIXED * colours + (1 - MIXED) * images
    return np.where(masks[..., None, :, :] > 0, mixed, images)


def _titles(dataset: Dataset, chosen: np.ndarray) -> list[str]:
    if class_counts(dataset, dataset.train) is None:
        return [f"sample {number}" for number in chosen]
    return [dataset.classes[label] for label in dataset.train.labels[chosen]]


def _sheet(images: np.ndarray, titles: list[str]) -> Image.Image:
    """Images in rows x versions x C x H x W, with values from 0 to 1, on one sheet."""
    rows, columns, _, height, width = images.shape
    factor = max(1, round(LEAST / max(height, width)))
    step_y, step_x = height * factor + GAP + LABEL, width * factor + GAP
    sheet = Image.new("RGB", (columns * step_x, rows * step_y), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(findfont("DejaVu Sans"), LABEL - 2)  # which Matplotlib has
    pixels = (images * WHITE).round().astype(np.uint8).transpose(0, 1, 3, 4, 2)
    for row in range(rows):
        draw.text((1, row * step_y - 1), titles[row], fill="black", font=font)
        for column in range(columns):
            image = Image.fromarray(np.broadcast_to(pixels[row, column], (height, width, 3)).copy())
            image = image.resize((width * factor, height * factor), Image.Resampling.NEAREST)
            sheet.paste(image, (column * step_x, row * step_y + LABEL))
    return sheet
