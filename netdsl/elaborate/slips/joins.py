"""Advice for joins without braces, and for sums of values that are written as arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.slips.edits import is_layer, reference
from netdsl.habits.brackets import end_of_body, parts
from netdsl.ops import LAYERS
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic
    from netdsl.syntax import ast

CURRENT = ("x", "out", "h", "y", "input", "inputs", "X", "feat", "features", "net")
_SUMS = {"+": "add", "*": "mul"}


def advise_join(diagnostic: Diagnostic, call: ast.Call, labels: Iterable[str]) -> None:
    """Advice for a join without arms; its layers may be in the indented lines below it."""
    if call.body is not None or call.arguments:
        return
    lines = _below(call)
    if lines and not lines[0].text.startswith("->"):
        _in_braces(diagnostic, call, lines)
    elif diagnostic.code == "wrong-inputs":
        own = [label for label in labels if not _is_input(label, call)]
        label = next(reversed(own or list(labels)), "label")
        if not own:
            arms = f"{call.name} {{ | conv(8, 1) | identity }}"
            diagnostic.help = (
                "give an earlier value a label, as in `a: conv(8, 1)`, and write"
                f" `{call.name}(@a)`, or write arms in braces: `{arms}`"
            )
            return
        diagnostic.help = (
            f"write its arms in braces, as in `{call.name} {{ | conv(8, 1) | identity }}`, or a"
            f" reference: `{call.name}(@{label})`"
        )


def _is_input(label: str, call: ast.Call) -> bool:
    """Whether a label is that of an input."""
    pattern = rf"\binput\s+{re.escape(label)}\s*:"
    return re.search(pattern, call.span.file.text) is not None


def _below(call: ast.Call) -> list[Span]:
    """The lines below a call that are indented more, from their first word to their end."""
    file = call.span.file
    line = file.line(file.location(call.span.start).line)
    end_of_line = file.text.find("\n", call.span.end)
    after = file.text[call.span.end : end_of_line].partition("#")[0]
    end = end_of_body(file.text, end_of_line, len(line) - len(line.lstrip()))
    if end_of_line < 0 or after.strip() or end is None:
        return []
    words = re.compile(r"[^\s#].*")
    lines = [words.search(file.text, start) for start in _line_starts(file.text, end_of_line, end)]
    return [Span(file, line.start(), line.end()) for line in lines if line is not None]


def _line_starts(text: str, start: int, end: int) -> list[int]:
    """Where the lines of a part of the text begin that contain more than a comment."""
    found = re.compile(r"\n(?=[ \t]*[^\s#])").finditer(text, start, end)
    return [match.end() for match in found]


def _in_braces(diagnostic: Diagnostic, call: ast.Call, lines: list[Span]) -> None:
    """The fix that puts braces around lines, and `|` before each arm."""
    file = call.span.file
    columns = [file.location(line.start).column for line in lines]
    least = [line for line, column in zip(lines, columns, strict=True) if column == min(columns)]
    arms = [line for line in least if not line.text.startswith("->")]
    bar = "| " if call.name != "residual" else ""
    diagnostic.help = "write the layers below it in braces"
    if bar:
        diagnostic.help += ", and `|` before each arm"
    line = file.line(file.location(call.span.start).line)
    indentation = line[: len(line) - len(line.lstrip())]
    end = call.span.end
    diagnostic.fix = (
        Edit(Span(file, end, end), " {"),
        *(Edit(Span(file, arm.start, arm.start), bar) for arm in arms if bar),
        Edit(Span(file, lines[-1].end, lines[-1].end), f"\n{indentation}}}"),
    )


def sum_in(call: ast.Call | None, span: Span, labels: Iterable[str]) -> str | None:
    """`add { | identity | conv(3, 1) } -> relu` for `relu(x + conv(3, 1))`."""
    if call is None or call.name not in LAYERS:
        return None
    around = [a for a in call.arguments if a.span.start <= span.start < a.span.end]
    if len(around) != 1 or around[0].name is not None:
        return None
    others = ", ".join(a.span.text for a in call.arguments if a is not around[0])
    after = f"{call.name}({others})" if others else call.name
    known = {*labels}
    for sign, kind in _SUMS.items():
        texts = parts(around[0].value.span.text, sign)
        operands = [operand for text in texts if (operand := _operand(text, known)) is not None]
        if len(texts) > 1 and len(operands) == len(texts) and {*operands} != {"identity"}:
            return f"{_joined(kind, operands)} -> {after}"
    return None


def _joined(kind: str, operands: list[str]) -> str:
    """A join of references, or of arms."""
    if all(operand.startswith("@") for operand in operands):
        return f"{operands[0]} -> {kind}({', '.join(operands[1:])})"
    return f"{kind} {{ {' '.join(f'| {operand}' for operand in operands)} }}"


def _operand(text: str, labels: set[str]) -> str | None:
    """A reference, a layer or the current value, or None for anything else."""
    name = text.removeprefix("@")
    if name in labels:
        return reference(name)
    if name in CURRENT:
        return "identity"
    if is_layer(text) and re.fullmatch(r"\w+(?:\(.*\))?", text):
        return text
    return None
