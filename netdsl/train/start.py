"""Trains a compiled net: reads its `train` section, opens the data and starts the loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from netdsl.backends.torch.module import lower
from netdsl.data.catalog import open_dataset
from netdsl.errors import NetdslError, SettingError
from netdsl.train.loop import Result, train
from netdsl.train.section import COMMAND, placed, read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph


class Wishes(NamedTuple):
    """What a user asks for besides the `train` section.

    `data`, `settings` and `given_as` are as in `read_config`. `out` is the folder of results, by
    default `runs/NET`.
    """

    data: str | None = None
    settings: Mapping[str, str] = {}
    out: str | None = None
    device: str = "cpu"
    resume: bool = False
    given_as: tuple[str, str] = COMMAND


def train_net(compiled: Compiled, wishes: Wishes, console: Console) -> Result:
    """Train the net with fresh weights, and print the progress; raises as `train` does.

    Raises `NetdslError` for a wrong section or setting, at its place in the text.
    """
    name = compiled.graph.name
    config = read_config(compiled, wishes.data, wishes.settings, wishes.given_as)
    expects = image_shape(compiled.graph)
    try:
        dataset = open_dataset(config.data)
        console.print(dataset.note, soft_wrap=True)
        torch.manual_seed(config.seed)
        return train(
            lower(compiled.graph),
            dataset,
            config,
            Path(wishes.out or f"runs/{name}"),
            device=wishes.device,
            resume=wishes.resume,
            console=console,
            name=name,
            expects=expects,
        )
    except SettingError as error:
        replaced = set(wishes.settings)
        if wishes.data is not None:
            replaced.add("data")
        raise placed(error, compiled, replaced) from None


def image_shape(graph: Graph) -> tuple[int, ...] | None:
    """The (C, H, W) of the images that the net takes, or None if its sizes are open.

    Raises `NetdslError` for a net with several inputs, which cannot be trained on images.
    """
    if len(graph.inputs) != 1:
        inputs = f"`{graph.name}` has {len(graph.inputs)} inputs"
        message = f"{inputs}, and `netdsl train` trains only nets with one"
        advice = "train it from Python: `netdsl.load(...).torch()`"
        place = graph.inputs[1].site.span
        raise NetdslError("cannot-train", message, place, help=advice)
    shape = graph.inputs[0].type.shape
    sizes = tuple(size for size in shape if isinstance(size, int))
    return sizes if len(sizes) == len(shape) else None
