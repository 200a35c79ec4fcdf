"""What the compiler has to say about a text: data only, `render` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.source import Span

MAX_ERRORS = 100
MANY = 1_000


class Annotation(NamedTuple):
    """A remark, at a place where there is one."""

    message: str
    span: Span | None = None


class Diagnostic:
    """One finding: a code that reads well after "allow", the fact, the place, and the advice."""

    __slots__ = ("code", "help", "message", "notes", "severity", "span")

    def __init__(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        severity: str = "error",
        notes: tuple[Annotation, ...] = (),
        help: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.span = span
        self.severity = severity
        self.notes = notes
        self.help = help


class Abandoned(Exception):
    """The errors are reported, and the text cannot be read any further."""


class Reporter:
    """Collects diagnostics: each code once at a place, without a place each message once; at most `MAX_ERRORS` errors."""

    def __init__(self, diagnostics: Iterable[Diagnostic] = ()) -> None:
        self.diagnostics = list(diagnostics)
        self.errors = sum(d.severity == "error" for d in self.diagnostics)
        self._seen: set[tuple[object, ...]] = set()

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic; raises `Abandoned` once the limit is reached."""
        span = diagnostic.span
        place = (span.file.name, span.start) if span else None
        key = (diagnostic.code, place, diagnostic.message if span is None else None)
        if key in self._seen:
            return
        self._seen.add(key)
        self.diagnostics.append(diagnostic)
        self.errors += diagnostic.severity == "error"
        if self.errors >= MAX_ERRORS:
            message = f"stopped after {MAX_ERRORS} errors"
            self.diagnostics.append(Diagnostic("too-many-errors", message, severity="note"))
            raise Abandoned


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Advice naming the three closest known names, or None."""
    names = list(known)
    if len(names) > MANY:  # comparing with all takes long: only those that begin alike count
        names = [n for n in names if n[:1].lower() == name[:1].lower()][:MANY]
    from difflib import get_close_matches  # few runs need it

    folded = {n.lower(): n for n in names}
    close = get_close_matches(name[:64].lower(), folded)
    if not close:
        return None
    return "did you mean " + " or ".join(f"`{folded[c]}`" for c in close) + "?"
