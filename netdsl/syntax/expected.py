"""Syntax errors: what the grammar allows there, and advice for common mistakes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Diagnostic, Edit
from netdsl.habits.base import look_up
from netdsl.habits.tables import HABITS
from netdsl.source import Span
from netdsl.syntax.lexer import UnexpectedToken

if TYPE_CHECKING:
    from netdsl.habits.base import Advice, Change
    from netdsl.source import SourceFile
    from netdsl.syntax.lexer import Token, UnexpectedCharacter

_WORDS = {
    "NAME": "a name",
    "LABEL": "a label",
    "_NL": "a new line",
    "INTEGER": "a number",
    "STRING": "a string",
    "REFERENCE": "a reference",
    "DIMS": "sizes",
    "WORDY_DIMS": "sizes",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "VBAR": "`|`",
    "ARROW": "`->`",
    "__ANON_0": "`->`",
    "DOT": "`.`",
    "BLOCK": "`block`",
    "NET": "`net`",
    "IN": "`in`",
    "COMPARE": "`==`",
    "ELSE": "`else`",
}
END = "the end of the file"
_OPERATORS = (  # a line cannot end so
    *("->", "expect", "=", "+", "-", "*", "/", "and", "or", "not", "at"),
    *("==", "!=", "<", "<=", ">", ">="),
)
_EXPRESSION = {"INTEGER", "FLOAT", "TRUE"}
_TOP = {"BLOCK", "NET", "IMPORT"}
_LAYER = {"REPEAT", "FOR", "REFERENCE"}

_NO_CODE = re.compile(r'"[^"\n]*"|#.*')
_TOP_LEVEL = re.compile(r"(?:net|block|import|train)\b")


def describe(expected: set[str]) -> str:
    """A short phrase for a set of terminals."""
    if expected >= _LAYER:
        return "a layer"
    if expected >= _EXPRESSION:
        return "a value"
    if expected >= _TOP:
        return "`net`, `block`, `import`, `let` or `train`"
    words = [word for terminal, word in _WORDS.items() if terminal in expected]
    closing = [word for word in words if word in ("`)`", "`]`", "`}`")]
    words = list(dict.fromkeys(closing + words))[:4]
    if not words:
        return "the end" if "$END" in expected else "something else"
    if len(words) == 1:
        return words[0]
    return ", ".join(words[:-1]) + " or " + words[-1]


class _Unclosed(NamedTuple):
    """A brace that is not closed: its line and indentation, and the line before which it ends."""

    line: int
    indentation: int
    ends_before: int | None


def _unclosed(source: SourceFile, last: int) -> _Unclosed | None:
    """The brace that is not closed, judging by the lines up to `last`.

    It is the innermost open brace above the first line that is not indented inside of its brace,
    or else the innermost brace that is open after line `last`.
    """
    ends_before = None
    opened: list[tuple[int, int]] = []  # the line of each open brace, and its indentation
    for number in range(1, last + 1):
        code = _NO_CODE.sub("", source.line(number))
        indentation = len(code) - len(code.lstrip())
        if opened and code.strip() and _is_outside(code, indentation, opened[-1][1]):
            ends_before = number
            break
        for character in code:
            if character == "{":
                opened.append((number, indentation))
            elif character == "}" and opened:
                opened.pop()
    if not opened:
        return None
    return _Unclosed(*opened[-1], ends_before)


def _is_outside(code: str, indentation: int, outer: int) -> bool:
    """Whether a line is outside of a body whose first line is indented by `outer`."""
    if indentation == outer:
        return code[indentation] not in "}])|-"
    return indentation < outer


def unclosed_brace(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice to close a brace, if an open one is the reason for the error."""
    number = source.location(offset).line
    if "RBRACE" in expected and (found == END or _TOP_LEVEL.match(source.line(number))):
        opening = _unclosed(source, number)
        if opening is not None:
            return f"the `{{` on line {opening.line} is not closed"
    return None


