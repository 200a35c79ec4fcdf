"""The variants of a comparison: compiled nets with their settings, which fit their data."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import Costs
from netdsl.data.catalog import describe_dataset, open_dataset
from netdsl.diagnostics import Diagnostic
from netdsl.driver import compile_picked
from netdsl.errors import NetdslError, SettingError
from netdsl.train.compare.varied import place_choices
from netdsl.train.compare.where import WhereCondition
from netdsl.train.fit import check_images, check_recipe, check_scores, fitted
from netdsl.train.section import placed, read_config
from netdsl.weights.record import layers_of
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netdsl.analysis.cost import Totals
    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program
    from netdsl.train.compare.varied import Varied
    from netdsl.train.config import TrainConfig


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
    where: str | None = None,
) -> tuple[list[Variant], list[str]]:
    """All nets with all combinations, in this order, and a line for each that `where` leaves out.

    `where` is a condition on static figures, as in an `expect` line. Data are read only for the
    variants that it keeps, unless a figure depends on the sizes of the data. Raises `NetdslError`
    for the first variant that fails, `duplicate-name` for two of the same name, and
    `nothing-to-compare` if the condition keeps none.
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
    candidates = [_candidate(label, subject, choices, wanted) for subject, choices, label in labels]
    if where is None:
        return [_variant(candidate, wanted, data) for candidate in candidates], []
    condition = WhereCondition(where, is_labelled=len(candidates) > 1)
    kept = [c for c in candidates if condition.permits(c.label, _sized(c))]
    variants = [_variant(candidate, wanted, data) for candidate in kept]
    variants = [v for v in variants if condition.permits(v.label, v.compiled)]
    if not variants:
        raise condition.excludes_all()
    return variants, [f"left out: {reason}" for reason in condition.reasons]


def _names(subjects: Sequence[NamedNet]) -> list[str]:
    """The names of the nets, with that of the file where two files have a net of that name."""
    files: dict[str, set[str]] = {}
    for subject in subjects:
        files.setdefault(subject.net, set()).add(subject.program.source.key)
    return [f"{Path(s.file).stem}:{s.net}" if len(files[s.net]) > 1 else s.net for s in subjects]


class _Candidate(NamedTuple):
    """A net with its settings, before its data are known."""

    label: str
    subject: NamedNet
    choices: tuple[Varied, ...]
    compiled: Compiled
    config: TrainConfig
    settings: Mapping[str, str]


@contextmanager
def _placing(label: str, choices: tuple[Varied, ...]) -> Iterator[None]:
    """Add to an error its place in `--vary`, or the variant that it is about."""
    try:
        yield
    except NetdslError as error:
        place_choices(error.diagnostics, choices)
        for diagnostic in error.diagnostics:
            if diagnostic.span is None:
                diagnostic.message = f"{label}: {diagnostic.message}"
        raise


def _candidate(
    label: str, subject: NamedNet, choices: tuple[Varied, ...], wanted: Overrides
) -> _Candidate:
    defines = dict(subject.program.defines)
    defines |= {choice.name: choice.text for choice in choices if choice.setting is None}
    varied = {choice.setting: choice.text for choice in choices if choice.setting is not None}
    settings = {**wanted.settings, **varied}
    with _placing(label, choices):
        program = subject.program._replace(defines=defines)
        compiled = compile_picked(program, subject.net)
        config = read_config(compiled, wanted.data, settings)
    own = replace(subject, program=program)
    return _Candidate(label, own, choices, compiled, config, settings)


def _sized(candidate: _Candidate) -> Compiled:
    """The net for the sizes of its data, if these are known without reading them and fit."""
    data = describe_dataset(candidate.config.data)
    if data is None or not candidate.compiled.graph.symbols:
        return candidate.compiled
    try:
        return check_images(candidate.compiled, data)
    except NetdslError:  # it is reported with the data, if the variant is kept
        return candidate.compiled


def _variant(candidate: _Candidate, wanted: Overrides, data: DataSets) -> Variant:
    """The variant, if its net can be trained on its data; reads these."""
    label, subject, choices, compiled, config, settings = candidate
    with _placing(label, choices):
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


def unequal_data(variants: Sequence[Variant]) -> list[Diagnostic]:
    """The warning about variants with different data, unless `--vary` asks for these."""
    names = dict.fromkeys(variant.data_name for variant in variants)
    asked = any(choice.setting == "data" for v in variants for choice in v.choices)
    if len({variant.data_sum for variant in variants}) < 2 or asked:
        return []
    message = f"the variants have different data: {listed(list(names))}"
    if len(names) == 1:
        message = f"the variants have different samples of {listed(list(names))}"
    help_ = "their errors cannot be compared; `--data NAME` trains all on the same data"
    return [Diagnostic("unequal-data", message, None, "warning", help=help_)]


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
