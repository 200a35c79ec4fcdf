"""Arms that a loop or a condition makes: `concat { for i in range(3) { | conv(8, i) } }`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def maker_of(body: ast.Body) -> ast.Repeat | ast.For | ast.If | None:
    """The loop or condition of an arm that consists of nothing else and makes arms."""
    if len(body.statements) != 1:
        return None
    return _maker(body.statements[0])


def _branches(condition: ast.If) -> list[ast.Body]:
    """The bodies of a condition; one of them may be a further condition, as an arm."""
    bodies = (condition.then, condition.otherwise)
    return [body for body in bodies if body is not None]


def is_maker(statement: ast.Statement) -> bool:
    """Whether a statement is a loop or a condition whose body has arms."""
    return _maker(statement) is not None


def _maker(statement: ast.Statement) -> ast.Repeat | ast.For | ast.If | None:
    match statement:
        case ast.Chain(elements=(ast.Repeat() | ast.For() as loop,)) if loop.body.arms:
            return loop
        case ast.Chain(elements=(ast.If() as condition,)):
            if any(body.arms for body in _branches(condition)):
                return condition
    return None


def check_is_none(rule: str, span: Span) -> None:
    """Raise `NetdslError` for an arm among the statements of a net or block."""
    if rule == "arm":
        bar = Span(span.file, span.start, span.start + 1)
        raise NetdslError(
            "arms-without-join",
            "`|` begins an arm, and arms can only be in a join",
            bar,
            help="write a join around the arms, as in `concat { | relu | tanh }`; layers in a row"
            " need no `|`",
        )


def made(statements: Iterable[ast.Statement]) -> list[ast.Body]:
    """Loops and conditions that make arms, each as an arm; raises `NetdslError` for others."""
    bodies: list[ast.Body] = []
    for statement in statements:
        if not is_maker(statement):
            _check_loop(statement)
            raise NetdslError(
                "layer-between-arms",
                "this line belongs to no arm",
                statement.span,
                help="begin an arm with `|`, or write the line before the join",
                fix=(Edit(_before(statement.span), "| "),),
            )
        body = ast.Body((statement,), (), statement.span)
        _check_maker(maker_of(body))
        bodies.append(body)
    return bodies


def _check_loop(statement: ast.Statement) -> None:
    """Raise `NetdslError` for a loop among arms whose body has no arm."""
    match statement:
        case ast.Chain(elements=(ast.Repeat() | ast.For() as loop,)) if loop.body.statements:
            first = loop.body.statements[0].span
            raise NetdslError(
                "layer-between-arms",
                "this line of a loop belongs to no arm",
                first,
                help=f"begin an arm with `|` in the loop: `| {first.text}`",
                fix=(Edit(_before(first), "| "),),
            )


def _check_maker(maker: ast.Repeat | ast.For | ast.If | None) -> None:
    """Raise `NetdslError` for a label, and for a branch that makes no arms."""
    if maker is not None and maker.label is not None:
        raise NetdslError(
            "misplaced-label",
            "a loop or condition that makes arms cannot have a label",
            maker.label.span,
            help="label the join, or the layers in the arms",
        )
    for body in _branches(maker) if isinstance(maker, ast.If) else []:
        if body.statements:
            made(body.statements)


def split(statements: Sequence[ast.Statement], span: Span) -> list[ast.Body]:
    """The arms that begin with one `|`: its own, and those that loops below it make.

    Raises `NetdslError` if such a loop follows the `|` itself, or is followed by other lines.
    """
    first = next((i for i, s in enumerate(statements) if is_maker(s)), len(statements))
    if statements and first == 0:
        raise NetdslError(
            "misplaced-bar",
            "the arms of a loop or condition are inside its braces, so no `|` comes before it",
            span,
            help="leave out this `|`",
            fix=(Edit(Span(span.file, span.start, statements[0].span.start), ""),),
        )
    own = ast.Body(tuple(statements[:first]), (), span)
    return [own, *made(statements[first:])]


def _before(span: Span) -> Span:
    return Span(span.file, span.start, span.start)