def unclosed_bracket(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice to close a parenthesis or list, if an open one is the reason for the error."""
    number, column = source.location(offset)
    if expected & {"RPAR", "RSQB"}:
        bracket = "["
        if "RPAR" in expected:
            bracket = "("
        if found in ("`}`", "`->`"):
            return f"a `{bracket}` before this is not closed"
        if not source.line(number)[: column - 1].strip():
            help_ = f"a `{bracket}` above is not closed"
            if re.match(r"\s*\w+\s*=(?!=)", source.line(number)):
                help_ += ", or a comma is missing at the end of the line above"
            return help_
    return None


# Messages for characters that the grammar uses only as parts of longer tokens.
STRAY = {
    '"': 'a string has no closing `"` on its line',
    ":": "found `:`, which only follows the name of a layer, a group or an input",
    "!": "found a single `!`: negate a condition with `not`",
    "@": "a reference has no name: write `@label`",
}


class Problem:
    """A syntax error, and what it means for parsing the rest of the text.

    `changes` mend it. `leaves_open` is whether a bracket is not closed, so that the rest cannot be
    parsed, and `is_top_level` whether it is outside of all nets and blocks.
    """

    __slots__ = ("changes", "diagnostics", "is_blanked", "is_top_level", "leaves_open", "start")

    def __init__(self, diagnostic: Diagnostic, start: int) -> None:
        self.diagnostics = [diagnostic]
        self.start = start
        self.changes: list[Change] = []
        self.leaves_open = False
        self.is_top_level = False
        self.is_blanked = False


def problem_of(source: SourceFile, error: UnexpectedCharacter | UnexpectedToken) -> Problem:
    """What is wrong at the place where the parser stopped."""
    if isinstance(error, UnexpectedToken):
        return _token_problem(source, error.token, set(error.expected))
    start = error.start
    character = source.text[start : start + 1]
    found = f"`{character}`" if character else "end of file"
    message = STRAY.get(character, f"found {found}, which the language does not use")
    return _advised(source, (start, start + 1), message, None)


def _token_problem(source: SourceFile, token: Token, expected: set[str]) -> Problem:
    start, end = token.start_pos, token.end_pos
    found = f"`{token[:40]}`"
    if token.type == "$END":
        found = END
        start = len(source.text.rstrip())
        end = start + 1
    elif token.type == "_NL":
        found = "the end of the line"
        end = start + 1
    gap = continues_nothing(source.text, start, expected)
    if gap is not None:
        start, end, found = gap, gap + 1, "the end of the line"
    message = f"expected {describe(expected)}, found {found}"
    brace = unclosed_brace(source, start, expected, found)
    bracket = brace or unclosed_bracket(source, start, expected, found)
    help_ = bracket or general_help(expected, found)
    is_above = bracket is not None and found not in ("`}`", "`->`")
    make = _plain if is_above else _advised
    problem = make(source, (start, end), message, help_)
    is_below = found == "`}`" and "\n" in source.text[len(source.text[:start].rstrip()) : start]
    if is_above or is_below or brace is not None:
        _close(source, problem, start, "}" if brace is not None else ")", found)
    problem.leaves_open = bracket is not None and not problem.changes
    problem.is_top_level = is_top_level(expected)
    return problem


def _close(source: SourceFile, problem: Problem, start: int, closing: str, found: str) -> None:
    """Make it the fix to close the only bracket that is open before `start`.

    A brace inside a body is closed where its indentation ends, and another one at the end of the
    text. A parenthesis is closed at the end of its line.
    """
    end = len(source.text[:start].rstrip())
    code = _NO_CODE.sub("", source.text[:end])
    last = code.rpartition("\n")[2]
    if closing == "}":
        brace = _unclosed(source, source.location(start).line)
        if brace is None or found != END or code.count("{") != code.count("}") + 1:
            return
        closing = "\n" + " " * brace.indentation + "}"
        if brace.ends_before is not None and brace.indentation > 0:
            end = len(source.text[: source.start_of(brace.ends_before)].rstrip())
    else:
        ends_in_comment = source.text[:end].rpartition("\n")[2] != last
        is_open = last.count("(") == last.count(")") + 1 and "[" not in last
        if ends_in_comment or not is_open or last.endswith((",", "(")):
            return
    problem.diagnostics[0].fix = (Edit(Span(source, end, end), closing),)
    problem.changes = [(end, end, closing)]


def _advised(source: SourceFile, place: tuple[int, int], message: str, help: str | None) -> Problem:
    """The problem at a place, with the advice for the habit that it shows, if it shows one."""
    problem = _plain(source, place, message, help)
    advice = _habit(source, place[0])
    if advice is not None:
        diagnostic = problem.diagnostics[0]
        diagnostic.help = advice.help
        if advice.fact:
            diagnostic.message = advice.fact
            diagnostic.span = Span(source, *advice.place)
        diagnostic.fix = tuple(
            Edit(Span(source, start, end), text) for start, end, text in advice.changes
        )
        problem.changes = advice.changes
    return problem


def _plain(source: SourceFile, place: tuple[int, int], message: str, help: str | None) -> Problem:
    start, end = place
    span = Span(source, start, min(end, len(source.text)))
    diagnostic = Diagnostic("syntax-error", message, span, help=help)
    return Problem(diagnostic, start)


def _habit(source: SourceFile, offset: int) -> Advice | None:
    """The advice for the habit of another tool that the line of an error shows."""
    number, column = source.location(offset)
    code = _code(source.line(number))
    at = min(column - 1, len(code))
    return look_up(HABITS, source.text, source.start_of(number), code, at)


def _code(line: str) -> str:
    """A line without its comment and the blanks before it."""
    for match in re.finditer(r'"[^"]*"|#', line):
        if match[0] == "#":
            return line[: match.start()].rstrip()
    return line.rstrip()


def general_help(expected: set[str], found: str) -> str | None:
    """Advice that depends only on what the grammar allows and what the text has."""
    if found == "`=`" and "COMPARE" in expected:
        return "compare with `==`"
    if found in ("`->`", "`,`") and "$END" in expected and "_NL" not in expected:
        return "write several values as a list: `[a, b]`"
    if found == "`}`" and not expected & {"RBRACE"} and expected <= {"_NL", "$END"}:
        return "this `}` has no opening `{`"
    if expected >= _TOP:
        return "layers belong in the braces of a `net` or `block`"
    return None


def is_top_level(expected: set[str]) -> bool:
    """Whether the place where these terminals are expected is outside of all nets and blocks."""
    return expected >= _TOP and not expected >= _LAYER and not expected >= _EXPRESSION


def continues_nothing(text: str, start: int, expected: set[str]) -> int | None:
    """The end of the line before the error, if that line is incomplete.

    That is so if the error is at the first word of a later line, and a layer or a value is expected
    after an operator, or an `=` after a name.
    """
    if not (expected >= _EXPRESSION or expected >= _LAYER or expected == {"EQUAL"}):
        return None
    before = text[:start].rstrip()
    if "\n" not in text[len(before) : start]:
        return None
    if expected == {"EQUAL"}:
        return len(before)
    last = before.rpartition("\n")[2]
    if not last.strip() or "#" in last:
        return None
    is_comma = last.endswith(",") and "RPAR" not in expected and "RSQB" not in expected
    if last.split()[-1] not in _OPERATORS and not is_comma and not last.endswith("->"):
        return None
    return len(before)
