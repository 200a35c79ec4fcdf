"""Advice for arguments of a block or net that are too many, or whose names no parameter has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, closest, did_you_mean
from netdsl.library import NO_WEIGHTS, TRAINED
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.errors import NetdslError


def advise_surplus(
    error: NetdslError,
    name: str,
    definition: ast.Definition,
    given: tuple[ast.Argument, ...],
    source: object,
) -> None:
    """Better advice for loose numbers of a list, and for PyTorch's channels of the input.

    `source` is the value before the call, if there is one.
    """
    arguments = [argument for argument in given if argument.name is None]
    listed = _as_list(name, definition, arguments)
    if listed is not None:
        error.diagnostic.help = listed
        return
    first = arguments[0].value
    if isinstance(first, ast.Reference | ast.Current):
        count = len(definition.parameters)
        taken = [*arguments[1 : count + 1], *(a for a in given if a.name is not None)]
        others = ", ".join(a.span.text for a in taken)
        call = f"{first.span.text} -> {name}" + f"({others})" * bool(others)
        call = call.removeprefix("@ -> ")
        error.diagnostic.span = arguments[0].span
        error.diagnostic.help = f"a net or block begins at the current value: write `{call}`"
        return
    shape = getattr(getattr(source, "type", None), "shape", ())
    is_one_too_many = len(arguments) == len(definition.parameters) + 1
    if not is_one_too_many or len(arguments) < 2 or not isinstance(first, ast.Literal):
        return
    if shape[:1] == (first.value,) and type(first.value) is int:
        texts = [a.span.text for a in given if a is not arguments[0]]
        error.diagnostic.span = arguments[0].span
        error.diagnostic.help = (
            f"the {first.value} channels of the input are known: write `{name}({', '.join(texts)})`"
        )
        place = Span(first.span.file, arguments[0].span.start, arguments[1].span.start)
        error.diagnostic.fix = (Edit(place, ""),)


def for_unknown(
    argument: ast.Argument, free: list[str], definition: ast.Definition, declared: str
) -> str:
    """Advice for an argument whose name no parameter has; the names in `free` have no value yet."""
    name = str(argument.name)
    longer = next((f"did you mean `{p}`?" for p in free if name.startswith(f"{p}_")), None)
    help_ = did_you_mean(name, free) or longer
    if help_ is not None:
        return help_
    help_ = f"it is declared as `{declared}`"
    if definition.name_span.file is argument.span.file:
        parameter = f"{name} = {argument.value.span.text}"
        return f"{help_}: leave `{name}` out, or give `{definition.name}` a `{parameter}`"
    if name in TRAINED:
        help_ = NO_WEIGHTS
    return f"leave it out; {help_}"


def meant_for(
    missing: list[str],
    definition: ast.Definition,
    given: tuple[ast.Argument, ...],
    errors: list[Diagnostic],
) -> bool:
    """Whether the only argument with an unknown name is like the only parameter without a value.

    Its error, one of `errors`, then gets the whole call as advice, and a fix.
    """
    names = [parameter.name for parameter in definition.parameters]
    unknown = [a for a in given if a.name is not None and a.name not in names]
    if len(unknown) != 1 or len(missing) != 1 or not closest(str(unknown[0].name), missing):
        return False
    (argument,), (name,) = unknown, missing
    text = f"{name} = {argument.value.span.text}"
    texts = [text if a is argument else a.span.text for a in given]
    for error in errors:
        if error.code == "unknown-argument" and error.span == argument.span:
            call = f"{definition.name}({', '.join(texts)})"
            error.help = f"it is called `{name}` here: write `{call}`"
            error.fix = (Edit(argument.span, text),)
            return True
    return False


def kept(definition: ast.Definition, given: tuple[ast.Argument, ...]) -> str:
    """The arguments that a call can keep: those by name, and those by position before them."""
    names = [parameter.name for parameter in definition.parameters]
    named = [argument for argument in given if argument.name in names]
    count = min((names.index(a.name) for a in named if a.name is not None), default=len(names))
    positional = [argument for argument in given if argument.name is None]
    return ", ".join(argument.span.text for argument in [*positional[:count], *named])


def _as_list(name: str, definition: ast.Definition, arguments: list[ast.Argument]) -> str | None:
    """Advice for `ResNet(bottleneck, 3, 4, 6, 3)`, where one parameter is a list of the numbers."""
    texts = [argument.span.text for argument in arguments]
    start = next((i for i in range(len(texts)) if all(map(str.isdigit, texts[i:]))), len(texts))
    if start >= len(definition.parameters) or start > len(texts) - 2:
        return None
    list_, body = definition.parameters[start].name, definition.body.span.text
    if not re.search(rf"\bin\s+(?:\w+\()?{list_}\b|\b{list_}\s*\[|\blen\({list_}\)", body):
        return None
    listed = ", ".join([*texts[:start], f"[{', '.join(texts[start:])}]"])
    return f"`{list_}` is one list: write `{name}({listed})`"
