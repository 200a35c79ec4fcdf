"""Errors of layers and blocks that are given a tensor first, as functions of Python are.

Such are `conv(b, 3)`, where `b` is a `let`, and `bottleneck(@b, 64)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation
from netdsl.elaborate.suggested_calls import completed
from netdsl.errors import NetdslError, OpError
from netdsl.ir.graph import Value
from netdsl.library import is_shipped
from netdsl.ops.base import check
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.invocation import Invocation
    from netdsl.ir.op import Op


def of_tensor(error: OpError, invocation: Invocation, cls: type[Op]) -> NetdslError | None:
    """The error of a layer of one input whose first argument is the name of a tensor.

    `error` is that of its other arguments, or of the number of its inputs.
    """
    call = invocation.call
    if error.code not in ("missing-argument", "wrong-inputs") or cls.inputs[1] > 1:
        return None
    first = call.arguments[0] if call.arguments else None
    if first is None or first.name is not None or not isinstance(first.value, ast.Name):
        return None
    value = invocation.env.find(first.value.id)[1]
    if not isinstance(value, Value) or call.body is not None or not cls.args:
        return None
    declared = cls.args[0]
    try:
        check(declared, cls.kind, value)
    except OpError as fault:
        written = [argument.span.text for argument in call.arguments[1:]]
        count = sum(argument.name is None for argument in call.arguments[1:])
        names = {argument.name for argument in call.arguments}
        missing = [a for a in cls.args[count:] if a.required and a.name not in names]
        meant = f"@{first.value.id} -> {completed(cls, written, missing)}"
        help_ = f"`{first.value.id}` is a tensor: to apply `{cls.kind}` to it, write `{meant}`"
        return NetdslError("wrong-type", fault.message, first.span, help=help_)
    return None


def refuse_tensor(call: ast.Call, definition: ast.Definition) -> None:
    """Refuse a reference as the first argument of a block of the library.

    The first parameters of these blocks are numbers, and there would be an error at each use.
    """
    first = call.arguments[0] if call.arguments else None
    if first is None or first.name is not None or not isinstance(first.value, ast.Reference):
        return
    if not definition.parameters or not is_shipped(definition.span.file):
        return
    parameter = definition.parameters[0]
    others = ", ".join(argument.span.text for argument in call.arguments[1:])
    meant = f"{first.span.text} -> {call.name}" + (f"({others})" if others else "")
    raise NetdslError(
        "wrong-type",
        f"`{parameter.name}` of `{definition.name}` is a number, found a tensor",
        first.span,
        help=f"to apply `{call.name}` to `{first.span.text}`, write `{meant}`",
        notes=(Annotation(f"`{definition.name}` is defined here", definition.name_span),),
    )
