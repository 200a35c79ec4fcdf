"""What is written at a place in a text, even if the text is not finished."""

from __future__ import annotations

import re
from typing import NamedTuple

_PIECE = re.compile(r'#[^\n]*|"[^"\n]*"?|[A-Za-z_]\w*|->|\d[\w.]*|\s+|.', re.DOTALL)
_PATH = re.compile(r"@(?P<path>[\w.{}]*)$")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_HEADS = ("net", "block", "train")


class Bracket(NamedTuple):
    """An open bracket: its sign, the word before it, and the text since it."""

    sign: str
    word: str
    start: int  # the offset after the sign


class Place(NamedTuple):
    """A place in a text, and what leads to it.

    `word` is the part of a name before the place, which begins at `start`. `line` is the text of
    the line before the word, without blanks at its start. `is_text` tells whether the place is in a
    comment or a string, and `is_reference` whether the word follows `@`. `brackets` are those that
    are open, from the outermost; `definition` is the word at the head of the outermost one, such as
    `net`, and its name.
    """

    word: str
    start: int
    line: str
    is_text: bool
    is_reference: bool
    brackets: tuple[Bracket, ...]
    definition: tuple[str, str]

    @property
    def call(self) -> Bracket | None:
        """The innermost call around the place, or None."""
        if self.brackets and self.brackets[-1].sign == "(" and self.brackets[-1].word:
            return self.brackets[-1]
        return None


def place_at(text: str, offset: int) -> Place:
    """What is before an offset of the text."""
    brackets: list[Bracket] = []
    definition = ("", "")
    words: list[str] = []  # the last names, without signs between them
    is_text = False
    for match in _PIECE.finditer(text[:offset]):
        piece = match[0]
        is_text = False
        if piece[0] in '#"':
            is_text = piece[0] == "#" or not re.fullmatch(r'"[^"\n]*"', piece)
            words = []
        elif piece in "([{":
            if not brackets and piece == "{":
                definition = _definition(text, match.start())
            brackets.append(Bracket(piece, words[-1] if words else "", match.end()))
            words = []
        elif piece in _CLOSING:
            while brackets and brackets.pop().sign != _CLOSING[piece]:
                pass
            words = []
        elif piece[0].isalpha() or piece[0] == "_":
            words.append(piece)
        elif not piece.isspace():
            words = []
    path = _PATH.search(text[max(0, offset - 200) : offset])
    word = path["path"] if path else _word_before(text, offset)
    start = offset - len(word)
    line = text[text.rfind("\n", 0, offset) + 1 : start].lstrip()
    if not brackets:
        definition = ("", "")
    return Place(word, start, line, is_text, path is not None, tuple(brackets), definition)


def _word_before(text: str, offset: int) -> str:
    match = re.search(r"[A-Za-z_]\w*$", text[max(0, offset - 200) : offset])
    return match[0] if match else ""


def _definition(text: str, offset: int) -> tuple[str, str]:
    """The last line before a brace as the head of a definition: `net Name(...)`."""
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    match = re.match(rf"\s*({'|'.join(_HEADS)})\s+(\w+)", line)
    return (match[1], match[2]) if match else ("", "")


def word_at(text: str, offset: int) -> tuple[int, int]:
    """The stretch of the name at an offset; both ends are the offset if there is none."""
    start = offset
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    end = offset
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return start, end


def given_names(text: str, bracket: Bracket, offset: int) -> tuple[list[str], int]:
    """The names of arguments that a call has before the offset, and the number of its commas."""
    names: list[str] = []
    depth = commas = 0
    previous = ""
    for match in _PIECE.finditer(text[bracket.start : offset]):
        piece = match[0]
        if piece in "([{":
            depth += 1
        elif piece in _CLOSING:
            depth -= 1
        elif depth == 0 and piece == ",":
            commas += 1
        elif depth == 0 and piece == "=" and previous.isidentifier():
            names.append(previous)
        if not piece.isspace():
            previous = piece
    return names, commas
