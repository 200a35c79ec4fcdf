"""Arguments of blocks and nets to the names of their parameters."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, did_you_mean
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from netdsl.source import Span
    from netdsl.syntax import ast


def bind_parameters(
    frame: Env,
    name: str,
    parameters: tuple[ast.Parameter, ...],
    arguments: tuple[ast.Argument, ...],
    env: Env,
    span: Span,
    defined: Span,
) -> None:
    """Give the parameters of a block or net their values in `frame`; `env` is the caller's.

    Raises `NetdslError`.
    """
    check_order(arguments)
    positional = [a for a in arguments if a.name is None]
    declared = {p.name for p in parameters}
    here = (Annotation(f"`{name}` is defined here", defined),)
    if len(positional) > len(parameters):
        raise NetdslError(
            "too-many-arguments",
            f"`{name}` takes {len(parameters)} argument{'s' if len(parameters) != 1 else ''}, found"
            f" {len(positional)}",
            positional[len(parameters)].span,
            notes=here,
            help=f"write `{_signature(name, parameters)}`",
        )
    given = {p.name for p, _ in zip(parameters, positional, strict=False)}
    for parameter, argument in zip(parameters, positional, strict=False):
        frame.values[parameter.name] = evaluate(argument.value, env)
    for argument in arguments:
        if argument.name is None:
            continue
        if argument.name not in declared:
            advice = (
                did_you_mean(argument.name, declared)
                or f"it has {', '.join(sorted(declared)) or 'none'}"
            )
            raise NetdslError(
                "unknown-argument",
                f"`{name}` has no parameter `{argument.name}`",
                argument.span,
                notes=here,
                help=advice,
            )
        if argument.name in given:
            raise NetdslError(
                "duplicate-argument",
                f"`{argument.name}` of `{name}` is given twice",
                argument.span,
                help="by position and by name, or twice by name: leave one out",
            )
        given.add(argument.name)
        frame.values[argument.name] = evaluate(argument.value, env)
    for parameter in parameters:
        if parameter.name in given:
            continue
        if parameter.default is None:
            raise NetdslError(
                "missing-argument",
                f"`{name}` needs `{parameter.name}`",
                span,
                notes=here,
                help=f"write `{_signature(name, parameters)}`",
            )
        frame.values[parameter.name] = evaluate(parameter.default, frame)


def check_order(arguments: tuple[ast.Argument, ...]) -> None:
    """Refuse arguments by position after those by name; raises `NetdslError`."""
    for before, argument in pairwise(arguments):
        if before.name is not None and argument.name is None:
            raise NetdslError(
                "misplaced-argument",
                "a positional argument after a named one",
                argument.span,
                help="name it too, or move it to the front",
            )


def _signature(name: str, parameters: tuple[ast.Parameter, ...]) -> str:
    """How the block or net is called: `B(width, k = 3)`."""
    written = [
        p.name if p.default is None else f"{p.name} = {p.default.span.text}" for p in parameters
    ]
    return f"{name}({', '.join(written)})"
