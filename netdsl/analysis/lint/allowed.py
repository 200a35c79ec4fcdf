"""Comments that silence a warning in their line: `relu  # allow: double-activation`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.lint.codes import HINTS, WARNINGS
from netdsl.diagnostics import Diagnostic, did_you_mean
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.source import SourceFile

_COMMENT = re.compile(r'(?P<before>(?:[^"#\n]|"[^"\n]*")*)#\s*(?P<head>allow\b:?)', re.IGNORECASE)
_CODE = re.compile(r"(?P<between>\s*,?\s*)(?P<code>[\w-]+)")
_KNOWN = frozenset((*WARNINGS, *HINTS))


class Allowance(NamedTuple):
    """A code that a comment allows on its line.

    `is_meant` is whether the comment has the right form; `follows_text` is whether the line has
    more than the comment.
    """

    code: str
    line: int
    span: Span
    is_meant: bool
    follows_text: bool


class Allowances:
    """The comments of one file, and which of them have silenced something."""

    def __init__(self, source: SourceFile) -> None:
        self.used: set[Allowance] = set()
        self._by_line: dict[int, list[Allowance]] = {}
        if "allow" in source.text.lower():
            for allowance in _allowances(source):
                self._by_line.setdefault(allowance.line, []).append(allowance)

    def silences(self, diagnostic: Diagnostic) -> bool:
        """Whether a comment in the first or last line of a warning's place has its code."""
        span = diagnostic.span
        if span is None or not self._by_line:
            return False
        for line in {span.first.line, span.last.line}:
            for allowance in self._by_line.get(line, ()):
                if allowance.code == diagnostic.code and allowance.is_meant:
                    self.used.add(allowance)
                    return True
        return False

    def unused(self, left: list[Diagnostic], *, with_hints: bool) -> Iterator[Diagnostic]:
        """A warning for each code that has silenced nothing; `left` are the other warnings.

        Without hints it is not known whether there is a hint to allow.
        """
        for allowances in self._by_line.values():
            for allowance in allowances:
                is_unknown = allowance.code in HINTS and not with_hints
                if allowance not in self.used and not is_unknown:
                    yield _unused(allowance, left)


def _allowances(source: SourceFile) -> Iterator[Allowance]:
    for number, line in enumerate(source.text.split("\n"), start=1):
        comment = _COMMENT.match(line)
        if comment is None:
            continue
        is_meant = comment["head"] == "allow:"
        for code, start in _codes(line, comment.end()):
            if is_meant or code in _KNOWN:
                begin = source.start_of(number) + start
                span = Span(source, begin, begin + len(code))
                yield Allowance(code, number, span, is_meant, bool(comment["before"].strip()))


def _codes(line: str, at: int) -> Iterator[tuple[str, int]]:
    """The codes from a place in a line, with their places; a reason can follow them.

    What follows a comma is a code, and so is every known code; the first word is one in any case.
    """
    is_first = True
    while (match := _CODE.match(line, at)) is not None:
        if not is_first and "," not in match["between"] and match["code"] not in _KNOWN:
            return
        yield match["code"], match.start("code")
        at, is_first = match.end(), False


def _unused(allowance: Allowance, left: Iterable[Diagnostic]) -> Diagnostic:
    message = f"nothing on this line causes `{allowance.code}`"
    if not allowance.is_meant:
        message = "this comment allows nothing"
    return Diagnostic(
        "unused-allow", message, allowance.span, "warning", help=_advice(allowance, left)
    )


def _advice(allowance: Allowance, left: Iterable[Diagnostic]) -> str:
    """What to do with a comment that silences nothing."""
    code, file = allowance.code, allowance.span.file
    if not allowance.is_meant:
        return f"write `# allow: {code}`"
    if code not in _KNOWN:
        advice = did_you_mean(code, _KNOWN)
        return advice or "only warnings and hints can be allowed, by their code: remove the comment"
    if not allowance.follows_text:
        return "write the comment at the end of the line that it is about"
    spans = [d.span for d in left if d.code == code and d.span is not None and d.span.file is file]
    lines = sorted((span.first.line for span in spans), key=lambda n: abs(n - allowance.line))
    if lines:
        return f"the nearest one is on line {lines[0]}: write the comment there"
    return "remove the comment"
