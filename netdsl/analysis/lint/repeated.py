"""Warnings about layers that are applied a second time, because their reference has no `@`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic, Edit
from netdsl.elaborate.loader import is_known
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.module import Module


def repeated_layers(module: Module) -> Iterator[Diagnostic]:
    """A warning for each `output y`, or `y -> relu`, that follows the line with the label `y`."""
    for definition in module.tree.definitions:
        if definition.body is not None:
            for body in definition.body.walk():
                if isinstance(body, ast.Body):
                    yield from _in_body(body, definition.body, module)


def _in_body(body: ast.Body, whole: ast.Body, module: Module) -> Iterator[Diagnostic]:
    lines = [s for s in body.statements if not isinstance(s, ast.Let | ast.Expect)]
    for before, after in pairwise(lines):
        if not isinstance(before, ast.Chain):
            continue
        for call in _first_calls(after):
            labelled = _labelled(before, call.name)
            if labelled is None or is_known(module, call.name):
                continue
            if isinstance(after, ast.Output) and _is_output(after, call):
                name = call.name
                yield _warning(
                    f"`output {name}` applies the layer `{name}` again, to its own result",
                    call,
                    f"write `output @{name}` for its value",
                    is_value=True,
                )
            elif not _is_meant(before, labelled, after, call, whole):
                yield _in_chain(call, before, labelled)


def _is_output(statement: ast.Output, call: ast.Call) -> bool:
    """Whether a call is all of an `output` without a name of its own."""
    chain = statement.chain
    return statement.label is None and chain is not None and chain.elements == (call,)


def _first_calls(statement: ast.Statement) -> Iterator[ast.Call]:
    """The calls without arguments that take the value of the statement before.

    There are several at the starts of arms. In a loop, the rounds apply a layer again on purpose.
    """
    chain = statement.chain if isinstance(statement, ast.Output) else statement
    if not isinstance(chain, ast.Chain):
        return
    first = chain.elements[0]
    if isinstance(first, ast.Call) and first.span.text == first.name:
        yield first
        return
    bodies: list[ast.Body | None] = []
    if isinstance(first, ast.Call | ast.Group) and first.body is not None:
        bodies = [first.body, *first.body.arms]
    elif isinstance(first, ast.If):
        bodies = [first.then, first.otherwise]
    for body in bodies:
        for inner in () if body is None else body.statements[:1]:
            yield from _first_calls(inner)


def _labelled(chain: ast.Chain, name: str) -> ast.Element | None:
    """The element of a chain that a label names: after a reference, it is the last one."""
    for element in chain.elements:
        if element.label is not None and element.label.span.text == name:
            return chain.elements[-1] if isinstance(element, ast.TakeUp) else element
    return None


def _is_meant(
    before: ast.Chain,
    labelled: ast.Element,
    after: ast.Statement,
    call: ast.Call,
    body: ast.Body,
) -> bool:
    """Whether a layer may be applied again on purpose.

    It is if it is applied twice or more, or in a line like its first one. A line of only the label
    has no other meaning. The label of a group in braces is there to apply it again.
    """
    calls = [p for p in body.walk() if isinstance(p, ast.Call) and p.name == call.name]
    if len(calls) > 1 or isinstance(labelled, ast.Group):
        return True
    old = [e.span.text for e in before.elements[before.elements.index(labelled) + 1 :]]
    chain = next(p for p in after.walk() if isinstance(p, ast.Chain) and p.elements[0] is call)
    new = [element.span.text for element in chain.elements[1:]]
    if old:
        return new[: len(old)] == old
    return not new and not isinstance(after, ast.Output)


def _in_chain(call: ast.Call, chain: ast.Chain, labelled: ast.Element) -> Diagnostic:
    """`enc -> attention(2)` after `enc: dense(8)`."""
    name, is_last = call.name, labelled is chain.elements[-1]
    message = f"`{name}` applies the layer `{name}` again, to its own result"
    help_ = f"write `@{name}` for its value"
    if not is_last:
        message = f"`{name}` applies the layer `{name}` again, to the result of its own chain"
        kind = getattr(labelled, "name", "layer")
        help_ = (
            f"leave `{name}` out to go on from the end of that chain, or write `@{name}` for the"
            f" value of the `{kind}`"
        )
    return _warning(message, call, help_, is_value=is_last)


def _warning(message: str, call: ast.Call, help: str, *, is_value: bool) -> Diagnostic:
    warning = Diagnostic("repeated-layer", message, call.span, "warning", help=help)
    if is_value:
        start = call.span.start
        warning.fix = (Edit(Span(call.span.file, start, start), "@"),)
    return warning
