"""Comments that silence a warning in their line: `relu  # allow: double-activation`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Diagnostic
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.source import SourceFile

_COMMENT = re.compile(r'(?P<before>(?:[^"#\n]|"[^"\n]*")*)#\s*allow:(?P<codes>[^\n]*)')
_CODES = re.compile(r"\s*([\w-]+)\s*(,?)")


class Allowance(NamedTuple):
    """A code that a comment allows in its line."""

    code: str
    line: int
    span: Span
    follows_text: bool  # whether the line has more than the comment


class Allowances:
    """The comments of one file, and which of them have silenced something."""

    def __init__(self, source: SourceFile) -> None:
        self.used: set[Allowance] = set()
        self._by_line: dict[int, list[Allowance]] = {}
        if "allow:" in source.text:
            for allowance in _allowances(source):
                self._by_line.setdefault(allowance.line, []).append(allowance)

    def silences(self, diagnostic: Diagnostic) -> bool:
        """Whether a comment in the first or last line of a warning's place has its code."""
        span = diagnostic.span
        if span is None or not self._by_line:
            return False
        for line in {span.first.line, span.last.line}:
            for allowance in self._by_line.get(line, ()):
                if allowance.code == diagnostic.code:
                    self.used.add(allowance)
                    return True
        return False

    def unused(self, unknown: tuple[str, ...] = ()) -> Iterator[Diagnostic]:
        """A warning for each code that has silenced nothing.

        Codes in `unknown` are those of which it is not known whether there is something to allow.
        """
        for allowances in self._by_line.values():
            for allowance in allowances:
                if allowance not in self.used and allowance.code not in unknown:
                    yield _unused(allowance)


def _allowances(source: SourceFile) -> Iterator[Allowance]:
    for number, line in enumerate(source.text.split("\n"), start=1):
        comment = _COMMENT.match(line)
        if comment is None:
            continue
        start = source.start_of(number)
        at = comment.start("codes")
        code = _CODES.match(line, at)
        while code is not None:
            span = Span(source, start + code.start(1), start + code.end(1))
            yield Allowance(code[1], number, span, bool(comment["before"].strip()))
            code = _CODES.match(line, code.end()) if code[2] else None


def _unused(allowance: Allowance) -> Diagnostic:
    help_ = "remove the comment"
    if not allowance.follows_text:
        help_ = "write the comment at the end of the line that it is about"
    message = f"there is no `{allowance.code}` in this line to allow"
    return Diagnostic("unused-allow", message, allowance.span, "warning", help=help_)
