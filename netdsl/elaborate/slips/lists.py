"""Advice for lists and numbers that a `let` in a loop does not carry on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.habits.loops import loops_around
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic


def advise_index(diagnostic: Diagnostic, index: Span) -> None:
    """Advice for an element of an empty list; `index` is the place of its number."""
    indexed = re.search(r"([A-Za-z_]\w*)\s*\[\s*$", index.file.text[: index.start])
    is_empty = diagnostic.help is None  # for other lists, the help has their length
    if indexed is not None and is_empty:
        start = indexed.start()
        advise_empty(diagnostic, Span(index.file, start, start + len(indexed[1])))
    elif indexed is not None:
        _advise_next(diagnostic, index, indexed[1])


def _advise_next(diagnostic: Diagnostic, index: Span, name: str) -> None:
    """Advice for `widths[i + 1]` in a loop `for i in range(len(widths))`."""
    if index.text.isidentifier():
        heads = rf"\bfor\s+{index.text}\s+in\s+range\((?P<n>\d+)\)|\brepeat\s+(?P<m>\d+)\s+as\s+"
        loops = list(re.finditer(heads + rf"{index.text}\b", index.file.text[: index.start]))
        if loops:
            rounds = loops[-1]["n"] or loops[-1]["m"]
            written = loops[-1][0].replace(rounds, f"len({name})")
            diagnostic.help = f"`{index.text}` counts to {int(rounds) - 1}: write `{written}`"
        return
    further = re.fullmatch(r"(?P<i>[A-Za-z_]\w*) *\+ *(?P<by>\d+)", index.text)
    if further is None:
        return
    head = rf"\bfor\s+{further['i']}\s+in\s+range\(len\({name}\)\)"
    if re.search(head, index.file.text[: index.start]):
        diagnostic.help = (
            f"the last `{further['i']}` is the last element of `{name}`: write"
            f" `range(len({name}) - {further['by']})`"
        )


def advise_empty(diagnostic: Diagnostic, list_: Span) -> None:
    """Advice for an empty list, if a `let` in a loop above was to make it longer."""
    if list_.text.isidentifier():
        _advise_carried(diagnostic, list_, list_.text, "[]")


def advise_number(diagnostic: Diagnostic, value: Span) -> bool:
    """Advice for a number after a loop in which a `let` was to change it; whether there is some."""
    names = dict.fromkeys(re.findall(r"(?<![\w.@\"])[A-Za-z_]\w*", value.text))
    return any(_advise_carried(diagnostic, value, name, name) for name in names)


def _advise_carried(diagnostic: Diagnostic, place: Span, name: str, start: str) -> bool:
    """Advice to carry what a `let` in a loop above was to change; whether there is such a loop."""
    file = place.file
    around = {opening for opening, _ in loops_around(file.text, place.start)}
    pattern = rf"^[ \t]*(?P<let>let)\s+{name}\s*=(?P<value>.*\b{name}\b[^\n#]*)"
    found = False
    for let in re.finditer(pattern, file.text[: place.start], re.MULTILINE):
        opening, head = next(loops_around(file.text, let.start()), (None, ""))
        if opening is None or opening in around:
            continue
        found = True
        written = f"next {name} ={let['value'].rstrip()}"
        joint = "," if re.search(r"\bwith\b", head) else " with"
        diagnostic.help = (
            f"a `let` in a loop lasts for one round: write `{head}{joint} {name} = {start} {{` and"
            f" `{written}`"
        )
        if re.search(rf"\bwith\b.*\b{name}\s*=", head):
            diagnostic.help = f"the loop carries `{name}` with `next`: write `{written}`"
            diagnostic.fix = (Edit(Span(file, *let.span("let")), "next"),)
    return found
