"""Formats diagnostics: as text with carets, JSON, SARIF, and GitHub annotations."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.source import printable
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.diagnostics import Diagnostic, Edit
    from netdsl.source import Span

    Paint = Callable[[str, str], str]  # a text and the escape code of its colour
    Json = dict[str, Any]

NARROW = 80  # columns of text without a terminal
MAX_COLUMNS = 160  # of a source line; a longer one is cut
_OURS = str.maketrans(dict.fromkeys("─…²³⌊⌋⌈⌉×", " "))  # signs that netdsl writes, one column each
_COLOURS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "info": "\x1b[1;34m",
    "note": "\x1b[1;36m",
}
_SARIF_LEVELS = {"error": "error", "warning": "warning", "info": "note", "note": "note"}
_GITHUB_LEVELS = {"error": "error", "warning": "warning", "info": "notice", "note": "notice"}


class RulePage(NamedTuple):
    """What the manual has about a code: one sentence, the text, and all of it as Markdown."""

    summary: str
    text: str
    markdown: str


def render_text(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """The diagnostic for people: the message, the line with a caret, the notes and the help."""

    def paint(text: str, code: str) -> str:
        return f"{code}{text}\x1b[0m" if colour else text

    tone = _COLOURS[diagnostic.severity]
    lines = [
        paint(f"{diagnostic.severity}[{diagnostic.code}]", tone)
        + paint(f": {_safe(diagnostic.message)}", "\x1b[1m")
    ]
    if diagnostic.span is not None:
        lines += _excerpt(diagnostic.span, "^", paint, tone)
    elif diagnostic.file is not None and diagnostic.file not in diagnostic.message:
        lines.append(f" --> {_safe(diagnostic.file)}")
    for note in diagnostic.notes:
        if note.span is None:
            lines.append(f"  = note: {_safe(note.message)}")
        else:
            lines.append(f"note: {_safe(note.message)}")
            lines += _excerpt(note.span, "-", paint, _COLOURS["note"])
    if diagnostic.help:
        advice = " ".join(map(str.strip, diagnostic.help.split("\n")))  # it may quote two lines
        lines.append(paint("help", "\x1b[1;32m") + f": {_safe(advice)}")
    return "\n".join(lines) + "\n"


def render_all(diagnostics: list[Diagnostic], *, colour: bool = False) -> str:
    """The diagnostics for people; those that differ only in their place are printed as one."""
    groups: dict[tuple[object, ...], list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        notes = tuple(note.message for note in diagnostic.notes)
        key: tuple[object, ...] = (diagnostic.code, diagnostic.message, diagnostic.help, notes)
        if diagnostic.span is None:
            key = (len(groups),)
        groups.setdefault(key, []).append(diagnostic)
    texts = []
    for group in groups.values():
        text = render_text(group[0], colour=colour)
        if len(group) > 1:
            text += f"  = and at {counted(len(group) - 1, 'other place')}: {_places(group)}\n"
        texts.append(text)
    return "\n".join(texts)


def _places(group: list[Diagnostic]) -> str:
    """The lines of all but the first diagnostic, those of other files after the file's name."""
    lines: dict[str, list[int]] = {}
    for diagnostic in group[1:]:
        if diagnostic.span is not None:
            span = diagnostic.span
            lines.setdefault(span.file.name, []).append(span.first.line)
    home = group[0].span
    texts = []
    for name, numbers in lines.items():
        listed = ", ".join(map(str, dict.fromkeys(numbers)))
        word = "line" if len(set(numbers)) == 1 else "lines"
        is_elsewhere = home is None or name != home.file.name
        texts.append(f"{_safe(name)}, {word} {listed}" if is_elsewhere else f"{word} {listed}")
    return "; ".join(texts)


def _excerpt(span: Span, mark: str, paint: Paint, tone: str) -> list[str]:
    """The place of a span, and its first line with `mark` below the text of the span."""
    first, last = span.first, span.last
    line, start, end = span.file.line(first.line), first.column, last.column
    margin = " " * len(str(first.line))
    if last.line != first.line:
        end = len(line) + 1
    if len(line) > MAX_COLUMNS:
        cut = max(0, start - 1 - MAX_COLUMNS // 2)
        line = line[cut : cut + MAX_COLUMNS]
        start, end = start - cut, min(end - cut, MAX_COLUMNS + 1)
    marks = mark * max(1, width_of(_safe(line[start - 1 : end - 1])))
    return [
        f"{margin}--> {_safe(span.file.name)}:{first.line}:{first.column}",
        f"{margin} |",
        f"{first.line} | {_safe(line)}",
        f"{margin} | {_blank(line[: start - 1])}{paint(marks, tone)}",
    ]


def _blank(text: str) -> str:
    """Blanks as wide as a text; tabs stay, because their width depends on the terminal."""
    return "\t".join(" " * sum(width_of(_safe(c)) for c in part) for part in text.split("\t"))


def output_width() -> int | None:
    """The columns of the terminal that standard output is; None if it is a file or a pipe.

    The variable COLUMNS overrides both.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    if not sys.stdout.isatty():
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns or NARROW


def width_of(text: str) -> int:
    """The number of columns that a text takes on a terminal.

    Chinese, Japanese and Korean letters take two columns each, combining marks none.
    """
    if text.translate(_OURS).isascii():
        return len(text)
    from rich.cells import cell_len  # few texts need it

    return cell_len(text)


def cut_to(text: str, columns: int) -> str:
    """As much of the beginning of a text as fits into that many columns of a terminal."""
    if text.translate(_OURS).isascii():
        return text[:columns]
    from rich.cells import set_cell_size  # few texts need it

    return set_cell_size(text, columns)


def _safe(text: str) -> str:
    return printable(text, "\t")


def _with_help(diagnostic: Diagnostic) -> str:
    """The message, and the help on a line below it."""
    return "\n".join(filter(None, (diagnostic.message, diagnostic.help)))


# ---- JSON


def as_json(diagnostic: Diagnostic) -> Json:
    """The diagnostic under the keys of the JSON contract."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span, diagnostic.file),
        **_end(diagnostic.span),
        "notes": [{"message": note.message, **_place(note.span)} for note in diagnostic.notes],
        "help": diagnostic.help,
        "fix": [_edit(edit) for edit in diagnostic.fix],
    }


