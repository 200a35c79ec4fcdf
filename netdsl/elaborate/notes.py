"""Notes and advice of errors: the rounds and calls that lead to a place, and other results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Annotation, Edit
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.diagnostics import Diagnostic
    from netdsl.errors import NetdslError
    from netdsl.ir.graph import Site, Value

REACHED = "reached through this call"
OPTION = "-D"  # the option that sets parameters; with their names, it is the file of their values


class Round(NamedTuple):
    """A round of a loop that is being unrolled; the first has the number 1."""

    number: int
    total: int
    variables: dict[str, object]  # with their values in this round
    loop: ast.Repeat | ast.For

    def told(self, span: Span | None) -> str | None:
        """The text that an error at `span` is in this round: `in round 2 of 3, with i = 1`.

        It is None in the first round, unless the error is in a text that uses the loop's variables.
        """
        words = set() if span is None else set(re.findall(r"\w+", span.text))
        if self.total == 1 or (self.number == 1 and words.isdisjoint(self.variables)):
            return None
        text = f"in round {self.number} of {self.total}"
        if self.variables:
            values = [f"{name} = {show(v)}" for name, v in self.variables.items()]
            text += f", with {' and '.join(values)}"
        return text

    @property
    def head(self) -> Span:
        """The place of the loop's text before its braces."""
        whole = self.loop.span
        head = whole.file.text[whole.start : self.loop.body.span.start].rstrip()
        return Span(whole.file, whole.start, whole.start + len(head))

    def is_around(self, place: Span) -> bool:
        """Whether a place is in the loop."""
        loop = self.loop.span
        return loop.file is place.file and loop.start <= place.start < loop.end

    @property
    def variable(self) -> str | None:
        """The first name that has another value in each round."""
        return self.loop.targets[0] if isinstance(self.loop, ast.For) else self.loop.variable


class Use(NamedTuple):
    """The net, or a block that is being unrolled: the arguments of its call, and their place."""

    name: str
    definition: ast.Definition
    arguments: tuple[ast.Argument, ...]
    span: Span

    def given(self) -> dict[str, ast.Argument]:
        """The arguments by the names of their parameters."""
        names = [parameter.name for parameter in self.definition.parameters]
        positional = [a for a in self.arguments if a.name is None]
        given = dict(zip(names, positional, strict=False))
        return given | {a.name: a for a in self.arguments if a.name is not None}

    def note(self) -> tuple[Annotation, ...]:
        """A note for `net A = B(...)`, where the text of `B` is being unrolled."""
        is_own = self.span == self.definition.name_span
        return () if is_own else (Annotation(REACHED, self.span),)

    def is_in(self, place: Span) -> bool:
        """Whether a place is in the definition."""
        whole = self.definition.span
        return whole.file is place.file and whole.start <= place.start < whole.end


def call_notes(site: Site) -> tuple[Annotation, ...]:
    """Notes of the block calls that lead to a place, innermost first; at most eight."""
    notes: list[Annotation] = []
    caller = site.caller
    while caller is not None and len(notes) < 8:
        if caller.span != site.span:
            notes.append(Annotation(REACHED, caller.span))
        caller = caller.caller
    return tuple(notes)


def in_default(
    fault: NetdslError, parameter: ast.Parameter, given: dict[str, ast.Argument], signature: str
) -> None:
    """Move the error of a default in another file to the argument from which it is computed."""
    assert parameter.default is not None
    for diagnostic in fault.diagnostics:
        if diagnostic.code == "unknown-name" and diagnostic.help is None:
            known = "the parameters before it, and the `let`s of the file"
            diagnostic.help = f"the default of `{parameter.name}` can use {known}"
        _of_another_language(diagnostic)
    default = parameter.default.span
    used = [given[name].span for name in re.findall(r"[^\W\d]\w*", default.text) if name in given]
    if len(used) != 1 or used[0].file is default.file:
        return
    note = Annotation(f"the default of `{parameter.name}` is computed here", default)
    for diagnostic in fault.diagnostics:
        diagnostic.span, diagnostic.notes, diagnostic.fix = used[0], (note,), ()
        diagnostic.help = f"it is declared as `{signature}`"


def _of_another_language(diagnostic: Diagnostic) -> None:
    """Advice for a default such as `True` or `None`."""
    span = diagnostic.span
    from netdsl.habits.words import NOTHING, VALUES  # only errors need it

    if span is not None and span.text in VALUES:
        diagnostic.help = f"it is written `{VALUES[span.text]}`"
        diagnostic.fix = (Edit(span, VALUES[span.text]),)
    elif span is not None and span.text in NOTHING:
        diagnostic.help = "give a value such as 0 or `false`, or leave the default out"


def joined(
    rounds: Sequence[Round], calls: tuple[Annotation, ...], span: Span
) -> tuple[Annotation, ...]:
    """The notes about an error at `span` of rounds and of calls, innermost first.

    A call also names the rounds of the loops around it, and so does a loop.
    """
    left = [(r, text) for r in rounds if (text := r.told(span)) is not None]
    named: list[Annotation] = []
    for call in calls:
        around, left = _parted(left, call.span)
        named.append(Annotation(", ".join(filter(None, (call.message, around))), call.span, around))
    own: list[Annotation] = []
    while left:
        place = left[0][0].head
        around, left = _parted(left, place)
        own.append(Annotation(f"this is {around}", place))
    return (*own, *named)


def _parted(
    rounds: list[tuple[Round, str]], place: Span | None
) -> tuple[str, list[tuple[Round, str]]]:
    """The texts of the rounds around a place, and the other rounds."""
    if place is None:
        return "", rounds
    around = [text for round_, text in rounds if round_.is_around(place)]
    return ", and ".join(around), [pair for pair in rounds if not pair[0].is_around(place)]


def results_help(label: str, value: Value | None) -> str | None:
    """Advice for a further result that the layer at a label does not have, if it has others."""
    node = None if value is None else value.producer
    if node is None or not (names := node.op.results(*node.types)):
        return None
    listed = " and ".join(f"`@{label}.{name}`" for name in names)
    cell = f": make `{label}` an `lstm` for a `c`, or leave `c` out" * (node.op.kind == "gru")
    return f"besides its result, this `{node.op.kind}` has only {listed}{cell}"
