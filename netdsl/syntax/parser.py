"""Parses a text to a syntax tree with `lalr` and `build`; syntax errors become diagnostics."""

from __future__ import annotations

import re
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, NoReturn

from netdsl.errors import NetdslError, UnreadableError
from netdsl.limits import INTEGER_DIGITS, allow_depth, limit, raise_help
from netdsl.source import SourceFile, Span
from netdsl.syntax import lalr
from netdsl.syntax.build import Builder
from netdsl.syntax.draft import Draft
from netdsl.syntax.lexer import UnexpectedCharacter, UnexpectedToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diagnostics import Diagnostic
    from netdsl.syntax import ast
    from netdsl.syntax.expected import Problem
    from netdsl.syntax.lalr import ParseNode
    from netdsl.syntax.lexer import Token

MAX_SYNTAX_ERRORS = 20
MAX_SHOWN = 40  # characters of a long token that an error marks
OPEN = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSE = set(OPEN.values())
_WORD = re.compile(r'#[^\n]*|"[^"\n]*"|->|\*\*|//|[=!<>]=|@?\w+(?:\.\d+)?|[^\s\w]')
_COMPUTED = re.compile(r"\{[^{}\n]*\}")  # a computed part of a label
_LOOSE = re.compile(r"_(?!\d)")  # an underscore that no digit follows
_AFTER_LAYER = frozenset(("RBRACE", "_NL", "__ANON_0"))
_NAMES = frozenset(("NAME", "LABEL", "REFERENCE"))
_SIZES = frozenset(("DIMS", "WORDY_DIMS"))


class TokenFilter:
    """Drops line breaks that separate nothing, and enforces the limits that tokens can exceed."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.seen: list[Token] = []
        self._nesting = limit("nesting")
        self._name_length = limit("name_length")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Yield the tokens that the parser gets, and append them to `seen`."""
        for token in self._separating(stream):
            self.seen.append(token)
            yield token

    def _separating(self, stream: Iterator[Token]) -> Iterator[Token]:
        open_: list[str] = []
        armed: set[int] = set()  # the depths at which the braces contain arms
        separates = False
        last: Token | None = None
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
                armed.discard(len(open_))
                open_.pop()
            elif kind == "VBAR":
                if len(open_) not in armed:
                    self._check_first_bar(last, token)
                armed.add(len(open_))
            separates = kind not in ("LBRACE", "VBAR")
            last = token
            yield token

    def _check_first_bar(self, last: Token | None, bar: Token) -> None:
        """Refuse `conv(8, 3) | relu`: only a brace comes before the first arm on its line."""
        if last is None or last.type in ("LBRACE", "RBRACE"):
            return
        if "\n" not in self.source.text[last.end_pos : bar.start_pos]:
            raise UnexpectedToken(bar, _AFTER_LAYER)

    def _check(self, token: Token, depth: int) -> None:
        """Raise `NetdslError` for a token that is inside `depth` brackets and exceeds a limit."""
        kind = token.type
        if kind in OPEN:
            self._check_nesting(token, depth)
        elif kind in _NAMES:
            self._check_name_length(token, "the name has", _name_length(token))
        elif kind in _SIZES:
            self._check_underscores(token)
            if any(len(part) > INTEGER_DIGITS and part.isdigit() for part in token.split("x")):
                message = f"a size has more than {INTEGER_DIGITS} digits"
                self._fail(token, "number-too-long", message)
            self._check_name_length(token, "the sizes have", len(token))
        elif kind == "INTEGER":
            if len(token.replace("_", "")) > INTEGER_DIGITS:
                message = f"a number has {len(token)} digits; at most {INTEGER_DIGITS} are allowed"
                self._fail(token, "number-too-long", message)
            self._check_underscores(token)
        elif kind == "FLOAT":
            self._check_underscores(token)
            if not isfinite(float(token)):
                message = f"`{token[:40]}` is beyond 1.8e308, the largest float"
                self._fail(token, "number-too-large", message)

    def _check_nesting(self, token: Token, depth: int) -> None:
        if depth >= self._nesting:
            message = f"brackets are nested more than {self._nesting} deep"
            self._fail(token, "nesting-too-deep", message, raise_help("nesting"))

    def _check_name_length(self, token: Token, subject: str, length: int) -> None:
        if length > self._name_length:
            message = f"{subject} {length:,} characters"
            self._fail(token, "name-too-long", message, raise_help("name_length"))

    def _check_underscores(self, token: Token) -> None:
        if "_" not in token:
            return
        if any(_LOOSE.search(part) for part in token.split("x") if part[:1].isdigit()):
            message = f"`{token[:40]}` has an underscore that is not between two digits"
            self._fail(token, "bad-number", message, "underscores separate digits: `61_706`")

    def _fail(self, token: Token, code: str, message: str, help: str | None = None) -> NoReturn:
        span = Span(self.source, token.start_pos, min(token.end_pos, token.start_pos + MAX_SHOWN))
        raise NetdslError(code, message, span, help=help)


