"""Brackets that are not closed, that close nothing, or that close another kind of bracket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netdsl.habits.base import Change
    from netdsl.source import SourceFile

END = "the end of the file"
NO_CODE = re.compile(r'"[^"\n]*"|#.*')
_TOP_LEVEL = re.compile(r"(?:net|block|import|train)\b")
PAIRS = {"(": ")", "[": "]", "{": "}"}
_OPENING = {closing: opening for opening, closing in PAIRS.items()}


class Unclosed(NamedTuple):
    """A brace that is not closed: its line and indentation, and the line before which it ends."""

    line: int
    indentation: int
    ends_before: int | None


def unclosed_part(source: SourceFile, last: int) -> Unclosed | None:
    """The brace that is not closed, judging by the lines up to `last`.

    It is the innermost open brace above the first line that is not indented inside of its brace,
    or else the innermost brace that is open after line `last`.
    """
    ends_before = None
    opened: list[tuple[int, int]] = []  # the line of each open brace, and its indentation
    for number in range(1, last + 1):
        code = NO_CODE.sub("", source.line(number))
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
    return Unclosed(*opened[-1], ends_before)


def _is_outside(code: str, indentation: int, outer: int) -> bool:
    """Whether a line is outside of a body whose first line is indented by `outer`."""
    if indentation == outer:
        return code[indentation] not in "}])|-"
    return indentation < outer


def unclosed_brace(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice to close a brace, if an open one is the reason for the error."""
    number = source.location(offset).line
    if "RBRACE" in expected and (found == END or _TOP_LEVEL.match(source.line(number))):
        opening = unclosed_part(source, number)
        if opening is not None and (found == END or opening.line < number):
            return f"the `{{` on line {opening.line} is not closed"
    return None


def unclosed_bracket(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice to close a parenthesis or list, if an open one is the reason for the error."""
    number, column = source.location(offset)
    if expected & {"RPAR", "RSQB"}:
        bracket = "["
        if "RPAR" in expected:
            bracket = "("
        if found in ("`}`", "`->`", "the end of the line"):
            return f"a `{bracket}` before this is not closed"
        if not source.line(number)[: column - 1].strip():
            return f"a `{bracket}` above is not closed"
    return None


class WrongBracket(NamedTuple):
    """A closing bracket that cannot be here: the fact, the advice, and what mends it."""

    message: str
    help: str
    changes: list[Change]


_ARGUMENT = re.compile(r"[A-Za-z_]\w*[ \t]*=(?!=)")


def wrong_bracket(text: str, start: int, expected: set[str]) -> WrongBracket | None:
    """What is wrong with a closing bracket that the grammar does not allow at an offset."""
    found = text[start : start + 1]
    if not found or found not in ")]}" or (found == "}" and not expected <= {"_NL", "$END"}):
        return None
    opened = _opened(text[:start])
    if PAIRS.get(opened[-1:]) == found:
        return None
    opening = _OPENING[found]
    if not opened or opened[-1] == "{":
        message = f"found `{found}`, but no `{opening}` before it is open"
        begin = start
        if found == "}" and not text[start + 1 :].partition("\n")[0].strip():
            begin = len(text[:start].rstrip())
        return WrongBracket(message, f"leave out this `{found}`", [(begin, start + 1, "")])
    closing = PAIRS[opened[-1]]
    message = f"found `{found}`, but a `{opened[-1]}` before it is open"
    if opening in opened and not _closes_later(text[start + 1 :], found):
        change = (start, start, closing)
        return WrongBracket(message, f"write `{closing}` before this `{found}`", [change])
    change = (start, start + 1, closing)
    return WrongBracket(message, f"write `{closing}` in place of this `{found}`", [change])


def _closes_later(after: str, closing: str) -> bool:
    """Whether the line goes on with a closing bracket of that kind that nothing in it opens."""
    code, depth = NO_CODE.sub("", after.partition("\n")[0]), 0
    for character in code:
        depth += (character == _OPENING[closing]) - (character == closing)
        if depth < 0:
            return True
    return False


def _opened(before: str) -> str:
    """The brackets that are open at the end of a text, the innermost last."""
    opened: list[str] = []
    for character in NO_CODE.sub("", before):
        if character in PAIRS:
            opened.append(character)
        elif character in _OPENING and opened:
            opened.pop()
    return "".join(opened)


def missing_comma(text: str, start: int, expected: set[str]) -> int | None:
    """Where a comma is missing before the first word of a line inside brackets.

    That is so if the bracket ends its line, and is closed at the beginning of another, or if the
    line begins with the name of an argument and closes the bracket.
    """
    before = text[:start].rstrip()
    opening = last_open(before)
    if "COMMA" not in expected or "\n" not in text[len(before) : start] or opening is None:
        return None
    closing = PAIRS[text[opening]]
    if _ARGUMENT.match(text, start) and _closes_later(text[start:], closing):
        return len(before)
    ends_line = not text[opening + 1 :].partition("\n")[0].strip()
    if not ends_line or not re.match(r"[\w\"\[(@-]", text[start:]):
        return None
    inside = rf"(?:[ \t]*(?:\w+[ \t]*[=:])?[^\n:{{}}>]*\n)+?[ \t]*{re.escape(closing)}"
    line = text.rfind("\n", 0, start) + 1
    return len(before) if re.match(inside, text[line:]) else None


def comma_between(text: str, start: int, expected: set[str]) -> tuple[int, str] | None:
    """Where a comma is missing before a value in a line, and between what it separates."""
    before = text[:start].rstrip()
    opening = last_open(before)
    if "COMMA" not in expected or opening is None or "\n" in text[opening:start]:
        return None
    is_value = re.match(r"[\w\"\[(@]", text[start:]) and re.search(r"[\w)\]\"]$", before)
    is_word = len(before) == start and re.match(r"\w\w", text[start - 1 :])  # such as `4a`
    if not is_value or is_word or not _closes_later(text[start:], PAIRS[text[opening]]):
        return None
    if text[opening] == "(" and re.search(r"\w$", text[:opening]):
        return len(before), "arguments"
    return len(before), "elements"


def last_open(before: str) -> int | None:
    """The offset of the innermost parenthesis or list that is open at the end of a text."""
    depth = 0
    for position in range(len(before) - 1, -1, -1):
        depth += (before[position] in ")]") - (before[position] in "([")
        if depth < 0:
            return position
    return None


def closed_early(source: SourceFile, start: int) -> WrongBracket | None:
    """What is wrong with the `}` above an indented line that is outside of all braces."""
    number, column = source.location(start)
    above = source.text[: source.start_of(number)].rstrip()
    code = NO_CODE.sub("", source.text)
    is_inside = column > 1 and above.endswith("}") and code.count("}") > code.count("{")
    if not is_inside:
        return None
    line = source.location(len(above) - 1).line
    is_entry = re.match(r"\s*\w+\s*=", source.line(number))  # that of a `train` section
    if source.line(line).strip() != "}" or is_entry:
        return None
    heads = re.findall(r"^\s*(net|block|train)\b", above, re.MULTILINE)
    if re.match(r"\s*\w+\s*=", source.line(number)) and heads[-1:] != ["train"]:
        return None  # an entry of a section, which does not belong in the net above
    message = "this line is outside of all nets and blocks"
    help_ = f"the `}}` on line {line} closes the last one: leave it out"
    return WrongBracket(message, help_, [(source.start_of(line), source.start_of(line + 1), "")])
