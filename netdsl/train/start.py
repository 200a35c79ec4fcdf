"""Trains a compiled net: reads its `train` section, opens the data and starts the loop."""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from rich.console import Console

from netdsl.backends.torch.module import lower
from netdsl.data.catalog import describe_dataset, open_dataset
from netdsl.data.findings import warnings_about
from netdsl.diagnostics import Diagnostic
from netdsl.errors import SettingError
from netdsl.render import render_all
from netdsl.train.fit import (
    batch_misfits,
    check_recipe,
    check_scores,
    check_statistics,
    fitted,
    late_steps,
)
from netdsl.train.folder import CHECKPOINT, TEXT, check_free
from netdsl.train.freezing import decides_frozen, frozen_untrained
from netdsl.train.identity import settings_of
from netdsl.train.journal import Subject
from netdsl.train.launched import check_processes, launched
from netdsl.train.loop import Result, StartMode, train
from netdsl.train.order import steps_of
from netdsl.train.pretrained import load_pretrained
from netdsl.train.processes import ALONE, TIMEOUT, Processes, joined
from netdsl.train.run import torch_device
from netdsl.train.section import COMMAND, entry_of, placed, read_config
from netdsl.train.selection import names_of
from netdsl.train.staged import module_of
from netdsl.train.stages import said_of, stages_of
from netdsl.train.unscaled import scale_warnings
from netdsl.train.written import texts_of_config
from netdsl.version import __version__
from netdsl.weights.record import layers_of
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Graph
    from netdsl.train.config import TrainConfig
    from netdsl.train.stages import Stage


METRICS = "metrics"  # which do not change a run, but belong to what its weights are good for
Warn = Callable[[list[Diagnostic]], None]


class Wishes(NamedTuple):
    """What a user asks for besides the `train` section.

    `data`, `settings` and `given_as` are as in `read_config`. `out` is the folder of results, by
    default `runs/NET`, and `start` is what to do with the files of another run there. `logs` are
    those of `logs.KINDS` to write.
    """

    data: str | None = None
    settings: Mapping[str, str] = {}
    out: str | None = None
    device: str = "cpu"
    start: StartMode = StartMode.NEW
    given_as: tuple[str, str] = COMMAND
    logs: tuple[str, ...] = ()


def train_net(
    compiled: Compiled,
    wishes: Wishes,
    console: Console,
    warn: Warn | None = None,
    processes: Processes = ALONE,
) -> Result:
    """Train the net, from fresh weights or those of `weights`; raises as `train` does.

    `warn` gets the warnings about the data; without it, they are printed like the progress. Only
    the first of several processes prints anything.

    Raises `NetdslError` for a wrong section or setting, at its place in the text.
    """
    name = compiled.graph.name
    config = read_config(compiled, wishes.data, wishes.settings, wishes.given_as)
    if not processes.is_first:
        console, warn = Console(quiet=True), _ignore
    try:
        check_processes(config, processes.count)
        check_recipe(compiled.graph, config, describe_dataset(config.data))
        out = Path(wishes.out or f"runs/{name}")
        torch_device(wishes.device, processes.on_machine_rank)
        if wishes.start is StartMode.NEW and processes.is_first:
            check_free(out)  # reading the data can take minutes
        if compiled.train is None:
            console.print(_defaults(name, config, wishes), soft_wrap=True)
        warn = warn or partial(print_warnings, console)
        sized, dataset = _with_data(compiled, config, wishes, console, warn)
        torch.manual_seed(config.seed)
        module = lower(compiled.graph)
        goes_on = wishes.start.resumes and (out / CHECKPOINT).exists()
        [goes_on] = map(bool, processes.most(goes_on))
        if not goes_on:
            _load(module, compiled, config, wishes, console, warn)
        module, stage = _own_part(module, sized.graph, config, processes, console)
        return train(
            module,
            dataset,
            config,
            out,
            device=wishes.device,
            start=wishes.start,
            layers=layers_of(compiled.graph),
            ends=names_of(compiled.graph),
            about=_about(compiled, config),
            subject=_subject(compiled, wishes.logs),
            console=console,
            name=name,
            processes=processes,
            stage=stage,
        )
    except SettingError as error:
        replaced = set(wishes.settings)
        if wishes.data is not None:
            replaced.add("data")
        raise placed(error, compiled, replaced) from None


