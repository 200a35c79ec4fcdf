"""Changes to the text that several kinds of advice share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, proposal_of, respelled
from netdsl.habits.brackets import parts
from netdsl.ops import LAYERS
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.syntax import ast

JOINS = ("concat", "add", "mul", "sub", "max", "residual")


def set_fix(diagnostic: Diagnostic, span: Span, text: str) -> None:
    """Make it the fix to write a text in a place."""
    diagnostic.fix = (Edit(span, text),)


def fix_closest(diagnostic: Diagnostic, span: Span) -> None:
    """Make a name that the advice suggests the fix, if there is no doubt about it.

    The wrong name is the last part of what the place has.
    """
    proposal = proposal_of(diagnostic.help)
    start = span.text.rfind(proposal.wrong)
    if diagnostic.fix or proposal.aim != "names" or start < 0:
        return
    begin = span.start + start
    place = Span(span.file, begin, begin + len(proposal.wrong))
    names = [name.removeprefix("@") for name in proposal.names]
    diagnostic.fix = respelled(place, proposal.wrong, names)


def reference(name: str) -> str:
    """The reference to a label, with its `@`."""
    return name if name.startswith("@") else f"@{name}"


def argument_at(call: ast.Call, span: Span) -> ast.Argument | None:
    """The argument whose whole value is at a place."""
    return next((a for a in call.arguments if a.value.span == span), None)


def with_comma(call: ast.Call, argument: ast.Argument) -> Span:
    """The place of an argument with the comma before or after it."""
    text, span = argument.span.file.text, argument.span
    before = text[call.span.start : span.start].rstrip()
    if before.endswith(","):
        return Span(span.file, call.span.start + len(before) - 1, span.end)
    after = re.compile(r"\s*,\s*").match(text, span.end)
    return span if after is None else Span(span.file, span.start, after.end())


def is_layer(text: str) -> bool:
    """Whether a text begins with the name of a layer."""
    name = re.match(r"\w+", text)
    return name is not None and name[0] in LAYERS


def _referring(name: str, text: str) -> str:
    """The reference to a name, if it is a label or an input of the text; else the name."""
    is_label = re.fullmatch(r"[A-Za-z_]\w*", name) and re.search(rf"\b{name}[ \t]*:", text)
    return reference(name) if is_label else name


def joined(kind: str, call: ast.Call) -> str | None:
    """A join of layers that are written as arguments, or of references."""
    given = [a for a in call.arguments if a.name not in ("dim", "axis") or a.value.span.text != "1"]
    texts = [argument.value.span.text for argument in given if argument.name is None]
    is_list = len(texts) == 1 and texts[0].startswith(("[", "("))
    if is_list:
        texts = [text for text in parts(texts[0][1:-1]) if text]
    texts = [_referring(text, call.span.file.text) for text in texts]
    if kind == "residual" and not call.arguments:
        return None
    if not texts or len(texts) < len(given):
        return kind if call.arguments == () and call.span.text == call.name else None
    if all(text.startswith("@") for text in texts):
        references = ", ".join(texts)
        if is_list:
            references = f"[{references}]"
        return f"{kind}({references})"
    if not all(is_layer(text) or text == "identity" for text in texts):
        return None
    if kind == "residual" and len(texts) == 1:
        return f"residual {{ {texts[0]} }}"
    if len(texts) == 1:
        texts = ["identity", *texts]
    return f"{kind} {{ {' '.join(f'| {text}' for text in texts)} }}"
