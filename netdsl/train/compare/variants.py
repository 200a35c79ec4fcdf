"""The variants of a comparison: compiled nets with their settings, which fit their data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs
from netdsl.analysis.expect import Facts
from netdsl.data.catalog import describe_dataset, open_dataset
from netdsl.diagnostics import Diagnostic
from netdsl.driver import compile_picked
from netdsl.elaborate.bodies import Expectation
from netdsl.errors import NetdslError, SettingError
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.compare.varied import place_choices
from netdsl.train.fit import check_recipe, check_scores, fitted
from netdsl.train.section import placed, read_config
from netdsl.weights.record import layers_of
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.analysis.cost import Totals
    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program
    from netdsl.train.compare.varied import Varied
    from netdsl.train.config import TrainConfig

WHERE = "--where"
BROKEN = "expect-failed"  # the code of a condition that is not true


@dataclass(frozen=True, eq=False)
class NamedNet:
    """A net that is compared: its program, its name, and the file as the user names it."""

    program: Program
    net: str
    file: str


@dataclass(frozen=True)
class Overrides:
    """What the user asks for all variants: `--data` and `--set`, as in `read_config`."""

    data: str | None
    settings: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Variant:
    """A net with its settings.

    `compiled` has the sizes of the data, `layers` describe the net as its text has it, and
    `data_sum` is the sum of all samples.
    """

    label: str
    subject: NamedNet
    choices: tuple[Varied, ...]
    compiled: Compiled
    layers: Mapping[str, str]
    config: TrainConfig
    settings: Mapping[str, str]
    data_name: str
    data_sum: str

    @property
    def figures(self) -> Totals:
        """The static figures of the net."""
        return self.compiled.graph.derived(Costs).totals()


class DataSets:
    """The data sets of a comparison, each read once."""

    def __init__(self, *, progress: bool = True) -> None:
        self._progress = progress
        self._known: dict[str, tuple[Dataset, str]] = {}

    def of(self, config: TrainConfig) -> tuple[Dataset, str]:
        """The data set of a configuration and the sum of its samples; raises SettingError."""
        key = str(config.data)
        if key not in self._known:
            dataset = open_dataset(config.data, progress=self._progress)
            self._known[key] = dataset, dataset.sum()
        return self._known[key]


def variants_of(
    subjects: Sequence[NamedNet],
    combinations: Sequence[tuple[Varied, ...]],
    wanted: Overrides,
    data: DataSets,
) -> list[Variant]:
    """All nets with all combinations, in this order; raises `NetdslError` for the first that fails.

    It is `duplicate-name` for two variants of the same name.
    """
    names = _names(subjects)
    labels = [
        (subject, choices, ", ".join([name, *(choice.label for choice in choices)]))
        for subject, name in zip(subjects, names, strict=True)
        for choices in combinations
    ]
    for label, count in Counter(label for _, _, label in labels).items():
        if count > 1:
            message = f"two variants have the name `{label}`"
            help_ = "name each net once; other values go into `--vary`, and seeds into `--seeds`"
            raise NetdslError("duplicate-name", message, help=help_)
    return [_variant(label, subject, choices, wanted, data) for subject, choices, label in labels]


def _names(subjects: Sequence[NamedNet]) -> list[str]:
    """The names of the nets, with that of the file where two files have a net of that name."""
    files: dict[str, set[str]] = {}
    for subject in subjects:
        files.setdefault(subject.net, set()).add(subject.program.source.key)
    return [f"{Path(s.file).stem}:{s.net}" if len(files[s.net]) > 1 else s.net for s in subjects]


def _variant(
    label: str, subject: NamedNet, choices: tuple[Varied, ...], wanted: Overrides, data: DataSets
) -> Variant:
    defines = dict(subject.program.defines)
    defines |= {choice.name: choice.text for choice in choices if choice.setting is None}
    varied = {choice.setting: choice.text for choice in choices if choice.setting is not None}
    settings = {**wanted.settings, **varied}
    try:
        program = subject.program._replace(defines=defines)
        compiled = compile_picked(program, subject.net)
        config = read_config(compiled, wanted.data, settings)
        own = replace(subject, program=program)
        return _fitting(label, own, choices, compiled, config, settings, wanted, data)
    except NetdslError as error:
        place_choices(error.diagnostics, choices)
        for diagnostic in error.diagnostics:
            if diagnostic.span is None:
                diagnostic.message = f"{label}: {diagnostic.message}"
        raise


def _fitting(
    label: str,
    subject: NamedNet,
    choices: tuple[Varied, ...],
    compiled: Compiled,
    config: TrainConfig,
    settings: Mapping[str, str],
    wanted: Overrides,
    data: DataSets,
) -> Variant:
    """The variant, if its net can be trained on its data; reads these."""
    try:
        check_recipe(compiled.graph, config, describe_dataset(config.data))
        dataset, data_sum = data.of(config)
        sized, fitting = fitted(compiled, dataset)
        check_scores(sized.graph, config, fitting)
        config.adapt(fitting)
    except SettingError as error:
        replaced = set(settings)
        if wanted.data is not None:
            replaced.add("data")
        raise placed(error, compiled, replaced) from None
    layers = layers_of(compiled.graph)
    return Variant(label, subject, choices, sized, layers, config, settings, dataset.name, data_sum)


# ---- static figures


def chosen(variants: Sequence[Variant], condition: str) -> tuple[list[Variant], list[str]]:
    """The variants whose figures satisfy a condition, and a line for each that is left out.

    The condition is that of an `expect` line. Raises `NetdslError` for one that cannot be
    evaluated, and `nothing-to-compare` if no variant satisfies it.
    """
    file = SourceFile(WHERE, condition)
    expr = parse_expression(file)
    statement = ast.Expect(expr.span, expr, None)
    kept, left_out = [], []
    for variant in variants:
        net = variant.compiled
        facts = Facts(net.graph, net.costs, net.labels)
        broken = facts.check(Expectation(statement, net.env, ""))
        if broken is None:
            kept.append(variant)
        elif broken.code == BROKEN:
            left_out.append(f"left out: {variant.label}: {broken.message}")
        else:
            if len(variants) > 1:
                broken.message = f"{variant.label}: {broken.message}"
            raise NetdslError.of([broken])
    if not kept:
        message = f"no variant satisfies `{expr.span.brief}`"
        help_ = "; ".join(line.removeprefix("left out: ") for line in left_out[:3])
        place = Span(file, 0, len(condition))
        raise NetdslError("nothing-to-compare", message, place, help=help_)
    return kept, left_out


def unequal_params(variants: Sequence[Variant]) -> list[Diagnostic]:
    """The warning about variants with different numbers of parameters, if they have."""
    groups: dict[int, list[str]] = {}
    for variant in variants:
        groups.setdefault(variant.figures.params, []).append(variant.label)
    if len(groups) < 2:
        return []
    parts = [f"{params:,} ({listed(labels)})" for params, labels in groups.items()]
    message = f"the variants have different numbers of parameters: {', '.join(parts)}"
    help_ = "a difference of the errors can be due to the number of parameters"
    return [Diagnostic("unequal-params", message, None, "warning", help=help_)]
