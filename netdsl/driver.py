"""The pipeline: read, elaborate and type, analyse, check expectations. Every command enters here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from netdsl import library
from netdsl.analysis.cost import Costs
from netdsl.analysis.expect import Facts
from netdsl.analysis.receptive import hold_strides
from netdsl.analysis.valid import valid_for
from netdsl.diagnostics import Abandoned, Annotation, Diagnostic, Reporter, did_you_mean
from netdsl.elaborate.bodies import Elaborator, Expectation
from netdsl.elaborate.builder import NetBuilder
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.elaborate.loader import Loader, Module, load_program
from netdsl.elaborate.parameters import bind_parameters, check_order
from netdsl.errors import NetdslError
from netdsl.ir.graph import Graph, Site, Value
from netdsl.limits import MAX_DIM
from netdsl.ops.args import show
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping


class Compiled(NamedTuple):
    """A net of a program: its graph, its figures, the sizes it is valid for in words, and its `expect` lines not yet checked."""

    graph: Graph
    costs: Costs
    valid_for: str
    expects: list[Expectation]
    labels: dict[str, Value]
    train: ast.Train | None
    env: Env


class Program(NamedTuple):
    """A file that has been read, with everything that it imports."""

    source: SourceFile
    loader: Loader
    module: Module
    reporter: Reporter
    defines: dict[str, str]

    @property
    def start(self) -> Span:
        """The beginning of the file, as the place of errors about the whole file."""
        return Span(self.source, 0, 0)

    def nets(self) -> list[str]:
        """The nets that the file itself defines and that can be built with the parameters given."""
        names = []
        for name in self.module.own:
            definition = self.module.definitions[name]
            if isinstance(definition, ast.Alias) or (definition.is_net and all(p.default is not None or p.name in self.defines for p in definition.parameters)):
                names.append(name)
        return names

    def pick(self, name: str | None) -> str:
        """The net that is meant: the one named, the only one, or the one called as the file; raises `NetdslError` where that is not clear."""
        nets = self.nets()
        if name is None:
            stem = os.path.basename(self.source.name).removesuffix(".net").lower()
            alike = [n for n in nets if n.lower() == stem]
            if len(nets) == 1 or len(alike) == 1:
                return (alike or nets)[0]
            if not nets:
                raise self._no_net()
            listed = ", ".join(f"{self.source.name}:{n}" for n in nets[:8]) + (", ..." if len(nets) > 8 else "")
            raise NetdslError("which-net", f"`{self.source.name}` has {len(nets)} nets", self.start, help=f"name one: {listed}")
        if name not in nets:
            definition = self.module.definitions.get(name)
            if isinstance(definition, ast.Definition) and definition.is_net and name in self.module.own:
                raise self._needs(definition)
            raise NetdslError("unknown-net", f"`{self.source.name}` has no net `{name}`", self.start, help=did_you_mean(name, nets) or ("it has " + ", ".join(nets) if nets else None))
        return name

    def _no_net(self) -> NetdslError:
        nets = [d for d in map(self.module.definitions.get, self.module.own) if isinstance(d, ast.Definition) and d.is_net]
        if nets:
            return self._needs(nets[0])
        return NetdslError("no-net", f"`{self.source.name}` has no net", self.start, help=None if self.module.own else "begin with `net Name { ... }`")

    def _needs(self, definition: ast.Definition) -> NetdslError:
        missing = [p.name for p in definition.parameters if p.default is None and p.name not in self.defines]
        listed = ", ".join(f"`{m}`" for m in missing)
        example = f"`-D {missing[0]}=...`, a default value, or a net made of it: `net Other = {definition.name}(...)`"
        return NetdslError("missing-argument", f"net `{definition.name}` needs {listed}", definition.name_span, help=f"give {'it' if len(missing) == 1 else 'them'} a value: {example}")


def open_program(name: str, defines: Mapping[str, str] | None = None) -> Program:
    """Read the file of that name (see `library.open_source`); raises `NetdslError`."""
    return program_of(library.open_source(name), defines)


def program_of(source: SourceFile, defines: Mapping[str, str] | None = None) -> Program:
    """The program of a text; raises `NetdslError`."""
    reporter = Reporter()
    try:
        loader, module = load_program(source, reporter)
    except Abandoned:
        raise NetdslError.of(reporter.diagnostics) from None
    except NetdslError as error:
        raise NetdslError.of([*reporter.diagnostics, *error.diagnostics]) from None
    return Program(source, loader, module, reporter, dict(defines or {}))


def compile_net(program: Program, name: str, inputs: Mapping[str, tuple[int, ...]] | None = None) -> Compiled:
    """Build one net of the program, its sizes overridden by `inputs` ("" is the first input's); raises `NetdslError`."""
    reporter = Reporter()
    reporter.diagnostics.extend(program.reporter.diagnostics)
    reporter.errors = program.reporter.errors
    try:
        compiled = _build(program, name, dict(inputs or {}), reporter)
    except Abandoned:
        raise NetdslError.of(reporter.diagnostics) from None
    except NetdslError as error:
        if not reporter.errors or error.code != "no-layers":
            reporter.diagnostics += error.diagnostics
        raise NetdslError.of(reporter.diagnostics) from None
    if reporter.errors or compiled is None:
        raise NetdslError.of(reporter.diagnostics)
    return compiled


def _build(program: Program, name: str, inputs: dict[str, tuple[int, ...]], reporter: Reporter) -> Compiled | None:
    named, own = program.module.definitions[name], program.module.homes[name]
    definition, home = _resolve_alias(named, own)
    graph = Graph(name, named.doc or definition.doc, Site(named.name_span))
    net = NetBuilder(program.loader, reporter, graph, own)
    elaborator = Elaborator(net, inputs)
    outside = Env(own.env, net.special, net.meter)
    arguments, place = (named.arguments, named.target_span) if isinstance(named, ast.Alias) else ((), named.name_span)
    given = _defines(program, definition, arguments, outside)
    frame = Env(home.env, net.special, net.meter)
    bind_parameters(frame, definition.name, definition.parameters, given, outside, place, definition.name_span)
    graph.arguments = {p.name: frame.values[p.name] for p in definition.parameters}
    elaborator.elaborate(definition, home, frame)
    if isinstance(named, ast.Alias):
        if all(p.default is not None for p in definition.parameters):
            elaborator.expects.clear()  # they are about the net as it stands, which is checked under its own name
        elaborator.expects += _member_expects(named, definition, graph, frame, outside)
    if reporter.errors:
        return None
    hold_strides(graph)
    train = next((t for n in (named.name, definition.name) for t in program.module.trains if t.net == n), None)
    return Compiled(graph, Costs(graph), valid_for(graph), elaborator.expects, net.labels, train, program.module.env)


def _resolve_alias(named: ast.Definition | ast.Alias, own: Module) -> tuple[ast.Definition, Module]:
    """The net that is built under a name of the file `own`, and the file that defines it: for `net A = B(...)` those of B. Raises `NetdslError`."""
    if isinstance(named, ast.Definition):
        return named, own
    target = own.definition(named.target, named.target_span)
    if isinstance(target, ast.Alias):
        raise NetdslError("unknown-net", f"`{named.target}` is itself made of another net", named.target_span, help=_beneath(named, target, own))
    if isinstance(target, ast.Definition) and target.is_net:
        return target, own.homes[named.target]
    known = [n for n, d in own.definitions.items() if isinstance(d, ast.Definition) and d.is_net]
    shipped = named.target.lower() if named.target.lower() in library.library_names() else None
    advice = f"write `import {shipped}` above, and use a net that it defines" if shipped else None
    raise NetdslError("unknown-net", f"there is no net `{named.target}`", named.target_span, help=did_you_mean(named.target, known) or advice or _make_net(named.name, target))


def _beneath(named: ast.Alias, target: ast.Alias, own: Module) -> str:
    """Advice where a net is made of one that is itself made of another: what is beneath them, if they do not go round in a circle."""
    passed = {named.name}
    found: ast.Definition | ast.Alias | None = target
    while isinstance(found, ast.Alias) and found.name not in passed:
        passed.add(found.name)
        found = own.definitions.get(found.target)
    if isinstance(found, ast.Definition):
        return f"write `net {named.name} = {found.name}(...)` with all its arguments"
    return f"what it is made of has a body of its own: `net Family(n) {{ input ... }}`, and then `net {named.name} = Family(3)`"


def _member_expects(alias: ast.Alias, definition: ast.Definition, graph: Graph, frame: Env, outside: Env) -> list[Expectation]:
    """The `expect` lines after `net A = B(...)`: they see the parameters and open sizes of B, and the `let`s of their own file. Raises `NetdslError`."""
    env = Env(outside)
    inner = {s.name for s in definition.body.statements if isinstance(s, ast.Let)}
    env.values = {**{name: value for name, value in frame.values.items() if name not in inner}, **graph.arguments}
    found = []
    for statement in alias.body.statements if alias.body is not None else ():
        if not isinstance(statement, ast.Expect):
            raise NetdslError("misplaced-statement", "only `expect` lines stand here", statement.span)
        found.append(Expectation(statement, env, ""))
    return found


def _make_net(name: str, target: object) -> str:
    """Advice where no net is called so."""
    if isinstance(target, ast.Definition):
        return f"`{target.name}` is a block: write `net {name} {{ input ... }}` and call it there"
    return f"define `net {name} {{ ... }}`, or import the file that has it"


def _defines(program: Program, definition: ast.Definition, arguments: tuple[ast.Argument, ...], env: Env) -> tuple[ast.Argument, ...]:
    """A net's arguments with those of -D put in place of the text's."""
    check_order(arguments)
    declared = [p.name for p in definition.parameters]
    if len([a for a in arguments if not a.name]) > len(declared):
        return arguments
    named = [a if a.name else ast.Argument(declared[i], a.value, a.span) if i < len(declared) else a for i, a in enumerate(arguments)]
    for name, text in program.defines.items():
        if name not in declared:
            raise NetdslError("unknown-argument", f"net `{definition.name}` has no parameter `{name}`", definition.name_span, help=did_you_mean(name, declared) or f"it has {', '.join(declared) or 'none'}")
        source = SourceFile(f"-D {name}", text)
        value = parse_expression(source)
        evaluate(value, env)
        named = [a for a in named if a.name != name] + [ast.Argument(name, value, Span(source, 0, len(text)))]
    return tuple(named)


def _sized(program: Program, name: str, compiled: Compiled, at: Span, size: tuple[int, ...]) -> Compiled:
    """The net with the input that an `expect` asks for."""
    try:
        return compile_net(program, name, {compiled.graph.inputs[0].name: size})
    except NetdslError as error:
        for diagnostic in error.diagnostics:
            diagnostic.notes += (Annotation("this `expect` asks for that input", at),)
        raise


def _at(expr: ast.Expr, env: Env) -> tuple[int, ...]:
    """The sizes after `at`: `at 3x224x224`, or `at 16` for an input of one axis; raises `NetdslError`."""
    size = evaluate(expr, env)
    sizes = size if isinstance(size, tuple) else (size,)
    if not sizes or not all(type(d) is int and 1 <= d <= MAX_DIM for d in sizes):
        raise NetdslError("bad-size", f"`at` takes the sizes of the first input, found {show(size)}", expr.span, help="write it as in `at 3x224x224`")
    return sizes


def _made_at(program: Program, name: str, compiled: Compiled, expectation: Expectation, known: dict[tuple[int, ...], Compiled | None]) -> Compiled | None:
    """What an `expect` is held against: the net, or that of the size after `at`. None where the net cannot be of that size, for the second time; raises `NetdslError` and `NetdslError`."""
    at = expectation.statement.at
    size = () if at is None else _at(at, expectation.env)
    if at is not None and size not in known:
        known[size] = None
        known[size] = _sized(program, name, compiled, at.span, size)
    return known[size]


def _held(expectation: Expectation, number: int, made: Compiled) -> Diagnostic | None:
    """The diagnostic of an expectation held against a net that was made for it, of whose size its names are."""
    same = next((e for e in made.expects[number : number + 1] if e.statement is expectation.statement), expectation)
    return Facts(made.graph, made.costs, made.labels).check(same)


def check_expects(program: Program, name: str, compiled: Compiled, inputs: Mapping[str, tuple[int, ...]] | None = None) -> tuple[int, list[Diagnostic]]:
    """How many `expect` lines hold, and the diagnostics of those that do not.

    A line with `at 3x224x224` is held against the net at that size. With sizes or parameters given from outside, lines about
    the text's own are not what the text proves, so only those of the text as it stands are checked.
    """
    if inputs or program.defines:
        return 0, []
    known: dict[tuple[int, ...], Compiled | None] = {(): compiled}
    good, broken = 0, list[Diagnostic]()
    for number, expectation in enumerate(compiled.expects):
        try:
            made = _made_at(program, name, compiled, expectation, known)
        except NetdslError as error:
            broken += error.diagnostics
        else:
            diagnostic = _held(expectation, number, made) if made is not None else None
            good += made is not None and diagnostic is None
            broken += [diagnostic] if diagnostic is not None else []
    return good, broken
