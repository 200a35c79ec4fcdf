"""`netdsl train`: trains a net with the settings of its `train` section."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from netdsl.analysis.lint.scores import ABOUT_THE_LOSS, score_warnings
from netdsl.analysis.lint.training import ABOUT_THE_DATA, section_warnings
from netdsl.commands.common import UsageError, load_one, print_diagnostics
from netdsl.commands.consoles import console
from netdsl.commands.output import printing
from netdsl.errors import SettingError
from netdsl.process.heap import keep_freed_memory
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.fit import late_schedule
from netdsl.train.folder import REPORT
from netdsl.train.freezing import decides_frozen
from netdsl.train.launch import launch
from netdsl.train.launched import check_processes, launched
from netdsl.train.loop import StartMode
from netdsl.train.section import COMMAND, entry_of, placed, read_config
from netdsl.train.start import Wishes, meeting, train_net
from netdsl.train.written import texts_of_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping

    from netdsl.diagnostics import Diagnostic
    from netdsl.driver import Compiled
    from netdsl.source import Span
    from netdsl.train.config import TrainConfig
    from netdsl.train.processes import Processes

OF_OPTIMIZERS = ("lr", "momentum", "weight_decay", "betas")  # what `--set` has inside of an entry


def run(arguments: argparse.Namespace) -> int:
    """Train, and print where the results are."""
    if arguments.nproc is not None:
        return _launch(arguments)
    keep_freed_memory()
    with meeting(os.environ, arguments.timeout) as processes:
        return _train(arguments, processes)


def _train(arguments: argparse.Namespace, processes: Processes) -> int:
    compiled, settings = load_one(arguments), _settings(arguments)
    if processes.is_first and not printing().quiet:
        config = read_config(compiled, arguments.data, settings)
        late = [placed(error, compiled, settings).diagnostic for error in late_schedule(config)]
        print_diagnostics(late + _warnings(compiled, config, settings))
    start, logs = _start(arguments), tuple(dict.fromkeys(arguments.log))
    wishes = Wishes(arguments.data, settings, arguments.out, arguments.device, start, COMMAND, logs)
    screen = console()
    result = train_net(compiled, wishes, screen, _warn, processes)
    if processes.is_first:
        report = result.weights.parent / REPORT
        screen.print(f"weights: {result.weights}  report: {report}", soft_wrap=True)
    return 0


def _launch(arguments: argparse.Namespace) -> int:
    """Start the processes of `--nproc`, unless the text or the options are wrong."""
    if launched(os.environ) is not None:
        raise UsageError("--nproc starts processes, but a launcher has started this one already")
    compiled, settings = load_one(arguments), _settings(arguments)
    config = read_config(compiled, arguments.data, settings)
    _start(arguments)
    try:
        check_processes(config, arguments.nproc)
    except SettingError as error:
        raise placed(error, compiled, settings) from None
    words = list(arguments.words)
    for number, word in enumerate(words):
        if word == "--nproc":
            del words[number : number + 2]
            break
        if word.startswith("--nproc="):
            del words[number]
            break
    return launch(arguments.nproc, words)


def _settings(arguments: argparse.Namespace) -> dict[str, str]:
    settings = parse_settings(arguments.set)
    if arguments.weights is not None:
        settings["weights"] = json.dumps(arguments.weights, ensure_ascii=False)
    return settings


def _warn(warnings: list[Diagnostic]) -> None:
    if not printing().quiet:
        print_diagnostics(warnings)


def _start(arguments: argparse.Namespace) -> StartMode:
    if arguments.overwrite and arguments.resume:
        raise UsageError("--resume continues a run and --overwrite removes it: give one of them")
    if arguments.allow_changes and not arguments.resume:
        raise UsageError("--allow-changes is about a run that goes on: give --resume too")
    return StartMode.of(arguments.resume, arguments.overwrite, arguments.allow_changes)


def _warnings(
    compiled: Compiled, config: TrainConfig, settings: Mapping[str, str]
) -> list[Diagnostic]:
    """The warnings about the net and its section, with the settings of the user in place of it.

    Training itself warns of what depends on the data and on the weights.
    """
    given = {path.partition(".")[0] for path in settings}
    replaced = [e.span for name in given if (e := entry_of(compiled, name)) is not None]
    silent: tuple[str, ...] = (*ABOUT_THE_DATA, "late-schedule")
    if decides_frozen(config, settings):
        silent += ("frozen-untrained",)
    if "loss" in given:
        silent += ABOUT_THE_LOSS
    kept = [w for w in compiled.warnings if not _is_in(w.span, replaced)]
    kept = [w for w in kept if w.code not in silent and not _is_about_batch(w)]
    if not given:
        return kept
    section = _section_of(compiled, config, given)
    new = list(section_warnings(section, compiled.graph))
    if "loss" in given:
        kept += score_warnings(compiled.graph, section)
    return kept + [w for w in new if w.code not in silent and not _is_about_batch(w)]


def _is_in(span: Span | None, places: list[Span]) -> bool:
    return span is not None and any(
        span.file is place.file and place.start <= span.start < place.end for place in places
    )


def _is_about_batch(warning: Diagnostic) -> bool:
    is_of_net = warning.code == "small-batch"  # and not about the number of samples
    return not is_of_net and warning.span is not None and warning.span.text.startswith("batch")


def _section_of(compiled: Compiled, config: TrainConfig, given: Collection[str]) -> ast.Train:
    """A section that has only the entries that a user gives, as they are after all settings."""
    texts = texts_of_config(config)
    entries = []
    for name in (field for field in texts if field in given):
        value = parse_expression(SourceFile(f"--set train.{name}", texts[name]))
        entries.append(ast.Entry(name, (value,), value.span))
    place = compiled.graph.site.span
    return ast.Train(compiled.graph.name, place, tuple(entries), place)


def parse_settings(items: list[str]) -> dict[str, str]:
    """The values of `--set train.PATH=VALUE`, as texts, by path; raises `UsageError`."""
    settings = {}
    for item in items:
        name, equals, value = item.partition("=")
        section, _, key = name.strip().partition(".")
        if not equals or section != "train" or not all(map(str.isidentifier, key.split("."))):
            message = (
                "--set takes train.PATH=VALUE, such as train.epochs=3 or train.optimizer.lr=0.1,"
                f" found `{item}`"
            )
            if equals and all(map(str.isidentifier, name.strip().split("."))):
                inside = "optimizer." if name.strip() in OF_OPTIMIZERS else ""
                message += f": write `--set train.{inside}{item}`"
            raise UsageError(message)
        settings[key] = value.strip()
    return settings
