"""The canonical layout of a text. The author's lines stay; blanks, indentation and braces become regular; every comment is kept."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from netdsl.diagnostics import CompileError, Fault
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.breaks import Breaks
from netdsl.syntax.columns import Columns
from netdsl.syntax.lines import Structure
from netdsl.syntax.parser import parse
from netdsl.syntax.pieces import Piece, pieces_of


def format_source(source: SourceFile) -> str:
    """The canonical layout of a text; raises `CompileError` where it has syntax errors.

    Line breaks are the author's kind, that of the first line. Raises `Fault` rather than give a text that says something else.
    """
    tree = parse(source)
    pieces = pieces_of(source)
    laid_out = _lay_out(pieces)
    _hold(source, tree, pieces, laid_out)
    crlf = source.text[: source.text.find("\n") + 1].endswith("\r\n")
    return laid_out.replace("\n", "\r\n") if crlf else laid_out


def _lay_out(pieces: list[Piece]) -> str:
    breaks = Breaks(pieces)
    lines = Structure(breaks).lines
    return "".join(line + "\n" for line in Columns(pieces, lines).text())


def _hold(source: SourceFile, tree: ast.File, pieces: list[Piece], laid_out: str) -> None:
    """The new text has the old one's syntax tree, and so its graphs, and its comments."""
    made = SourceFile(source.name, laid_out, source.path)
    try:
        if not same(tree, parse(made)):
            raise Fault("format-changes", f"the canonical layout of `{source.name}` would mean something else", help="this is a defect of netdsl; the file is left as it is")
        if comments_of(pieces) != comments_of(pieces_of(made)):
            raise Fault("format-changes", f"the canonical layout of `{source.name}` would lose a comment", help="this is a defect of netdsl; the file is left as it is")
    except CompileError as error:
        reason = f"the canonical layout of `{source.name}` would be no valid text: {error.diagnostics[0].message}"
        raise Fault("format-changes", reason, help="this is a defect of netdsl; the file is left as it is") from None


def comments_of(pieces: list[Piece]) -> list[str]:
    """Every comment, in order."""
    return [c for p in pieces for c in (*p.above, *p.comments) if c]


def same(one: object, other: object) -> bool:
    """Whether two syntax trees say the same; places in the text do not count."""
    waiting = [(one, other)]
    while waiting:
        a, b = waiting.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, (Span, SourceFile)):
            continue
        if isinstance(a, tuple) and isinstance(b, tuple):
            if len(a) != len(b):
                return False
            waiting += zip(a, b, strict=True)
        elif is_dataclass(a):
            waiting += [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
        elif a != b:
            return False
    return True
