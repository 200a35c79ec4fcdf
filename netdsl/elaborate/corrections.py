"""Turns the correction of a call into a fix, which is a change of the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from netdsl.errors import Correction
    from netdsl.ir.op import Arg, Op

_FROZEN = re.compile(r"\s*->\s*frozen\b")


def fix_of(correction: Correction, call: ast.Call, cls: type[Op]) -> tuple[Edit, ...]:
    """The fix for a correction of a call.

    There is none if a part of the text that it would change is used for something else too.
    """
    edits: list[Edit] = []
    for name, text in correction.arguments.items():
        edit = _change(call, cls, name, text)
        if edit is None:
            return ()
        edits.append(edit)
    if correction.after and is_frozen(call):
        return ()
    if correction.kind:
        edits.append(Edit(call.name_span, correction.kind))
    if correction.before:
        edits.append(inserted(_start(call), f"{correction.before} -> "))
    if correction.after:
        edits.append(after(call, correction.after))
    return tuple(edits)


def _change(call: ast.Call, cls: type[Op], name: str, text: str | None) -> Edit | None:
    """The change of one argument, or None if its value is not written in the call itself."""
    argument = argument_of(call, cls, name)
    if argument is None:
        return None if text is None else added(call, f"{name} = {text}")
    if not is_written(argument.value):
        return None
    if text is None:
        return without(call, call.arguments.index(argument))
    return Edit(argument.value.span, text)


def argument_of(call: ast.Call, cls: type[Op], name: str) -> ast.Argument | None:
    """The argument in the text that gives `name`, by keyword or by position."""
    for argument in call.arguments:
        if argument.name == name:
            return argument
    positional = [
        a for a in call.arguments if a.name is None and not isinstance(a.value, ast.Reference)
    ]
    for declared, argument in zip(cls.args, positional, strict=False):
        if declared.name == name:
            return argument
    return None


def declaration(call: ast.Call, cls: type[Op], argument: ast.Argument) -> Arg | None:
    """The declaration of an argument in the layer's kind."""
    return next((a for a in cls.args if argument_of(call, cls, a.name) is argument), None)


def is_written(expr: ast.Expr) -> bool:
    """Whether an expression is its own value: it contains no names with values from elsewhere."""
    match expr:
        case ast.Literal():
            return True
        case ast.Name():
            return expr.id == "same"
        case ast.DimsLiteral():
            return all(isinstance(part, int) for part in expr.parts)
        case ast.Sequence():
            return all(map(is_written, expr.items))
        case ast.Unary():
            return is_written(expr.operand)
    return False


def is_frozen(call: ast.Call) -> bool:
    """Whether `frozen` follows a call. A layer between the two would be frozen instead."""
    return _FROZEN.match(call.span.file.text, call.span.end) is not None


# ---- changes of the text


def inserted(place: Span, text: str) -> Edit:
    """A text added at the beginning of a place."""
    return Edit(Span(place.file, place.start, place.start), text)


def after(call: ast.Call, layer: str) -> Edit:
    """A layer added after a call."""
    end = call.span.end
    return Edit(Span(call.span.file, end, end), f" -> {layer}")


def without(call: ast.Call | ast.Function | ast.Aux, number: int) -> Edit:
    """An argument left out, with its comma; or the brackets, if there is no other argument."""
    arguments = call.arguments
    span = arguments[number].span
    if number + 1 < len(arguments):
        return Edit(Span(span.file, span.start, arguments[number + 1].span.start), "")
    if number:
        return Edit(Span(span.file, arguments[number - 1].span.end, span.end), "")
    if isinstance(call, ast.Call):
        return Edit(_brackets(call), "")
    return Edit(span, "")


def without_arguments(call: ast.Call) -> Edit:
    """All arguments left out, with their brackets."""
    return Edit(_brackets(call), "")


def _brackets(call: ast.Call) -> Span:
    """The arguments with the brackets around them."""
    end = call.span.end if call.body is None else call.body.span.start
    written = call.span.file.text[call.name_span.end : end].rstrip()
    return Span(call.span.file, call.name_span.end, call.name_span.end + len(written))


def added(call: ast.Call, argument: str) -> Edit:
    """An argument added to those of a call."""
    file = call.span.file
    if call.arguments:
        end = call.arguments[-1].span.end
        return Edit(Span(file, end, end), f", {argument}")
    end = call.name_span.end
    empty = re.compile(r"[ \t]*\([ \t]*\)").match(file.text, end)
    if empty is not None:
        end = empty.end()
    return Edit(Span(file, call.name_span.end, end), f"({argument})")


def _start(call: ast.Call) -> Span:
    """Where a call begins, with its label."""
    return call.name_span if call.label is None else call.label.span


def added_arm(body: ast.Body, layer: str) -> tuple[Edit, ...]:
    """The fix that makes the statements in braces an arm, and adds a second one."""
    if not body.statements:
        return ()
    text = body.span.file.text
    end = body.span.end - 1
    indentation = re.search(r"(?<=\n)[ \t]*$", text[body.span.start : end])
    arm = f"| {layer} "
    if indentation is not None:
        arm = f"    | {layer}\n{indentation[0]}"
    return (
        inserted(body.statements[0].span, "| "),
        Edit(Span(body.span.file, end, end), arm),
    )


def moved_line(line: Span, before: Span) -> tuple[Edit, ...]:
    """The fix that moves a statement with a line of its own above another one."""
    source, target = _line_of(line), _line_of(before)
    if source is None or target is None:
        return ()
    return (Edit(source, ""), inserted(target, source.text))


def _line_of(statement: Span) -> Span | None:
    """The lines of a statement, with indentation, comment and line break, if it has them alone."""
    text = statement.file.text
    start = text.rfind("\n", 0, statement.start) + 1
    after_ = re.compile(r"[ \t]*(#[^\n]*)?\n").match(text, statement.end)
    if text[start : statement.start].strip() or after_ is None:
        return None
    return Span(statement.file, start, after_.end())


# ---- arguments that follow named ones


def named(
    arguments: Sequence[ast.Argument], declared: Sequence[str], required: Collection[str]
) -> tuple[Edit, ...]:
    """The fix for one positional argument after named ones, if only one name is left for it."""
    names = [argument.name for argument in arguments]
    first = next((i for i, name in enumerate(names) if name is not None), len(names))
    misplaced = [
        a for a in arguments[first:] if a.name is None and not isinstance(a.value, ast.Reference)
    ]
    given = {*declared[:first], *names}
    missing = [name for name in declared if name in required and name not in given]
    if len(misplaced) != 1 or len(missing) != 1:
        return ()
    return (inserted(misplaced[0].span, f"{missing[0]} = "),)
