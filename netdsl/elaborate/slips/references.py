"""Advice for references that are written as in other languages, or without the quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, proposal_of
from netdsl.elaborate.slips.edits import argument_at, fix_closest, set_fix
from netdsl.habits.words import OF_TENSORS
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic
    from netdsl.syntax import ast

_TRANSPOSED = (".T", ".mT", ".t", ".H")


def advise_reference(
    diagnostic: Diagnostic, span: Span, call: ast.Call | None, labels: Iterable[str]
) -> None:
    """Advice for a label that does not exist."""
    text = span.file.text
    number = re.compile(r"\[([\w\s+*-]+)\]").match(text, span.end)
    hyphen = re.compile(r"-[\w/-]*\w").match(text, span.end)
    quoted = f'"{span.text[1:]}{hyphen[0]}"' if hyphen is not None else ""
    if span.text.endswith(_TRANSPOSED):
        _transposed(diagnostic, span, call)
    elif hyphen is not None and quoted in labels:
        diagnostic.help = f"a label with `-` is written in quotes: `@{quoted}`"
        set_fix(diagnostic, Span(span.file, span.start, hyphen.end()), f"@{quoted}")
    elif number is not None and proposal_of(diagnostic.help).aim == "known":
        name = span.text.removeprefix("@")
        diagnostic.help = f"`{name}` is a list, not a label: write `{name}{number[0]}`"
        set_fix(diagnostic, span, name)
    elif number is not None:
        inside = number[1].strip()
        written = span.text + (inside if inside.isdigit() else f"{{{inside}}}")
        diagnostic.help = f"write `{written}`; a computed label has braces: `@stage{{i}}`"
        set_fix(diagnostic, Span(span.file, span.start, number.end()), written)
    elif _is_named_otherwise(diagnostic, span):
        pass  # the advice is given
    elif span.text in ("@input", "@inputs", "@x") and not span.text.endswith(tuple(labels)):
        diagnostic.help = "write `@in`, the input of the net or of the block"
        set_fix(diagnostic, span, "@in")
    else:
        fix_closest(diagnostic, span)


def _is_named_otherwise(diagnostic: Diagnostic, span: Span) -> bool:
    """Whether a name is a `let`, or stands after its layer, or names only the start of a line."""
    name, text = span.text[1:], span.file.text[: span.start]
    aim = proposal_of(diagnostic.help).aim
    if aim == "no-members":
        return _is_later(diagnostic, name, text)
    if aim == "known":
        return True
    at_end = re.search(rf"->[ \t]*{re.escape(name)}[ \t]*(?=#|\n|\}})", text)
    if at_end is None:
        return False
    line = text.count("\n", 0, at_end.start()) + 1
    diagnostic.help = f"on line {line}, write the label before its layer: `-> {name}: relu`"
    return True


def _is_later(diagnostic: Diagnostic, path: str, text: str) -> bool:
    """Give the advice for `@c.relu` after `c: conv(8, 3) -> relu`; returns whether it is that."""
    label, _, kind = path.rpartition(".")
    pattern = (
        rf"\b{re.escape(label)}:[ \t]*(?P<first>\w+)[^\n{{}}]*->[ \t]*"
        rf"(?P<later>{re.escape(kind)}\b[^\n>]*?)[ \t]*(?:->|\n)"
    )
    line = re.search(pattern, text)
    if line is None:
        return False
    diagnostic.help = (
        f"`{label}` names only the `{line['first']}`: give the `{kind}` a label of its own, as in"
        f" `-> {label}_{kind}: {line['later']}`, and write `@{label}_{kind}`"
    )
    return True


def _transposed(diagnostic: Diagnostic, span: Span, call: ast.Call | None) -> None:
    """Advice for `@k.T`."""
    label = span.text.rpartition(".")[0]
    diagnostic.help = OF_TENSORS["transpose"]
    argument = None if call is None else argument_at(call, span)
    if call is not None and call.name == "matmul" and argument is not None:
        diagnostic.help = f"write `matmul({label}, transpose = true)`"
        if len(call.arguments) == 1:
            diagnostic.fix = (Edit(span, f"{label}, transpose = true"),)
