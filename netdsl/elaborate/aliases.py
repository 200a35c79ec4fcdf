"""Nets that are other nets with arguments: `net A = B(...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl import library
from netdsl.diagnostics import Edit, closest, did_you_mean, respelled
from netdsl.elaborate.bodies import Expectation
from netdsl.elaborate.evaluate import Env
from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.elaborate.module import Module


class Target(NamedTuple):
    """The definition that a net's name leads to, and the arguments for it.

    `home` is the file that contains the definition, and `span` the place of errors about the
    arguments.
    """

    definition: ast.Definition
    home: Module
    arguments: tuple[ast.Argument, ...]
    span: Span


def resolve_net(named: ast.Definition | ast.Alias, own: Module) -> Target:
    """The definition and arguments of the net `named` in the file `own`; raises `NetdslError`."""
    if isinstance(named, ast.Definition):
        return Target(named, own, (), named.name_span)
    target = own.definition(named.target, named.target_span)
    if isinstance(target, ast.Definition) and target.is_net:
        return Target(target, own.homes[named.target], named.arguments, named.target_span)
    if isinstance(target, ast.Alias):
        message = f"`{named.target}` is itself a member of a family"
        help_ = _beneath(named, target, own)
    else:
        message = f"there is no net `{named.target}`"
        help_ = _advice(named, target, own)
    fix: tuple[Edit, ...] = ()
    if target is None:
        fix = respelled(named.target_span, named.target, _nets(own))
    raise NetdslError("unknown-net", message, named.target_span, help=help_, fix=fix)


def _nets(own: Module) -> list[str]:
    """The nets with a body that a file can use."""
    definitions = own.definitions.items()
    return [name for name, d in definitions if isinstance(d, ast.Definition) and d.is_net]


def _beneath(named: ast.Alias, target: ast.Alias, own: Module) -> str:
    """Advice to use the net that has a body, if the aliases do not form a cycle."""
    passed = {named.name}
    last: ast.Definition | ast.Alias | None = target
    given = named.arguments
    while isinstance(last, ast.Alias) and last.name not in passed:
        passed.add(last.name)
        given = _combined(last.arguments, given)
        last = own.definitions.get(last.target)
    if isinstance(last, ast.Definition):
        first = {p.name for p in last.parameters[: sum(a.name is None for a in given)]}
        if first & {argument.name for argument in given}:  # the same argument, in two ways
            return f"write `net {named.name} = {last.name}(...)` with all the arguments"
        names = [parameter.name for parameter in last.parameters]
        kept = (a for a in given if a.name not in library.TRAINED or a.name in names)
        written = ", ".join(_known(argument, names) for argument in kept)
        return f"write `net {named.name} = {last.name}({written})`"
    return (
        "define a net with a body, `net Family(n) { input ... }`, and then"
        f" `net {named.name} = Family(3)`"
    )


def _known(argument: ast.Argument, names: list[str]) -> str:
    """An argument as it is written, with the name of a parameter if it is like one."""
    if argument.name is None or argument.name in names:
        return argument.span.text
    near = closest(argument.name, names)
    return f"{near[0]} = {argument.value.span.text}" if near else argument.span.text


def _combined(
    beneath: tuple[ast.Argument, ...], given: tuple[ast.Argument, ...]
) -> tuple[ast.Argument, ...]:
    """The arguments of a member of a family, with those given to it in their place."""
    names = {argument.name for argument in given if argument.name is not None}
    positional = [argument for argument in given if argument.name is None]
    kept = [argument for argument in beneath if argument.name not in names]
    first = [argument for argument in kept if argument.name is None][len(positional) :]
    rest = [argument for argument in (*kept, *given) if argument.name is not None]
    return (*positional, *first, *rest)


def _advice(named: ast.Alias, target: ast.Definition | None, own: Module) -> str:
    """Advice if no net has that name."""
    close = did_you_mean(named.target, _nets(own))
    if close is not None:
        return close
    shipped = named.target.lower()
    if shipped in library.library_names():
        return f"write `import {shipped}` above, and use a net that it defines"
    net = library.net_of_library(named.target)
    if net is not None:
        return f"`{net[1]}` is a net of the library: write `import {net[0]}` above"
    if target is not None:
        block = target.name
        return f"write `net {named.name} {{ input ... }}` and call the block `{block}` in it"
    return f"define `net {named.target}`, or import the file that defines it"


def own_expectations(
    alias: ast.Alias,
    definition: ast.Definition,
    arguments: Mapping[str, object],
    frame: Env,
    outside: Env,
) -> list[Expectation]:
    """The `expect` lines after `net A = B(...)`; raises `NetdslError`.

    They can use the `arguments` of B, its open sizes, which are in its `frame`, and the `let`s of
    their own file, which are in `outside`.
    """
    if alias.body is None:
        return []
    inner = {s.name for s in definition.body.statements if isinstance(s, ast.Let)}
    env = Env(outside)
    env.values = {name: value for name, value in frame.values.items() if name not in inner}
    env.values |= arguments
    expectations = []
    for statement in alias.body.statements:
        if not isinstance(statement, ast.Expect):
            raise _misplaced(alias, definition, statement)
        expectations.append(Expectation(statement, env, ""))
    return expectations


def _misplaced(
    alias: ast.Alias, definition: ast.Definition, statement: ast.Statement
) -> NetdslError:
    """The error of layers after `net A = B(...)`, which only gives `B` its arguments."""
    message = "only `expect` lines are allowed here"
    error = NetdslError("misplaced-statement", message, statement.span)
    inputs = [s for s in definition.body.statements if isinstance(s, ast.Input)]
    if len(inputs) != 1 or alias.body is None:
        error.diagnostic.help = f"`net {alias.name} = {alias.target}(...)` adds no layers"
        return error
    file, body = alias.body.span.file, alias.body.span
    call = " ".join(file.text[alias.target_span.start : body.start].split())
    declared = inputs[0].span.text
    sizes = inputs[0].shape.span.text
    if any(parameter.name in sizes for parameter in definition.parameters):
        declared = f"input {inputs[0].label.span.text}: ..."
    else:
        begin = body.start + body.text.index("{") + 1
        head = Span(file, alias.name_span.end, begin)
        error.diagnostic.fix = (Edit(head, f" {{\n    {declared}\n    {call}"),)
    error.diagnostic.help = (
        f"to add layers, write `net {alias.name} {{`, then `{declared}` and `{call}`"
    )
    return error