def _edit(edit: Edit) -> Json:
    """An edit; its offsets count characters, from 0 at the beginning of the file."""
    span = edit.span
    return {"file": span.file.name, "start": span.start, "end": span.end, "text": edit.text}


def _place(span: Span | None, file: str | None = None) -> Json:
    if span is None:
        return {"file": file, "line": None, "column": None}
    return {"file": span.file.name, "line": span.first.line, "column": span.first.column}


def _end(span: Span | None) -> Json:
    if span is None:
        return {"end_line": None, "end_column": None}
    return {"end_line": span.last.line, "end_column": span.last.column}


# ---- SARIF


def as_sarif(
    diagnostics: list[Diagnostic], version: str, pages: Mapping[str, RulePage] | None = None
) -> Json:
    """A SARIF 2.1.0 log of a run of netdsl; `version` is that of netdsl.

    `pages` describes codes for people who read the log elsewhere.
    """
    codes = sorted({d.code for d in diagnostics})
    rules = [_sarif_rule(code, (pages or {}).get(code)) for code in codes]
    driver = {"name": "netdsl", "version": version, "rules": rules}
    results = [_sarif_result(d, codes.index(d.code)) for d in diagnostics]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
        ],
    }


def _sarif_rule(code: str, page: RulePage | None) -> Json:
    if page is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": page.summary},
        "help": {"text": page.text, "markdown": page.markdown},
    }


def _sarif_locations(diagnostic: Diagnostic) -> list[Json]:
    if diagnostic.span is not None:
        return [_sarif_place(diagnostic.span)]
    if diagnostic.file is not None:
        artifact = {"uri": _uri(diagnostic.file, os.path.abspath(diagnostic.file))}
        return [{"physicalLocation": {"artifactLocation": artifact}}]
    return []


def _sarif_result(diagnostic: Diagnostic, rule: int) -> Json:
    """A diagnostic; `rule` is the index of its code in the list of rules."""
    result = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _SARIF_LEVELS[diagnostic.severity],
        "message": {"text": _with_help(diagnostic)},
        "locations": _sarif_locations(diagnostic),
        "relatedLocations": [
            {**_sarif_place(note.span), "message": {"text": note.message}}
            for note in diagnostic.notes
            if note.span
        ],
    }
    if diagnostic.fix:
        result["fixes"] = [_sarif_fix(diagnostic)]
    return result


def _sarif_fix(diagnostic: Diagnostic) -> Json:
    """The edits of a fix, by file."""
    changes: dict[str, list[Json]] = {}
    for edit in diagnostic.fix:
        replacement = {
            "deletedRegion": _sarif_region(edit.span),
            "insertedContent": {"text": edit.text},
        }
        changes.setdefault(_uri(edit.span.file.name, edit.span.file.path), []).append(replacement)
    return {
        "description": {"text": diagnostic.help or diagnostic.message},
        "artifactChanges": [
            {"artifactLocation": {"uri": uri}, "replacements": replacements}
            for uri, replacements in changes.items()
        ],
    }


def _sarif_place(span: Span) -> Json:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(span.file.name, span.file.path)},
            "region": _sarif_region(span),
        }
    }


def _uri(name: str, path: str | None) -> str:
    """The address of a file, relative to the working folder if the file is in it."""
    from pathlib import Path  # only this format needs it
    from urllib.parse import quote

    if path is None:
        return quote(name, errors="surrogateescape")
    file, here = Path(path), Path.cwd()
    if file.is_relative_to(here):
        return quote(file.relative_to(here).as_posix(), errors="surrogateescape")
    return file.as_uri()


def _sarif_region(span: Span) -> Json:
    first, last = span.first, span.last
    return {
        "startLine": first.line,
        "startColumn": first.column,
        "endLine": last.line,
        "endColumn": last.column,
    }


# ---- GitHub


def as_github(diagnostic: Diagnostic) -> str:
    """A workflow command that GitHub shows at the line."""
    properties = [f"title={_property(diagnostic.code)}"]
    if diagnostic.span is not None:
        first, last = diagnostic.span.first, diagnostic.span.last
        properties = [
            f"file={_property(diagnostic.span.file.name)}",
            f"line={first.line}",
            f"col={first.column}",
            f"endLine={last.line}",
            f"endColumn={last.column}",
            *properties,
        ]
    elif diagnostic.file is not None:
        properties = [f"file={_property(diagnostic.file)}", *properties]
    level = _GITHUB_LEVELS[diagnostic.severity]
    return f"::{level} {','.join(properties)}::{_escaped(_with_help(diagnostic))}"


def _property(text: str) -> str:
    return _escaped(text, ":,")


def _escaped(text: str, more: str = "") -> str:
    """A text with GitHub's escapes for line breaks, percent signs and the signs in `more`."""
    for c in "%\r\n" + more:
        text = text.replace(c, f"%{ord(c):02X}")
    return _safe(text)
