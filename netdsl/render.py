"""The only printer of diagnostics: text with carets, JSON, SARIF, GitHub annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.source import printable

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.source import Span

MAX_COLUMNS = 160
_OURS = str.maketrans(dict.fromkeys("─…²³⌊⌋⌈⌉×", " "))  # signs that netdsl writes, one column each
_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m"}


def render_text(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """The diagnostic for people: the fact, the line with a caret, where things came from, the
    advice.
    """

    def paint(text: str, code: str) -> str:
        return f"{code}{text}\x1b[0m" if colour else text

    tone = _COLOURS[diagnostic.severity]
    lines = [
        paint(f"{diagnostic.severity}[{diagnostic.code}]", tone)
        + paint(f": {_safe(diagnostic.message)}", "\x1b[1m")
    ]
    if diagnostic.span is not None:
        lines += _excerpt(diagnostic.span, "^", paint, tone)
    for note in diagnostic.notes:
        if note.span is None:
            lines.append(f"  = note: {_safe(note.message)}")
        else:
            lines.append(f"note: {_safe(note.message)}")
            lines += _excerpt(note.span, "-", paint, _COLOURS["note"])
    if diagnostic.help:
        lines.append(paint("help", "\x1b[1;32m") + f": {_safe(diagnostic.help)}")
    return "\n".join(lines) + "\n"


def _excerpt(span: Span, mark: str, paint: Any, tone: str) -> list[str]:
    first, last = span.first, span.last
    line = span.file.line(first.line)
    margin = " " * len(str(first.line))
    end = last.column if last.line == first.line else len(line) + 1
    start = first.column
    if len(line) > MAX_COLUMNS:
        cut = max(0, start - 1 - MAX_COLUMNS // 2)
        line, start, end = (
            line[cut : cut + MAX_COLUMNS],
            start - cut,
            min(end - cut, MAX_COLUMNS + 1),
        )
    lead = "".join("\t" if c == "\t" else " " * width_of(_safe(c)) for c in line[: start - 1])
    marked = width_of(_safe(line[start - 1 : end - 1]))
    return [
        f"{margin}--> {_safe(span.file.name)}:{first.line}:{first.column}",
        f"{margin} |",
        f"{first.line} | {_safe(line)}",
        f"{margin} | {lead}{paint(mark * max(1, marked), tone)}",
    ]


def width_of(text: str) -> int:
    """How many columns of a terminal a text takes:

    Chinese, Japanese and Korean letters take two each, combining marks none.
    """
    if text.translate(_OURS).isascii():
        return len(text)
    from rich.cells import cell_len  # few texts need it

    return cell_len(text)


def cut_to(text: str, columns: int) -> str:
    """The beginning of a text that fits into so many columns of a terminal."""
    if text.translate(_OURS).isascii():
        return text[:columns]
    from rich.cells import set_cell_size  # few texts need it

    return set_cell_size(text, columns)


def _safe(text: str) -> str:
    return printable(text, "\t")


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic under the keys of the JSON contract."""
    made: dict[str, Any] = {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
    }
    made |= _place(diagnostic.span, ends=True)
    made["notes"] = [{"message": n.message, **_place(n.span, ends=False)} for n in diagnostic.notes]
    made["help"] = diagnostic.help
    return made


def _place(span: Span | None, *, ends: bool) -> dict[str, Any]:
    if span is None:
        return {
            "file": None,
            "line": None,
            "column": None,
            **({"end_line": None, "end_column": None} if ends else {}),
        }
    first, last = span.first, span.last
    place = {"file": span.file.name, "line": first.line, "column": first.column}
    return {**place, "end_line": last.line, "end_column": last.column} if ends else place


def as_sarif(diagnostics: list[Diagnostic], version: str) -> dict[str, Any]:
    """A SARIF 2.1.0 log."""
    rules = sorted({d.code for d in diagnostics})
    driver = {"name": "netdsl", "version": version, "rules": [{"id": r} for r in rules]}
    results = [
        {
            "ruleId": d.code,
            "ruleIndex": rules.index(d.code),
            "level": d.severity,
            "message": {"text": d.message + (f"\n{d.help}" if d.help else "")},
            "locations": [_sarif_place(d.span)] if d.span else [],
            "relatedLocations": [
                {**_sarif_place(n.span), "message": {"text": n.message}} for n in d.notes if n.span
            ],
        }
        for d in diagnostics
    ]
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return {
        "$schema": schema,
        "version": "2.1.0",
        "runs": [
            {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
        ],
    }


def _sarif_place(span: Span) -> dict[str, Any]:
    first, last = span.first, span.last
    region = {
        "startLine": first.line,
        "startColumn": first.column,
        "endLine": last.line,
        "endColumn": last.column,
    }
    from urllib.parse import quote  # for this format alone

    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(span.file.name, errors="surrogateescape")},
            "region": region,
        }
    }


def as_github(diagnostic: Diagnostic) -> str:
    """A workflow command that GitHub shows at the line."""

    def escape(text: str, more: str = "") -> str:
        for c in "%\r\n" + more:
            text = text.replace(c, f"%{ord(c):02X}")
        return _safe(text)

    place = _place(diagnostic.span, ends=True)
    keys = {
        "file": "file",
        "line": "line",
        "column": "col",
        "end_line": "endLine",
        "end_column": "endColumn",
    }
    where = ",".join(
        f"{new}={escape(str(place[old]), ':,')}"
        for old, new in keys.items()
        if place[old] is not None
    )
    title = f"title={escape(diagnostic.code, ':,')}"
    text = diagnostic.message + (f"\n{diagnostic.help}" if diagnostic.help else "")
    level = {"error": "error", "warning": "warning", "note": "notice"}[diagnostic.severity]
    return f"::{level} {where + ',' if where else ''}{title}::{escape(text)}"
