"""Trains a compiled net: reads its `train` section, opens the data and starts the loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from netdsl.backends.torch.module import lower
from netdsl.data.catalog import describe_dataset, open_dataset
from netdsl.data.findings import warnings_about
from netdsl.diagnostics import Diagnostic
from netdsl.errors import SettingError
from netdsl.render import render_all
from netdsl.train.fit import check_ends, fitted
from netdsl.train.identity import layers_of, settings_of
from netdsl.train.loop import Result, Start, train
from netdsl.train.section import COMMAND, entry_of, placed, read_config
from netdsl.version import __version__
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from netdsl.driver import Compiled
    from netdsl.train.config import TrainConfig


Warn = Callable[[list[Diagnostic]], None]


class Wishes(NamedTuple):
    """What a user asks for besides the `train` section.

    `data`, `settings` and `given_as` are as in `read_config`. `out` is the folder of results, by
    default `runs/NET`, and `start` is what to do with the files of another run there.
    """

    data: str | None = None
    settings: Mapping[str, str] = {}
    out: str | None = None
    device: str = "cpu"
    start: Start = Start.NEW
    given_as: tuple[str, str] = COMMAND


def train_net(
    compiled: Compiled, wishes: Wishes, console: Console, warn: Warn | None = None
) -> Result:
    """Train the net with fresh weights, and print the progress; raises as `train` does.

    `warn` gets the warnings about the data; without it, they are printed like the progress.

    Raises `NetdslError` for a wrong section or setting, at its place in the text.
    """
    name = compiled.graph.name
    config = read_config(compiled, wishes.data, wishes.settings, wishes.given_as)
    check_ends(compiled.graph, "`netdsl train`", describe_dataset(config.data))
    try:
        if compiled.train is None:
            console.print(_defaults(name, config), soft_wrap=True)
        dataset = open_dataset(config.data, progress=not console.quiet)
        console.print(dataset.note, soft_wrap=True)
        _, dataset = fitted(compiled, dataset)
        _warn(warnings_about(dataset), compiled, wishes, warn or partial(_print, console))
        torch.manual_seed(config.seed)
        return train(
            lower(compiled.graph),
            dataset,
            config,
            Path(wishes.out or f"runs/{name}"),
            device=wishes.device,
            start=wishes.start,
            layers=layers_of(compiled.graph),
            about=_about(compiled, config),
            console=console,
            name=name,
        )
    except SettingError as error:
        replaced = set(wishes.settings)
        if wishes.data is not None:
            replaced.add("data")
        raise placed(error, compiled, replaced) from None


def _warn(warnings: list[Diagnostic], compiled: Compiled, wishes: Wishes, warn: Warn) -> None:
    """Give the warnings about the data the place of its entry, and pass them on."""
    entry = entry_of(compiled, "data")
    for warning in warnings:
        if wishes.data is not None:
            warning.file = wishes.data
        elif entry is not None:
            warning.span = entry.span
    warn(warnings)


def _print(console: Console, warnings: list[Diagnostic]) -> None:
    if warnings:
        console.print(render_all(warnings), soft_wrap=True)


def _defaults(name: str, config: TrainConfig) -> str:
    """What is trained if the text does not specify it."""
    epochs = counted(config.epochs, "epoch")
    return f"{name} has no `train` section: {epochs} on {config.data.name}, with default settings"


def _about(compiled: Compiled, config: TrainConfig) -> dict[str, str]:
    """What the weights carry, so that they can be used, and made again, without other files."""
    program = compiled.program
    versions = {"netdsl": __version__, "torch": torch.__version__, "numpy": np.__version__}
    return {
        "data": str(config.data),
        "text": program.source.text,
        "defines": json.dumps(dict(program.defines)),
        "settings": json.dumps(settings_of(config)),
        "versions": json.dumps(versions),
    }
