"""Applies the fix of a diagnostic to a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Edit


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits, which do not overlap."""
    for edit in sorted(edits, key=lambda e: e.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text
