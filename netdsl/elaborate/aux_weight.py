"""The weight of an auxiliary head: `aux name(weight = 0.3) { ... }`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, respelled
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.errors import NetdslError
from netdsl.ops.args import show

if TYPE_CHECKING:
    from netdsl.syntax import ast


def aux_weight(statement: ast.Aux, env: Env) -> float:
    """The factor of an auxiliary head's loss; raises `NetdslError`."""
    weight = None
    for argument in statement.arguments:
        if argument.name != "weight":
            raise NetdslError(
                "unknown-argument",
                "`aux` takes only `weight`",
                argument.span,
                help="write `aux name(weight = 0.3) { ... }`",
                fix=_named_weight(argument),
            )
        if weight is not None:
            message = "`weight` is given twice"
            raise NetdslError(
                "duplicate-argument", message, argument.span, help="remove one of the two"
            )
        value = evaluate(argument.value, env)
        if value is UNKNOWN:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            message = f"`weight` must be a number, found {show(value)}"
            raise NetdslError("wrong-type", message, argument.span)
        weight = float(value)
    return 1.0 if weight is None else weight


def _named_weight(argument: ast.Argument) -> tuple[Edit, ...]:
    """The fix for the weight of an auxiliary head with a misspelt name, or none."""
    name = argument.name
    if name is None or respelled(argument.span, name, ["weight"]):
        return (Edit(argument.span, f"weight = {argument.value.span.text}"),)
    return ()
