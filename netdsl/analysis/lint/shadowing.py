"""Warnings about a `let` in a loop or other braces that hides a name which is read outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.lint.names import Names, bodies_in
from netdsl.diagnostics import Diagnostic, Edit
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.module import Module

NameSet = frozenset[str]


def shadowing_warnings(module: Module, names: Names) -> Iterator[Diagnostic]:
    """A warning for each `let` that hides a name whose outer value is read later."""
    lets = frozenset(let.name for let in module.tree.lets)
    for definition in module.tree.definitions:
        if isinstance(definition, ast.Definition):
            visible = lets | {p.name for p in definition.parameters}
            yield from _in_body(definition.body, names, visible, frozenset())


def _in_body(
    body: ast.Body, names: Names, visible: NameSet, read_outside: NameSet
) -> Iterator[Diagnostic]:
    """The warnings of the bodies inside a body.

    `visible` are the names that have a value before it, and `read_outside` those whose value is
    read after it.
    """
    afters = {id(s): after for s, after in names.read_after(body)}
    for statement in body.statements:
        after = read_outside | afters[id(statement)]
        for owner, inner in bodies_in(statement):
            yield from _hiding(owner, inner, names, visible, after)
            yield from _in_body(inner, names, visible | _variables(owner), after)
        if isinstance(statement, ast.Let):
            visible = visible | {statement.name}
    for arm in body.arms:
        yield from _hiding(body, arm, names, visible, read_outside)
        yield from _in_body(arm, names, visible, read_outside)


def _variables(owner: ast.Tree) -> NameSet:
    """The variables of a loop."""
    if isinstance(owner, ast.For):
        return _carried(owner).union(owner.targets)
    if isinstance(owner, ast.Repeat) and owner.variable is not None:
        return _carried(owner) | {owner.variable}
    return _carried(owner)


def _carried(owner: ast.Tree) -> NameSet:
    """The names of the values that a loop carries from round to round."""
    if isinstance(owner, (ast.Repeat, ast.For)):
        return frozenset(start.name for start in owner.carried)
    return frozenset()


def _hiding(
    owner: ast.Tree, body: ast.Body, names: Names, visible: NameSet, after: NameSet
) -> Iterator[Diagnostic]:
    """The warnings of the `let`s of one body."""
    is_loop = isinstance(owner, (ast.Repeat, ast.For))
    carried = _carried(owner)
    read_before: set[str] = set()  # in the body itself, so also in the next round of a loop
    for statement in body.statements:
        if isinstance(statement, ast.Let) and statement.name in carried:
            yield _not_next(statement)
        if isinstance(statement, ast.Let) and statement.name in visible - _variables(owner):
            name = statement.name
            in_next_round = is_loop and name in read_before | names.of(statement.value)
            if name in after or in_next_round:
                yield _warning(statement, owner, in_next_round=in_next_round)
            visible = visible - {name}
        read_before |= names.of(statement)


def _not_next(let: ast.Let) -> Diagnostic:
    message = f"this `let` does not change the `{let.name}` that the loop carries"
    start = let.span.start
    word = Span(let.span.file, start, start + len("let"))
    return Diagnostic(
        "shadowed-let",
        message,
        let.span,
        "warning",
        help=f"write `next {let.name} = ...` for its value in the next round",
        fix=(Edit(word, "next"),),
    )


def _warning(let: ast.Let, owner: ast.Tree, *, in_next_round: bool) -> Diagnostic:
    name = let.name
    is_loop = isinstance(owner, (ast.Repeat, ast.For))
    braces = "loop" if is_loop else "body"
    message = f"this `let` makes a second `{name}` for this {braces}; the outer one does not change"
    if in_next_round:
        message = f"this `let` lasts for one round: the next one has the outer `{name}` again"
    help_ = "choose another name"
    if isinstance(owner, (ast.Repeat, ast.For)):
        whole = owner.span
        head = " ".join(whole.file.text[whole.start : owner.body.span.start].split())
        carry = f"`{head}{',' if owner.carried else ' with'} {name} = {name} {{`"
        carry += f" and `next {name} = {' '.join(let.value.span.text.split())}`"
        help_ = f"to carry `{name}` on, write {carry}"
        if not in_next_round:
            help_ += "; or choose another name"
    return Diagnostic("shadowed-let", message, let.span, "warning", help=help_)
