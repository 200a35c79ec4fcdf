"""Draws a folder of pictures for `pictures.net`: four shapes in random sizes, places and colours.

    python examples/pictures.py DIR

`DIR` gets a folder for each shape with 300 JPEG files. Your own pictures can have the same form: a
folder for each class.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COUNT = 300  # pictures of each shape
CORNERS = {"circle": 60, "square": 4, "star": 10, "triangle": 3}  # a circle has many


def outline(
    shape: str, rng: np.random.Generator, width: int, height: int
) -> list[tuple[float, float]]:
    """The corners of a shape that lies inside the picture, turned by a random angle."""
    count = CORNERS[shape]
    radius = rng.uniform(0.18, 0.42) * min(width, height)
    x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
    turn = rng.uniform(0, 2 * math.pi)
    points = []
    for number in range(count):
        angle = turn + 2 * math.pi * number / count
        length = radius * (0.45 if shape == "star" and number % 2 else 1)
        points.append((x + length * math.cos(angle), y + length * math.sin(angle)))
    return points


def picture(shape: str, rng: np.random.Generator) -> Image.Image:
    """A shape on a noisy background; the two colours differ in brightness."""
    width, height = (int(side) for side in rng.integers(90, 200, 2))
    dark, bright = rng.integers(0, 110, 3), rng.integers(145, 256, 3)
    colours = [tuple(map(int, colour)) for colour in (dark, bright)]
    if rng.random() < 0.5:
        colours.reverse()
    image = Image.new("RGB", (width, height), colours[0])
    ImageDraw.Draw(image).polygon(outline(shape, rng, width, height), fill=colours[1])
    noise = rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def main() -> None:
    """Write the folders."""
    if len(sys.argv) != 2:
        sys.exit("give the folder to write: python examples/pictures.py DIR")
    rng = np.random.default_rng(0)
    for shape in CORNERS:
        folder = Path(sys.argv[1], shape)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(COUNT):
            picture(shape, rng).save(folder / f"{number:03}.jpg", quality=90)


if __name__ == "__main__":
    main()
