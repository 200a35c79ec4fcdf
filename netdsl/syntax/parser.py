"""Makes the syntax tree of a text with `lalr` and `build`; syntax errors become diagnostics."""

from __future__ import annotations

import re
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError, UnreadableError
from netdsl.limits import INTEGER_DIGITS, allow_depth, limit, raise_help
from netdsl.source import SourceFile, Span
from netdsl.syntax import lalr
from netdsl.syntax.build import Builder
from netdsl.syntax.expected import (
    END,
    STRAY,
    continues_nothing,
    describe,
    is_top_level,
    syntax_help,
    unclosed_bracket,
)
from netdsl.syntax.lexer import UnexpectedCharacter, UnexpectedToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.syntax import ast
    from netdsl.syntax.lalr import ParseNode
    from netdsl.syntax.lexer import Token

MAX_SYNTAX_ERRORS = 20
OPEN = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSE = set(OPEN.values())
_WORD = re.compile(r'#[^\n]*|"[^"\n]*"|->|\*\*|//|[=!<>]=|@?\w+(?:\.\d+)?|[^\s\w]')
_COMPUTED = re.compile(r"\{[^{}\n]*\}")  # a piece of a label
_LOOSE = re.compile(r"_(?!\d)")


class TokenFilter:
    """Drops line breaks that separate nothing, and enforces the limits that tokens can break."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.seen: list[Token] = []

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Yield the tokens that the parser gets, and keep them."""
        for token in self._separating(stream):
            self.seen.append(token)
            yield token

    def _separating(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_: list[str] = []
        separates = False
        for token in stream:
            kind = token.type
            if kind == "_NL":
                if separates and not (open_ and open_[-1] != "RBRACE"):
                    separates = False
                    yield token
                continue
            self._check(token, len(open_))
            if kind in OPEN:
                open_.append(OPEN[kind])
            elif kind in CLOSE and open_:
                open_.pop()
            separates = kind not in ("LBRACE", "VBAR")
            yield token

    def _check(self, token: Token, depth: int) -> None:
        if token.type in OPEN and depth >= limit("nesting"):
            self._fail(
                token,
                "nesting-too-deep",
                f"more than {limit('nesting')} brackets stand inside one another",
                raise_help("nesting"),
            )
        if token.type == "INTEGER" and len(token.replace("_", "")) > INTEGER_DIGITS:
            self._fail(
                token,
                "number-too-long",
                f"a number of {len(token)} digits; at most {INTEGER_DIGITS} fit",
                None,
            )
        if (
            "_" in token
            and token.type in ("INTEGER", "FLOAT", "DIMS", "WORDY_DIMS")
            and any(_LOOSE.search(p) for p in token.split("x") if p[:1].isdigit())
        ):
            self._fail(
                token,
                "bad-number",
                f"`{token[:40]}` has an underscore that stands between no digits",
                "underscores part digits: `61_706`",
            )
        if token.type == "FLOAT" and not isfinite(float(token)):
            self._fail(
                token,
                "number-too-large",
                f"`{token[:40]}` is beyond 1.8e308, the largest float",
                None,
            )
        if token.type in ("DIMS", "WORDY_DIMS") and any(
            len(p) > INTEGER_DIGITS and p.isdigit() for p in token.split("x")
        ):
            self._fail(
                token, "number-too-long", f"a size of more than {INTEGER_DIGITS} digits", None
            )
        if token.type in ("NAME", "LABEL", "REFERENCE", "DIMS", "WORDY_DIMS"):
            length = _name_length(token)
            if length > limit("name_length"):
                what = "sizes" if token.type in ("DIMS", "WORDY_DIMS") else "a name"
                self._fail(
                    token,
                    "name-too-long",
                    f"{what} of {length:,} characters",
                    raise_help("name_length"),
                )

    def _fail(self, token: Token, code: str, message: str, help: str | None) -> None:
        start = token.start_pos
        raise NetdslError(
            code, message, Span(self.source, start, min(token.end_pos, start + 40)), help=help
        )


def _name_length(token: Token) -> int:
    """The length of the longest name in a label or reference, without computed parts in braces."""
    if token.type not in ("LABEL", "REFERENCE"):
        return len(token)
    written = _COMPUTED.sub("", token).rstrip(": \t").removeprefix("@")
    return max(map(len, written.split(".")))


def parse(source: SourceFile) -> ast.File:
    """The syntax tree of a file. Raises `NetdslError` with every syntax error found."""
    return parse_with_tokens(source)[0]


def parse_with_tokens(source: SourceFile) -> tuple[ast.File, list[Token]]:
    """As `parse`, with the tokens of the text: the line breaks that separate statements are among
    them.

    After an error its line is blanked but for the braces, and the text is read again: the rest of
    the file is still checked.
    """
    allow_depth()
    _check_length(source)
    errors: list[Diagnostic] = []
    text = source.text
    while True:
        tokens = TokenFilter(source)
        try:
            tree = lalr.parse(text, "file", tokens.process)
            if not errors:
                return Builder(source, _parse_expression).file(tree), tokens.seen
            break
        except NetdslError as fault:
            errors.append(fault.diagnostic)
            break
        except (UnexpectedCharacter, UnexpectedToken) as error:
            diagnostic, leaves_open = _syntax_error(source, error)
            if (
                errors
                and diagnostic.span is not None
                and errors[-1].span is not None
                and diagnostic.span.start <= errors[-1].span.start
            ):
                break
            if errors and isinstance(error, UnexpectedToken) and is_top_level(set(error.expected)):
                break  # a brace of the text before was not read
            errors.append(diagnostic)
            if (
                len(errors) >= MAX_SYNTAX_ERRORS
                or diagnostic.span is None
                or diagnostic.span.start >= len(source.text.rstrip())
                or leaves_open
            ):
                break
            if _in_brackets(text, diagnostic.span.start):
                break
            text = _without_line(text, diagnostic.span.start)
    raise UnreadableError.of(errors)


def expression_tokens(text: str) -> list[Token]:
    """The tokens of an expression without errors."""
    tokens = TokenFilter(SourceFile("expression", text))
    lalr.parse(text, "expr", tokens.process)
    return tokens.seen


def _check_length(source: SourceFile) -> None:
    """Refuse a text of too many words before it is read: this takes a hundredth of the time."""
    most = limit("tokens")
    if len(source.text) <= most:
        return
    extra = next(
        islice((m for m in _WORD.finditer(source.text) if m[0][0] != "#"), most, None), None
    )
    if extra is not None:
        message = f"the text has more than {most:,} words, numbers and signs"
        raise UnreadableError(
            "file-too-large",
            message,
            Span(source, extra.start(), min(extra.end(), extra.start() + 40)),
            help=raise_help("tokens"),
        )


def _parse_expression(source: SourceFile, start: int, end: int) -> ParseNode:
    """The parse tree of an expression inside a label, with positions of the whole file."""
    from_start = " " * start + source.text[start:end]
    try:
        return lalr.parse(from_start, "expr", TokenFilter(source).process)
    except (UnexpectedCharacter, UnexpectedToken) as error:
        diagnostic, _ = _syntax_error(source, error)
        if diagnostic.span is not None and not start <= diagnostic.span.start < end:
            diagnostic.span = Span(source, start, end)
            diagnostic.message = f"`{source.text[start:end]}` is not an expression"
        raise UnreadableError.of([diagnostic]) from None


def parse_expression(source: SourceFile) -> ast.Expr:
    """The tree of a text that is an expression, such as the value of `-D`; raises `NetdslError`."""
    return Builder(source, _parse_expression).expr(_parse_expression(source, 0, len(source.text)))


def _in_brackets(text: str, offset: int) -> bool:
    """Whether a bracket of an earlier line is open: without the line that closes it what follows
    cannot be read.
    """
    words = [m[0] for m in _WORD.finditer(text, 0, text.rfind("\n", 0, offset) + 1)]
    return sum(w in ("(", "[") for w in words) > sum(w in (")", "]") for w in words)


def _without_line(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    return text[:start] + "".join(c if c in "{}" else " " for c in text[start:end]) + text[end:]


def _syntax_error(
    source: SourceFile, error: UnexpectedCharacter | UnexpectedToken
) -> tuple[Diagnostic, bool]:
    """The diagnostic, and whether a bracket is left open, so that the rest cannot be read."""
    if isinstance(error, UnexpectedCharacter):
        start, end = error.start, error.start + 1
        found = f"`{source.text[start]}`" if start < len(source.text) else "end of file"
        unused = f"found {found}, which the language does not use"
        message = STRAY.get(source.text[start:end], unused)
        help_ = syntax_help(source, start, set(), found)
        return Diagnostic("syntax-error", message, Span(source, start, end), help=help_), False
    token = error.token
    at_end = token.type == "$END"
    start = len(source.text.rstrip()) if at_end else token.start_pos
    end = start + 1 if at_end or token.type == "_NL" else token.end_pos
    expected = set(error.expected)
    found = (
        END if at_end else "the end of the line" if token.type == "_NL" else f"`{str(token)[:40]}`"
    )
    gap = continues_nothing(source.text, start, expected)
    if gap is not None:
        start, end, found = gap, gap + 1, "the end of the line"
    message = f"expected {describe(expected)}, found {found}"
    span = Span(source, start, min(end, len(source.text)))
    bracket = unclosed_bracket(source, start, expected, found)
    help_ = bracket or syntax_help(source, start, expected, found)
    return Diagnostic("syntax-error", message, span, help=help_), bracket is not None
