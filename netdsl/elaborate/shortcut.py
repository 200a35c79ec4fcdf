"""The errors of shortcuts: inputs that are added to something of a different shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit
from netdsl.elaborate.body_advice import (
    back_in_order,
    begins_with_window,
    body_advice,
    keeping_fix,
    keeping_size,
)
from netdsl.elaborate.corrections import added_arm, argument_of
from netdsl.elaborate.join_advice import for_join
from netdsl.elaborate.join_causes import by_first_axis
from netdsl.elaborate.join_deconvs import in_body
from netdsl.elaborate.join_halved import halved
from netdsl.elaborate.padding_fixes import padded
from netdsl.errors import OpError, UnlikeShapesError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Value
    from netdsl.ir.types import Sym


_NEW_CHANNELS = re.compile(r"conv\((\w+), 1\b")


class Projection(NamedTuple):
    """Advice to bring the input to the body's shape, and the layer if one is enough."""

    help: str
    layer: str | None = None
    fix: tuple[Edit, ...] = ()


def explained(error: OpError, join: Joining) -> OpError:
    """The error of an `add`, reworded if it is that of a `residual` or has a shortcut as an arm."""
    (call, *_), xs, arms = join.invocation, join.xs, join.invocation.arms
    if call.name == "residual" and len(arms) == 1:
        error = _unlike(xs[0], xs[1], error, call)
    if not isinstance(error, UnlikeShapesError):
        return error
    fix = padded(call, xs)
    if fix:
        error.diagnostic.help = f"a window without padding shrinks its input: write `{_texts(fix)}`"
        error.diagnostic.fix = fix
    elif call.name != "residual" or len(arms) > 1:
        correction = for_join(join)
        if correction is not None:
            error.diagnostic.help, error.diagnostic.fix = correction
    if not fix and len(arms) == len(xs) == 2 and call.name != "concat":
        for i, arm in enumerate(arms):
            _project(error, arm, _projection(xs[1 - i], xs[i], call))
    return error


def _texts(fix: tuple[Edit, ...]) -> str:
    """The arguments that a fix adds, each once, between backquotes of the message."""
    return "` and `".join(dict.fromkeys(edit.text.strip("(), ") for edit in fix))


def _unlike(body: Value, source: Value, error: OpError, call: ast.Call) -> OpError:
    """The error of the `add` that replaces `residual { F }`."""
    if not isinstance(error, UnlikeShapesError):
        meaning = "`residual` is an `add` of its body and its input"
        return OpError(error.code, error.message, error.arg, error.help or meaning)
    message = f"`residual` cannot add its body ({body.type}) to its input ({source.type})"
    projection = _projection(body, source, call)
    if projection is None:
        return UnlikeShapesError(message, error.reason, error.help)
    error = UnlikeShapesError(message, error.reason, projection.help)
    if call.condition is not None:
        error.diagnostic.help = _stricter(call.condition, projection)
    elif (back := back_in_order(body, source)) is not None and call.body is not None:
        last = (call.body.arms or (call.body,))[0].statements[-1].span
        error.diagnostic.fix = (Edit(Span(last.file, last.end, last.end), f" -> {back}"),)
    elif projection.fix:
        error.diagnostic.fix = projection.fix
    elif projection.layer is not None and call.body is not None:
        error.diagnostic.fix = added_arm(call.body, projection.layer)
    return error


def _only_identity(arm: ast.Body) -> ast.Call | None:
    """The `identity` of an arm that consists of nothing else."""
    elements = [e for s in arm.statements if isinstance(s, ast.Chain) for e in s.elements]
    match elements:
        case [ast.Call(name="identity", label=None, arguments=()) as call]:
            return call
    return None


def _project(error: OpError, arm: ast.Body, projection: Projection | None) -> None:
    """Advise a layer in place of an arm with nothing but `identity`, if one is enough."""
    shortcut = _only_identity(arm)
    if shortcut is not None and projection is not None and projection.layer is not None:
        layer = projection.layer
        error.diagnostic.help = f"project the input: write `{layer}` in place of `identity`"
        error.diagnostic.fix = (Edit(shortcut.span, layer),)


def _stricter(condition: ast.Expr, projection: Projection) -> str:
    """Advice for `residual if stride == 1 { F }` in a block, whose F makes other channels."""
    width = _NEW_CHANNELS.match(projection.layer or "")
    if width is None or width[1].isdigit():
        return projection.help
    fits = f"{condition.span.text} and in.channels == {width[1]}"
    return f"add the input only where it fits: `residual if {fits} {{`"


def _projection(made: Value, given: Value, join: ast.Call) -> Projection | None:
    """Advice for a second arm that brings the input to the body's shape.

    A stride in it repeats one in the body; without one, the body lacks padding.
    """
    body, source = made.type, given.type
    gated = halved(made, given)
    if gated is not None and gated.help is not None:
        return Projection(gated.help, fix=gated.fix)
    special = body_advice(made, given)
    if special is not None:
        return Projection(special)
    if len(body.shape) != len(source.shape):
        return Projection("give the body's result as many axes as the input, with `reshape`")
    channels = body.shape[0]
    if not isinstance(channels, int):
        return None
    if len(body.shape) == 1:
        return _second_arm(f"dense({_written('units', channels, made, join)})")
    strides = {_stride(a, b) for a, b in zip(source.spatial, body.spatial, strict=True)}
    stride = strides.pop() if len(strides) == 1 else None
    if stride is not None and (stride == 1 or "stride" in join.span.text):
        option = f", stride = {stride}" if stride > 1 else ""
        step = _written("stride", stride, made, join)
        if step != str(stride):
            option = ", stride" if step == "stride" else f", stride = {step}"
        return _second_arm(f"conv({_written('out', channels, made, join)}, 1{option})")
    if len(body.shape) == 2 and channels == source.shape[0] and not begins_with_window(made, given):
        advice = None if made.producer is None else by_first_axis(made.producer)
        if advice is not None:
            return Projection(advice)
        return Projection(
            f"give the vectors the same length: end the body with `dense({source.shape[1]})`, or"
            f" add a second arm `| dense({body.shape[1]})`"
        )
    deconv = in_body(made, given)
    if deconv is not None and deconv.help is not None:
        return Projection(deconv.help, fix=deconv.fix)
    return Projection(keeping_size(made, given), fix=keeping_fix(made, given))


def _written(name: str, value: int, made: Value, join: ast.Call) -> str:
    """How an argument with that value is written in the body: a parameter of a block, or a number.

    The last layer of the body that has the value gives it.
    """
    calls = {part.span: part for part in join.walk() if isinstance(part, ast.Call)}
    node = made.producer
    while node is not None and (node.span in calls or node.span == join.span):
        call = calls.get(node.span)
        argument = None if call is None else argument_of(call, type(node.op), name)
        if argument is not None and node.op.given.get(name) == value:
            return argument.value.span.text
        node = node.inputs[0].producer
    return str(value)


def _second_arm(layer: str) -> Projection:
    return Projection(f"project the input in a second arm: `residual {{ | ... | {layer} }}`", layer)


def _stride(before: int | Sym, after: int | Sym) -> int | None:
    """The stride with which a 1 x 1 convolution turns one size into the other, if there is one."""
    if not isinstance(before, int) or not isinstance(after, int):
        return 1 if before == after else None
    return next((s for s in range(1, 17) if (before - 1) // s + 1 == after), None)
