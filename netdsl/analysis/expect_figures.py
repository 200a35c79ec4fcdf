"""The figures of other tools in `expect` lines, and the formulas of what they are here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import PartCost, Totals
from netdsl.analysis.expect_advice import is_comparison, rounded_figure, shown
from netdsl.diagnostics import Edit
from netdsl.habits.expectations import FORMULAS, OTHER_COUNTS, REASONS, SCALES, UNCERTAIN
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic

_TERM = re.compile(r"(?P<sign>- )?(?:(?P<factor>\d+) \* )?(?P<name>[a-z_]+)")
# A name and the unit after or before it.
_SCALED = (
    re.compile(r"(?P<name>.+?)(?:in)?(?P<unit>millions|billions|thousands|[gmk]i?b|bytes|[gmkb])"),
    re.compile(r"(?P<unit>giga|mega|kilo|million|[gmk])s?(?:of)?(?P<name>.+)"),
)
_COMPARED = {
    "==": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Figures = Totals | PartCost


class _Formula(NamedTuple):
    """What a figure may be: its text, its value if no size is open, and why."""

    text: str
    value: float | None
    reason: str


def explain_figure(condition: ast.Expr, diagnostic: Diagnostic, figures: Figures | None) -> None:
    """Advice for a figure of another tool, which `diagnostic` does not know.

    `figures` are those of the net, or of the label in the parentheses. If there are several
    formulas, the one with which the condition is true is meant.
    """
    place = diagnostic.span
    expr = next((part for part in condition.walk() if _is_at(part, diagnostic)), None)
    if place is None or figures is None or expr is None:
        return
    name, _, label = place.text.partition("(")
    known = _known(re.sub(r"[^a-z0-9]", "", name.lower()))
    if known is None:
        return
    formulas, scales = known
    made = (_made(formula, label, figures) for formula in formulas)
    possible = [formula for formula in made if formula is not None]
    written = [_scaled(p, scale, condition, expr) for p in possible for scale in scales]
    if not written:
        return
    true = [formula for formula in written if _holds(formula, condition, expr)]
    certain = true[:1] or (written if len(written) == 1 else [])
    text, value, reason = (certain or written)[0]
    help_ = f"write `{text}`"
    if value is not None and not true:
        help_ += f", which is {shown(value)}"
    if reason and (len(possible) > 1 or not text.isidentifier()):
        help_ = f"{reason}: {help_}"
    if len(written) == 1 and text.partition("(")[0] in formulas:
        help_ = f"it is called `{text}` here"
    diagnostic.help, diagnostic.fix = help_, ()
    if certain and (_is_side(condition, expr) or " " not in text or text.startswith("round(")):
        diagnostic.fix = (Edit(place, text),)


def other_count(
    figure: ast.Expr, right: ast.Expr, wanted: object, figures: Totals
) -> tuple[str, tuple[Edit, ...]] | None:
    """Advice and a fix for a total that other tools count in another way."""
    if not isinstance(figure, ast.Name) or not isinstance(wanted, int | float):
        return None
    for formula in OTHER_COUNTS.get(figure.id, ()):
        made, own = _made(formula, "", figures), getattr(figures, figure.id)
        if made is None or not isinstance(made.value, int) or made.value in (0, own):
            continue
        if made.value == wanted:
            help_ = f"{made.reason}: write `{made.text} == {right.span.text}`"
            if formula in UNCERTAIN:
                return f"{help_}, or {UNCERTAIN[formula]}", ()
            return help_, (Edit(figure.span, made.text),)
        near = rounded_figure(_operand(made.text), made.value, wanted)
        if near is not None and rounded_figure(figure.id, own, wanted) is None:
            return f"{made.reason}, and {near}", ()
    return None


def _is_side(condition: ast.Expr, expr: ast.Tree) -> bool:
    """Whether a part is one side of a comparison, so that a formula needs no parentheses."""
    if not isinstance(condition, ast.Operation) or not is_comparison(condition):
        return False
    return expr is condition.first or expr is condition.rest[0][1]


def _is_at(part: ast.Tree, diagnostic: Diagnostic) -> bool:
    return isinstance(part, ast.Name | ast.Function) and part.span == diagnostic.span


def _known(name: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The formulas that a name can mean, and the numbers by which its unit divides them."""
    if name in FORMULAS:
        return FORMULAS[name], ("",)
    for pattern in _SCALED:
        match = pattern.fullmatch(name)
        if match is not None and match["name"] in FORMULAS:
            return FORMULAS[match["name"]], SCALES[match["unit"]]
    return None


def _made(formula: str, label: str, figures: Figures) -> _Formula | None:
    """A formula with the label in parentheses, and its value; None if a label lacks a figure."""
    value: float | None = 0
    for term in _TERM.finditer(formula):
        number = getattr(figures, term["name"], None)
        if number is None:
            return None
        if value is None or not isinstance(number, int):
            value = None
            continue
        value += int(term["factor"] or 1) * number * (-1 if term["sign"] else 1)
    text = formula
    if label:
        text = re.sub(r"[a-z_]{2,}", lambda match: f"{match[0]}({label}", formula)
    return _Formula(text, value, REASONS.get(formula, ""))


def _operand(formula: str) -> str:
    """A formula that can be divided, so with parentheses around a sum."""
    return f"({formula})" if " + " in formula or " - " in formula else formula


def _scaled(formula: _Formula, scale: str, condition: ast.Expr, expr: ast.Tree) -> _Formula:
    """A formula divided by a unit, and rounded like the number that it is compared with."""
    if not scale:
        return formula
    text = f"{_operand(formula.text)} / {scale}"
    value = formula.value
    if value is not None:
        value /= float(scale) if "*" not in scale else 1024 ** (int(scale[5:]) // 10)
    compared = _compared(condition, expr)
    if compared is not None and compared[0] == "==":
        places = len(compared[2].partition(".")[2])
        digits = f", {places}" if places else ""
        text = f"round({text}{digits})"
        value = None if value is None else round(value, places or None)
    elif value is not None:
        value = float(f"{value:.4g}")
    return _Formula(text, value, formula.reason)


def _compared(condition: ast.Expr, expr: ast.Tree) -> tuple[str, float, str] | None:
    """The operator, the number and its text that a figure is compared with."""
    if not isinstance(condition, ast.Operation) or not is_comparison(condition):
        return None
    ((operator, right),) = condition.rest
    if condition.first is not expr or not isinstance(right, ast.Literal):
        return None
    number = right.value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return operator, number, right.span.text


def _holds(formula: _Formula, condition: ast.Expr, expr: ast.Tree) -> bool:
    """Whether the condition is true with a formula in place of the figure."""
    compared = _compared(condition, expr)
    if compared is None or formula.value is None or compared[0] not in _COMPARED:
        return False
    return bool(_COMPARED[compared[0]](formula.value, compared[1]))
