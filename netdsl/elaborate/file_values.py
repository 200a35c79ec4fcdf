"""The values of the `let`s at the top of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from netdsl.elaborate.evaluate import Env, KnownValue, evaluate, name_span
from netdsl.elaborate.module import BlockValue, KindValue, layer_of
from netdsl.errors import NetdslError
from netdsl.ops import LAYERS
from netdsl.ops.index import WORDS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.source import Span


class FileValues:
    """The `Surroundings` of the expressions at the top of a file: its blocks, and the layers.

    `resolve` finds them. `names` has the values of the `let`s above.
    """

    def __init__(self, resolve: Callable[[str, Span], object], names: Env) -> None:
        self.resolve = resolve
        self.names = names

    def operate(self, operator: str, _a: object, _b: object, span: Span) -> NoReturn:
        """Raise `NetdslError`: there are no tensors at the top of a file."""
        raise NetdslError("not-a-value", f"`{operator}` has no tensors here", span)

    def special(self, expr: ast.Expr, env: Env) -> object:
        """The block or layer that an expression names; raises `NetdslError`."""
        match expr:
            case ast.Reference() | ast.Current():
                raise NetdslError(
                    "not-a-value",
                    f"`{expr.span.text}` is a tensor, and there are none at the top of a file",
                    expr.span,
                    help="move this `let` into the net",
                )
            case ast.Name():
                target = self._named(expr.id, expr.span, env)
                if target is not None:
                    return target
                if expr.id in WORDS:
                    return expr.id
            case ast.Function():
                target = self._named(expr.name, name_span(expr), env)
                if isinstance(target, (KindValue, BlockValue)):
                    return target.given(tuple(with_value(a, env) for a in expr.arguments))
        return evaluate(expr, self.names)  # which has the error

    def _named(self, name: str, span: Span, env: Env) -> object:
        """The block or layer of that name, or None."""
        known, found = env.find(name, span)
        if known:
            return layer_of(found)
        try:
            return self.resolve(name, span)
        except NetdslError as fault:
            if fault.code != "unknown-layer":
                raise
            fix = fault.diagnostic.fix
            if fix and fix[0].text in LAYERS and name not in WORDS:
                code, message = "unknown-name", f"there is no `{name}`"
                raise NetdslError(code, message, span, help=fault.help, fix=fix) from None
        return None


def with_value(argument: ast.Argument, env: Env) -> ast.Argument:
    """The argument with its value, so that it is evaluated where it is written."""
    value = evaluate(argument.value, env)
    return ast.Argument(argument.name, KnownValue(argument.value.span, value), argument.span)