def _name_length(token: Token) -> int:
    """The length of the longest name in a label or reference, without its computed parts."""
    if token.type == "NAME":
        return len(token)
    path = _COMPUTED.sub("", token).rstrip(": \t").removeprefix("@")
    return max(map(len, path.split(".")))


def parse(source: SourceFile) -> ast.File:
    """The syntax tree of a file. Raises `NetdslError` with every syntax error found."""
    return parse_with_tokens(source)[0]


class MendedError(UnreadableError):
    """Syntax errors in a text whose rest could be read.

    `tree` is that of the text as it was mended, and `blanked` has the lines that could not be.
    """

    tree: ast.File
    blanked: str


def parse_with_tokens(source: SourceFile) -> tuple[ast.File, list[Token]]:
    """The syntax tree of a file, and its tokens with the line breaks that separate statements.

    Raises `NetdslError` with every syntax error found.
    """
    allow_depth()
    _check_length(source)
    tokens = TokenFilter(source)
    try:
        tree = lalr.parse(source.text, "file", tokens.process)
        return Builder(source, _parse_expression).file(tree), tokens.seen
    except NetdslError as error:
        raise UnreadableError.of(error.diagnostics) from None
    except (UnexpectedCharacter, UnexpectedToken) as error:
        raise _all_errors(source, error) from None


def _all_errors(
    source: SourceFile, error: UnexpectedCharacter | UnexpectedToken
) -> UnreadableError:
    """The syntax errors of a text, the first of which is known.

    The text is mended where its error has a certain fix, and else everything in the line of the
    error except braces is blanked. Then the text is parsed again, so that the rest of the file is
    checked too.
    """
    problems: list[Problem] = []
    mending: Mending | None = Mending(source)
    while mending is not None:
        problem = _problem(source, error)
        mending = mending.after(problem, problems)
        if mending is None:
            break
        try:
            tree = lalr.parse(mending.draft.text, "file", mending.process)
        except NetdslError as fault:
            return UnreadableError.of([*_diagnostics(problems), fault.diagnostic])
        except (UnexpectedCharacter, UnexpectedToken) as next_error:
            error = next_error
        else:
            return _mended(source, tree, mending, problems)
    return UnreadableError.of(_diagnostics(problems))


def _mended(
    source: SourceFile, tree: ParseNode, mending: Mending, problems: list[Problem]
) -> UnreadableError:
    """The errors of a text that could be mended, with its tree."""
    found = _diagnostics(problems)
    error = MendedError.of(found)
    try:
        error.tree = Builder(source, _parse_expression).file(tree)
    except NetdslError as fault:
        is_known = any(fault.message == other.message for other in found)  # of a mended place
        return UnreadableError.of(found if is_known else [*found, fault.diagnostic])
    error.blanked = "\n".join(mending.blanked)
    return error


