"""Joins: `concat { | a | b }`, and `residual { F }`, which is `add { | F | identity }`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.arguments import layer_arguments
from netdsl.elaborate.invocation import refuse_body
from netdsl.elaborate.layers import add_layer
from netdsl.elaborate.scope import Namespace
from netdsl.errors import NetdslError
from netdsl.ops import LAYERS

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
        raise NetdslError(
            "missing-arms",
            f"the braces of `{call.name}` contain no arms",
            call.body.span,
            help=f"write `|` before each arm: `{call.name} {{ | conv(8, 1) | identity }}`",
        )
    return _join(net, bodies, invocation, cls)


def residual(net: NetBuilder, bodies: Bodies, invocation: Invocation) -> Value:
    """The value of a `residual`; raises `NetdslError`."""
    if invocation.call.body is None:
        raise NetdslError(
            "missing-body",
            "`residual` needs layers in braces",
            invocation.span,
            help="write `residual { conv(64, 3, pad = 1) -> relu }`",
        )
    return _join(net, bodies, invocation, LAYERS["add"])


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
