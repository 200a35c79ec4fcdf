"""The tables of `netdsl check --show parallel`, about training on several devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.lint.recipe import SAMPLES
from netdsl.analysis.scaling import Machine
from netdsl.analysis.sizes import example_inputs
from netdsl.analysis.traffic import traffic_of
from netdsl.commands.output import say, say_styled
from netdsl.commands.parallel_options import BANDWIDTH, COMPUTE, DEVICES
from netdsl.data.catalog import source_of
from netdsl.draw.columns import wrapped
from netdsl.draw.parallel import (
    CUT_LEGEND,
    LEGEND,
    Plan,
    as_json,
    bubble_text,
    cut_lines,
    facts,
    scaling_lines,
)
from netdsl.draw.table import total_lines
from netdsl.errors import NetdslError
from netdsl.train.config import TrainConfig
from netdsl.train.freezing import frozen_until
from netdsl.train.section import entry_of, read_config
from netdsl.train.selection import Selection, kinds_of

if TYPE_CHECKING:
    import argparse

    from netdsl.analysis.traffic import Traffic
    from netdsl.config import SettingCall
    from netdsl.draw.columns import TableLine
    from netdsl.driver import Compiled


def figures_of(compiled: Compiled, arguments: argparse.Namespace) -> tuple[Traffic, Plan]:
    """What a net exchanges, and how it is to be trained.

    A section with errors, which `check` reports, is used as if it were not there.
    """
    config, data = TrainConfig(), "the net has no `train` section"
    origin = "the default `batch`"
    if compiled.train is not None:
        try:
            config = read_config(compiled)
            data = ""
        except NetdslError:
            data = "the `train` section has errors"
        if not data and any(entry_of(compiled, key) for key in ("batch", "accumulate")):
            origin = "the `batch` of the section"
            if config.accumulate > 1:
                origin = "`batch` times `accumulate` of the section"
    batch, pieces = config.batch * config.accumulate, config.accumulate
    if arguments.batch is not None:
        batch, pieces, origin = arguments.batch, 1, "as --batch says"
    samples = None
    if not data:
        samples, data = _training_samples(config.data)
    machine = Machine(arguments.bandwidth or BANDWIDTH, arguments.compute or COMPUTE)
    plan = Plan(arguments.devices or DEVICES, batch, origin, machine, samples, data, pieces)
    stages = config.stages
    return traffic_of(compiled.graph, compiled.costs, _frozen(compiled, config), stages), plan


def _frozen(compiled: Compiled, config: TrainConfig) -> set[str]:
    """The weights that a section freezes for all epochs."""
    try:
        parts = frozen_until(config, Selection(kinds_of(compiled.graph)))
    except NetdslError:
        return set()  # `check` reports the error
    ends = [item for part in parts.values() for item in part.items()]
    return {weight for weight, end in ends if end == float("inf")}


def _training_samples(call: SettingCall) -> tuple[int | None, str]:
    """The training samples of a data set and its name, or None and why they are not known."""
    samples = SAMPLES.get(call.name)
    if samples is None:
        return None, f"the number of samples of `{call.name}`, which `check` does not read"
    source = source_of(call)
    samples = min(samples, source.limit or samples)
    return samples - round(samples * source.val), call.name


# ---- output


def print_parallel(compiled: Compiled, arguments: argparse.Namespace, width: int | None) -> None:
    """Print the figures and the tables of a net."""
    traffic, plan = figures_of(compiled, arguments)
    say("")
    _say_facts(facts(traffic, plan, example_inputs(compiled.graph)), width)
    if traffic.learned:
        say("")
        _say_table(scaling_lines(traffic, plan, width), LEGEND, width)
    say("")
    if not traffic.cuts:
        text = "none for a pipeline: the net has fewer than two labelled groups at its top level"
        _say_facts([("cuts", text)], width)
        return
    _say_table(cut_lines(traffic, plan, width), (CUT_LEGEND,), width)
    say("")
    _say_facts([("bubbles", bubble_text(traffic))], width)


def _say_facts(lines: list[tuple[str, str]], width: int | None) -> None:
    for label, text in total_lines(lines, width):
        say_styled((label, "bold"), (text, ""))


def _say_table(lines: list[TableLine], legend: tuple[str, ...], width: int | None) -> None:
    for line in lines:
        say_styled((line.text, line.style))
    for text in legend:
        say(*wrapped(text, width, "; ", ", ", " "))


def parallel_json(compiled: Compiled, arguments: argparse.Namespace) -> dict[str, object]:
    """The figures of a net for programs."""
    return as_json(*figures_of(compiled, arguments))
