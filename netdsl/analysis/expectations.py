"""Checks the `expect` lines of a net, each for the sizes that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from netdsl.analysis.expect import Facts
from netdsl.analysis.expect_values import asks_values, values_claim
from netdsl.diagnostics import Annotation, Edit, proposal_of
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
                nets[sizes] = _resized(expectation, sizes, net, resized)
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
    expectation: Expectation, sizes: Sizes, net: Analysed, resized: Callable[[Sizes], Analysed]
) -> Analysed:
    at = expectation.statement.at
    assert at is not None
    try:
        return resized(sizes)
    except NetdslError as error:
        for diagnostic in error.diagnostics:
            _place_at(at.span, diagnostic, net.graph.inputs[0].site.span)
        raise


def _place_at(at: Span, diagnostic: Diagnostic, declaration: Span) -> None:
    """Name the sizes after `at`, which cause an error.

    They are its place if the input, of which this is the declaration, cannot have them.
    """
    proposal = proposal_of(diagnostic.help)
    if proposal.aim != "sizes":
        note = "this `expect` sets the sizes of the input"
        diagnostic.notes += (Annotation(note, at),)
        return
    places = (diagnostic.span, *(note.span for note in diagnostic.notes))
    inside = [place for place in places if place is not None and declaration.contains(place)]
    declared = Annotation("the input is declared here", next(iter(inside), declaration))
    diagnostic.span, diagnostic.notes = at, (declared,)
    for sizes in proposal.names:
        diagnostic.help = f"write `at {sizes}`"
        if at.text == f"1x{sizes}":
            diagnostic.help += ": sizes have no batch"
            diagnostic.fix = (Edit(at, sizes),)


def _check(expectation: Expectation, number: int, net: Analysed) -> Diagnostic | None:
    """The diagnostic of an expectation that fails for a net, or None.

    If the net has been resized, names in the line may have other values there. The net's own
    `expects` have these values.
    """
    for own in net.expects[number : number + 1]:
        if own.statement is expectation.statement:
            expectation = own
    return _facts(net).check(expectation)
