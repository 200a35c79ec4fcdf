"""Valid texts laid out anew at random: blanks, line breaks and comments wherever the grammar lets
them stand.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from netdsl.layout.format import lay_out
from netdsl.layout.pieces import pieces_of
from netdsl.source import SourceFile, Span
from netdsl.syntax.parser import parse_with_tokens

if TYPE_CHECKING:
    from random import Random

    from netdsl.syntax.lexer import Token

ARROW = "__ANON_0"
REMARKS = [
    "#",
    "#x",
    "# a remark",
    "#\ttab",
    "# ends in blanks  \t ",
    '# } { ( ] " -> | else',
    "#! ünïcode → 🙂",
    "## two",
    "#net X {",
    "# a # b",
    "#9",
    "# cr \r in it",
]
INDENTS = ["", " ", "  ", "\t", "    ", "\t  ", "        ", "             "]


@lru_cache(maxsize=64)
def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, and the line breaks that separate statements."""
    return parse_with_tokens(SourceFile("text", text))[1]


class Laid(NamedTuple):
    """A text and the comments that were put into it, in order."""

    text: str
    comments: list[str]


class Relayout:
    """Lays one text out anew.

    `breaks` and `comments` say how often those are put in, from 0 to 1; `blanks` the most in a row.
    """

    def __init__(self, random: Random, breaks: float, comments: float, blanks: int = 4) -> None:
        self.random, self.breaks, self.comments, self.blanks = random, breaks, comments, blanks
        self.made: list[str] = []
        self.said: list[str] = []
        self.end_of_line = random.choice(["\n", "\n", "\n", "\r\n"])

    def text(self, text: str) -> Laid:
        """The tokens of `text`, its own layout and comments dropped."""
        previous: Token | None = None
        open_: list[str] = []
        if self.random.random() < self.breaks:
            self.lines(0)
        separates = False
        for token in tokens_of(text):
            if token.type == "_NL":
                separates = True
                continue
            if previous is not None:
                self.between(
                    previous, token, separates=separates, inside=bool(open_ and open_[-1] != "{")
                )
            self.made.append(self.token(token))
            open_ += token if token in ("(", "[", "{") else ""
            if token in (")", "]", "}"):
                open_.pop()
            previous, separates = token, False
        if self.random.random() < 0.8:
            self.lines(self.random.randrange(2))
        elif self.random.random() < self.comments:
            self.comment()
        return Laid("".join(self.made), self.said)

    def between(self, before: Token, after: Token, *, separates: bool, inside: bool) -> None:
        """What stands between two tokens."""
        free = (
            inside
            or before.type in ("LBRACE", "VBAR")
            or after.type in (ARROW, "RBRACE", "VBAR", "ELSE")
        )
        if separates:
            self.lines(1)
        elif free and self.random.random() < self.breaks:
            self.lines(1 if self.random.random() < 0.8 else 2)
        else:
            self.blank(self.must_part(before, after))

    def must_part(self, before: Token, after: Token) -> bool:
        """Whether the two would be read as something else without a blank between them."""
        words = re.search(r"\w$", before) and re.match(r"\w", after)
        return bool(words) or (before.type == "REFERENCE" and after.type in ("DOT", "LBRACE"))

    def blank(self, least: bool) -> None:
        """Blanks on a line."""
        count = self.random.randint(
            int(least), max(1, self.blanks) if self.random.random() < 0.3 else 1
        )
        self.made.append(
            "".join(self.random.choice("   \t" if self.blanks > 1 else " ") for _ in range(count))
        )

    def lines(self, least: int) -> None:
        """Line breaks, with remarks before and between them."""
        for _ in range(max(least, self.random.choice([1, 1, 1, 1, 2, 3]) if self.breaks else 1)):
            if self.random.random() < self.comments:
                self.comment()
            self.made.append(self.random.choice(["", "", "", "  "]) + self.end_of_line)
        self.made.append(self.random.choice(INDENTS))

    def comment(self) -> None:
        """A remark; what is put in behind it is a line break, or the end of the text."""
        remark = self.random.choice(REMARKS)
        self.blank(least=False)
        self.made.append(remark)
        self.said.append(remark)

    def token(self, token: Token) -> str:
        """A token as it is, or with blanks where a label may have them."""
        text = str(token)
        if token.type == "LABEL" and self.random.random() < 0.2:
            text = text[:-1] + " :"
        if token.type in ("LABEL", "REFERENCE") and "{" in text and self.random.random() < 0.3:
            text = text.replace("{", "{ ").replace("}", "\t}")
        return text


def bare(comment: str) -> str:
    """What a comment says, without the blanks around it."""
    return comment.lstrip("#").strip()


def comments_in(text: str) -> list[str]:
    """Every comment of a text, found without the compiler: what follows a `#` outside of
    strings.
    """
    return [m for m in re.findall(r'"[^"\n]*"|#[^\n]*', text) if m.startswith("#")]


def round_trip(laid: Laid) -> str:
    """Format a text twice; returns the canonical text, having seen that nothing is lost and that it
    stays as it is.
    """
    source = SourceFile("laid.net", laid.text)
    tree, tokens = parse_with_tokens(source)
    made = lay_out(pieces_of(laid.text, tokens))
    again, tokens = parse_with_tokens(SourceFile("made.net", made))
    assert differences(tree, again) is None
    assert [bare(c) for c in laid.comments] == [bare(c) for c in comments_in(made)]
    assert lay_out(pieces_of(made, tokens)) == made, "the second run changes what the first made"
    assert not re.search(r"[ \t\r]\n|\n\n\n|\A\n|\n\n\Z|[^\n]\Z", made), (
        "blanks at a line's end, or blank lines too many"
    )
    return made


def differences(one: object, other: object) -> tuple[object, object] | None:
    """Where two syntax trees differ first, places in the text aside; the reprs are those of
    slots.
    """
    if isinstance(one, (Span, SourceFile)):
        return None
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return next((d for a, b in zip(one, other, strict=True) if (d := differences(a, b))), None)
    names = getattr(type(one), "__match_args__", None)
    if names is not None and type(one) is type(other):
        return next(
            (d for n in names if (d := differences(getattr(one, n), getattr(other, n)))), None
        )
    return None if type(one) is type(other) and one == other else (one, other)


def definitions_in(text: str) -> list[str]:
    """A text's blocks, nets, `let`s and `train` sections, each on its own."""
    tree = parse_with_tokens(SourceFile("text", text))[0]
    return [item.span.text for item in (*tree.lets, *tree.definitions, *tree.trains)]
