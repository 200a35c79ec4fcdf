"""`netdsl train`: trains a net with the settings of its `train` section."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from netdsl.backends.torch.module import lower
from netdsl.commands.common import UsageError, load_one
from netdsl.commands.consoles import console
from netdsl.data.catalog import open_dataset
from netdsl.errors import NetdslError, SettingError
from netdsl.train.loop import train
from netdsl.train.section import placed, read_config

if TYPE_CHECKING:
    import argparse

    from netdsl.ir.graph import Graph


def run(arguments: argparse.Namespace) -> int:
    """Train, and print where the results are."""
    compiled = load_one(arguments)
    name = compiled.graph.name
    settings = parse_settings(arguments.set)
    config = read_config(compiled, arguments.data, settings)
    expects = image_shape(compiled.graph)
    out = Path(arguments.out or f"runs/{name}")
    screen = console()
    try:
        dataset = open_dataset(config.data)
        screen.print(dataset.note, soft_wrap=True)
        torch.manual_seed(config.seed)
        result = train(
            lower(compiled.graph),
            dataset,
            config,
            out,
            device=arguments.device,
            resume=arguments.resume,
            console=screen,
            name=name,
            expects=expects,
        )
    except SettingError as error:
        replaced = set(settings)
        if arguments.data is not None:
            replaced.add("data")
        raise placed(error, compiled, replaced) from None
    screen.print(f"weights: {result.weights}  curves: {out / 'curves.png'}", soft_wrap=True)
    return 0


def parse_settings(items: list[str]) -> dict[str, str]:
    """The values of `--set train.KEY=VALUE`, as texts, by key; raises `UsageError`."""
    settings = {}
    for item in items:
        name, equals, value = item.partition("=")
        section, _, key = name.strip().partition(".")
        if not equals or section != "train" or not key.isidentifier():
            raise UsageError(f"--set takes train.KEY=VALUE such as train.epochs=3, found `{item}`")
        settings[key] = value.strip()
    return settings


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