class Mending:
    """A text that is being mended: a draft that has no errors so far."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.draft = Draft(source.text)
        self.blanked: list[str] = []

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Yield the tokens that the parser gets, with their places in the original text."""
        return TokenFilter(self.source).process(self.draft.placed(stream))

    def after(self, problem: Problem, problems: list[Problem]) -> Mending | None:
        """The text without this problem, which is added to the list.

        Returns None if that text would give no further errors, or only errors that follow from
        these.
        """
        # A later error at the top level means that a blanked line had opened a net or block.
        if self.blanked and problem.is_top_level:
            return None
        if problems and problem.start <= problems[-1].start:  # the fix was not enough
            return None if problems[-1].is_blanked else self._without_line(problems[-1])
        problems.append(problem)
        if len(problems) >= MAX_SYNTAX_ERRORS:
            return None
        mended = self.draft.with_changes(problem.changes) if problem.changes else None
        if mended is not None:
            self.draft = mended
            return self
        is_last = problem.start >= len(self.source.text.rstrip())
        if is_last or problem.leaves_open or _in_brackets(self.source.text, problem.start):
            return None
        return self._without_line(problem)

    def _without_line(self, problem: Problem) -> Mending:
        problem.is_blanked = True
        problem.diagnostics[0].fix = ()
        end = max(problem.start, problem.end)
        self.draft = self.draft.without_lines(problem.start, end)
        first, last = (self.source.location(offset).line for offset in (problem.start, end))
        self.blanked += [self.source.line(number) for number in range(first, last + 1)]
        return self


def _diagnostics(problems: list[Problem]) -> list[Diagnostic]:
    return [diagnostic for problem in problems for diagnostic in problem.diagnostics]


def expression_tokens(text: str) -> list[Token]:
    """The tokens of an expression without errors."""
    tokens = TokenFilter(SourceFile("expression", text))
    lalr.parse(text, "expr", tokens.process)
    return tokens.seen


def _check_length(source: SourceFile) -> None:
    """Raise `NetdslError` for a text of too many words.

    Counting takes a hundredth of the time of parsing.
    """
    most = limit("tokens")
    if len(source.text) <= most:
        return
    words = (match for match in _WORD.finditer(source.text) if not match[0].startswith("#"))
    extra = next(islice(words, most, None), None)
    if extra is not None:
        message = f"the text has more than {most:,} words, numbers and symbols"
        span = Span(source, extra.start(), min(extra.end(), extra.start() + MAX_SHOWN))
        raise UnreadableError("file-too-large", message, span, help=raise_help("tokens"))


def _parse_expression(source: SourceFile, text: str, start: int) -> ParseNode:
    """The parse tree of an expression inside a label, with positions in the whole file.

    In a text that was mended, the file has other words at `start`.
    """
    from_start, end = " " * start + text, start + len(text)
    try:
        return lalr.parse(from_start, "expr", TokenFilter(source).process)
    except (UnexpectedCharacter, UnexpectedToken) as error:
        problem = _problem(source, error)
        (diagnostic,) = problem.diagnostics
        if not start <= problem.start < end:
            diagnostic.span = Span(source, start, end)
            diagnostic.message = f"`{diagnostic.span.brief}` is not an expression"
        raise UnreadableError.of([diagnostic]) from None


def parse_expression(source: SourceFile) -> ast.Expr:
    """The tree of a text that is an expression, such as the value of `-D`; raises `NetdslError`."""
    return Builder(source, _parse_expression).expr(_parse_expression(source, source.text, 0))


def _in_brackets(text: str, offset: int) -> bool:
    """Whether a parenthesis or list that was opened in an earlier line is open at `offset`.

    What follows cannot be parsed without the line that closes it.
    """
    words = [match[0] for match in _WORD.finditer(text, 0, text.rfind("\n", 0, offset) + 1)]
    return sum(word in ("(", "[") for word in words) > sum(word in (")", "]") for word in words)


def _problem(source: SourceFile, error: UnexpectedCharacter | UnexpectedToken) -> Problem:
    from netdsl.syntax.expected import problem_of  # only texts with errors need it

    return problem_of(source, error)
