"""The canonical layout of a text.

The author's line breaks and all comments are kept; blanks, indentation and braces become regular.
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
    """The canonical layout of a text.

    All lines end like the first line of the text, in `\\n` or `\\r\\n`. Raises `NetdslError` if the
    text has syntax errors, or if its layout would change its meaning.
    """
    tree, tokens = parse_with_tokens(source)
    pieces = pieces_of(source.text, tokens)
    laid_out = lay_out(pieces)
    _check_same(source, tree, comments_of(pieces), laid_out)
    first_line = source.text[: source.text.find("\n") + 1]
    if first_line.endswith("\r\n"):
        return laid_out.replace("\n", "\r\n")
    return laid_out


def lay_out(pieces: list[Piece]) -> str:
    """The canonical text of pieces, which it changes: a list can be laid out only once."""
    lines = Structure(Breaks(pieces)).lines
    return "".join(line + "\n" for line in Columns(pieces, lines).text())


def _check_same(source: SourceFile, tree: ast.File, comments: list[str], laid_out: str) -> None:
    """Raise `NetdslError` unless the new text has the same syntax tree and comments."""
    try:
        new_tree, tokens = parse_with_tokens(SourceFile(source.name, laid_out, source.path))
    except NetdslError as error:
        raise _refusal(source, f"not be valid: {error.diagnostics[0].message}") from None
    if not same(tree, new_tree):
        raise _refusal(source, "have a different meaning")
    if comments != comments_of(pieces_of(laid_out, tokens)):
        raise _refusal(source, "lose a comment")


def _refusal(source: SourceFile, change: str) -> NetdslError:
    return NetdslError(
        "format-changes",
        f"the canonical layout of `{source.name}` would {change}",
        help="this is a bug in netdsl, please report it; the text is unchanged",
    )


def comments_of(pieces: list[Piece]) -> list[str]:
    """Every comment, in order."""
    return [comment for piece in pieces for comment in (*piece.above, *piece.comments) if comment]


def same(tree: object, other: object) -> bool:
    """Whether two syntax trees are equal, apart from places in the text."""
    waiting = [(tree, other)]
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
            waiting += [(getattr(a, name), getattr(b, name)) for name in a.__match_args__]
        elif a != b:
            return False
    return True
