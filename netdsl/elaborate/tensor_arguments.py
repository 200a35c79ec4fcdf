"""Errors of layers and blocks that are given a tensor first, as functions of Python are.

Such are `conv(b, 3)`, where `b` is a `let`, and `bottleneck(@b, 64)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Edit
from netdsl.elaborate.evaluate import evaluate
from netdsl.elaborate.suggested_calls import completed
from netdsl.errors import NetdslError, OpError
from netdsl.habits.brackets import closing
from netdsl.ir.graph import Value
from netdsl.library import is_shipped
from netdsl.ops import LAYERS
from netdsl.ops.base import check
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.invocation import Invocation
    from netdsl.ir.op import Op


def of_tensor(error: OpError, invocation: Invocation, cls: type[Op]) -> NetdslError | None:
    """The error of a layer of one input whose first argument is the name of a tensor.

    `error` is that of its other arguments, or of the number of its inputs.
    """
    call = invocation.call
    if error.code not in ("missing-argument", "wrong-inputs") or cls.inputs[1] > 1:
        return None
    formula = _of_formula(error, call, cls)
    if formula is not None:
        return formula
    first = call.arguments[0] if call.arguments else None
    if first is None or first.name is not None or not isinstance(first.value, ast.Name):
        return _of_reference(error, call, cls)
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


def _of_formula(error: OpError, call: ast.Call, cls: type[Op]) -> NetdslError | None:
    """The error of `sin(2 * @)`, which is a formula, and of `sin(@)` and `conv(2 * @, 8, 3)`."""
    if error.code != "wrong-inputs" or call.body is not None or not call.arguments:
        return None
    first = call.arguments[0]
    if first.name is not None:
        return None
    if not any(isinstance(p, ast.Reference | ast.Current) for p in first.value.walk()):
        return None
    if isinstance(first.value, ast.Current):
        written = _applied(call, "@")
    elif isinstance(first.value, ast.Reference | ast.Name):
        return None
    elif cls.is_function:
        written = f"({call.name}({', '.join(a.span.text for a in call.arguments)}))"
    else:
        written = _applied(call, f"({first.value.span.text})")
    help_ = f"a layer takes the current value: write `{written}`"
    if written.startswith(f"({call.name}("):
        help_ = f"write a formula in parentheses: `{written}`"
    fault = NetdslError(error.code, error.message, call.span, help=help_)
    if cls.is_function:
        fault.diagnostic.fix = (Edit(call.span, written),)
    return fault


def _of_reference(error: OpError, call: ast.Call, cls: type[Op]) -> NetdslError | None:
    """The error of `conv(@x, 32, 3)`, whose only reference is meant as the current value."""
    references = [a for a in call.arguments if isinstance(a.value, ast.Reference)]
    if error.code != "wrong-inputs" or call.body is not None or len(references) != 1:
        return None
    first = call.arguments[0]
    if first is not references[0] or first.name is not None:
        return None
    meant = _applied(call, first.span.text)
    help_ = f"a layer takes the current value: write `{meant}`"
    fault = NetdslError(error.code, error.message, call.span, help=help_)
    required = sum(declared.required for declared in cls.args)
    others = [a for a in call.arguments[1:] if a.name is None]
    if len(others) == required or not others:  # else one may be the channels of the input
        fault.diagnostic.fix = _whole_call(call, meant)
    return fault


def of_label(invocation: Invocation, cls: type[Op]) -> NetdslError | None:
    """The error of `conv(x, 32, 3)`, where `x` is a label, and so a tensor without its `@`."""
    call = invocation.call
    first = call.arguments[0]
    others = [a for a in call.arguments[1:] if a.name is None]
    required = sum(declared.required for declared in cls.args)
    if cls.inputs[1] > 1 or len(others) < required or first.name is not None:
        return None
    tensor = _tensor(first.value, invocation.env)
    if tensor is None or call.body is not None:
        return None
    message = f"`{first.span.text}` is a tensor, not an argument of `{cls.kind}`"
    meant = _applied(call, tensor)
    help_ = f"a layer takes the current value: write `{meant}`"
    fault = NetdslError("unknown-name", message, first.span, help=help_)
    if len(others) == required:
        fault.diagnostic.fix = _whole_call(call, meant)
    return fault


def _tensor(value: ast.Expr, env: Env) -> str | None:
    """The reference that is meant by an argument, or None if it is no tensor."""
    if isinstance(value, ast.Reference | ast.Current):
        return value.span.text
    if not isinstance(value, ast.Name) or env.find(value.id)[0]:
        return None
    pattern = ast.Pattern((value.id,), False, value.span)
    try:
        evaluate(ast.Reference(value.span, pattern), env)
    except NetdslError:
        return None
    return f"@{value.id}"


def _applied(call: ast.Call, tensor: str) -> str:
    """`@x -> conv(32, 3)` for `conv(@x, 32, 3)`, and `conv(32, 3)` for `conv(@, 32, 3)`."""
    return _chain(tensor, call, [argument.span.text for argument in call.arguments[1:]])


def _chain(tensor: str, call: ast.Call, arguments: list[str]) -> str:
    """`@x -> conv(32, 3)` for these arguments; the current value `@` is left out."""
    written = call.name + f"({', '.join(arguments)})" * bool(arguments)
    return f"{tensor} -> {written}".removeprefix("@ -> ")


def _whole_call(call: ast.Call, meant: str) -> tuple[Edit, ...]:
    """The fix for a call at the beginning of its line.

    There is none if the place of the call is a longer text, of which a part could not be read.
    """
    text, start = call.span.file.text, call.span.start
    before = text[text.rfind("\n", 0, start) + 1 : start]
    end = closing(call.span.text, len(call.name))
    if end is None or end + 1 < len(call.span.text):
        return ()
    if not re.fullmatch(r"\s*(?:output\s+)?(?:\w+\s*:\s*)?", before):
        return ()
    return (Edit(call.span, meant),)


def refuse_tensor(call: ast.Call, definition: ast.Definition, env: Env) -> None:
    """Refuse a tensor as the first argument of a block whose first parameter is a number.

    There would be an error at each use.
    """
    first = call.arguments[0]
    if first.name is not None:
        return
    if not definition.parameters:
        _refuse_only_tensor(call, definition, env)
        return
    parameter, others = definition.parameters[0], call.arguments[1:]
    if not is_shipped(definition.span.file) and not _is_number(definition, parameter.name):
        return
    tensor = _tensor(first.value, env)
    if tensor is None:
        return
    meant = _applied(call, tensor)
    positional = sum(argument.name is None for argument in others)
    required = sum(declared.default is None for declared in definition.parameters)
    names = [argument.name for argument in others]
    is_given = bool(positional) or parameter.name in names or parameter.default is not None
    if not is_given:
        meant = _chain(tensor, call, ["64", *(argument.span.text for argument in others)])
    error = NetdslError(
        "wrong-type",
        f"`{parameter.name}` of `{definition.name}` is a number, found a tensor",
        first.span,
        help=f"a block begins at the current value: write `{meant}`",
        notes=(Annotation(f"`{definition.name}` is defined here", definition.name_span),),
    )
    if is_given and required <= len(others) <= len(definition.parameters):
        error.diagnostic.fix = _whole_call(call, meant)
    raise error


def _refuse_only_tensor(call: ast.Call, definition: ast.Definition, env: Env) -> None:
    """Refuse `Encoder(@image)`, a call of a block or net without parameters."""
    tensor = _tensor(call.arguments[0].value, env)
    if tensor is None or len(call.arguments) > 1:
        return
    written = _chain(tensor, call, [])
    raise NetdslError(
        "too-many-arguments",
        f"`{definition.name}` takes 0 arguments, found 1",
        call.arguments[0].span,
        help=f"a net or block begins at the current value: write `{written}`",
        notes=(Annotation(f"`{definition.name}` is defined here", definition.name_span),),
        fix=_whole_call(call, written),
    )


def _is_number(definition: ast.Definition, name: str) -> bool:
    """Whether a parameter is the first argument of a layer that takes no tensor there."""
    body = definition.body.span.text
    if re.search(rf"@{name}\b", body):
        return False
    numbers = [(kind, cls.args[0]) for kind, cls in LAYERS.items() if cls.args]
    kinds = [kind for kind, declared in numbers if kind.isidentifier() and not declared.dtypes]
    kinds = [kind for kind in kinds if LAYERS[kind].inputs[1] == 1]
    return re.search(rf"\b(?:{'|'.join(kinds)})\(\s*{name}\b(?!\s*\.)", body) is not None
