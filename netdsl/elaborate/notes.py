"""Notes and advice of errors: the rounds and calls that lead to a place, and other results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Annotation
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.ir.graph import Site, Value


class Round(NamedTuple):
    """A round of a loop that is being unrolled; the first has the number 1."""

    number: int
    total: int
    variables: dict[str, object]  # with their values in this round
    loop: ast.Repeat | ast.For

    def note(self, span: Span | None) -> Annotation | None:
        """A note that an error at `span` is in this round.

        It is None in the first round, unless the error is in a text that uses the loop's variables.
        """
        words = set() if span is None else set(re.findall(r"\w+", span.text))
        if self.total == 1 or (self.number == 1 and words.isdisjoint(self.variables)):
            return None
        whole = self.loop.span
        head = whole.file.text[whole.start : self.loop.body.span.start].rstrip()
        place = Span(whole.file, whole.start, whole.start + len(head))
        values = "".join(f", with {name} = {show(v)}" for name, v in self.variables.items())
        return Annotation(f"this is in round {self.number} of {self.total}{values}", place)

    @property
    def variable(self) -> str | None:
        """The first name that has another value in each round."""
        return self.loop.targets[0] if isinstance(self.loop, ast.For) else self.loop.variable


def call_notes(site: Site) -> tuple[Annotation, ...]:
    """Notes of the block calls that lead to a place, innermost first; at most eight."""
    notes: list[Annotation] = []
    caller = site.caller
    while caller is not None and len(notes) < 8:
        if caller.span != site.span:
            notes.append(Annotation("reached through this call", caller.span))
        caller = caller.caller
    return tuple(notes)


def at_call(diagnostic: Diagnostic, block: ast.Definition, caller: Site) -> None:
    """Move the error of a parameter's value, in a block of another file, to the call."""
    place = diagnostic.span
    parameters = [parameter.name for parameter in block.parameters]
    if place is None or place.file is caller.span.file or place.text not in parameters:
        return
    calls = [note for note in diagnostic.notes if note.span == caller.span]
    others = [note for note in diagnostic.notes if note not in calls]
    diagnostic.span = caller.span
    diagnostic.notes = (
        Annotation(f"`{place.text}` of `{block.name}` is used here", place),
        *others,
    )
    diagnostic.help = f"give `{place.text}` of `{block.name}` another value"
    diagnostic.fix = ()


def joined(rounds: tuple[Annotation, ...], calls: tuple[Annotation, ...]) -> tuple[Annotation, ...]:
    """The notes of rounds and calls; a call in the line of its loop also names the round."""
    left = list(rounds)
    named: list[Annotation] = []
    for call in calls:
        here = [note for note in left if _line(note) == _line(call)]
        left = [note for note in left if note not in here]
        texts = [note.message.removeprefix("this is ") for note in here]
        named.append(Annotation(", ".join([call.message, *texts]), call.span))
    return (*left, *named)


def _line(note: Annotation) -> tuple[str, int] | None:
    return None if note.span is None else (note.span.file.name, note.span.first.line)


def results_help(label: str, value: Value | None) -> str | None:
    """Advice for a further result that the layer at a label does not have, if it has others."""
    node = None if value is None else value.producer
    if node is None or not (names := node.op.results(*node.types)):
        return None
    listed = " and ".join(f"`@{label}.{name}`" for name in names)
    cell = f": make `{label}` an `lstm` for a `c`, or leave `c` out" * (node.op.kind == "gru")
    return f"besides its result, this `{node.op.kind}` has only {listed}{cell}"
