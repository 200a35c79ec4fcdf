"""Joins: `concat { | a | b }`, and `residual { F }`, which is `add { | F | identity }`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.arguments import layer_arguments
from netdsl.elaborate.invocation import refuse_body
from netdsl.elaborate.layers import add_layer
from netdsl.elaborate.scope import Namespace
from netdsl.errors import NetdslError
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Bodies, Invocation
    from netdsl.ir.graph import Value
    from netdsl.ir.op import Op

FEWEST_INPUTS = 3  # a kind that can take this many is a join


def join(net: NetBuilder, bodies: Bodies, invocation: Invocation, cls: type[Op]) -> Value:
    """The value of a layer that joins the arms in its braces; raises `NetdslError`."""
    call = invocation.call
    assert call.body is not None
    if cls.inputs[1] < FEWEST_INPUTS:
        refuse_body(call)
    if not invocation.arms:
        raise _no_arms(call.name, call.body)
    return _join(net, bodies, invocation, cls)


def residual(net: NetBuilder, bodies: Bodies, invocation: Invocation) -> Value:
    """The value of a `residual`; raises `NetdslError`."""
    if invocation.call.body is None:
        raise _no_body(invocation)
    return _join(net, bodies, invocation, LAYERS["add"])


def _no_arms(kind: str, body: ast.Body) -> NetdslError:
    """The error of a join whose braces have layers without a `|`."""
    statements = list(body.statements)
    arms = [" ".join(statement.span.text.split()) for statement in statements] or ["conv(8, 1)"]
    if len(arms) == 1:
        arms.append("identity")
    written = f"{kind} {{ {' '.join(f'| {arm}' for arm in arms)} }}"
    message = f"the braces of `{kind}` contain no arms"
    error = NetdslError(
        "missing-arms", message, body.span, help=f"write `|` before each arm: `{written}`"
    )
    if len(statements) > 1 and all(isinstance(statement, ast.Chain) for statement in statements):
        starts = [Span(s.span.file, s.span.start, s.span.start) for s in statements]
        error.diagnostic.fix = tuple(Edit(start, "| ") for start in starts)
    return error


def _no_body(invocation: Invocation) -> NetdslError:
    """The error of a `residual` without braces, with the layers that it seems to be meant for."""
    call = invocation.call
    span = Span(call.span.file, call.span.start, call.span.end)
    after = span.file.text[span.end :].partition("\n")[0].partition("#")[0]
    chain = after.strip().removeprefix("->").strip()
    layers = " -> ".join(a.span.text for a in call.arguments if a.name is None)
    written = layers or chain.strip("{} ")
    is_clear = bool(written) and not (layers and chain)
    help_ = f"write `residual {{ {written or 'conv(64, 3, pad = 1) -> relu'} }}`"
    error = NetdslError(
        "missing-body", "`residual` needs layers in braces", invocation.span, help=help_
    )
    if is_clear and not re.search(r"[{}|]", written):
        end = span.end if layers else span.end + len(after.rstrip())
        error.diagnostic.fix = (
            Edit(Span(span.file, span.start, end), f"residual {{ {written} }}"),
        )
    return error


def _join(net: NetBuilder, bodies: Bodies, invocation: Invocation, cls: type[Op]) -> Value:
    call, label, env, x = invocation
    source = net.need(x, call.span)
    scope, name = net.scope, None
    if label is not None:
        name = net.pattern(label, env)
        scope = Namespace(*net.scope.join(name), net.scope)
    xs = [net.need(bodies.inside(scope, arm, env, source), arm.span) for arm in invocation.arms]
    if call.name == "residual" and len(xs) == 1:
        xs.append(source)
    if call.name == "residual" and call.arguments:
        raise NetdslError(
            "too-many-arguments",
            "`residual` takes no arguments: its layers are in its braces",
            call.arguments[0].span,
            help="leave them out: the input of `residual` sets its channels",
        )
    arguments = layer_arguments(call, env, cls, net.meter)
    value = add_layer(net, invocation, cls, arguments, (*xs, *arguments.tensors))
    if name is not None:
        net.scope.labels[name].inner = scope
    return value
