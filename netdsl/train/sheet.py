"""Draws a sheet of training samples: each as it is stored, and as the net gets it in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw

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


def draw_samples(dataset: Dataset, config: TrainConfig, path: Path) -> bool:
    """Write a PNG with samples of all classes in turn; false if the data has no images.

    The first image of a row is the stored one; the others are augmented with the seed of the run.
    """
    name = next((n for n, given in dataset.inputs.items() if given.is_image), None)
    if name is None:
        return False
    chosen = _chosen(dataset)
    stored = dataset.train.inputs[name].read(chosen)
    versions = [stored / WHITE, *_augmented(dataset, config, name, chosen)]
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
            inputs, _ = prepare(batch)
        versions.append(inputs[place].numpy() * std + mean)
    return versions


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
    pixels = (images * WHITE).round().astype(np.uint8).transpose(0, 1, 3, 4, 2)
    for row in range(rows):
        title = titles[row].encode("latin-1", "replace").decode("latin-1")  # Pillow's own font
        draw.text((1, row * step_y), title, fill="black")
        for column in range(columns):
            image = Image.fromarray(np.broadcast_to(pixels[row, column], (height, width, 3)).copy())
            image = image.resize((width * factor, height * factor), Image.Resampling.NEAREST)
            sheet.paste(image, (column * step_x, row * step_y + LABEL))
    return sheet
