"""Lays out valid texts at random: blanks, line breaks and comments wherever they are allowed."""

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
    """A text, and the comments that were inserted into it, in order."""

    text: str
    comments: list[str]


class Relayout:
    """Lays one text out at random.

    `breaks` and `comments` are the probabilities of line breaks and comments. `blanks` is the
    largest number of blanks in a row.
    """

    def __init__(self, random: Random, breaks: float, comments: float, blanks: int = 4) -> None:
        self.random, self.breaks, self.comments, self.blanks = random, breaks, comments, blanks
        self.pieces: list[str] = []
        self.remarks: list[str] = []
        self.end_of_line = random.choice(["\n", "\n", "\n", "\r\n"])

    def text(self, text: str) -> Laid:
        """Lay out the tokens of `text`; its own layout and comments are dropped."""
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
            self.pieces.append(self.token(token))
            open_ += token if token in ("(", "[", "{") else ""
            if token in (")", "]", "}"):
                open_.pop()
            previous, separates = token, False
        if self.random.random() < 0.8:
            self.lines(self.random.randrange(2))
        elif self.random.random() < self.comments:
            self.comment()
        return Laid("".join(self.pieces), self.remarks)

    def between(self, before: Token, after: Token, *, separates: bool, inside: bool) -> None:
        """Append blanks or line breaks between two tokens."""
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
        """Whether the two tokens would be read as something else without a blank between them."""
        words = re.search(r"\w$", before) and re.match(r"\w", after)
        return bool(words) or (before.type == "REFERENCE" and after.type in ("DOT", "LBRACE"))

    def blank(self, least: bool) -> None:
        """Append blanks, at least one if `least`."""
        count = self.random.randint(
            int(least), max(1, self.blanks) if self.random.random() < 0.3 else 1
        )
        self.pieces.append(
            "".join(self.random.choice("   \t" if self.blanks > 1 else " ") for _ in range(count))
        )

    def lines(self, least: int) -> None:
        """Append line breaks, at least `least`, with comments before and between them."""
        for _ in range(max(least, self.random.choice([1, 1, 1, 1, 2, 3]) if self.breaks else 1)):
            if self.random.random() < self.comments:
                self.comment()
            self.pieces.append(self.random.choice(["", "", "", "  "]) + self.end_of_line)
        self.pieces.append(self.random.choice(INDENTS))

    def comment(self) -> None:
        """Append a comment; the caller continues with a line break or ends the text."""
        remark = self.random.choice(REMARKS)
        self.blank(least=False)
        self.pieces.append(remark)
        self.remarks.append(remark)

    def token(self, token: Token) -> str:
        """The text of a token; labels and references may get blanks inside."""
        text = str(token)
        if token.type == "LABEL" and self.random.random() < 0.2:
            text = text[:-1] + " :"
        if token.type in ("LABEL", "REFERENCE") and "{" in text and self.random.random() < 0.3:
            text = text.replace("{", "{ ").replace("}", "\t}")
        return text


def bare(comment: str) -> str:
    """The text of a comment, without `#` and the blanks around it."""
    return comment.lstrip("#").strip()


def comments_in(text: str) -> list[str]:
    """Every comment of a text, found without the compiler: a `#` outside strings begins one."""
    return [m for m in re.findall(r'"[^"\n]*"|#[^\n]*', text) if m.startswith("#")]


def round_trip(laid: Laid) -> str:
    """Format a text and return the result.

    Checks that its tree and comments are those of the text, and that formatting again changes
    nothing.
    """
    source = SourceFile("laid.net", laid.text)
    tree, tokens = parse_with_tokens(source)
    formatted = lay_out(pieces_of(laid.text, tokens))
    again, tokens = parse_with_tokens(SourceFile("made.net", formatted))
    assert differences(tree, again) is None
    assert [bare(c) for c in laid.comments] == [bare(c) for c in comments_in(formatted)]
    assert lay_out(pieces_of(formatted, tokens)) == formatted, "the second run changes the text"
    assert not re.search(r"[ \t\r]\n|\n\n\n|\A\n|\n\n\Z|[^\n]\Z", formatted), (
        "blanks at the end of a line, or too many blank lines"
    )
    return formatted


def differences(first: object, second: object) -> tuple[object, object] | None:
    """The first parts in which two syntax trees differ, or None; places in the text may differ."""
    if isinstance(first, (Span, SourceFile)):
        return None
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        pairs = zip(first, second, strict=True)
        return next((d for a, b in pairs if (d := differences(a, b))), None)
    names = getattr(type(first), "__match_args__", None)
    if names is not None and type(first) is type(second):
        return next(
            (d for n in names if (d := differences(getattr(first, n), getattr(second, n)))), None
        )
    return None if type(first) is type(second) and first == second else (first, second)


def definitions_in(text: str) -> list[str]:
    """The text of each `let`, block, net and `train` section of a file."""
    tree = parse_with_tokens(SourceFile("text", text))[0]
    return [item.span.text for item in (*tree.lets, *tree.definitions, *tree.trains)]
