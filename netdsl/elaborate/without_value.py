"""Advice for `none`, which says in other tools that an argument has no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import is_written, without
from netdsl.elaborate.join_repairs import Repair
from netdsl.ops.args import bias_values
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.op import Arg


def for_none(call: ast.Call, declared: Arg, argument: ast.Argument) -> Repair | None:
    """Advice for `weight = @embed.weight if tied else none`, and for `weight = none`."""
    expr = argument.value
    if isinstance(expr, ast.Conditional):
        sides = [expr.value.span.text, expr.otherwise.span.text]
        if "none" not in sides:
            return None
        if declared.convert is bias_values:
            return _as_condition(argument, expr, sides)
        return _two_calls(call, argument, expr, sides)
    if declared.convert is bias_values or declared.required or not is_written(expr):
        return None
    fix = (without(call, call.arguments.index(argument)),)
    return Repair(f"leave `{declared.name}` out", fix)


def _as_condition(argument: ast.Argument, expr: ast.Conditional, sides: list[str]) -> Repair:
    """Advice for `bias = true if c else none`."""
    first, second = [{"none": "false"}.get(side, side) for side in sides]
    text = f"{first} if {expr.condition.span.text} else {second}"
    if (first, second) == ("true", "false"):
        text = expr.condition.span.text
    return Repair(f"write `{argument.name or 'bias'} = {text}`", (Edit(expr.span, text),))


def _two_calls(
    call: ast.Call, argument: ast.Argument, expr: ast.Conditional, sides: list[str]
) -> Repair:
    """Advice for an argument that only one of two layers has."""
    label, place = "", call.arguments.index(argument)
    if call.label is not None:
        label = f"{call.label.span.text}: "
    calls = []
    for side in sides:
        texts = [a.span.text for a in call.arguments]
        texts[place] = texts[place].removesuffix(expr.span.text) + side
        if side == "none":
            texts.pop(place)
        calls.append(f"{label}{call.name}({', '.join(texts)})")
    condition = expr.condition.span.text
    written = f"if {condition} {{ {calls[0]} }} else {{ {calls[1]} }}"
    return Repair(f"`none` is not a value: write `{written}`")
