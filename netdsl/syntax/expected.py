"""Syntax errors: what the grammar allows there, and advice for common mistakes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic, Edit
from netdsl.habits.base import look_up
from netdsl.habits.tables import HABITS
from netdsl.source import Span
from netdsl.syntax.brackets import (
    END,
    NO_CODE,
    PAIRS,
    WrongBracket,
    closed_early,
    comma_between,
    last_open,
    missing_comma,
    unclosed_brace,
    unclosed_bracket,
    unclosed_part,
    wrong_bracket,
)
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
_OPERATORS = (  # a line cannot end so
    *("->", "expect", "=", "+", "-", "*", "/", "and", "or", "not", "at"),
    *("==", "!=", "<", "<=", ">", ">="),
)
_EXPRESSION = {"INTEGER", "FLOAT", "TRUE"}
_TOP = {"BLOCK", "NET", "IMPORT"}
_LAYER = {"REPEAT", "FOR", "REFERENCE"}


# What can be at a place, by the terminals that the grammar allows there; the first row applies.
_ADVICE = (
    (_TOP, "layers belong in the braces of a `net` or `block`"),
    (
        _LAYER,
        "write a layer, such as `c1: conv(8, 3) -> relu`, or the reference of a value, `@c1`",
    ),
    (
        _EXPRESSION,
        'write a value: a number, a name, `true`, `"text"`, sizes, `3x3`, or a list, `[1, 2]`',
    ),
    ({"__ANON_0", "_NL", "LPAR"}, "write arguments in parentheses, and `->` before another layer"),
    ({"__ANON_0", "_NL"}, "write `->` before another layer, or a new line"),
    ({"ELSE"}, "write both values of a choice: `a if c else b`"),
    ({"COMMA", "RPAR"}, "write a comma between two of them, and `)` after the last one"),
    ({"COMMA", "RSQB"}, "write a comma between two elements, and `]` after the last one"),
    ({"COMMA", "IN"}, "write a loop as `for x in [8, 16] { ... }` or `repeat 3 { ... }`"),
    ({"PLUS", "LBRACE"}, "the layers follow in braces: `{ ... }`"),
    ({"_NL"}, "the value ends here: write what follows on a new line"),
    ({"LPAR", "LBRACE"}, "write `net Name { ... }`, or `net Name(classes = 10) { ... }`"),
    ({"LPAR"}, "write `block Name(width) { ... }`"),
    ({"LBRACE"}, "the body follows in braces: `{ ... }`"),
    ({"NAME"}, "a name has letters, digits and `_`, and begins with a letter"),
    ({"EQUAL"}, "a name has letters, digits and `_`; after it comes `=` and its value"),
)


def _relevant(expected: set[str], found: str) -> set[str]:
    """The terminals to mention: not those that could only continue what is complete already."""
    if "PLUS" in expected:
        expected = expected - {"LPAR", "LSQB", "DOT", "COMPARE"}
    if "RBRACE" in expected and found == END:
        return {"RBRACE"}
    if "_NL" in expected:
        expected = expected - {"RBRACE", "VBAR", "EQUAL"}  # `=` begins the example of an input
        if "__ANON_0" in expected:
            return {"__ANON_0", "_NL"}
    return expected


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


# Messages for characters that the grammar uses only as parts of longer tokens.
STRAY = {
    '"': ('a string has no closing `"` on its line', 'write a string on one line: `"text"`'),
    ":": (
        "found `:`, which only follows the name of a layer, a group or an input",
        "write the name of a layer before it: `c1: conv(8, 3)`",
    ),
    "!": ("found a single `!`: negate a condition with `not`", "write `not`"),
    "@": ("a reference has no name: write `@label`", "write the label after the `@`: `@c1`"),
}
_SYMBOLS = "leave it out: layers are chained with `->`, and values have `+ - * / // % **`"


class Problem:
    """A syntax error, and what it means for parsing the rest of the text.

    `changes` mend it, or else the text up to `end` cannot be checked.
    `leaves_open` is whether a bracket is not closed, so that the rest cannot be
    parsed, and `is_top_level` whether it is outside of all nets and blocks.
    `shows_habit` is whether the text is written as in another tool.
    """

    __slots__ = (
        "changes",
        "diagnostics",
        "end",
        "is_blanked",
        "is_top_level",
        "leaves_open",
        "shows_habit",
        "start",
    )

    def __init__(self, diagnostic: Diagnostic, start: int) -> None:
        self.diagnostics = [diagnostic]
        self.start = start
        self.changes: list[Change] = []
        self.end = 0
        self.leaves_open = False
        self.shows_habit = False
        self.is_top_level = False
        self.is_blanked = False


def problem_of(source: SourceFile, error: UnexpectedCharacter | UnexpectedToken) -> Problem:
    """What is wrong at the place where the parser stopped."""
    if isinstance(error, UnexpectedToken):
        return _token_problem(source, error.token, set(error.expected))
    start = error.start
    character = source.text[start : start + 1]
    found = f"`{character}`" if character else "end of file"
    message = f"found {found}, which the language does not use"
    message, help_ = STRAY.get(character, (message, _SYMBOLS))
    return _advised(source, (start, start + 1), message, help_)


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
    message = f"expected {describe(_relevant(expected, found))}, found {found}"
    mended = _mended_bracket(source, (start, end), expected, message)
    if mended is not None:
        return mended
    brace = unclosed_brace(source, start, expected, found)
    bracket = brace or unclosed_bracket(source, start, expected, found)
    help_ = bracket or general_help(expected, found)
    is_above = bracket is not None and found not in ("`}`", "`->`") and gap is None
    make = _plain if is_above else _advised
    problem = make(source, (start, end), message, help_)
    comma = comma_between(source.text, start, expected)
    if comma is not None and not problem.shows_habit:
        problem.diagnostics[0].help = f"a comma is missing between two {comma[1]}"
        _mend(source, problem, [(comma[0], start, ", ")])
        return problem
    is_below = gap is not None and bracket is not None
    if is_above and brace is None:
        _at_opening(source, problem, start)
    elif brace is not None:
        _at_brace(source, problem, start)
    if is_above or is_below or brace is not None:
        _close(source, problem, start, "}" if brace is not None else ")", found)
    problem.leaves_open = bracket is not None and not problem.changes
    problem.is_top_level = is_top_level(expected)
    return problem


def _at_opening(source: SourceFile, problem: Problem, start: int) -> None:
    """Place the error of an unclosed parenthesis or list where it is opened."""
    opening = last_open(source.text[:start])
    if opening is None:
        return
    bracket = source.text[opening]
    diagnostic = problem.diagnostics[0]
    diagnostic.span = Span(source, opening, opening + 1)
    diagnostic.message = f"this `{bracket}` is not closed"
    line = source.location(start).line
    diagnostic.help = f"write `{PAIRS[bracket]}` where it ends, before line {line}"
    if re.match(r"\s*\w+\s*=(?!=)", source.line(line)):
        diagnostic.help += f", or a comma at the end of line {line - 1}"


def _at_brace(source: SourceFile, problem: Problem, start: int) -> None:
    """Place the error of a body that is not closed at its brace."""
    opening = unclosed_part(source, source.location(start).line)
    assert opening is not None
    code = NO_CODE.sub(lambda match: " " * len(match[0]), source.line(opening.line))
    column = code.rfind("{")
    place = source.start_of(opening.line) + column
    diagnostic = problem.diagnostics[0]
    diagnostic.span = Span(source, place, place + 1)
    diagnostic.message = "this `{` is not closed"
    diagnostic.help = "write `}` where the body ends"
    if opening.ends_before is not None:
        diagnostic.help = (
            f"write `}}` where the body ends, perhaps before line {opening.ends_before}"
        )


def _mended_bracket(
    source: SourceFile, place: tuple[int, int], expected: set[str], message: str
) -> Problem | None:
    """The problem of a bracket too many, or of a comma that is missing at the end of a line."""
    text, start = source.text, place[0]
    comma = missing_comma(text, start, expected)
    bracket: WrongBracket | None
    if comma is not None:
        place, message = (comma, comma + 1), "a comma is missing at the end of this line"
        bracket = WrongBracket(message, "write `,` after it", [(comma, comma, ",")])
    elif expected >= _TOP:
        bracket = closed_early(source, start)
    else:
        bracket = wrong_bracket(text, start, expected)
    if bracket is None:
        return None
    problem = _plain(source, place, bracket.message, bracket.help)
    _mend(source, problem, bracket.changes)
    problem.is_top_level = is_top_level(expected)
    return problem


def _mend(source: SourceFile, problem: Problem, changes: list[Change]) -> None:
    """Make it the fix of a problem to change the text so."""
    problem.changes = changes
    problem.diagnostics[0].fix = tuple(
        Edit(Span(source, start, end), text) for start, end, text in changes
    )


def _close(source: SourceFile, problem: Problem, start: int, closing: str, found: str) -> None:
    """Make it the fix to close the only bracket that is open before `start`.

    A brace inside a body is closed where its indentation ends, and another one at the end of the
    text. A parenthesis is closed at the end of its line.
    """
    end = len(source.text[:start].rstrip())
    code = NO_CODE.sub("", source.text[:end])
    last = code.rpartition("\n")[2]
    if closing == "}":
        brace = unclosed_part(source, source.location(start).line)
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
    _mend(source, problem, [(end, end, closing)])


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
        _mend(source, problem, advice.changes)
        problem.end, problem.shows_habit = advice.end, True
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
    if found == "`|`":
        return "chain layers with `->`; `|` begins an arm: `concat { | relu | tanh }`"
    if found in ("`->`", "`,`") and "$END" in expected and "_NL" not in expected:
        return "write several values as a list: `[a, b]`"
    return next((advice for terminals, advice in _ADVICE if expected >= terminals), None)


def is_top_level(expected: set[str]) -> bool:
    """Whether the place where these terminals are expected is outside of all nets and blocks."""
    if expected <= {"_NL", "$END"}:
        return True
    return expected >= _TOP and not expected >= _LAYER and not expected >= _EXPRESSION


def continues_nothing(text: str, start: int, expected: set[str]) -> int | None:
    """The end of the line before the error, if that line is incomplete.

    That is so if the error is at the first word of a later line, and this is a `}` that cannot
    follow, or a layer or a value is expected after an operator, or an `=` after a name.
    """
    before = text[:start].rstrip()
    if "\n" not in text[len(before) : start]:
        return None
    if text[start : start + 1] == "}" and not expected & {"RBRACE", "_NL", "$END"}:
        return len(before)
    if expected == {"EQUAL"}:
        return len(before)
    if not (expected >= _EXPRESSION or expected >= _LAYER):
        return None
    last = before.rpartition("\n")[2]
    if not last.strip() or "#" in last:
        return None
    is_comma = last.endswith(",") and "RPAR" not in expected and "RSQB" not in expected
    if last.split()[-1] not in _OPERATORS and not is_comma and not last.endswith("->"):
        return None
    return len(before)
