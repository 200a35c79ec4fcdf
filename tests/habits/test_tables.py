"""The tables of habits: each row gives its advice at the right place, and its fix works."""

from __future__ import annotations

import re
import time
from string import Template

import pytest

from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError
from netdsl.habits.base import Habit
from netdsl.habits.tables import HABITS
from netdsl.source import SourceFile
from netdsl.syntax.parser import parse
from tests.support.edits import applied

BODY = "net N {{\n    input image: 3x8x8\n    {}\n    relu\n}}\n"
CONTEXTS = {
    "body": BODY,
    "top": "{}\nnet M {{\n    input image: 3x8x8\n    relu\n}}\n",
    "indented": BODY.replace("{}\n", "{}\n        tanh\n"),
    "train": "train N {{\n    {}\n}}\n",
    "input": "net N {{\n    {}\n    relu\n}}\n",
}

WHERE = {"top": ("top",), "train": ("train",), "body": ("body", "indented", "input")}


def diagnostics(text: str) -> list[Diagnostic]:
    """The syntax errors of a text."""
    try:
        parse(SourceFile("n.net", text))
    except NetdslError as error:
        return error.diagnostics
    return []


def found(habit: Habit, context: str) -> Diagnostic | None:
    """The error of the row's example in a context, if it is at the right place."""
    text = CONTEXTS[context].format(habit.example)
    place = text.index("‹"), text.index("›") - 1
    for diagnostic in diagnostics(text.replace("‹", "").replace("›", "")):
        assert diagnostic.span is not None
        if (diagnostic.span.start, diagnostic.span.end) == place:
            return diagnostic
    return None


def has(text: str | None, template: str) -> bool:
    """Whether a text comes from a template."""
    parts = [piece.replace("$$", "$") for piece in pieces(template)]
    return bool(template) and all(part in (text or "") for part in parts)


def pieces(template: str) -> list[str]:
    """The parts of a template between its placeholders."""
    return Template.pattern.sub("\0", template).split("\0") if template else []


@pytest.mark.parametrize("habit", HABITS, ids=lambda h: h.example)
def test_example(habit: Habit) -> None:
    """The example has the row's advice, fact and place, and the fix removes the error."""
    assert habit.example.count("‹") == habit.example.count("›") == 1
    every = [found(habit, context) for context in WHERE.get(habit.where, CONTEXTS)]
    here = [diagnostic for diagnostic in every if diagnostic is not None]
    right = [d for d in here if has(d.help, habit.advice) or has(d.help, habit.otherwise)]
    assert right, [(d.message, d.help) for d in here]
    diagnostic = right[0]
    assert not habit.fact or has(diagnostic.message, habit.fact), diagnostic.message
    if diagnostic.fix:
        text = diagnostic.fix[0].span.file.text
        left = diagnostics(applied(text, diagnostic.fix))
        assert (diagnostic.message, diagnostic.help) not in [(d.message, d.help) for d in left]


def test_no_pattern_takes_most_of_the_time() -> None:
    """A pattern that tries all ways to divide a line would take longer than all others together."""
    units = (
        "a",
        "a1",
        "a.",
        "{a}",
        "a ",
        "a, ",
        "(a)",
        "[a] ",
        "a: ",
        "a -> ",
        "@a * ",
        "a for a in ",
    )
    lines = [
        start + unit * (20 // len(unit)) for unit in units for start in ("", "x: ", "let a = [")
    ]
    seconds = []
    for habit in HABITS:
        pattern = re.compile(habit.pattern)
        begin = time.perf_counter()
        for line in lines:
            for _ in pattern.finditer(line):
                pass
        seconds.append(time.perf_counter() - begin)
    assert 2 * max(seconds) < sum(seconds), HABITS[seconds.index(max(seconds))].pattern
