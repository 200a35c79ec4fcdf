"""Finds the next token of a text among those that the grammar allows there."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Self

from netdsl.syntax.tables import IGNORED, KEYWORDS, TERMINALS

if TYPE_CHECKING:
    from collections.abc import Container

_KEYWORDS = dict(KEYWORDS)
_ANYWHERE = {*IGNORED, "_NL"}  # the parser decides later whether a line break separates anything


class Token(str):
    """A piece of the text, with its terminal and its place."""

    __slots__ = ("end_pos", "start_pos", "type")
    type: str
    start_pos: int
    end_pos: int

    def __new__(cls, text: str, type: str, start: int) -> Self:
        """The token with this text, which begins at the offset `start`."""
        token = super().__new__(cls, text)
        token.type = type
        token.start_pos = start
        token.end_pos = start + len(text)
        return token


class UnexpectedCharacter(Exception):
    """No token begins at the offset `start`."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


class UnexpectedToken(Exception):
    """A token that the grammar does not allow here: it allows the terminals `expected`."""

    def __init__(self, token: Token, expected: frozenset[str] = frozenset()) -> None:
        super().__init__(token, expected)
        self.token = token
        self.expected = expected


def token_at(text: str, start: int, allowed: Container[str]) -> Token:
    """The token that begins at the offset `start`, if it is allowed or ignored.

    Raises `UnexpectedToken` and `UnexpectedCharacter`.
    """
    match = _ANY.match(text, start)
    if match is None:
        raise UnexpectedCharacter(start)
    token = _token(match, allowed)
    if token.type in allowed or token.type in _ANYWHERE:
        return token
    # `a:` is a label where the grammar allows one; elsewhere it is the name `a` and a colon.
    others = frozenset(name for name, _ in TERMINALS if name in allowed or name == "NAME")
    match = _pattern(others).match(text, start)
    if match is not None:
        other = _token(match, allowed)
        if other.type in allowed:
            return other
    raise UnexpectedToken(token)


def _token(match: re.Match[str], allowed: Container[str]) -> Token:
    """The token of a match. A keyword becomes a name where the grammar allows only a name."""
    text, terminal = match[0], str(match.lastgroup)
    if terminal == "NAME" and (_KEYWORDS.get(text) in allowed or "NAME" not in allowed):
        terminal = _KEYWORDS.get(text, terminal)
    return Token(text, terminal, match.start())


@cache
def _pattern(terminals: frozenset[str]) -> re.Pattern[str]:
    """A pattern with a group for each of these terminals."""
    groups = [f"(?P<{name}>{pattern})" for name, pattern in TERMINALS if name in terminals]
    return re.compile("|".join(groups))


_ANY = _pattern(frozenset(name for name, _ in TERMINALS))
