"""`netdsl train`: trains a net with the settings of its `train` section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError, load_one
from netdsl.commands.consoles import console
from netdsl.train.start import Wishes, train_net

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Train, and print where the results are."""
    compiled = load_one(arguments)
    settings = parse_settings(arguments.set)
    wishes = Wishes(arguments.data, settings, arguments.out, arguments.device, arguments.resume)
    screen = console()
    result = train_net(compiled, wishes, screen)
    curves = result.weights.parent / "curves.png"
    screen.print(f"weights: {result.weights}  curves: {curves}", soft_wrap=True)
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
