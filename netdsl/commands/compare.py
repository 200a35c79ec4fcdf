"""`netdsl compare`: trains variants of nets under control; draws one plot, prints one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from netdsl.commands.common import UsageError, parse_defines, print_diagnostics, split_name
from netdsl.commands.consoles import console, listing, plain_table
from netdsl.commands.output import printing, say, say_json
from netdsl.commands.train import parse_settings
from netdsl.driver import open_program
from netdsl.files import replacing
from netdsl.render import as_json
from netdsl.syntax import ast
from netdsl.train.compare.errors import measure_of, results_of
from netdsl.train.compare.picture import SUFFIXES, draw_comparison, svg_part, write_picture
from netdsl.train.compare.runs import kept, trials_of
from netdsl.train.compare.table import (
    Comparison,
    failures_of,
    heads_of,
    json_of,
    page_of_comparison,
    rows_of,
    told,
)
from netdsl.train.compare.training import Execution, train_all, usual_jobs, usual_workers
from netdsl.train.compare.variants import (
    DataSets,
    NamedNet,
    Overrides,
    unequal_data,
    unequal_params,
    variants_of,
)
from netdsl.train.compare.varied import SECTION, combinations
from netdsl.train.display import clock_text
from netdsl.train.folder import locked
from netdsl.train.run import torch_device
from netdsl.train.run_file import FAILED, FINISHED
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.program import Program
    from netdsl.train.compare.runs import Ended, Trial
    from netdsl.train.compare.varied import Varied

FOLDER = "compare"
STEM = "compare"  # of the files that are written
MOST = 1000  # runs of one comparison


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing; returns 1 if a run failed for another reason than divergence."""
    device = torch_device(arguments.device).type
    settings = parse_settings(arguments.set)
    options = [_checked(option, arguments, settings) for option in arguments.vary]
    combined = combinations(options, lambda name: _is_parameter(name, arguments))
    subjects = _subjects(arguments, combined[0])
    if (count := len(subjects) * len(combined) * arguments.seeds) > MOST:
        raise UsageError(f"{count:,} runs are too many: at most {MOST:,} are compared at once")
    wanted, data = Overrides(arguments.data, settings), DataSets(progress=not printing().hides_text)
    variants, lines = variants_of(subjects, combined, wanted, data, arguments.where)
    stem = Path(subjects[0].program.source.name).stem.strip("<>")  # of `<stdin>`
    out = Path(arguments.out or f"{FOLDER}/{stem}")
    trials = trials_of(variants, arguments.seeds, out, device)
    warnings = unequal_data(variants) + unequal_params(variants)
    if not printing().json and not printing().quiet:
        print_diagnostics(warnings)
    say(*lines)
    with locked(out):
        outcomes = _train(trials, arguments, device)
        results = results_of(variants, outcomes)
        title = " / ".join(dict.fromkeys(variant.data_name for variant in variants))
        title = f"{stem} on {title}"
        lines += failures_of(results)
        found = Comparison(title, results, measure_of(results), lines, arguments.words)
        written = _write(found, out)
    _report(found, written, warnings)
    return int(any(outcome.state == FAILED for outcome in outcomes))


def _subjects(arguments: argparse.Namespace, choices: Sequence[Varied]) -> list[NamedNet]:
    """The nets that the user names; a file is read once. `choices` have a value of what varies."""
    defines = parse_defines(arguments.define)
    varied = {choice.name: choice.text for choice in choices if choice.setting is None}
    programs: dict[str, Program] = {}
    subjects = []
    for word in arguments.files:
        file, net = split_name(word)
        if file not in programs:
            programs[file] = open_program(file, defines)
        program = programs[file]
        net = program._replace(defines={**defines, **varied}).pick(net)
        subjects.append(NamedNet(program, net, file))
    return subjects


def _is_parameter(name: str, arguments: argparse.Namespace) -> bool:
    """Whether a net of the files has a parameter of that name."""
    programs = [open_program(split_name(word)[0], {}) for word in arguments.files]
    definitions = [d for program in programs for d in program.module.definitions.values()]
    parameters = [p for d in definitions if isinstance(d, ast.Definition) for p in d.parameters]
    return any(parameter.name == name for parameter in parameters)