def _with_data(
    compiled: Compiled, config: TrainConfig, wishes: Wishes, console: Console, warn: Warn
) -> tuple[Compiled, Dataset]:
    """The net for the samples of its data, and the data, whose first target is that of `loss`.

    `warn` gets what is unusual about them. Raises `NetdslError` and SettingError if they do not
    fit.
    """
    dataset = open_dataset(config.data, progress=not console.quiet)
    console.print(dataset.note, soft_wrap=True)
    sized, dataset = fitted(compiled, dataset)
    try:
        _, target = check_scores(sized.graph, config, dataset)
    except SettingError:  # classes without samples can be the reason
        _warn(warnings_about(dataset), compiled, wishes, warn)
        raise
    dataset = dataset.with_first(target)
    if len(dataset.train) == 1:
        check_statistics(sized.graph, f"{dataset.name} has 1 training sample")
    _warn(warnings_about(dataset), compiled, wishes, warn)
    steps = steps_of(config.seed, 0, len(dataset.train), config.batch * config.accumulate)
    found = late_steps(config, len(steps)) + batch_misfits(config, dataset)
    found += scale_warnings(sized.graph, dataset)
    warn([placed(error, compiled, wishes.settings).diagnostic for error in found])
    return sized, dataset


def _own_part(
    module: nn.Module,
    graph: Graph,
    config: TrainConfig,
    processes: Processes,
    console: Console,
) -> tuple[nn.Module, Stage | None]:
    """What this process trains: the module of its stage, if the recipe has stages, or the whole."""
    if not config.stages:
        return module, None
    stages = stages_of(graph, config)
    console.print("\n".join(said_of(graph, stages, config)), soft_wrap=True)
    stage = stages[processes.rank]
    return module_of(module, graph, stage), stage


def _load(
    module: nn.Module,
    compiled: Compiled,
    config: TrainConfig,
    wishes: Wishes,
    console: Console,
    warn: Warn,
) -> None:
    """Load the weights that a new run begins with, and warn of frozen parts without any."""
    fresh = None
    if config.weights is not None:
        loaded = load_pretrained(module, compiled.graph, config.weights)
        console.print("\n".join(loaded.lines(config.weights)), soft_wrap=True)
        fresh = loaded.new
    if decides_frozen(config, wishes.settings):
        untrained = frozen_untrained(compiled.graph, config, fresh)
        warn([placed(e, compiled, wishes.settings).diagnostic for e in untrained])


@contextmanager
def meeting(environment: Mapping[str, str], timeout: float = TIMEOUT) -> Iterator[Processes]:
    """The processes that a launcher has started, or this one alone.

    `timeout` is the number of seconds for which one of them may keep the others waiting. Raises
    SettingError `bad-launch` for a wrong environment, and as `joined` does.
    """
    others = launched(environment)
    if others is None:
        yield ALONE
    else:
        with joined(others, timeout) as processes:
            yield processes


def _warn(warnings: list[Diagnostic], compiled: Compiled, wishes: Wishes, warn: Warn) -> None:
    """Give the warnings about the data the place of its entry, and pass them on."""
    entry = entry_of(compiled, "data")
    for warning in warnings:
        if wishes.data is not None:
            warning.file = wishes.data
        elif entry is not None:
            warning.span = entry.span
    warn(warnings)


def _ignore(_: list[Diagnostic]) -> None:
    """The first process prints warnings."""


def print_warnings(console: Console, warnings: list[Diagnostic]) -> None:
    """Print warnings between the lines about the progress."""
    if warnings:
        console.print(render_all(warnings), soft_wrap=True)


def _defaults(name: str, config: TrainConfig, wishes: Wishes) -> str:
    """What is trained if the text does not specify it."""
    epochs = counted(config.epochs, "epoch")
    given = {path.partition(".")[0] for path in wishes.settings} - {"data", "epochs"}
    settings = "with default settings"
    if given:
        settings += f" except for {listed([f'`{name}`' for name in sorted(given)])}"
    return f"{name} has no `train` section: {epochs} on {config.data.name}, {settings}"


def _about(compiled: Compiled, config: TrainConfig) -> dict[str, str]:
    """What the weights carry, so that they can be used, and made again, without other files."""
    program = compiled.program
    versions = {"netdsl": __version__, "torch": torch.__version__, "numpy": np.__version__}
    return {
        "data": str(config.data),
        "text": program.source.text,
        "defines": json.dumps(dict(program.defines)),
        "layers": json.dumps(layers_of(compiled.graph)),
        "settings": json.dumps({**settings_of(config), METRICS: texts_of_config(config)[METRICS]}),
        "versions": json.dumps(versions),
    }


def _subject(compiled: Compiled, logs: tuple[str, ...]) -> Subject:
    """The net for the reports of the run."""
    program = compiled.program
    return Subject(_texts(program), dict(program.defines), compiled.graph, logs)


def _texts(program: Program) -> dict[str, str]:
    """The texts of the program's own files, by paths at which they find each other.

    The first is that of the net. Its name is `TEXT`, unless it imports a file of that name.
    """
    own = {r: file for r, file in program.loader.files.items() if r[2]}
    names = {target for _, target, _ in own}
    first = TEXT
    while first in names:
        first = f"main_{first}"
    places = {program.source.key: first}
    texts = {first: program.source.text}
    for (importer, target, _), file in own.items():
        place = os.path.normpath(os.path.join(os.path.dirname(places[importer]), target))
        places.setdefault(file.key, place)
        texts[place] = file.text
    return texts
