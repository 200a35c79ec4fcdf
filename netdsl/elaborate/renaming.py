"""Fixes of labels that occur twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import inserted
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.notes import Round
    from netdsl.elaborate.scope import Binding

LONGEST = 40  # characters of a group in a message
MOST_COMPARED = 2_000  # characters of a group


def numbered(label: Span, whole: Span, rounds: list[Round]) -> tuple[Edit, ...]:
    """The fix for a label in a loop: it gets the number of the round.

    `whole` is the net or block. Nothing else in it may use the label.
    """
    if _uses(label.text, whole) != 1 or "{" in label.text or not rounds:
        return ()
    if len(rounds) > 1:
        return _numbered_twice(label, rounds)
    loop = rounds[0].loop
    if not loop.span.start <= label.start < loop.span.end:
        return ()
    if isinstance(loop, ast.Repeat):
        if loop.variable is not None:
            return (_with_numbers(label, [loop.variable]),)
        if _uses("i", whole) == 0:
            return (inserted(loop.body.span, "as i "), _with_numbers(label, ["i"]))
    elif _is_counted(loop.values):
        return (_with_numbers(label, [loop.targets[0]]),)
    return ()


def _numbered_twice(label: Span, rounds: list[Round]) -> tuple[Edit, ...]:
    """The fix for a label in several loops, all of which have a counter."""
    for loop in (r.loop for r in rounds):
        is_inside = loop.span.file is label.file and loop.span.start <= label.start < loop.span.end
        is_counted = isinstance(loop, ast.Repeat) or _is_counted(loop.values)
        if not is_inside or not is_counted:
            return ()
    variables = [r.variable for r in rounds if r.variable is not None]
    if len(variables) < len(rounds):
        return ()
    return (_with_numbers(label, variables),)


def _with_numbers(label: Span, variables: list[str]) -> Edit:
    """The change of a label that has the numbers of the rounds."""
    text = numbered_label(label.text, variables)
    if text.startswith(label.text):  # a text that is only longer needs only its end
        return Edit(Span(label.file, label.end, label.end), text.removeprefix(label.text))
    return Edit(label, text)


def numbered_label(label: str, variables: list[str], *, only_given: bool = False) -> str:
    """`conv{i}` for `conv`, and `conv_{i}` for `conv_i`; variables in braces stay as they are.

    With `only_given`, a label gets no variable that its name does not have.
    """
    inner = label.strip('"')
    words = "|".join(map(re.escape, variables)) or "(?!)"
    inner = re.sub(rf"(?<![A-Za-z\d{{])(?:{words})(?![A-Za-z\d}}])", r"{\g<0>}", inner)
    inside = "".join(re.findall(r"\{[^{}]*\}", inner))
    missing = [name for name in variables if not re.search(rf"\b{name}\b", inside)]
    if only_given or not variables:
        missing = []
    between = "_" * (inner.endswith("}") and bool(missing))
    inner += between + "_".join(f"{{{name}}}" for name in missing)
    if label.startswith('"') or inner.startswith("{"):
        return f'"{inner}"'
    return inner


def _is_counted(values: ast.Expr) -> bool:
    """Whether the first variable of a loop has another whole number in each round."""
    return isinstance(values, ast.Function) and values.name in ("range", "enumerate")


def numbered_in(rounds: list[Round], label: str) -> str:
    """How to number a label in the loops around it, apart from those whose names it has."""
    for round_ in rounds:
        loop = round_.loop
        if isinstance(loop, ast.Repeat) and loop.variable is None:
            head = f"repeat {loop.count.span.text} as i"
            return f"write `{numbered_label(label, ['i'])}` in `{head}`"
    written = numbered_label(label, [str(r.variable) for r in rounds])
    inner = rounds[-1].loop
    if written == label and isinstance(inner, ast.For) and not _is_counted(inner.values):
        return f"write {_enumerated(inner, label)}"
    return f"write `{written}`"


def _enumerated(loop: ast.For, label: str) -> str:
    """How to number a label in a loop over values that occur twice."""
    number = next((name for name in ("i", "j", "n") if name not in loop.targets), "number")
    head = f"for ({number}, {loop.targets[0]}) in enumerate({loop.values.span.text})"
    last = ""
    if len(loop.targets) > 1:
        carried = "".join(f"{c.name} = {c.value.span.text}, " for c in loop.carried)
        head = f"for ({', '.join(loop.targets)}) in {loop.values.span.text}"
        head += f" with {carried}{number} = 0"
        last = f", and `next {number} = {number} + 1` in it"
    words = "|".join(map(re.escape, loop.targets))
    of_loop = re.compile(rf"\{{[^{{}}]*\b(?:{words})\b[^{{}}]*\}}")
    return f"`{head}` and `{of_loop.sub(f'{{{number}}}', label, count=1)}`{last}"


def shared(first: Binding, label: Span) -> str:
    """Advice to use the weights of a label again, where its layers are written a second time."""
    element, producer = first.element, first.value.producer
    if element is None or producer is None:
        return ""
    has_weights = bool(producer.params()) or not isinstance(element, ast.Call)
    call = " ".join(element.span.text.split())
    again = " ".join(label.file.text[label.end : label.end + MOST_COMPARED].split())
    if not has_weights or not again.removeprefix(":").lstrip().startswith(call):
        return ""
    call = f"{first.label}: {call[:LONGEST]}{'...' * (len(call) > LONGEST)}"
    return f"; for the same weights, write the label as a layer: `{first.label}` for `{call}`"


def renamed(label: Span, whole: Span) -> str | None:
    """Another name for the second use of a label, such as `a2`, unless something refers to it."""
    if _uses(label.text, whole) != 2 or "{" in label.text or label.text[-1].isdigit():
        return None
    number = 2
    while _uses(f"{label.text}{number}", whole):
        number += 1
    return f"{label.text}{number}"


def _uses(name: str, whole: Span) -> int:
    """How often a name occurs in a text."""
    return len(re.findall(rf"\b{re.escape(name)}\b", whole.text))