def _checked(option: str, arguments: argparse.Namespace, settings: dict[str, str]) -> str:
    """An option `--vary`; raises `UsageError` unless it names what no other option gives."""
    name, equals, text = option.partition("=")
    name = name.strip()
    parts = name.removeprefix(SECTION).split(".")
    is_parameter = len(parts) == 1 or name.startswith(SECTION)
    if not equals or not text.strip() or not is_parameter or not all(map(str.isidentifier, parts)):
        message = (
            "--vary takes NAME = LIST, such as 'drop = [0, 0.5]' or 'train.epochs = [5, 10]',"
            f" found `{option}`"
        )
        raise UsageError(message)
    if name == f"{SECTION}seed":
        raise UsageError("--vary train.seed: the seeds are varied by --seeds N")
    if name == f"{SECTION}data" and arguments.data is not None:
        raise UsageError("--vary train.data and --data both give the data: remove one of them")
    if name.removeprefix(SECTION) in settings and name.startswith(SECTION):
        raise UsageError(f"--vary and --set both give `{name}`: remove one of them")
    if name in parse_defines(arguments.define):
        raise UsageError(f"--vary and -D both give `{name}`: remove one of them")
    return option


# ---- training


def _train(trials: Sequence[Trial], arguments: argparse.Namespace, device: str) -> list[Ended]:
    """The outcomes of all runs, of which those in the folder are not trained again."""
    outcomes = [outcome for trial in trials if (outcome := kept(trial)) is not None]
    known = [outcome.trial for outcome in outcomes]
    missing = [trial for trial in trials if trial not in known]
    if not missing:
        say(f"nothing to train, {counted(len(known), 'run')} found")
        return outcomes
    jobs = arguments.jobs or usual_jobs(missing, device)
    say(f"{told(len(known), len(missing))}, {min(jobs, len(missing))} at once")
    screen = console()
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        console=screen,
        transient=True,
        expand=True,
        disable=not screen.is_terminal,
    )
    epochs = sum(trial.config.epochs for trial in missing)
    task = bar.add_task("training", total=epochs)
    done = 0

    def on_look(active: int) -> None:
        ended = sum(o.trial.config.epochs for o in outcomes if o.trial in missing)
        bar.update(task, completed=ended + active)

    def on_end(outcome: Ended) -> None:
        nonlocal done
        done += 1
        outcomes.append(outcome)
        line = f"[{done}/{len(missing)}] {_told(outcome)}"
        bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    with bar:
        how = Execution(device, jobs, arguments.data, usual_workers(jobs))
        train_all(missing, how, on_end, on_look)
    return outcomes


def _told(outcome: Ended) -> str:
    """One line about a run that has ended."""
    if outcome.state != FINISHED:
        return f"{outcome.trial.name}: {outcome.state}: {outcome.reason}"
    seconds = sum(record["seconds"] for record in outcome.history)
    last = outcome.history[-1]
    figure = f"test loss {last['test_loss']:.4f}"
    if "accuracy" in last:
        figure = f"test error {100 * (1 - last['accuracy']):.2f} %"
    return f"{outcome.trial.name}: {figure}, {clock_text(seconds)}"


# ---- results


def _write(found: Comparison, out: Path) -> list[Path]:
    """Write the plot in all formats, the page and the JSON; returns their paths."""
    paths = []
    if any(result.histories for result in found.results):
        figure = draw_comparison(found.results, found.measure, found.title)
        for suffix in SUFFIXES:
            paths.append(out / f"{STEM}{suffix}")
            write_picture(figure, paths[-1])
        page = page_of_comparison(found, svg_part(figure))
        paths.append(out / f"{STEM}.html")
        with replacing(paths[-1]) as temporary:
            temporary.write_text(page, encoding="utf-8")
    paths.append(out / f"{STEM}.json")
    with replacing(paths[-1]) as temporary:
        text = json.dumps(json_of(found), indent=2, ensure_ascii=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")
    return paths


def _report(found: Comparison, written: Sequence[Path], warnings: Sequence[Diagnostic]) -> None:
    if printing().json:
        files = [str(path) for path in written]
        diagnostics = [as_json(warning) for warning in warnings]
        say_json({**json_of(found), "files": files, "diagnostics": diagnostics}, indent=2)
        return
    say("")
    heads = heads_of(found.measure)
    listing().print(plain_table(heads, rows_of(found), right=heads[1:-1]))
    say("", *failures_of(found.results))
    say(f"plot: {written[0]}")
