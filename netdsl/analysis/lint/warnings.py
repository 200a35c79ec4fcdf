"""Collects the warnings and hints about nets, without those that comments allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from netdsl.analysis.lint.allowed import Allowances
from netdsl.analysis.lint.axes import axis_warnings
from netdsl.analysis.lint.borders import border_warnings
from netdsl.analysis.lint.carried import unchanged_values
from netdsl.analysis.lint.expects import expect_warnings
from netdsl.analysis.lint.hints import hints, huge_layers
from netdsl.analysis.lint.inputs import input_warnings
from netdsl.analysis.lint.layers import layer_warnings
from netdsl.analysis.lint.linear import linear_warnings, output_warnings
from netdsl.analysis.lint.mixed import mixed_axes
from netdsl.analysis.lint.names import Names, name_warnings
from netdsl.analysis.lint.paths import lone_droppaths
from netdsl.analysis.lint.pinned import pinned_sizes
from netdsl.analysis.lint.ranges import empty_ranges
from netdsl.analysis.lint.repeated import repeated_layers
from netdsl.analysis.lint.scores import head_warnings, inner_softmaxes, score_warnings
from netdsl.analysis.lint.shadowing import shadowing_warnings
from netdsl.analysis.lint.skips import skip_warnings
from netdsl.analysis.lint.training import training_warnings
from netdsl.analysis.lint.unused import (
    dropped_values,
    frozen_without_weights,
    unused_value_warnings,
)
from netdsl.analysis.lint.values import value_warnings
from netdsl.diagnostics import Reporter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.bodies import Expectation
    from netdsl.elaborate.module import Module
    from netdsl.ir.graph import Graph
    from netdsl.source import SourceFile
    from netdsl.syntax import ast


class Linted(Protocol):
    """A net with what its warnings depend on."""

    @property
    def graph(self) -> Graph:
        """The net."""

    @property
    def train(self) -> ast.Train | None:
        """Its `train` section."""

    @property
    def expects(self) -> list[Expectation]:
        """Its `expect` lines."""


def warnings_of(
    module: Module, nets: Iterable[Linted], *, with_hints: bool = False, complete: bool = False
) -> list[Diagnostic]:
    """The warnings about nets of one file, each once, and the hints if asked for.

    `complete` is whether these are all nets of the file. If so, comments that allow what does not
    occur cause warnings too.
    """
    found = list(of_file(module))
    for net in nets:
        found += of_net(module, net, with_hints=with_hints)
    return not_allowed(module.source, found, with_hints=with_hints, complete=complete)


def not_allowed(
    source: SourceFile, found: Iterable[Diagnostic], *, with_hints: bool, complete: bool
) -> list[Diagnostic]:
    """The warnings that no comment allows, each once, in the order of the text.

    `complete` is as in `warnings_of`.
    """
    reporter = Reporter()
    for diagnostic in found:
        reporter.add(diagnostic)
    allowances: dict[SourceFile, Allowances] = {source: Allowances(source)}
    kept = []
    for diagnostic in reporter.diagnostics:
        assert diagnostic.span is not None
        file = diagnostic.span.file
        if file not in allowances:
            allowances[file] = Allowances(file)
        if not allowances[file].silences(diagnostic):
            kept.append(diagnostic)
    if complete:
        kept += list(allowances[source].unused(kept, with_hints=with_hints))
    return sorted(kept, key=_place)


def _place(diagnostic: Diagnostic) -> tuple[str, int]:
    assert diagnostic.span is not None
    return diagnostic.span.file.name, diagnostic.span.start


def of_file(module: Module) -> Iterator[Diagnostic]:
    """The warnings that depend only on the text of a file, whatever comments allow."""
    names = Names()
    shadowing = list(shadowing_warnings(module, names))
    yield from shadowing
    explained = {diagnostic.span for diagnostic in shadowing}  # nothing else uses such a `let`
    yield from (d for d in name_warnings(module, names) if d.span not in explained)
    yield from unchanged_values(module, names)
    yield from dropped_values(module)
    yield from repeated_layers(module)
    yield from empty_ranges(module)


def of_net(module: Module, net: Linted, *, with_hints: bool) -> Iterator[Diagnostic]:
    """The warnings about one net, whatever comments allow, and the hints if asked for."""
    yield from input_warnings(net.graph)
    yield from layer_warnings(net.graph)
    yield from value_warnings(net.graph)
    yield from axis_warnings(net.graph)
    yield from border_warnings(net.graph)
    yield from mixed_axes(net.graph)
    yield from linear_warnings(net.graph)
    yield from output_warnings(net.graph)
    yield from lone_droppaths(net.graph)
    yield from skip_warnings(net.graph)
    yield from pinned_sizes(net.graph)
    yield from score_warnings(net.graph, net.train)
    yield from head_warnings(net.graph)
    yield from inner_softmaxes(net.graph)
    yield from huge_layers(net.graph)
    yield from training_warnings(net.train, net.graph)
    yield from frozen_without_weights(module, net.graph)
    yield from unused_value_warnings(net.graph, net.expects)
    yield from expect_warnings(net.graph, net.expects)
    if with_hints:
        yield from hints(net.graph)
