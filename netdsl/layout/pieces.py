"""A text as the formatter sees it: its tokens, each with the line breaks and comments before."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netdsl.syntax.parser import expression_tokens

if TYPE_CHECKING:
    from netdsl.syntax.lexer import Token

ARROW = "__ANON_0"
OPERANDS = {
    "NAME",
    "INTEGER",
    "FLOAT",
    "STRING",
    "DIMS",
    "WORDY_DIMS",
    "REFERENCE",
    "TRUE",
    "FALSE",
    "RPAR",
    "RSQB",
}
TAB = 4
_COMPUTED = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Piece:
    """A token of the text, or its end; columns and lines are the author's, counted from 0."""

    kind: str
    text: str
    line: int = 0
    column: int = 0
    pad: int = 0  # blanks before it, where it does not begin a line
    space: int = 1  # blanks that belong before it
    separated: bool = False  # whether a statement begins here
    newline: bool = False  # whether a line break stands before it
    # The comments on lines of their own before it, "" for a blank line.
    above: list[str] = field(default_factory=list)
    # The comment after it on its line, and those below in the same column.
    comments: list[str] = field(default_factory=list)
    comment_column: int = 0


def pieces_of(text: str, tokens: list[Token]) -> list[Piece]:
    """The tokens of a text and, last, its end."""
    scanner = _Scanner(text)
    separated = False
    for token in tokens:
        if token.type == "_NL":
            separated = True
            continue
        scanner.token(token, separated=separated)
        separated = False
    return scanner.finish()


class _Scanner:
    """Goes through a text once and keeps count of lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[Piece] = []
        self.place = self.line = self.column = 0

    def token(self, token: Token, *, separated: bool) -> None:
        start, end = token.start_pos, token.end_pos
        piece = Piece(token.type, _canonical(token), separated=separated)
        self._gap(piece, self.text[self.place : start])
        self._space(piece)
        self.pieces.append(piece)
        self.place, self.column = end, self.column + end - start

    def finish(self) -> list[Piece]:
        end = Piece("END", "", separated=True)
        self._gap(end, self.text[self.place :])
        end.newline = True
        self.pieces.append(end)
        return self.pieces

    def _gap(self, piece: Piece, gap: str) -> None:
        """What stands between the last token and this one: blanks, line breaks, comments."""
        first, *below = gap.split("\n")
        previous = self.pieces[-1] if self.pieces else None
        for number, part in enumerate([first, *below]):
            blanks, hash_, comment = part.partition("#")
            if number > 0:
                self.line, self.column = self.line + 1, 0
            piece.pad = len(blanks)
            for blank in blanks:
                self.column += TAB - self.column % TAB if blank == "\t" else blank != "\r"
            if hash_:
                self._comment(piece, previous, tidy("#" + comment), trailing=number == 0)
            elif 0 < number < len(below):
                piece.above.append("")
        piece.newline = bool(below)
        piece.line, piece.column = self.line, self.column

    def _comment(self, piece: Piece, previous: Piece | None, text: str, *, trailing: bool) -> None:
        if previous is not None and trailing:
            previous.comments.append(text)
            previous.comment_column = self.column
        elif (
            previous is not None
            and previous.comments
            and not piece.above
            and self.column == previous.comment_column
        ):
            previous.comments.append(text)
        else:
            piece.above.append(text)

    def _space(self, piece: Piece) -> None:
        """Set how many blanks belong between the last token and this one."""
        if not self.pieces:
            return
        before = self.pieces[-1].kind
        unary = before == "MINUS" and len(self.pieces) > 1 and self.pieces[-2].kind not in OPERANDS
        call = piece.kind == "LPAR" and before == "NAME"
        index = piece.kind == "LSQB" and before in OPERANDS
        # A reference takes in the dots that touch it, so one that stands apart is an attribute.
        attribute = (piece.kind == "DOT" and before != "REFERENCE") or before == "DOT"
        empty = piece.kind == "RBRACE" and before == "LBRACE"
        if (
            unary
            or call
            or index
            or attribute
            or empty
            or before in ("LPAR", "LSQB")
            or piece.kind in ("RPAR", "RSQB", "COMMA")
        ):
            piece.space = 0


def tidy(comment: str) -> str:
    """A comment without blanks at its end, and with one before its text."""
    comment = comment.rstrip()
    return f"# {comment[1:]}" if comment[1:2].isalnum() else comment


def _canonical(token: Token) -> str:
    """The text of a token: labels without the blank before the colon, and what is computed in them
    laid out.
    """
    text = str(token)
    if token.type == "LABEL":
        text = text[:-1].rstrip() + ":"
    if token.type in ("LABEL", "REFERENCE") and "{" in text:
        return _COMPUTED.sub(_expression, text)
    return text


def _expression(match: re.Match[str]) -> str:
    if "#" in match[1]:
        return match[0]
    scanner = _Scanner(match[1])
    for token in expression_tokens(match[1]):
        scanner.token(token, separated=False)
    return (
        "{"
        + "".join(" " * (p.space if i else 0) + p.text for i, p in enumerate(scanner.pieces))
        + "}"
    )
