"""Builds the typed graph of one net of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Annotation, did_you_mean
from netdsl.elaborate.aliases import own_expectations, resolve_net
from netdsl.elaborate.arguments import Signature, bind_parameters, check_order
from netdsl.elaborate.bodies import Elaborator
from netdsl.elaborate.builder import NetBuilder
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.elaborate.expressions import Expressions
from netdsl.elaborate.loader import resolve
from netdsl.elaborate.module import Word
from netdsl.elaborate.notes import OPTION, Use
from netdsl.errors import NetdslError
from netdsl.ir.graph import Graph, Site
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.diagnostics import Reporter
    from netdsl.elaborate.bodies import Expectation
    from netdsl.elaborate.module import Module
    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Value


class Elaborated(NamedTuple):
    """A net's graph, its `expect` lines, the values of its labels, and its `train` section."""

    graph: Graph
    expects: list[Expectation]
    labels: dict[str, Value]
    train: ast.Train | None


def elaborate(
    program: Program, name: str, inputs: Mapping[str, tuple[int, ...]], reporter: Reporter
) -> Elaborated:
    """Build the graph of a net; errors that do not end the work are added to `reporter`.

    `inputs` are the sizes that the user gives, by the names of the inputs; "" is the first input.
    Raises `NetdslError` and `Abandoned`. The graph is valid only if the reporter has no errors.
    """
    named, own = program.module.definitions[name], program.module.homes[name]
    target = resolve_net(named, own)
    definition = target.definition
    graph = Graph(name, named.doc or definition.doc, Site(named.name_span))
    net = NetBuilder(program.loader, reporter, graph, own)
    net.surroundings = Expressions(net)
    outside = Env(own.env, net.surroundings, net.meter)
    frame = Env(target.home.env, net.surroundings, net.meter)
    arguments = _with_defines(program, name, definition, target.arguments, own, outside)
    signature = Signature(definition.name, definition)
    bind_parameters(frame, signature, arguments, outside, target.span)
    graph.arguments = {p.name: frame.values[p.name] for p in definition.parameters}
    elaborator = Elaborator(net, dict(inputs))
    net.calls.append(Use(definition.name, definition, arguments, target.span))
    elaborator.elaborate(definition, target.home, frame)
    expects = elaborator.expects
    if isinstance(named, ast.Alias):
        if all(p.default is not None for p in definition.parameters):
            expects = []  # checked with the defaults, under the net's own name
        expects = expects + own_expectations(named, definition, graph.arguments, frame, outside)
    trains = {t.net: t for t in program.module.trains}
    train = trains.get(named.name) or trains.get(definition.name)
    return Elaborated(graph, expects, net.labels, train)


def _with_defines(
    program: Program,
    net: str,
    definition: ast.Definition,
    arguments: tuple[ast.Argument, ...],
    own: Module,
    env: Env,
) -> tuple[ast.Argument, ...]:
    """The arguments of a net in the file `own`, where those of `-D` replace those of the text."""
    check_order(arguments, definition.parameters)
    declared = [p.name for p in definition.parameters]
    positional = [a for a in arguments if a.name is None]
    if len(positional) > len(declared):
        return arguments  # `bind_parameters` raises the error
    named = {a.name or declared[i]: a for i, a in enumerate(arguments)}
    if len(named) < len(arguments):
        return arguments
    for name, text in program.defines.items():
        if name not in declared:
            message = f"net `{net}` has no parameter `{name}`"
            given = SourceFile(f"{OPTION} {name}", f"{name}={text}")
            declaration = Annotation(f"`{net}` is defined here", definition.name_span)
            raise NetdslError(
                "unknown-argument",
                message,
                Span(given, 0, len(name)),
                notes=(declaration,),
                help=_size_advice(definition, name)
                or _let_advice(definition, own, name)
                or did_you_mean(name, declared)
                or f"it is declared as `{Signature(definition.name, definition)}`",
            )
        source = SourceFile(f"{OPTION} {name}", text)
        value = _as_words(_define(source, name), program, own)
        _check_define(value, env)
        named[name] = ast.Argument(name, value, Span(source, 0, len(text)))
    return tuple(ast.Argument(name, a.value, a.span) for name, a in named.items())


def _define(source: SourceFile, name: str) -> ast.Expr:
    """The value that `-D` gives to a parameter; raises `NetdslError`."""
    try:
        return parse_expression(source)
    except NetdslError as error:
        if "," in source.text and source.text[0] not in "[(":
            error.diagnostic.message = f"`{source.text}` is a list without its brackets"
            error.diagnostic.help = f"write `-D {name}=[{source.text}]`"
        raise


def _let_advice(definition: ast.Definition, own: Module, name: str) -> str | None:
    """Advice if what the user takes for a parameter is a `let` of the net or of its file."""
    lets = [let for let in own.lets.values() if let.name == name]
    lets += [s for s in definition.body.walk() if isinstance(s, ast.Let) and s.name == name]
    if len(lets) != 1:
        return None
    listed = [p.span.text for p in definition.parameters]
    written = ", ".join([*listed, f"{name} = {lets[0].value.span.text}"])
    return (
        f"`{name}` is a `let`: make it a parameter, `net {definition.name}({written})`, and leave"
        " the `let` out"
    )


def _check_define(value: ast.Expr, env: Env) -> None:
    """Raise `NetdslError` for a value of `-D` that cannot be evaluated."""
    try:
        evaluate(value, env)
    except NetdslError as error:
        forms = "a number, a list such as `[2, 2]`, or the name of a layer or block"
        error.diagnostic.help = error.help or f"a parameter takes {forms}"
        raise


def _size_advice(definition: ast.Definition, name: str) -> str | None:
    """Advice if what the user takes for a parameter is an input, or an open size of one."""
    for statement in definition.body.statements:
        if not isinstance(statement, ast.Input):
            continue
        label = "".join(map(str, statement.label.pieces))
        shape = statement.shape
        parts = shape.parts if isinstance(shape, ast.DimsLiteral | ast.NameOrDims) else ()
        if name == label or name in parts:
            what = "an input" if name == label else f"a size of the input `{label}`"
            give = f'`--input {label}=...` (in Python `inputs={{"{label}": ...}}`)'
            return f"`{name}` is {what}: give its sizes with {give}"
    return None


def _as_words(expr: ast.Expr, program: Program, own: Module) -> ast.Expr:
    """The expression with its strings as `Word`s, where they name a block or a layer."""
    if isinstance(expr, ast.Sequence):
        items = tuple(_as_words(item, program, own) for item in expr.items)
        return ast.Sequence(expr.span, items, expr.is_tuple)
    if isinstance(expr, ast.Literal) and isinstance(expr.value, str):
        try:
            layer = resolve(program.loader, own, expr.value, expr.span)
        except NetdslError:
            return expr
        return ast.Literal(expr.span, Word(expr.value, layer))
    return expr
