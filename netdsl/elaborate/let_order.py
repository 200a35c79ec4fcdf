"""Advice for a `let` that uses what comes later in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.corrections import is_written, moved_line
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic, Edit
    from netdsl.elaborate.module import Module
    from netdsl.source import Span


def advise_order(module: Module, let: ast.Let, diagnostic: Diagnostic, name: str) -> None:
    """Advice for a `let` that uses one below it, or a parameter."""
    diagnostic.fix = _moved_up(module, let, diagnostic.span)
    lets = module.tree.lets
    below = [other for other in lets[lets.index(let) + 1 :] if other.name == name]
    definitions = [d for d in module.tree.definitions if isinstance(d, ast.Definition)]
    owners = [d for d in definitions if name in [p.name for p in d.parameters]]
    if below:
        line = below[0].span.first.line
        diagnostic.help = f"move the `let` of `{name}` on line {line} above this one"
    elif owners:
        kind = "net" if owners[0].is_net else "block"
        owner = f"{kind} `{owners[0].name}`"
        diagnostic.help = f"`{name}` is a parameter of {owner}: move this `let` into the {kind}"


def _moved_up(module: Module, let: ast.Let, name: Span | None) -> tuple[Edit, ...]:
    """The fix that moves a `let` up to a `let` that uses its name; it must use none itself."""
    lets = module.tree.lets
    for other in lets[lets.index(let) + 1 :]:
        if name is not None and other.name == name.text and is_written(other.value):
            return moved_line(other.span, let.span)
    return ()
