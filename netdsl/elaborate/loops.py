"""Loops: `repeat 3 as i { ... }` and `for a, b in values { ... }`."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, did_you_mean
from netdsl.elaborate import lists
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.notes import Round
from netdsl.errors import NetdslError
from netdsl.ops.args import in_place_of_number, integer, is_integer, show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from netdsl.elaborate.builder import NetBuilder

    Loop = ast.Repeat | ast.For


NEXT = "@next"  # what the loop around a statement carries into its next round


class UnknownRoundsError(Exception):
    """An error leaves the number of rounds of a loop unknown."""


@contextmanager
def rounds(net: NetBuilder, loop: Loop, env: Env) -> Iterator[Iterator[Env]]:
    """The names of each round of a loop, while it is unrolled.

    The values that the loop carries are given to `env` at the end. Raises `NetdslError`, and
    `UnknownRoundsError`.
    """
    if loop.carried:
        net.scope.keep_values(env, loop.span)
    carried = _starts(loop, env)
    items = _items(net, loop, env)
    with closing(_frames(net, loop, env, items, carried)) as frames:
        yield frames
    env.values.update(carried)


def _starts(loop: Loop, env: Env) -> dict[str, object]:
    """The values that a loop carries into its first round; raises `NetdslError`."""
    names = [start.name for start in loop.carried]
    own = _own(loop)
    carried: dict[str, object] = {}
    try:
        for start in loop.carried:
            if start.name in carried:
                message = f"`with` gives `{start.name}` two values"
                raise NetdslError("duplicate-name", message, start.span, help="remove one of them")
            if start.name in own:
                message = f"`{start.name}` is the variable of this loop"
                raise NetdslError("duplicate-name", message, start.span, help="choose another name")
            carried[start.name] = evaluate(start.value, env)
    finally:
        env.values.update(dict.fromkeys(names, UNKNOWN))  # until the loop ends without an error
    return carried


def _own(loop: Loop) -> tuple[str | None, ...]:
    """The variables of a loop."""
    return loop.targets if isinstance(loop, ast.For) else (loop.variable,)


def _frames(
    net: NetBuilder,
    loop: Loop,
    env: Env,
    items: Sequence[object],
    carried: dict[str, object],
) -> Generator[Env]:
    """The frame of each round; `pass_on` changes what is `carried`."""
    for i, item in enumerate(items):
        net.meter.charge(1, loop.span)
        frame = Env(env)
        frame.values.update({**carried, **_variables(loop, item)})
        shown = dict(frame.values)
        frame.values[NEXT] = carried
        with net.in_round(Round(i + 1, len(items), shown, loop)):
            yield frame


def _items(net: NetBuilder, loop: Loop, env: Env) -> Sequence[object]:
    """The numbers of the rounds of a `repeat`, or the elements of the list of a `for`."""
    if isinstance(loop, ast.Repeat) and isinstance(loop.count, ast.Sequence):
        raise _no_count(loop.count)
    source = loop.count if isinstance(loop, ast.Repeat) else loop.values
    value = evaluate(source, env)
    if value is UNKNOWN:
        raise UnknownRoundsError
    if isinstance(loop, ast.For):
        elements = lists.elements(loop.targets, value, source, loop.span)
        _charge_rounds(net, len(elements), loop, env)
        return elements
    if not is_integer(value) or value < 0:
        message = f"`repeat` needs a whole number of at least 0, found {show(value)}"
        help_ = "write a number, as in `repeat 3`"
        if isinstance(value, float) and re.fullmatch(r"\w+ */ *\w+", source.span.text):
            help_ = f"write `{source.span.text.replace('/', '//')}`, which rounds down"
        error = NetdslError("wrong-type", message, source.span, help=help_)
        error.diagnostic.found = in_place_of_number(integer, value)
        raise error
    _charge_rounds(net, value, loop, env)
    return range(value)


def _no_count(pair: ast.Sequence) -> NetdslError:
    """The error of `repeat(i, 3)`, whose fix is `repeat 3 as i`."""
    message = "`repeat` needs a whole number, found several values"
    error = NetdslError("wrong-type", message, pair.span, help="write `repeat 3 as i { ... }`")
    texts = [element.span.text for element in pair.items]
    if len(texts) == 2 and isinstance(pair.items[0], ast.Name):
        error.diagnostic.help = f"write `repeat {texts[1]} as {texts[0]} {{ ... }}`"
        place = Span(pair.span.file, pair.span.start, pair.span.end)
        is_close = pair.span.file.text[: pair.span.start].endswith("repeat")
        error.diagnostic.fix = (Edit(place, f"{' ' * is_close}{texts[1]} as {texts[0]}"),)
    return error


def _variables(loop: Loop, item: object) -> dict[str, object]:
    """The variables of one round."""
    if isinstance(loop, ast.For):
        return lists.unpacked(loop.targets, item, loop.values)
    return {} if loop.variable is None else {loop.variable: item}


def pass_on(statement: ast.Next, env: Env, loop: Loop | None) -> None:
    """Set what the innermost `loop` carries into its next round; raises `NetdslError`."""
    carried = env.find(NEXT)[1]
    if not isinstance(carried, dict) or statement.name not in carried:
        error = _not_carried(statement, _loops(env), start=_start(statement.name, env))
        if loop is not None and statement.name in _own(loop):
            error.diagnostic.message = f"`{statement.name}` is the variable of this loop"
            error.diagnostic.help = (
                "the loop gives it the next value in each round: carry another name, as in"
                " `... with total = 0 {`"
            )
        raise error
    carried[statement.name] = UNKNOWN  # unless it has a value
    carried[statement.name] = evaluate(statement.value, env)


def _loops(env: Env) -> list[dict[str, object]]:
    """What each loop around a statement carries, the innermost first."""
    loops: list[dict[str, object]] = []
    frame: Env | None = env
    while frame is not None:
        carried = frame.values.get(NEXT)
        if isinstance(carried, dict):
            loops.append(carried)
        frame = frame.parent
    return loops


def _start(name: str, env: Env) -> str:
    """What a loop could carry into its first round: the value of that name outside, or 0."""
    return name if env.find(name)[0] else "0"


def _not_carried(statement: ast.Next, loops: list[dict[str, object]], *, start: str) -> NetdslError:
    """The error of a `next` outside loops, or for a name that its loop does not carry."""
    name = statement.name
    message = f"this loop does not carry `{name}` from round to round"
    advice: str | None
    if not loops:
        message = "`next` can only be in a loop"
        advice = f"`let {name} = ...` gives a name to a value"
    elif any(name in carried for carried in loops[1:]):
        message = f"the loop around this one carries `{name}`, and `next` is for its own loop"
        advice = (
            f"carry it through this loop too, `... with {name} = {name} {{`, and write"
            f" `next {name} = {name}` after it"
        )
    else:
        advice = did_you_mean(name, list(loops[0]))
        advice = advice or f"declare it where the loop begins: `... with {name} = {start} {{`"
    return NetdslError("not-carried", message, statement.span, help=advice)


def _charge_rounds(net: NetBuilder, count: int, loop: Loop, env: Env) -> None:
    """Refuse a loop that is certain to exceed a limit, before it is unrolled."""
    least = net.estimate.body(loop.body, net.module, net.hidden(env))
    net.charge_all(least._replace(steps=least.steps + 1), count, loop.span)
