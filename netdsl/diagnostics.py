"""What the compiler has to say about a text: data only, `render` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.source import Span

MAX_ERRORS = 100
MANY = 1_000
CLOSEST = 3  # names that advice proposes


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
    """Stop compiling: the errors found so far are in the reporter."""


class Reporter:
    """Collects diagnostics: each code once at a place, without a place each message once; at most
    `MAX_ERRORS` errors.
    """

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
    return _asked(closest(name, known))


def did_you_mean_path(path: str, known: Iterable[str]) -> str | None:
    """Advice naming the three closest of the dotted paths, with or without `@`, or None.

    The last names of a path count too: `c` is close to `@group.c`.
    """
    written = {name.removeprefix("@"): name for name in known}
    for wanted in dict.fromkeys((path, path.rpartition(".")[2])):
        parts = wanted.count(".") + 1
        named: dict[str, list[str]] = {}
        for whole, form in written.items():
            for name in {whole, ".".join(whole.split(".")[-parts:])}:
                named.setdefault(name, []).append(form)
        alike = [wanted] if wanted in named else closest(wanted, named)
        if alike:
            return _asked(list(dict.fromkeys(w for name in alike for w in named[name]))[:CLOSEST])
    return None


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known names most like this one, at most three."""
    names = list(known)
    if len(names) > MANY:  # comparing with all takes long: only those that begin alike count
        names = [n for n in names if n[:1].lower() == name[:1].lower()][:MANY]
    from difflib import get_close_matches  # few runs need it

    folded = {n.lower(): n for n in names}
    return [folded[c] for c in get_close_matches(name[:64].lower(), folded, CLOSEST)]


def _asked(names: list[str]) -> str | None:
    if not names:
        return None
    return "did you mean " + " or ".join(f"`{n}`" for n in names) + "?"
