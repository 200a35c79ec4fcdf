"""Warnings about names that nothing uses: parameters, `let`s, loop variables, blocks, imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.elaborate.module import Module
    from netdsl.source import Span


def name_warnings(module: Module) -> Iterator[Diagnostic]:
    """The warnings about the names of a file. Names that begin with `_` cause none."""
    tree = module.tree
    for definition in tree.definitions:
        if isinstance(definition, ast.Definition):
            if not _is_argument(definition.name, tree):
                yield from _unused_parameters(definition)
            yield from _unused_in_body(definition.body)
    if any(isinstance(d, ast.Alias) or d.is_net for d in tree.definitions):
        yield from _unused_in_file(module)  # a file without nets is there for other files


def names_in(trees: Iterable[ast.Tree]) -> set[str]:
    """Every name that these parts of a text use, except the names of labels."""
    names: set[str] = set()
    for tree in trees:
        for part in tree.walk():
            match part:
                case ast.NameOrDims():
                    names.add(part.id)
                    names.update(p for p in part.parts if isinstance(p, str))
                case ast.Name():
                    names.add(part.id)
                case ast.DimsLiteral():
                    names.update(p for p in part.parts if isinstance(p, str))
                case ast.Call() | ast.Function():
                    names.add(part.name)
                case ast.Alias():
                    names.add(part.target)
                case ast.Train():
                    names.add(part.net)
    return names


def bodies_in(statement: ast.Tree) -> Iterator[tuple[ast.Tree, ast.Body]]:
    """The bodies directly inside a statement, each with the loop or other part that it is of."""
    waiting = [statement]
    while waiting:
        part = waiting.pop()
        for child in part.children():
            if isinstance(child, ast.Body):
                yield part, child
            else:
                waiting.append(child)


def statements_of(body: ast.Body) -> Iterator[tuple[ast.Statement, set[str]]]:
    """The statements of a body, the last first, each with the names that are read after it.

    An `expect` is evaluated when the net is complete, so its names count as read at the end.
    """
    after = names_in(s for s in body.statements if isinstance(s, ast.Expect))
    for statement in reversed(body.statements):
        yield statement, after
        if isinstance(statement, ast.Let):
            after = after - {statement.name}  # what follows reads this one
        after = after | names_in([statement])


def _is_argument(name: str, tree: ast.File) -> bool:
    """Whether a block is given to another one, whose calls then determine its parameters."""
    return any(isinstance(p, ast.Name) and p.id == name for p in tree.walk())


def _unused_parameters(definition: ast.Definition) -> Iterator[Diagnostic]:
    defaults = [p.default for p in definition.parameters if p.default is not None]
    used = names_in([definition.body, *defaults])
    for parameter in definition.parameters:
        if parameter.name not in used:
            kind = "net" if definition.is_net else "block"
            message = f"nothing in {kind} `{definition.name}` uses the parameter `{parameter.name}`"
            yield from _unused("unused-parameter", parameter.name, message, parameter.span)


def _unused_in_body(body: ast.Body) -> Iterator[Diagnostic]:
    """The warnings about the `let`s and loop variables of a body and of those inside it."""
    for statement, after in statements_of(body):
        if isinstance(statement, ast.Let) and statement.name not in after:
            message = f"nothing uses `{statement.name}` after this `let`"
            yield from _unused("unused-let", statement.name, message, statement.span)
        for owner, inner in bodies_in(statement):
            yield from _unused_variable(owner)
            yield from _unused_in_body(inner)
    for arm in body.arms:
        yield from _unused_in_body(arm)


def _unused_variable(loop: ast.Tree) -> Iterator[Diagnostic]:
    match loop:
        case ast.Repeat(variable=str(name)):
            help_ = "leave `as` out"
        case ast.For(targets=(name,)):
            help_ = "write `repeat` and a number"
        case _:
            return
    if name not in names_in([loop.body]):
        message = f"nothing in this loop uses `{name}`"
        yield from _unused("unused-variable", name, message, loop.span, help_)


def _unused_in_file(module: Module) -> Iterator[Diagnostic]:
    tree = module.tree
    for item, imported in module.imports:
        names = {*imported.definitions, *imported.env.values}
        if not names & names_in([tree]):
            message = f"nothing uses what `{item.target}` defines"
            yield from _unused("unused-import", "", message, item.span)
    for let in tree.lets:
        others = [part for part in tree.children() if part is not let]
        if let.name not in names_in(others):
            message = f"nothing in this file uses `{let.name}`"
            yield from _unused("unused-let", let.name, message, let.span)
    for definition in tree.definitions:
        if isinstance(definition, ast.Alias) or definition.is_net:
            continue
        others = [part for part in tree.children() if part is not definition]
        if definition.name not in names_in(others):
            message = f"nothing in this file uses the block `{definition.name}`"
            yield from _unused("unused-block", definition.name, message, definition.name_span)


def _unused(
    code: str, name: str, message: str, span: Span, help: str = "remove it"
) -> Iterator[Diagnostic]:
    if not name.startswith("_"):
        yield Diagnostic(code, message, span, "warning", help=help)
