"""Joins: `concat { | a | b }`, and `residual { F }`, which is `add { | F | identity }`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.arguments import layer_arguments
from netdsl.elaborate.conditions import truth
from netdsl.elaborate.evaluate import CURRENT, UNKNOWN, Env, evaluate
from netdsl.elaborate.invocation import refuse_body
from netdsl.elaborate.layers import add_layer, check_values
from netdsl.elaborate.loops import UnknownRoundsError, rounds
from netdsl.elaborate.scope import Namespace
from netdsl.errors import NetdslError
from netdsl.ir.graph import Site
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast
from netdsl.syntax.arms import maker_of

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def only_tensor(net: NetBuilder, invocation: Invocation, value: Value) -> Value:
    """The value of a join of one tensor, which needs no layer but has the place of one."""
    call, label, env, _ = invocation
    name = net.member_name(label, env)
    if label is not None:
        net.remember(name, value, label, call, env)
    return value


def residual(net: NetBuilder, bodies: Bodies, invocation: Invocation) -> Value:
    """The value of a `residual`; raises `NetdslError`."""
    call, _, env, _ = invocation
    if call.body is None:
        raise _no_body(invocation)
    if call.condition is not None:
        if call.body.arms:
            raise NetdslError(
                "unexpected-condition",
                "a `residual` with arms adds only its arms, so it takes no condition",
                call.condition.span,
                help="put the condition on the arm: `if c { | identity }`",
            )
        condition = evaluate(call.condition, env)
        if condition is UNKNOWN:
            return net.poison(invocation.label, call.span)
        if not truth(condition, call.condition.span):
            return _only_body(net, bodies, invocation)
    return _join(net, bodies, invocation, LAYERS["add"])


def _only_body(net: NetBuilder, bodies: Bodies, invocation: Invocation) -> Value:
    """The value of a `residual` whose condition is false: its input is not added."""
    call, label, env, x = invocation
    assert call.body is not None
    group = ast.Group(call.span, label, call.body)
    return bodies.element(group, label, env, net.need(x, call.span))


def _only_loop(statements: list[ast.Statement]) -> ast.Repeat | ast.For | None:
    """The loop of braces that contain nothing else."""
    match statements:
        case [ast.Chain(elements=(ast.Repeat() | ast.For() as loop,))]:
            return loop
    return None


def _no_arms(kind: str, body: ast.Body) -> NetdslError:
    """The error of a join whose braces have layers without a `|`."""
    statements = list(body.statements)
    loop = _only_loop(statements)
    if loop is not None and loop.body.statements:
        first = loop.body.statements[0].span
        error = NetdslError(
            "missing-arms",
            f"the loop in the braces of `{kind}` makes no arms",
            body.span,
            help="write `|` before what the loop repeats",
        )
        error.diagnostic.fix = (Edit(Span(first.file, first.start, first.start), "| "),)
        return error
    if len(statements) == 1 and re.fullmatch(r"[A-Za-z_]\w*", name := statements[0].span.text):
        before = body.span.file.text[: body.span.start]
        if re.search(rf"\b(?:let|with)\s+{name}\s*=\s*\[", before):
            message, help_ = f"the braces of `{kind}` contain a list", f"write `{kind}({name})`"
            place = Span(body.span.file, len(before.rstrip()), body.span.end)
            fix = (Edit(place, f"({name})"),)
            return NetdslError("missing-arms", message, body.span, help=help_, fix=fix)
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
    if call.arguments and (added := _as_add(call)) is not None:
        return NetdslError(
            "missing-body",
            "`residual` needs layers in braces",
            invocation.span,
            help=f"write `{added}`, which adds to the current value",
            fix=(Edit(call.span, added),),
        )
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


def _as_add(call: ast.Call) -> str | None:
    """The `add` for `residual(@a)` and `residual([@a, @b])`, or None for other arguments."""
    values = [argument.value for argument in call.arguments]
    text = ", ".join(value.span.text for value in values)
    match values:
        case [ast.Comprehension() | ast.ListPart()]:
            return f"add([@] + {text})" if "@" in text else None
        case [ast.Sequence(items=items, is_tuple=False)] if items:
            is_of_values = all(isinstance(item, (ast.Reference, ast.Current)) for item in items)
            return f"add([@, {text[1:].lstrip()})" if is_of_values else None
    is_of_values = all(isinstance(value, (ast.Reference, ast.Current)) for value in values)
    return f"add({text})" if is_of_values else None


def _residual_with_arguments(call: ast.Call, env: Env) -> NetdslError:
    """The error of `residual(64) { ... }`, and of `residual (condition) { ... }`."""
    error = NetdslError(
        "too-many-arguments",
        "`residual` takes no arguments: its layers are in its braces",
        call.arguments[0].span,
        help="leave them out: the input of `residual` sets its channels",
    )
    if len(call.arguments) > 1 or call.body is None or call.body.arms:
        return error
    condition = call.arguments[0].value
    if type(evaluate(condition, env)) is bool:
        written = f"if {condition.span.text} "
        error.diagnostic.help = f"write `residual {written}{{ ... }}`"
        place = Span(call.span.file, call.name_span.end, call.body.span.start)
        error.diagnostic.fix = (Edit(place, f" {written}"),)
    return error


def _join(net: NetBuilder, bodies: Bodies, invocation: Invocation, cls: type[Op]) -> Value:
    call, label, env, x = invocation
    source = net.need(x, call.span)
    scope, name = net.scope, None
    if label is not None:
        name = net.pattern(label, env)
        scope = Namespace(*net.scope.join(name), net.scope)
    arms = _Arms(net, bodies, scope, source)
    try:
        xs = [value for arm in invocation.arms for value in arms.values(arm, env)]
    except UnknownRoundsError:
        return net.poison(label, call.span)
    if call.name == "residual" and len(xs) == 1:
        xs.append(source)
    if call.name == "residual" and call.arguments:
        raise _residual_with_arguments(call, env)
    env.values[CURRENT] = source
    arguments = layer_arguments(call, env, cls, net.meter)
    check_values(invocation, cls, arguments)
    xs += arguments.tensors
    if len(xs) == 1 and any(map(maker_of, invocation.arms)):
        value = only_tensor(net, invocation, xs[0])
        if name is not None:
            net.graph.name_scope(scope.path, None, Site(call.span, net.caller))
    else:
        value = add_layer(net, invocation, cls, arguments, tuple(xs))
    if name is not None:
        net.scope.labels[name].inner = scope
    return value


class _Arms:
    """The values of arms, which belong to `scope` and start from `source`."""

    def __init__(self, net: NetBuilder, bodies: Bodies, scope: Namespace, source: Value) -> None:
        self.net = net
        self.bodies = bodies
        self.scope = scope
        self.source = source

    def values(self, arm: ast.Body, env: Env) -> Iterator[Value]:
        """The value of an arm, or those of the arms that a loop or condition makes.

        Raises `NetdslError` and `UnknownRoundsError`.
        """
        maker = maker_of(arm)
        if maker is None:
            yield self.net.need(self.bodies.inside(self.scope, arm, env, self.source), arm.span)
        elif isinstance(maker, ast.If):
            condition = evaluate(maker.condition, env)
            if condition is UNKNOWN:
                raise UnknownRoundsError
            chosen = maker.then if truth(condition, maker.condition.span) else maker.otherwise
            if chosen is not None:
                yield from self._made(chosen, Env(env))
        else:
            with rounds(self.net, maker, env) as frames:
                for frame in frames:
                    yield from self._made(maker.body, frame)

    def _made(self, body: ast.Body, env: Env) -> Iterator[Value]:
        """The values of the arms in the body of a loop or condition."""
        for arm in body.arms:
            yield from self.values(arm, env)
