"""Advice for arguments that are no layer where a block applies one: `act = none`, `act = 3`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.habits.words import NOTHING
from netdsl.ops import LAYERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.notes import Use

_ADVICE = "give `identity`, which returns its input unchanged, in place of `{}`"


def advise_applied(diagnostic: Diagnostic, name: str, uses: list[Use]) -> None:
    """Advice where a block applies its parameter `name`, whose argument is not a layer.

    `uses` are the net and the blocks that are being unrolled.
    """
    argument = None
    for use in reversed(uses):
        given = use.given()
        if name not in given:
            break
        argument = given[name]
        if not isinstance(argument.value, ast.Name):
            break
        name = argument.value.id
    if argument is None:
        return
    text = argument.value.span.text
    if text in NOTHING or text == "false":
        diagnostic.help = _ADVICE.format(text)
        diagnostic.fix = (Edit(argument.value.span, "identity"),)
    elif isinstance(argument.value, ast.Literal):
        diagnostic.help = f"write the name of a layer, such as `relu`, in place of `{text}`"


def advise_nothing(
    diagnostic: Diagnostic, definition: ast.Definition, name: str, argument: ast.Argument
) -> None:
    """Advice for `act = None`, if the parameter is a layer: by its default, or by its use."""
    default = next(p.default for p in definition.parameters if p.name == name)
    is_layer = isinstance(default, ast.Name) and default.id in (*LAYERS, "identity")
    calls = (part.name for part in definition.body.walk() if isinstance(part, ast.Call))
    if not is_layer and name not in calls:
        return
    text = argument.value.span.text
    if text in NOTHING and diagnostic.span == argument.value.span:
        diagnostic.help = _ADVICE.format(text)
        diagnostic.fix = (Edit(argument.value.span, "identity"),)
