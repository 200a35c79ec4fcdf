"""The input of the formatter: the tokens of a text, each with the comments around it."""

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
    "CURRENT",
    "TRUE",
    "FALSE",
    "RPAR",
    "RSQB",
}
TAB = 4
_COMPUTED = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Piece:
    """A token of the text, or its end; lines and columns are the author's, counted from 0."""

    kind: str
    text: str
    line: int = 0
    column: int = 0
    pad: int = 0  # the author's blanks before it
    space: int = 1  # the blanks before it in the layout, unless it begins a line
    separated: bool = False  # whether it begins a statement
    newline: bool = False  # whether the author broke the line before it
    # The comments before it that have lines of their own, "" for a blank line.
    above: list[str] = field(default_factory=list)
    # The comment after it on its line, and those below it in the same column.
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
        scanner.add(token, separated=separated)
        separated = False
    return scanner.finish()


class _Scanner:
    """Goes through a text once and counts its lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[Piece] = []
        self.offset = self.line = self.column = 0

    def add(self, token: Token, *, separated: bool) -> None:
        """Add the piece of a token."""
        start, end = token.start_pos, token.end_pos
        piece = Piece(token.type, _canonical(token), separated=separated)
        self._read_gap(piece, self.text[self.offset : start])
        self._set_space(piece)
        self.pieces.append(piece)
        self.offset, self.column = end, self.column + end - start

    def finish(self) -> list[Piece]:
        """Every piece, with the end of the text."""
        end = Piece("END", "", separated=True)
        self._read_gap(end, self.text[self.offset :])
        end.newline = True
        self.pieces.append(end)
        return self.pieces

    def _read_gap(self, piece: Piece, gap: str) -> None:
        """Read the text before a piece: blanks, line breaks and comments."""
        first, *below = gap.split("\n")
        for number, part in enumerate([first, *below]):
            blanks, hash_, comment = part.partition("#")
            if number > 0:
                self.line, self.column = self.line + 1, 0
            piece.pad = len(blanks)
            self._skip(blanks)
            if hash_:
                self._add_comment(piece, tidy("#" + comment), trailing=number == 0)
            elif 0 < number < len(below):
                piece.above.append("")
        piece.newline = bool(below)
        piece.line, piece.column = self.line, self.column

    def _skip(self, blanks: str) -> None:
        """Move the column past blanks."""
        for blank in blanks:
            if blank == "\t":
                self.column += TAB - self.column % TAB
            elif blank != "\r":
                self.column += 1

    def _add_comment(self, piece: Piece, text: str, *, trailing: bool) -> None:
        """Add a comment to the piece before it or, as a line above, to the piece after it."""
        if not self.pieces:
            piece.above.append(text)
            return
        previous = self.pieces[-1]
        goes_on = previous.comments and not piece.above and self.column == previous.comment_column
        if trailing:
            previous.comment_column = self.column
        if trailing or goes_on:
            previous.comments.append(text)
        else:
            piece.above.append(text)

    def _set_space(self, piece: Piece) -> None:
        """Set the number of blanks between the last piece and this one."""
        if not self.pieces:
            return
        before = self.pieces[-1].kind
        unary = before == "MINUS" and len(self.pieces) > 1 and self.pieces[-2].kind not in OPERANDS
        call = piece.kind == "LPAR" and before == "NAME"
        index = piece.kind == "LSQB" and before in OPERANDS
        # A dot that touches a reference is part of it: without a blank, `@a .shape` would change.
        attribute = (piece.kind == "DOT" and before != "REFERENCE") or before == "DOT"
        part = piece.kind == "COLON" or before == "COLON"  # of a list: `xs[1:n]`
        empty = piece.kind == "RBRACE" and before == "LBRACE"
        if (
            unary
            or call
            or index
            or attribute
            or part
            or empty
            or before in ("LPAR", "LSQB")
            or piece.kind in ("RPAR", "RSQB", "COMMA")
        ):
            piece.space = 0


def tidy(comment: str) -> str:
    """A comment without blanks at its end, and with a blank between `#` and a word."""
    comment = comment.rstrip()
    if comment[1:2].isalnum():
        return f"# {comment[1:]}"
    return comment


def _canonical(token: Token) -> str:
    """The text of a token in the layout.

    Labels have no blank before their colon, and their computed parts are laid out.
    """
    text = str(token)
    if token.type == "LABEL":
        text = text[:-1].rstrip() + ":"
    if token.type in ("LABEL", "REFERENCE") and "{" in text:
        return _COMPUTED.sub(_expression, text)
    return text


def _expression(match: re.Match[str]) -> str:
    """The canonical text of a computed part of a label."""
    if "#" in match[1]:
        return match[0]
    scanner = _Scanner(match[1])
    for token in expression_tokens(match[1]):
        scanner.add(token, separated=False)
    text = "".join(" " * piece.space + piece.text for piece in scanner.pieces)
    return "{" + text.lstrip() + "}"
