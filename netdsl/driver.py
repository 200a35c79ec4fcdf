"""The pipeline: read, elaborate, analyse, check expectations; every command starts here."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from netdsl import library
from netdsl.analysis.cost import Costs
from netdsl.analysis.expect_values import asks_values
from netdsl.analysis.expectations import check_expectations
from netdsl.analysis.lint.warnings import warnings_of
from netdsl.analysis.receptive import check_strides
from netdsl.analysis.sizes import nearest_sizes
from netdsl.analysis.valid import valid_for
from netdsl.diagnostics import Abandoned, Proposal, Reporter, proposal_of
from netdsl.elaborate.loader import Loader, load_program
from netdsl.elaborate.net import elaborate
from netdsl.elaborate.program import Program
from netdsl.errors import NetdslError, UnreadableError
from netdsl.syntax import ast
from netdsl.syntax.parser import MendedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.analysis.expect_values import ValuesClaim
    from netdsl.analysis.expectations import Outcome
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.bodies import Expectation
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.loader import Reference
    from netdsl.ir.graph import Graph, Value
    from netdsl.ir.op import Op
    from netdsl.source import SourceFile

# The errors that a mended syntax error cannot cause, and what ends the name in their places.
_OF_NAMES = {
    "unknown-layer": "\n",
    "unknown-name": "\n",
    "unknown-function": "(",
    "unknown-argument": "=",
}


class Compiled(NamedTuple):
    """A net of a program: its graph and its figures.

    `inputs` are the sizes that the user gave. `valid_for` describes the sizes for which the net is
    valid, and `expects` are its `expect` lines, which are not yet checked.
    """

    program: Program
    inputs: Mapping[str, tuple[int, ...]]
    graph: Graph
    costs: Costs
    valid_for: str
    expects: list[Expectation]
    labels: dict[str, Value]
    train: ast.Train | None

    @property
    def warnings(self) -> list[Diagnostic]:
        """The warnings about this net and its file, without those that the text allows."""
        return warnings_of(self.program.module, [self])

    @property
    def env(self) -> Env:
        """The values of the `let`s at the top of the file."""
        return self.program.module.env


def open_program(name: str, defines: Mapping[str, str] | None = None) -> Program:
    """The program in the file that a user names; raises `NetdslError`.

    `library.open_source` finds the file.
    """
    return program_of(library.open_source(name), defines)


def program_of(
    source: SourceFile,
    defines: Mapping[str, str] | None = None,
    files: Mapping[Reference, SourceFile] | None = None,
    texts: Mapping[str, str] | None = None,
    kinds: Mapping[str, type[Op]] | None = None,
) -> Program:
    """The program of a text; raises `NetdslError`.

    `files`, `texts` and `kinds` are those of `Loader`.
    """
    reporter = Reporter()
    with _collecting(reporter):
        try:
            loader, module = load_program(source, reporter, files, texts, kinds)
        except UnreadableError as error:
            other = library.other_language(source)
            if other is not None:
                raise other from None
            if not isinstance(error, MendedError):
                raise
            diagnostics = [*error.diagnostics, *_wrong_names(source, error)]
            raise NetdslError.of(sorted(diagnostics, key=_start)) from None
    return Program(source, loader, module, reporter, dict(defines or {}))


def _wrong_names(source: SourceFile, mended: MendedError) -> list[Diagnostic]:
    """The errors about names in a text with syntax errors, which are no consequences of these."""
    if mended.tree.source is not source:
        return []
    reporter = Reporter()
    loader = Loader(reporter)
    with suppress(Abandoned, NetdslError):
        program = Program(source, loader, loader.define(source, mended.tree), reporter, {})
        for name in program.module.own:
            definition = program.module.definitions[name]
            if isinstance(definition, ast.Definition) and definition.is_net:
                with suppress(NetdslError):
                    elaborate(program, name, {}, reporter)
    return [d for d in reporter.diagnostics if _is_independent(d, mended.blanked)]


def _start(diagnostic: Diagnostic) -> int:
    return 0 if diagnostic.span is None else diagnostic.span.start


def _is_independent(diagnostic: Diagnostic, blanked: str) -> bool:
    """Whether the lines `blanked`, which could not be read, are not why a name is wrong.

    The place of an error in a mended part is more than a name.
    """
    if diagnostic.span is None or diagnostic.code not in _OF_NAMES:
        return False
    name = diagnostic.span.text.partition(_OF_NAMES[diagnostic.code])[0].strip()
    return name.isidentifier() and name not in blanked


def compile_picked(
    program: Program, name: str | None, inputs: Mapping[str, tuple[int, ...]] | None = None
) -> Compiled:
    """Build the net that `Program.pick` picks; raises `NetdslError` like `compile_net`."""
    with _collecting(program.reporter):
        picked = program.pick(name)
    return compile_net(program, picked, inputs)


def compile_net(
    program: Program, name: str, inputs: Mapping[str, tuple[int, ...]] | None = None
) -> Compiled:
    """Build one net of the program; raises `NetdslError` with all errors of its text.

    `inputs` are numbers for the sizes that the text leaves open, by the names of the inputs; "" is
    the first input.
    """
    try:
        return _compiled(program, name, inputs or {})
    except NetdslError as error:
        if inputs and error.code == "shape-mismatch":
            _advise_sizes(error, program, name, inputs)
        raise


def _advise_sizes(
    error: NetdslError, program: Program, name: str, inputs: Mapping[str, tuple[int, ...]]
) -> None:
    """Add to the error of a net with given sizes the nearest sizes that it takes."""
    with suppress(NetdslError):
        compiled = _compiled(program, name, {})
        nearest = nearest_sizes(compiled.graph, inputs)
        if nearest:
            listed = " and ".join(f"`{sizes}`" for sizes in nearest)
            sizes_are = "sizes are" if len(nearest) > 1 else "size is"
            text = f"`{name}` is valid for {compiled.valid_for}; the nearest {sizes_are} {listed}"
            error.diagnostic.help = Proposal(text, proposal_of(error.help).aim)
            error.diagnostic.fix = ()


def _compiled(program: Program, name: str, inputs: Mapping[str, tuple[int, ...]]) -> Compiled:
    reporter = Reporter(program.reporter.diagnostics)
    with _collecting(reporter):
        elaborated = elaborate(program, name, inputs, reporter)
        if reporter.errors:
            raise Abandoned
        graph = elaborated.graph
        check_strides(graph)
        return Compiled(
            program,
            inputs,
            graph,
            graph.derived(Costs),
            valid_for(graph),
            elaborated.expects,
            elaborated.labels,
            elaborated.train,
        )


def check_expects(compiled: Compiled) -> tuple[int, list[Diagnostic]]:
    """The number of `expect` lines that are true, and the diagnostics of the others.

    If the user gives sizes or parameters, no line is checked.
    """
    outcomes = outcomes_of_expects(compiled)
    broken = [diagnostic for outcome in outcomes for diagnostic in outcome.diagnostics]
    return sum(outcome.holds is True for outcome in outcomes), broken


def values_claims(compiled: Compiled) -> list[ValuesClaim]:
    """What the lines `expect values(label) == [...]` state; raises `NetdslError` for wrong ones."""
    claims = []
    for outcome in outcomes_of_expects(compiled):
        if outcome.diagnostics and asks_values(outcome.expectation):
            raise NetdslError.of(outcome.diagnostics)
        if outcome.claim is not None:
            claims.append(outcome.claim)
    return claims


def outcomes_of_expects(compiled: Compiled) -> list[Outcome]:
    """The outcome of each `expect` line.

    If the user gives sizes or parameters, there is none, because the lines describe the net as it
    is written.
    """
    program, graph = compiled.program, compiled.graph
    if compiled.inputs or program.defines:
        return []

    def resized(sizes: tuple[int, ...]) -> Compiled:
        return compile_net(program, graph.name, {graph.inputs[0].name: sizes})

    return list(check_expectations(compiled, resized))


@contextmanager
def _collecting(reporter: Reporter) -> Iterator[None]:
    """Make an error that is raised inside include everything that was reported before it."""
    try:
        yield
    except Abandoned:
        raise NetdslError.of(reporter.diagnostics) from None
    except NetdslError as error:
        raise NetdslError.of([*reporter.diagnostics, *error.diagnostics]) from None
