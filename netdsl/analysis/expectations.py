"""Checks the `expect` lines of a net, each for the sizes that it asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from netdsl.analysis.expect import Facts
from netdsl.analysis.expect_values import asks_values, values_claim
from netdsl.diagnostics import Annotation, Edit
from netdsl.errors import NetdslError
from netdsl.limits import MAX_DIM
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.analysis.cost import Costs
    from netdsl.analysis.expect_values import ValuesClaim
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Graph, Value
    from netdsl.source import Span

Sizes = tuple[int, ...]


class Analysed(Protocol):
    """A net with its figures and its `expect` lines."""

    @property
    def graph(self) -> Graph:
        """The net."""

    @property
    def costs(self) -> Costs:
        """Its figures."""

    @property
    def labels(self) -> dict[str, Value]:
        """The values that its text names."""

    @property
    def expects(self) -> list[Expectation]:
        """Its `expect` lines."""


class Outcome(NamedTuple):
    """An `expect` line, whether it holds, and why not.

    If several lines set sizes for which the net is not valid, only the first has the diagnostics.
    A line about values has a `claim`, which `verify` evaluates: whether it holds is not known.
    """

    expectation: Expectation
    holds: bool | None
    diagnostics: list[Diagnostic]
    claim: ValuesClaim | None = None


def check_expectations(net: Analysed, resized: Callable[[Sizes], Analysed]) -> Iterator[Outcome]:
    """The outcome of each `expect` line.

    `resized` returns the net with other sizes of its first input, for lines with `at 3x224x224`. It
    raises `NetdslError` if the net is not valid for these sizes.
    """
    nets: dict[Sizes, Analysed | None] = {(): net}
    for number, expectation in enumerate(net.expects):
        try:
            if asks_values(expectation):
                claim = values_claim(expectation, _facts(net))
                yield Outcome(expectation, holds=None, diagnostics=[], claim=claim)
                continue
            sizes = _sizes(expectation, net)
            if sizes not in nets:
                nets[sizes] = None
                nets[sizes] = _resized(expectation, sizes, resized)
        except NetdslError as error:
            yield Outcome(expectation, holds=False, diagnostics=error.diagnostics)
            continue
        wanted = nets[sizes]
        if wanted is None:
            yield Outcome(expectation, holds=False, diagnostics=[])
            continue
        diagnostic = _check(expectation, number, wanted)
        broken = [] if diagnostic is None else [diagnostic]
        yield Outcome(expectation, holds=not broken, diagnostics=broken)


def _sizes(expectation: Expectation, net: Analysed) -> Sizes:
    """The sizes after `at`: `at 3x224x224`, or `at 16` for one axis; raises `NetdslError`."""
    at = expectation.statement.at
    if at is None:
        return ()
    value = _facts(net).value(at, expectation.env)
    sizes = value if isinstance(value, tuple) else (value,)
    if not sizes or not all(type(d) is int and 1 <= d <= MAX_DIM for d in sizes):
        message = f"`at` takes the sizes of the first input, found {show(value)}"
        raise NetdslError("bad-size", message, at.span, help="write the sizes as in `at 3x224x224`")
    return sizes


def _facts(net: Analysed) -> Facts:
    return Facts(net.graph, net.costs, net.labels)


def _resized(
    expectation: Expectation, sizes: Sizes, resized: Callable[[Sizes], Analysed]
) -> Analysed:
    at = expectation.statement.at
    assert at is not None
    try:
        return resized(sizes)
    except NetdslError as error:
        for diagnostic in error.diagnostics:
            _place_at(at.span, diagnostic)
        raise


def _place_at(at: Span, diagnostic: Diagnostic) -> None:
    """Name the sizes after `at`, which cause an error: they are its place if the input is fixed."""
    note = "this `expect` sets the sizes of the input"
    if not diagnostic.message.startswith("input `"):
        diagnostic.notes += (Annotation(note, at),)
        return
    inside = [n.span for n in diagnostic.notes if n.message.startswith("this is in `")]
    declared = Annotation("the input is declared here", next(iter(inside), diagnostic.span))
    diagnostic.span, diagnostic.notes, advice = at, (declared,), diagnostic.help or ""
    meant = re.fullmatch(r"(?:did you mean|give all sizes, such as) ([\dx]+)\b.*", advice)
    if meant is not None:
        diagnostic.help = f"write `at {meant[1]}`"
        if at.text == f"1x{meant[1]}":
            diagnostic.help += ": sizes have no batch"
            diagnostic.fix = (Edit(at, meant[1]),)


def _check(expectation: Expectation, number: int, net: Analysed) -> Diagnostic | None:
    """The diagnostic of an expectation that fails for a net, or None.

    If the net has been resized, names in the line may have other values there. The net's own
    `expects` have these values.
    """
    for own in net.expects[number : number + 1]:
        if own.statement is expectation.statement:
            expectation = own
    return _facts(net).check(expectation)
