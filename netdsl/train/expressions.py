"""The values of the expressions in a `train` section."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.config import SettingCall
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.elaborate.functions import function_names
from netdsl.errors import NetdslError, SettingError
from netdsl.syntax import ast
from netdsl.train.recipe.losses import LOSSES

if TYPE_CHECKING:
    from netdsl.elaborate.evaluate import Env

_WITH_HYPHENS = re.compile(r"[A-Za-z]\w*(-[A-Za-z]\w*)+")  # no name: `fashion-mnist`


def value_of(expr: ast.Expr, env: Env) -> object:
    """A value of a section: a call or a bare word is a `SettingCall`, the rest is evaluated."""
    if isinstance(expr, ast.Name) and not env.find(expr.id)[0]:
        return SettingCall(expr.id)
    if isinstance(expr, ast.Function) and expr.name not in function_names():
        return _call(expr, env)
    if isinstance(expr, ast.Sequence):
        return [value_of(item, env) for item in expr.items]
    if _is_hyphenated(expr, env):
        return SettingCall(expr.span.text)
    return evaluate(expr, env)


def refuse_formula(expr: ast.Operation, env: Env) -> None:
    """Raise SettingError for `cross_entropy + 0.5 * mse`."""
    if not _is_hyphenated(expr, env):
        message = f"`loss` is `{expr.span.text}`; it must be a name with its arguments"
        first = next((n for n in re.findall(r"[a-z_]\w*", expr.span.text) if n in LOSSES), "mse")
        help_ = (
            f"an output has one loss: write `loss = {first}`; with several outputs, each has its"
            " own, and a weight: `loss = [(a, cross_entropy), (b, mse, 0.5)]`"
        )
        raise SettingError("wrong-type", message, "loss", help_)


def _is_hyphenated(expr: ast.Expr, env: Env) -> bool:
    """Whether an expression is a name with hyphens, and not a difference: `fashion-mnist`."""
    if not isinstance(expr, ast.Operation) or not isinstance(expr.first, ast.Name):
        return False
    return bool(_WITH_HYPHENS.fullmatch(expr.span.text)) and not env.find(expr.first.id)[0]


def _call(expr: ast.Function, env: Env) -> SettingCall:
    named: dict[str, object] = {}
    for argument in expr.arguments:
        if argument.name is None:
            continue
        if argument.name in named:
            raise NetdslError(
                "duplicate-argument",
                f"`{expr.name}` is given `{argument.name}` twice",
                argument.span,
                help="remove one of the two",
            )
        named[argument.name] = value_of(argument.value, env)
    positional = tuple(value_of(a.value, env) for a in expr.arguments if a.name is None)
    return SettingCall(expr.name, positional, named)
