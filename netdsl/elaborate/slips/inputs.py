"""Advice for inputs with `shape = (3, 32, 32)` or `dtype = float32`, as other tools write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.slips.edits import set_fix
from netdsl.ir.types import ITEM_BYTES
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic

_SHAPES = ("shape", "size", "sizes", "dims", "input_shape")
_TYPES = ("dtype", "type")


def advise_keyword(diagnostic: Diagnostic, part: ast.Input) -> bool:
    """Advice if what looks like the example of an input is the value of a keyword."""
    example, span = part.example, diagnostic.span
    if example is None or span is None:
        return False
    head = f"input {part.label.span.text.rstrip(': ')}:"
    if span.text in _SHAPES and isinstance(example, ast.Sequence):
        sizes = [item.span.text for item in example.items]
        written = "x".join(sizes)
        if all(size.isdigit() for size in sizes):
            set_fix(diagnostic, Span(span.file, span.start, example.span.end), written)
    elif span.text in _TYPES and example.span.text in ITEM_BYTES:
        written = f"{part.shape.span.text} {example.span.text}"
        place = Span(span.file, span.start, example.span.end)
        set_fix(diagnostic, place, example.span.text)
    else:
        return False
    diagnostic.help = f"write it without a keyword: `{head} {written}`"
    return True
