"""Labels that are used as layers: what is applied again, and the errors of such calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Edit, Proposal
from netdsl.elaborate.evaluate import UNKNOWN, KnownValue, evaluate
from netdsl.elaborate.invocation import given, refuse_body
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.syntax import ast
from netdsl.words import listed

if TYPE_CHECKING:
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.scope import Binding


def reusable(binding: Binding, call: ast.Call) -> ast.Element:
    """The layer, block or group that a label names; raises `NetdslError` if it names a value."""
    if binding.element is None:
        raise NetdslError(
            "unknown-layer",
            f"the label `{call.name}` names a value, not a layer",
            call.name_span,
            help=Proposal(f"write `@{call.name}` for its value", "reference", [f"@{call.name}"]),
            fix=as_reference(call, call.name),
        )
    refuse_body(call)
    return binding.element


def with_tensors(element: ast.Element, call: ast.Call, env: Env) -> ast.Element:
    """The layer of a label with the tensors of a further call in the places of its own.

    Tensors without a name replace those without one, all of them. Raises `NetdslError`.
    """
    ordered = [a.value for a in call.arguments if a.name is None]
    names = {a.name: a.value for a in call.arguments if a.name is not None}
    own = element.arguments if isinstance(element, ast.Call) and element.body is None else ()
    places = [a for a in own if a.name is None and _is_tensor(a.value)]
    replaced = {id(a): value for a, value in zip(places, ordered, strict=False)}
    replaced |= {id(a): names[a.name] for a in own if a.name in names}
    if len(replaced) < len(call.arguments) or 0 < len(ordered) < len(places):
        raise _no_tensors(call)
    values = {key: evaluate(written, env) for key, written in replaced.items()}
    if any(value is not UNKNOWN and not isinstance(value, Value) for value in values.values()):
        raise _no_tensors(call)
    assert isinstance(element, ast.Call)
    arguments = list(own)
    for place, argument in enumerate(own):
        if id(argument) in values:
            known = KnownValue(argument.value.span, values[id(argument)])
            arguments[place] = ast.Argument(argument.name, known, argument.span)
    return given(element, tuple(arguments))


def _is_tensor(expr: ast.Expr) -> bool:
    """Whether an argument is a tensor: a reference, or the value of one."""
    if isinstance(expr, KnownValue):
        return isinstance(expr.value, Value)
    return isinstance(expr, ast.Reference)


def _no_tensors(call: ast.Call) -> NetdslError:
    """The error of `tower(@right)`, where the layers of `tower` take no tensor there."""
    error = NetdslError(
        "too-many-arguments",
        f"`{call.name}` applies that layer again with the same arguments; only its tensors can be"
        " replaced",
        call.arguments[0].span,
        help=f"write `{call.name}` to apply it again, or the layer's kind for a new layer",
    )
    value = call.arguments[0].value
    is_plain = call.arguments[0].name is None
    if len(call.arguments) == 1 and is_plain and isinstance(value, ast.Reference):
        written = f"{value.span.text} -> {call.name}"
        error.diagnostic.help = f"write `{written}` to apply it to that value"
        if not _text_before(call).endswith("->"):
            error.diagnostic.fix = (Edit(call.span, written),)
    elif all(a.name is not None and _is_tensor(a.value) for a in call.arguments):
        names = listed([f"`{a.name}`" for a in call.arguments])
        error.diagnostic.help = f"give {names} where `{call.name}` is defined too"
    return error


def _text_before(call: ast.Call) -> str:
    """The text before a call and its label."""
    first = call.span
    if call.label is not None:
        first = call.label.span
    return first.file.text[: first.start].rstrip()


def as_reference(call: ast.Call, path: str) -> tuple[Edit, ...]:
    """The fix for a label without `@`, at the beginning of a chain."""
    if _text_before(call).endswith("->") or call.arguments or call.body is not None:
        return ()
    return (Edit(call.name_span, f"@{path}"),)


def used_again(fault: NetdslError, call: ast.Call) -> NetdslError:
    """The error of a layer that is applied a second time, at the place of the second use."""
    first = fault.diagnostic
    place = () if first.span is None else (Annotation("it is defined here", first.span),)
    advice = f"`{call.name}` applies that layer again; write `@{call.name}` for its value"
    return NetdslError(
        first.code, first.message, call.span, help=advice, notes=(*place, *first.notes)
    )
