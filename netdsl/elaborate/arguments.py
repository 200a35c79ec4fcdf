"""The arguments of calls: of blocks and nets, which have parameters, and of layers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Annotation, did_you_mean
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.meter import ELEMENTS
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ops.base import advice
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.elaborate.meter import Meter
    from netdsl.ir.op import Arg, Op
    from netdsl.source import Span


# ---- blocks and nets


class Signature(NamedTuple):
    """What a caller must know about a block or net: its name, its parameters and its place."""

    name: str
    parameters: tuple[ast.Parameter, ...]
    defined: Span

    def __str__(self) -> str:
        """How it is called: `B(width, k = 3)`."""
        written = [
            p.name if p.default is None else f"{p.name} = {p.default.span.text}"
            for p in self.parameters
        ]
        return f"{self.name}({', '.join(written)})"

    def fault(self, code: str, message: str, span: Span, help: str) -> NetdslError:
        """An error of a call, with a note of where the block or net is defined."""
        notes = (Annotation(f"`{self.name}` is defined here", self.defined),)
        return NetdslError(code, message, span, notes=notes, help=help)


def bind_parameters(
    frame: Env, signature: Signature, arguments: tuple[ast.Argument, ...], env: Env, span: Span
) -> None:
    """Give the parameters of a block or net their values in `frame`.

    `env` is the caller's, and `span` the place of the call. Raises `NetdslError`.
    """
    check_order(arguments)
    given = _bind_positional(frame, signature, arguments, env)
    for argument in arguments:
        if argument.name is not None:
            _check_named(signature, argument, argument.name, given)
            given.add(argument.name)
            frame.values[argument.name] = evaluate(argument.value, env)
    for parameter in signature.parameters:
        if parameter.name in given:
            continue
        if parameter.default is None:
            message = f"`{signature.name}` needs `{parameter.name}`"
            raise signature.fault("missing-argument", message, span, f"write `{signature}`")
        frame.values[parameter.name] = evaluate(parameter.default, frame)


def _bind_positional(
    frame: Env, signature: Signature, arguments: tuple[ast.Argument, ...], env: Env
) -> set[str]:
    """Bind the arguments by position, and return the names of their parameters."""
    positional = [argument for argument in arguments if argument.name is None]
    count = len(signature.parameters)
    if len(positional) > count:
        raise signature.fault(
            "too-many-arguments",
            f"`{signature.name}` takes {counted(count, 'argument')}, found {len(positional)}",
            positional[count].span,
            f"write `{signature}`",
        )
    given = set()
    for parameter, argument in zip(signature.parameters, positional, strict=False):
        given.add(parameter.name)
        frame.values[parameter.name] = evaluate(argument.value, env)
    return given


def _check_named(signature: Signature, argument: ast.Argument, name: str, given: set[str]) -> None:
    """Raise `NetdslError` if there is no parameter of that name, or it has a value already."""
    declared = {p.name for p in signature.parameters}
    if name not in declared:
        raise signature.fault(
            "unknown-argument",
            f"`{signature.name}` has no parameter `{name}`",
            argument.span,
            did_you_mean(name, declared) or f"it has {', '.join(sorted(declared)) or 'none'}",
        )
    if name in given:
        raise NetdslError(
            "duplicate-argument",
            f"`{name}` of `{signature.name}` is given twice",
            argument.span,
            help="remove one of the two; the first may be given by position",
        )


def check_order(arguments: tuple[ast.Argument, ...]) -> None:
    """Raise `NetdslError` if an argument by position follows one by name."""
    for before, argument in pairwise(arguments):
        if before.name is not None and argument.name is None:
            raise _misplaced(argument)


def _misplaced(argument: ast.Argument) -> NetdslError:
    return NetdslError(
        "misplaced-argument",
        "a positional argument follows a named one",
        argument.span,
        help="name it too, or move it to the front",
    )


# ---- layers


class LayerArguments(NamedTuple):
    """The evaluated arguments of a layer; `tensors` are its references, such as `@label`."""

    positional: tuple[object, ...]
    keywords: dict[str, object]
    tensors: tuple[Value, ...]

    @property
    def unknown(self) -> bool:
        """Whether an argument depends on something with an error."""
        return any(value is UNKNOWN for value in (*self.positional, *self.keywords.values()))


def layer_arguments(call: ast.Call, env: Env, cls: type[Op], meter: Meter) -> LayerArguments:
    """Evaluate the arguments of a layer; raises `NetdslError`."""
    if not call.arguments:
        return LayerArguments((), {}, ())
    positional: list[object] = []
    keywords: dict[str, object] = {}
    tensors: list[Value] = []
    for argument in call.arguments:
        value = _layer_argument(argument, env, cls, len(positional))
        if isinstance(value, tuple):
            meter.charge(len(value) // ELEMENTS, argument.span)
        if argument.name is not None:
            if argument.name in keywords:
                message = f"`{argument.name}` is given twice"
                raise NetdslError("duplicate-argument", message, argument.span)
            keywords[argument.name] = value
        elif isinstance(value, Value):
            tensors.append(value)
        elif keywords:
            raise _misplaced(argument)
        else:
            positional.append(value)
    return LayerArguments(tuple(positional), keywords, tuple(tensors))


def _layer_argument(argument: ast.Argument, env: Env, cls: type[Op], position: int) -> object:
    try:
        return evaluate(argument.value, env)
    except NetdslError as fault:
        if fault.diagnostic.code == "unknown-name" and isinstance(argument.value, ast.Name):
            help_ = _word_advice(_declared(argument, cls, position), cls, argument.value.id)
            fault.diagnostic.help = help_ or fault.diagnostic.help
        raise


def _declared(argument: ast.Argument, cls: type[Op], position: int) -> Arg | None:
    """The declaration of the argument in the layer's kind."""
    if argument.name is None:
        return cls.args[position] if position < len(cls.args) else None
    return next((a for a in cls.args if a.name == argument.name), None)


def _word_advice(declared: Arg | None, cls: type[Op], word: str) -> str | None:
    """Advice for an argument whose value is an unknown word."""
    if declared is None:
        return None
    if declared.choices:
        return f"`{declared.name}` of `{cls.kind}` can be {', '.join(declared.choices)}"
    return advice(declared, word)
