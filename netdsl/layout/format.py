"""The canonical layout of a text.

The author's lines stay; blanks, indentation and braces become regular; every comment is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.layout.breaks import Breaks
from netdsl.layout.columns import Columns
from netdsl.layout.lines import Structure
from netdsl.layout.pieces import pieces_of
from netdsl.source import SourceFile, Span
from netdsl.syntax.ast import Tree
from netdsl.syntax.parser import parse_with_tokens

if TYPE_CHECKING:
    from netdsl.layout.pieces import Piece
    from netdsl.syntax import ast


def format_source(source: SourceFile) -> str:
    """The canonical layout of a text; raises `NetdslError` where it has syntax errors.

    Line breaks are the author's kind, that of the first line. Raises `NetdslError` rather than give
    a text that says something else.
    """
    tree, tokens = parse_with_tokens(source)
    pieces = pieces_of(source.text, tokens)
    laid_out = lay_out(pieces)
    _hold(source, tree, comments_of(pieces), laid_out)
    crlf = source.text[: source.text.find("\n") + 1].endswith("\r\n")
    return laid_out.replace("\n", "\r\n") if crlf else laid_out


def lay_out(pieces: list[Piece]) -> str:
    """The canonical text of pieces; it can be made once of each list of them."""
    lines = Structure(Breaks(pieces)).lines
    return "".join(line + "\n" for line in Columns(pieces, lines).text())


def _hold(source: SourceFile, tree: ast.File, comments: list[str], laid_out: str) -> None:
    """The new text has the old one's syntax tree, and so its graphs, and its comments."""
    try:
        made, tokens = parse_with_tokens(SourceFile(source.name, laid_out, source.path))
    except NetdslError as error:
        raise _refusal(source, f"be no valid text: {error.diagnostics[0].message}") from None
    if not same(tree, made):
        raise _refusal(source, "mean something else")
    if comments != comments_of(pieces_of(laid_out, tokens)):
        raise _refusal(source, "lose a comment")


def _refusal(source: SourceFile, what: str) -> NetdslError:
    return NetdslError(
        "format-changes",
        f"the canonical layout of `{source.name}` would {what}",
        help="this is a defect of netdsl; the text is left as it is",
    )


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
        elif isinstance(a, Tree):
            waiting += [(getattr(a, f), getattr(b, f)) for f in a.__match_args__]
        elif a != b:
            return False
    return True
