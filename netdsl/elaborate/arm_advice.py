"""Advice for joins with too few arms, because a loop or condition in the braces makes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.source import Span
from netdsl.syntax import ast
from netdsl.syntax.arms import maker_of

if TYPE_CHECKING:
    from netdsl.elaborate.invocation import Invocation
    from netdsl.errors import OpError

Maker = ast.Repeat | ast.For | ast.If


def advise(error: OpError, invocation: Invocation) -> None:
    """Give the error of a join with fewer than two inputs better advice, if there is some."""
    arms, env = invocation.arms, invocation.env
    continued = [inner for arm in arms if (inner := _continuing(arm)) is not None]
    makers = [maker for arm in arms if (maker := maker_of(arm)) is not None]
    idle = [maker for maker in (*continued, *makers) if not _repeats(maker, env)]
    if idle:
        _without_arms(error, idle[-1])
    elif continued:
        _without_bar(error, continued[-1])
    elif len(arms) == 1 and len(arms[0].statements) > 1 and not makers:
        second = arms[0].statements[1].span
        first = second.text.partition("\n")[0]
        error.diagnostic.help = (
            f"an arm begins with `|`: line {second.first.line} continues the first one; write"
            f" `| {first}` for a second arm, or add `| identity` to join the input itself"
        )


def _repeats(maker: Maker, env: Env) -> bool:
    """Whether a loop has a round, or the condition is true."""
    if isinstance(maker, ast.If):
        return maker.otherwise is not None or evaluate(maker.condition, env) is True
    rounds = maker.count if isinstance(maker, ast.Repeat) else maker.values
    return evaluate(rounds, env) not in (0, ())


def _continuing(arm: ast.Body) -> Maker | None:
    """The loop or condition on the last line of an arm, if it has no arms of its own."""
    if len(arm.statements) < 2:
        return None
    match arm.statements[-1]:
        case ast.Chain(elements=(ast.Repeat() | ast.For() as loop,)) if loop.body.statements:
            return loop
        case ast.Chain(elements=(ast.If() as condition,)) if condition.then.statements:
            return condition
    return None


def _bodies(maker: Maker) -> list[ast.Body]:
    if isinstance(maker, ast.If):
        return [body for body in (maker.then, maker.otherwise) if body is not None]
    return [maker.body]


def _word(maker: Maker) -> str:
    return "`if`" if isinstance(maker, ast.If) else "loop"


def _without_bar(error: OpError, maker: Maker) -> None:
    """Advice to begin the body of a loop with `|`."""
    starts = [body.statements[0].span for body in _bodies(maker) if body.statements]
    first = starts[0].text.partition("\n")[0]
    error.diagnostic.help = (
        f"the body of the {_word(maker)} on line {maker.span.first.line} has no `|`, so it"
        f" continues the arm above: write `| {first}`"
    )
    places = [Span(start.file, start.start, start.start) for start in starts]
    error.diagnostic.fix = tuple(Edit(place, "| ") for place in places)


def _without_arms(error: OpError, maker: Maker) -> None:
    """Advice for a loop or condition that makes no arm here."""
    line = maker.span.first.line
    help_ = f"the list of the loop on line {line} is empty, so it makes no arm"
    if isinstance(maker, ast.If):
        condition = maker.condition.span.text
        help_ = f"the condition `{condition}` on line {line} is false, so the `if` makes no arm"
    elif isinstance(maker, ast.Repeat):
        help_ = f"`{maker.count.span.text}` is 0 on line {line}, so the `repeat` makes no arm"
    error.diagnostic.help = f"{help_}: write the join in an `if`, or give it another arm"
