"""Folders of real pictures that tests write: the class is the channel that is bright."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "owl")


def write_photos(folder: Path, count: int = 12, seed: int = 0) -> None:
    """Write `count` pictures of each class, JPEG and PNG, of several sizes."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            height, width = rng.integers(12, 30, 2)
            pixels = rng.integers(0, 150, (height, width, 3), np.uint8)
            pixels[..., number] += 90
            suffix = ("png", "jpg")[index % 2]
            Image.fromarray(pixels).save(folder / name / f"{index:02}.{suffix}")


NET = """net Small(classes = 3) {
    input image: 3x16x16
    conv(4, 3) -> bn -> relu -> gap -> flatten
    output logits: dense(classes)
}
train Small {
    data = DATA
    augment = hflip
    optimizer = adam(lr = 0.02)
    epochs = 12
    batch = 8
}
"""


def write_net(folder: Path, data: str, name: str = "small.net", net: str = NET) -> None:
    """Write a net whose section names this data."""
    (folder / name).write_text(net.replace("DATA", data))
