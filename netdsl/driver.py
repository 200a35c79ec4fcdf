"""The pipeline: read, elaborate and type, analyse, check expectations. Every command enters here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netdsl import library
from netdsl.analysis.cost import Costs
from netdsl.analysis.expect import Facts
from netdsl.analysis.receptive import hold_strides
from netdsl.analysis.valid import valid_for
from netdsl.diagnostics import Annotation, CompileError, Diagnostic, Fault, Reporter, TooManyErrors, did_you_mean
from netdsl.ir.graph import Graph, Site, Value
from netdsl.limits import MAX_DIM
from netdsl.ops.args import show
from netdsl.passes.elaborate import Elaborator, Expectation
from netdsl.passes.evaluate import Env, evaluate
from netdsl.passes.modules import Loader, Module, load_program
from netdsl.passes.parameters import bind_parameters
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Compiled:
    """A net of a program: its graph, its figures, the sizes it is valid for in words, and its `expect` lines not yet checked."""

    graph: Graph
    costs: Costs
    valid_for: str
    expects: list[Expectation]
    labels: dict[str, Value]
    train: ast.Train | None
    env: Env


@dataclass(slots=True)
class Program:
    """A file that has been read, with everything that it imports."""

    source: SourceFile
    loader: Loader
    module: Module
    reporter: Reporter
    defines: dict[str, str] = field(default_factory=dict)

    def nets(self) -> list[str]:
        """The nets that the file itself defines and that can be built with the parameters given."""
        names = []
        for name in self.module.own:
            definition = self.module.definitions[name]
            if isinstance(definition, ast.Alias) or (definition.is_net and all(p.default is not None or p.name in self.defines for p in definition.parameters)):
                names.append(name)
        return names

    def pick(self, name: str | None) -> str:
        """The net that is meant: the one named, the only one, or the one called as the file; raises `Fault` where that is not clear."""
        nets = self.nets()
        if name is None:
            stem = os.path.basename(self.source.name).removesuffix(".net").lower()
            alike = [n for n in nets if n.lower() == stem]
            if len(nets) == 1 or len(alike) == 1:
                return (alike or nets)[0]
            if not nets:
                raise Fault("no-net", f"`{self.source.name}` has no net", help="begin with `net Name { ... }`" if not self.module.own else self._templates())
            listed = ", ".join(f"{self.source.name}:{n}" for n in nets[:8]) + (", ..." if len(nets) > 8 else "")
            raise Fault("which-net", f"`{self.source.name}` has {len(nets)} nets", help=f"name one: {listed}")
        if name not in nets:
            definition = self.module.definitions.get(name)
            if isinstance(definition, ast.Definition) and definition.is_net and name in self.module.own:
                raise Fault("missing-argument", f"net `{name}` needs {self._needs(definition)}", definition.name_span, help="give them with -D name=value, or in a net: `net A = B(...)`")
            raise Fault("unknown-net", f"`{self.source.name}` has no net `{name}`", help=did_you_mean(name, nets) or ("it has " + ", ".join(nets) if nets else None))
        return name

    def _needs(self, definition: ast.Definition) -> str:
        return ", ".join(f"`{p.name}`" for p in definition.parameters if p.default is None)

    def _templates(self) -> str | None:
        for name in self.module.own:
            definition = self.module.definitions[name]
            if isinstance(definition, ast.Definition) and definition.is_net:
                return f"net `{name}` needs {self._needs(definition)}: give them with -D, or write `net A = {name}(...)`"
        return None


def open_program(name: str, defines: Mapping[str, str] | None = None) -> Program:
    """Read the file of that name (see `library.open_source`); raises `CompileError`."""
    try:
        source = library.open_source(name)
    except Fault as fault:
        raise CompileError([fault.diagnostic]) from None
    return program_of(source, defines)


def program_of(source: SourceFile, defines: Mapping[str, str] | None = None) -> Program:
    """The program of a text; raises `CompileError`."""
    reporter = Reporter()
    try:
        loader, module = load_program(source, reporter)
    except TooManyErrors:
        raise CompileError(reporter.diagnostics) from None
    except Fault as fault:
        raise CompileError([*reporter.diagnostics, fault.diagnostic]) from None
    return Program(source, loader, module, reporter, dict(defines or {}))


def compile_net(program: Program, name: str, inputs: Mapping[str, tuple[int, ...]] | None = None) -> Compiled:
    """Build one net of the program, its sizes overridden by `inputs` ("" is the first input's); raises `CompileError`."""
    reporter = Reporter()
    reporter.diagnostics.extend(program.reporter.diagnostics)
    reporter.errors = program.reporter.errors
    try:
        compiled = _build(program, name, dict(inputs or {}), reporter)
    except TooManyErrors:
        raise CompileError(reporter.diagnostics) from None
    except Fault as fault:
        if not reporter.errors or fault.diagnostic.code != "no-layers":
            reporter.diagnostics.append(fault.diagnostic)
        raise CompileError(reporter.diagnostics) from None
    except CompileError as error:
        raise CompileError([*reporter.diagnostics, *error.diagnostics]) from None
    if reporter.errors or compiled is None:
        raise CompileError(reporter.diagnostics)
    return compiled


def _build(program: Program, name: str, inputs: dict[str, tuple[int, ...]], reporter: Reporter) -> Compiled | None:
    definition, home = program.module.definitions[name], program.module.homes[name]
    chain = [definition.name]
    arguments: tuple[ast.Argument, ...] = ()
    env = home.env
    alias = definition if isinstance(definition, ast.Alias) else None
    where = definition.name_span
    if alias is not None:
        target = home.definitions.get(alias.target)
        if isinstance(target, ast.Alias):
            raise Fault("unknown-net", f"`{alias.target}` is itself made of another net", alias.target_span, help=f"write `net {name} = {target.target}(...)` with all its arguments")
        if not isinstance(target, ast.Definition) or not target.is_net:
            known = [n for n, d in home.definitions.items() if isinstance(d, ast.Definition) and d.is_net]
            shipped = alias.target.lower() if alias.target.lower() in library.library_names() else None
            advice = f"write `import {shipped}` above, and use a net that it defines" if shipped else None
            raise Fault("unknown-net", f"there is no net `{alias.target}`", alias.target_span, help=did_you_mean(alias.target, known) or advice or _make_net(name, target))
        arguments, definition, home = alias.arguments, target, home.homes[alias.target]
        chain.append(target.name)
    assert isinstance(definition, ast.Definition)
    graph = Graph(name, (alias or definition).doc or definition.doc, Site(where))
    elaborator = Elaborator(program.loader, reporter, graph, inputs)
    elaborator.enter(program.module.homes[name])
    outside = Env(env, elaborator.special, elaborator.meter)
    given = _defines(program, definition, arguments, outside)
    frame = Env(home.env, elaborator.special, elaborator.meter)
    called, place = (name, where) if alias is None else (alias.target, alias.target_span)
    bind_parameters(frame, called, definition.parameters, given, outside, place, definition.name_span)
    graph.arguments = {p.name: frame.values[p.name] for p in definition.parameters}
    elaborator.net(definition, home, frame)
    if alias is not None:
        if all(p.default is not None for p in definition.parameters):
            elaborator.expects.clear()  # they are about the net as it stands, which is checked under its own name
        for statement in alias.body.statements if alias.body is not None else ():
            if not isinstance(statement, ast.Expect):
                raise Fault("misplaced-statement", "only `expect` lines stand here", statement.span)
            elaborator.expects.append(Expectation(statement, frame, ""))
    if reporter.errors:
        return None
    hold_strides(graph)
    train = next((t for n in chain for t in program.module.trains if t.net == n), None)
    return Compiled(graph, Costs(graph), valid_for(graph), elaborator.expects, elaborator.labels, train, program.module.env)


def _make_net(name: str, target: object) -> str:
    """Advice where no net is called so."""
    if isinstance(target, ast.Definition):
        return f"`{target.name}` is a block: write `net {name} {{ input ... }}` and call it there"
    return f"define `net {name} {{ ... }}`, or import the file that has it"


def _defines(program: Program, definition: ast.Definition, arguments: tuple[ast.Argument, ...], env: Env) -> tuple[ast.Argument, ...]:
    """A net's arguments with those of -D put in place of the text's."""
    declared = [p.name for p in definition.parameters]
    if len([a for a in arguments if not a.name]) > len(declared):
        return arguments
    named = [a if a.name else ast.Argument(declared[i], a.value, a.span) if i < len(declared) else a for i, a in enumerate(arguments)]
    for name, text in program.defines.items():
        if name not in declared:
            raise Fault("unknown-argument", f"net `{definition.name}` has no parameter `{name}`", definition.name_span, help=did_you_mean(name, declared) or f"it has {', '.join(declared) or 'none'}")
        source = SourceFile(f"-D {name}", text)
        value = parse_expression(source)
        evaluate(value, env)
        named = [a for a in named if a.name != name] + [ast.Argument(name, value, Span(source, 0, len(text)))]
    return tuple(named)


def _sized(program: Program, name: str, compiled: Compiled, at: Span, size: tuple[int, ...]) -> Compiled:
    """The net with the input that an `expect` asks for."""
    try:
        return compile_net(program, name, {compiled.graph.inputs[0].name: size})
    except CompileError as error:
        for diagnostic in error.diagnostics:
            diagnostic.notes += (Annotation("this `expect` asks for that input", at),)
        raise


def _at(expr: ast.Expr, env: Env) -> tuple[int, ...]:
    """The sizes after `at`: `at 3x224x224`, or `at 16` for an input of one axis; raises `Fault`."""
    size = evaluate(expr, env)
    sizes = size if isinstance(size, tuple) else (size,)
    if not sizes or not all(type(d) is int and 1 <= d <= MAX_DIM for d in sizes):
        raise Fault("bad-size", f"`at` takes the sizes of the first input, found {show(size)}", expr.span, help="write it as in `at 3x224x224`")
    return sizes


def check_expects(program: Program, name: str, compiled: Compiled, inputs: Mapping[str, tuple[int, ...]] | None = None) -> tuple[int, list[Diagnostic]]:
    """How many `expect` lines hold, and the diagnostics of those that do not.

    A line with `at 3x224x224` is held against the net at that size. With sizes or parameters given from outside, lines about
    the text's own are not what the text proves, so only those of the text as it stands are checked.
    """
    if inputs or program.defines:
        return 0, []
    at: dict[tuple[int, ...], Facts] = {}
    plain = Facts(compiled.graph, compiled.costs, compiled.labels)
    good, broken = 0, []
    for expectation in compiled.expects:
        facts = plain
        if expectation.statement.at is not None:
            size = _at(expectation.statement.at, expectation.env)
            if size not in at:
                other = _sized(program, name, compiled, expectation.statement.at.span, size)
                at[size] = Facts(other.graph, other.costs, other.labels)
            facts = at[size]
        diagnostic = facts.check(expectation)
        good += diagnostic is None
        if diagnostic is not None:
            broken.append(diagnostic)
    return good, broken
