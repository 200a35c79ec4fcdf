"""Schedules of a `train` section that would change the learning rate only after the last epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.lint.recipe import number_of
from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netdsl.source import Span

    Value = float | str | Sequence[float]

DEFAULT_EPOCHS = 10
EPOCH, STEP = "epoch", "step"  # the units of a schedule
# The arguments of each schedule, in order.
ARGUMENTS = {
    "constant": ("warmup",),
    "cosine": ("warmup", "end", "by"),
    "polynomial": ("power", "warmup", "by"),
    "one_cycle": ("rise", "start_divisor", "end_divisor", "warmup"),
    "step": ("every", "gamma", "warmup", "by"),
    "multistep": ("at", "gamma", "warmup", "by"),
    "exponential": ("gamma", "warmup", "by"),
    "plateau": ("patience", "gamma", "threshold", "cooldown", "warmup"),
}
DEFAULT_PATIENCE = 10
_UNHURRIED = 3  # epochs: the first is the lowest, one is beyond the patience, one has the new rate


class Late(NamedTuple):
    """An argument of a schedule that has no effect before the end, and what follows from it."""

    argument: str
    effect: str
    help: str


def late_arguments(
    schedule: str, values: Mapping[str, Value], length: int, unit: str = EPOCH
) -> Iterator[Late]:
    """The arguments whose numbers training does not reach, of those that are known.

    `length` is the number of epochs of the training, or of its steps if that is the `unit`.
    """
    if values.get("by", EPOCH) == unit:
        every, at = values.get("every"), values.get("at")
        if isinstance(every, int | float) and every >= length:
            yield Late("every", "the rate never changes", _below("every", length))
        if isinstance(at, list | tuple) and list(at) == sorted({*at}):
            late = [f"{value:g}" for value in at if value >= length]
            if late:
                effect = f"the rate does not change at {listed(late)}"
                yield Late("at", effect, f"write numbers below {length}, or more `epochs`")
    if unit != EPOCH:
        return
    number, patience = values.get("warmup", 0), values.get("patience", DEFAULT_PATIENCE)
    if isinstance(number, int | float) and number >= length:
        yield Late("warmup", "the warm-up does not end", _below("warmup", length))
    if schedule == "plateau" and isinstance(patience, int | float):
        most = length - _UNHURRIED
        if patience > most:
            help_ = f"write more `epochs`, at least {patience + _UNHURRIED:g}"
            if most >= 0:
                help_ += f", or `patience = {most}`"
            yield Late("patience", "the rate never changes", help_)


def late_schedule(entry: ast.Entry, epochs: ast.Entry | None) -> Iterator[Diagnostic]:
    """The warnings about a schedule as it is written; what is computed is not known."""
    number = DEFAULT_EPOCHS if epochs is None else number_of(epochs.values[0])
    call = entry.values[0]
    written = _written(call)
    if written is None or not isinstance(number, int):
        return
    name, values, places = written
    training = f"training has {counted(number, 'epoch')}"
    if epochs is None:
        training += " if the section has no `epochs`"
    for late in late_arguments(name, values, number):
        place = places.get(late.argument, call.span)
        message = f"{training}: {late.effect}"
        yield Diagnostic("late-schedule", message, place, "warning", help=late.help)


def growing_schedule(entry: ast.Entry) -> Iterator[Diagnostic]:
    """The warning about a `gamma` above 1, with which the rate grows at each change."""
    written = _written(entry.values[0])
    if written is None:
        return
    name, values, places = written
    gamma = values.get("gamma")
    if name == "multistep" and not places.get("gamma", entry.span).text.startswith("gamma"):
        return  # the second of several numbers is meant for `at`
    if isinstance(gamma, int | float) and gamma > 1:
        message = f"`gamma` of `{name}` is {gamma:g}: the learning rate is multiplied by it, and"
        message += " grows at each change"
        help_ = f"write a number below 1, such as `gamma = {1 / gamma:.2g}`"
        yield Diagnostic("large-setting", message, places["gamma"], "warning", help=help_)


def _written(call: ast.Expr) -> tuple[str, dict[str, Value], dict[str, Span]] | None:
    """A schedule's name, the arguments that are literals, and the places of arguments by name."""
    if isinstance(call, ast.Name) and call.id in ARGUMENTS:
        return call.id, {}, {}
    if not isinstance(call, ast.Function) or call.name not in ARGUMENTS:
        return None
    names = iter(ARGUMENTS[call.name])
    arguments = [(a.name or next(names, ""), a) for a in call.arguments]
    values = {name: _value(argument.value) for name, argument in arguments}
    return call.name, values, {name: argument.span for name, argument in arguments}


def _value(expr: ast.Expr) -> Value:
    """The value of a number, a word or a list of numbers; an empty text for anything else."""
    if isinstance(expr, ast.Name):
        return expr.id
    if isinstance(expr, ast.Sequence):
        numbers = [number_of(item) for item in expr.items]
        return [number for number in numbers if number is not None]
    number = number_of(expr)
    return "" if number is None else number


def _below(argument: str, length: int) -> str:
    if length <= 1:
        return "write more `epochs`"
    return f"give `{argument}` a number below {length}, or write more `epochs`"
