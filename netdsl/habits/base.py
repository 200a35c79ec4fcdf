"""A habit: what people write, and what to write here."""

from __future__ import annotations

import re
from string import Template
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NO_CODE = re.compile(r'"[^"\n]*"|#.*')
MAX_LINE = 400  # characters of a line; matching longer ones would take too long
Change = tuple[int, int, str]  # a text to write in place of the characters from here to there


class Matched(NamedTuple):
    """A line with a habit: the match in its code, the whole text, and where the line begins."""

    match: re.Match[str]
    text: str
    start: int

    def group(self, name: str) -> str:
        """The text of a group; empty if the group took no part in the match."""
        return self.match[name] or ""

    def place(self, *groups: str) -> tuple[int, int]:
        """Where the first of these groups is in the text that the pattern has; else the match."""
        for group in groups:
            if group in self.match.re.groupindex and self.match.start(group) >= 0:
                return self.start + self.match.start(group), self.start + self.match.end(group)
        return self.start + self.match.start(), self.start + self.match.end()


class Guess(str):
    """A text for the advice that is too much in doubt to be written without asking.

    `end` is where the part of the text ends that cannot be checked, if it has several lines.
    `note` is what the advice says after the text of the row.
    """

    __slots__ = ("end", "note")
    end: int
    note: str

    def __new__(cls, text: str, end: int = 0, note: str = "") -> Self:
        guess = super().__new__(cls, text)
        guess.end = end
        guess.note = note
        return guess


Fix = str | None | list[Change]


class Habit(NamedTuple):
    """One row of the tables.

    `pattern` matches a part of a line, and `example` has a line that it matches, with ‹ › around
    the place of the error: the group `at`, or else the whole match, or in a nested section its
    `train`. `advice`, `fact` and `fix` are
    templates with the groups of the pattern. `fix` is what to write in place of the group `fix`, or
    else of the whole match, if there is no doubt about it. `$fix` in the advice is the result. A
    function can compute it. If it returns None, `otherwise` is the advice; without that, the row
    does not apply.
    """

    pattern: str
    example: str
    advice: str
    fact: str = ""
    fix: str | Callable[[Matched], Fix] | None = None
    otherwise: str = ""
    where: str = ""  # one of the places that `_place_of` returns, if it applies only there


class Advice(NamedTuple):
    """What a habit means for a line: the fact, the place, the advice and the changes.

    Without changes, the text up to `end` cannot be checked.
    """

    fact: str
    place: tuple[int, int]
    help: str
    changes: list[Change]
    end: int = 0


def advice_for(habit: Habit, matched: Matched) -> Advice | None:
    """The advice for a line that matches a habit, or None if the habit does not apply to it."""
    words = {name: value or "" for name, value in matched.match.groupdict().items()}
    if "$net" in habit.advice:
        nets = list(re.finditer(r"^\s*net\s+(\w+)", matched.text, re.MULTILINE))
        above = [head for head in nets if head.end() <= matched.start]
        head = above[-1] if above else next(iter(nets), None)
        words["net"] = "Net" if head is None else head[1]
    fix = _fix_of(habit, matched, words)
    if fix is None and habit.fix is not None and not habit.otherwise:
        return None
    changes: list[Change] = []
    help_, end_of_part = habit.advice, 0
    if isinstance(fix, Guess):
        words["fix"], end_of_part = fix, fix.end
        help_ += fix.note
    elif isinstance(fix, str):
        start, end = matched.place("fix")
        if fix == matched.text[start:end]:
            return None
        changes = [(start, end, fix)]
    elif fix is not None:
        changes = fix
    elif habit.fix is not None:
        help_ = habit.otherwise
    if changes:
        lines = [" ".join(line.split()) for line in changes[0][2].strip().split("\n")]
        words["fix"] = "` and `".join(lines)
    fact, help_ = (Template(text).safe_substitute(words) for text in (habit.fact, help_))
    place = matched.place("at", "dot", "comma", "fix")
    if habit.where == "nested":
        heads = re.finditer(r"^[^#\n]*?\b(train)\b", matched.text[: matched.start], re.MULTILINE)
        place = [place, *(head.span(1) for head in heads)][-1]
    return Advice(fact, place, help_, changes, end_of_part)


def _fix_of(habit: Habit, matched: Matched, words: dict[str, str]) -> Fix:
    if isinstance(habit.fix, str):
        return Template(habit.fix).safe_substitute(words)
    return None if habit.fix is None else habit.fix(matched)


def look_up(habits: Iterable[Habit], text: str, start: int, code: str, at: int) -> Advice | None:
    """The advice for the first habit that the code of a line has at the offset `at` in it.

    `start` is where the line begins in the text. A habit elsewhere in the line is not the reason
    for the error.
    """
    if len(code) > MAX_LINE:
        return None
    where = _place_of(text[:start])
    for habit in habits:
        if habit.where not in ("", where):
            continue
        for match in re.finditer(habit.pattern, code):
            matched = Matched(match, text, start)
            begin = matched.place("fix")[0] - start
            if begin <= at <= match.end() + 1:  # a blank may come between
                advice = advice_for(habit, matched)
                if advice is not None:
                    return advice
    return None


def _place_of(before: str) -> str:
    """Where a text ends.

    That is in `brackets` of an earlier line, at the `top`, outside of all braces, in a `train`
    section, in the `body` of a net or block, or `nested` in a `train` section that is in one.
    """
    code = _NO_CODE.sub("", before)
    if code.count("(") + code.count("[") > code.count(")") + code.count("]"):
        return "brackets"
    if code.count("{") <= code.count("}"):
        return "top"
    openings = list(re.finditer(r"^\s*(net|block|train)\b", code, re.MULTILINE))
    if not openings or openings[-1][1] != "train":
        return "body"
    outside = code[: openings[-1].start()]
    return "train" if outside.count("{") <= outside.count("}") else "nested"
