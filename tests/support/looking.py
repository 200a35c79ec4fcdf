"""Small nets with random weights to look into, and pictures for them."""

from __future__ import annotations

import numpy as np
import torch

import netdsl
from netdsl.data.dataset import InputData
from netdsl.look.net import LayeredNet
from netdsl.look.pictures import Pictures

CLASSES = ("disc", "ring", "star")


def layered(text: str, seed: int = 0, size: tuple[int, ...] | None = None) -> LayeredNet:
    """The net with this body, or the net of the library with this name, with random weights.

    `size` is that of an image whose sizes are open.
    """
    inputs = None if size is None else {"image": size}
    if "input" in text:
        net = netdsl.loads(f"net N {{\n{text}\n}}", "N", inputs=inputs)
    else:
        net = netdsl.load(text, inputs=inputs)
    torch.manual_seed(seed)
    return LayeredNet(net.graph, net.torch())


def pictures(count: int, shape: tuple[int, ...], seed: int = 0) -> Pictures:
    """Random pictures of three classes, which are normalised."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, *shape), np.uint8)
    given = InputData(mean=(0.4,) * shape[0], std=(0.25,) * shape[0])
    return Pictures("random", pixels, np.arange(count) % 3, CLASSES, given)
