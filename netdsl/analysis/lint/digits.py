"""The warning about digits that augmentation turns into other signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.lint.recipe import MIRRORS, items_of, number_of
from netdsl.diagnostics import Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIGITS = ("mnist", "digits")  # data sets
QUARTER = 90  # degrees


def mirrored_digits(entries: Mapping[str, ast.Entry]) -> Iterator[Diagnostic]:
    """`augment = hflip` or `rotation(180)` for pictures of digits."""
    data = entries["data"].values[0] if "data" in entries else None
    name = _name(data)
    if name not in DIGITS or "augment" not in entries:
        return
    for expr in items_of(entries["augment"].values):
        kind = _name(expr)
        if kind in MIRRORS:
            yield _warning(f"a mirrored digit is another sign, but `{kind}` keeps its class", expr)
        elif kind == "rotation" and isinstance(expr, ast.Function) and expr.arguments:
            degrees = number_of(expr.arguments[0].value) or 0
            if abs(degrees) >= QUARTER:
                message = f"`rotation({degrees:g})` can turn a digit into another, such as 6 into 9"
                yield _warning(message, expr)


def _name(expr: ast.Expr | None) -> str:
    return getattr(expr, "id", getattr(expr, "name", ""))


def _warning(message: str, expr: ast.Expr) -> Diagnostic:
    help_ = "for example, write `augment = rotation(10) -> shift(0.1)`"
    return Diagnostic("mirrored-digits", message, expr.span, "warning", help=help_)
