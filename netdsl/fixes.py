"""Applies the fixes that diagnostics carry to a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netdsl.diagnostics import Diagnostic, Edit

MAX_PASSES = 20  # a fix can uncover another error, which has a fix too


class Fixed(NamedTuple):
    """A text with its fixes applied, and how many there were."""

    source: SourceFile
    applied: int


def fix_errors(source: SourceFile, diagnose: Callable[[SourceFile], list[Diagnostic]]) -> Fixed:
    """The text of a file with every certain fix of its errors; `diagnose` finds the errors.

    A text without errors stays as it is.
    """
    total = 0
    seen = {source.text}
    for _ in range(MAX_PASSES):
        fixes = [d.fix for d in diagnose(source) if d.severity == "error" and d.fix]
        text, applied = apply(source, fixes)
        if text in seen:
            break
        seen.add(text)
        total += applied
        source = SourceFile(source.name, text, source.path)
    return Fixed(source, total)


def apply(source: SourceFile, fixes: Iterable[tuple[Edit, ...]]) -> tuple[str, int]:
    """The text with as many of the fixes as possible, and their number.

    A fix is left out if it touches another file, or a stretch that an earlier fix changes.
    """
    chosen: list[Edit] = []
    count = 0
    for edits in dict.fromkeys(fixes):
        if all(_is_free(edit, source, chosen) for edit in edits):
            chosen += edits
            count += 1
    text = source.text
    for edit in sorted(chosen, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text, count


def _is_free(edit: Edit, source: SourceFile, chosen: list[Edit]) -> bool:
    span = edit.span
    if span.file.text != source.text or (span.file.path or "") != (source.path or ""):
        return False
    return all(span.end < other.span.start or other.span.end < span.start for other in chosen)
