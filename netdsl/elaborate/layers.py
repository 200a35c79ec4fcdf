"""Adds the node of a layer to the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.corrections import without
from netdsl.elaborate.faults import as_fault
from netdsl.elaborate.shortcut import explained
from netdsl.elaborate.wrong_arguments import WrongArguments
from netdsl.errors import NetdslError, OpError
from netdsl.ir.graph import Node, Site, Value
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Edit
    from netdsl.elaborate.arguments import LayerArguments
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Invocation
    from netdsl.ir.op import Op

MOST_REFERENCES = 100  # a kind that takes more inputs joins arms


def add_layer(
    net: NetBuilder,
    invocation: Invocation,
    cls: type[Op],
    arguments: LayerArguments,
    xs: tuple[Value, ...],
) -> Value:
    """The value of a layer with the inputs `xs`, whose label is bound to it.

    Raises `NetdslError`.
    """
    call, label, env, _ = invocation
    name = net.member_name(label, env)
    if arguments.unknown:
        value = net.unknown(call.span)
    else:
        value = _apply(net, invocation, _op(net, invocation, cls, arguments, xs), xs, name)
    if label is not None:
        net.remember(name, value, label, call, env)
    return value


def _op(
    net: NetBuilder,
    invocation: Invocation,
    cls: type[Op],
    arguments: LayerArguments,
    xs: tuple[Value, ...],
) -> Op:
    """The layer with its arguments; raises `NetdslError`."""
    try:
        op = net.inference.op(cls, arguments.positional, arguments.keywords)
    except OpError as error:
        errors = WrongArguments(invocation, cls, arguments, error).errors
        faults = [as_fault(e, invocation.call, cls, ()) for e in errors]
        raise NetdslError.of([f.diagnostic for f in faults]) from None
    try:
        _check_input_count(cls, len(xs), invocation)
    except OpError as error:
        error.diagnostic.fix = _without_reference(invocation.call, cls, xs)
        raise as_fault(error, invocation.call, cls, ()) from None
    return op


def _apply(
    net: NetBuilder, invocation: Invocation, op: Op, xs: tuple[Value, ...], name: str
) -> Value:
    """The result of a layer; raises `NetdslError` if it does not take these inputs."""
    if any(x.type is None for x in xs):
        return net.unknown(invocation.span)
    try:
        return _add_node(net, invocation, op, xs, name)
    except OpError as error:
        fault = explained(error, invocation, xs)
        call, once = invocation.call, net.is_only_use
        raise as_fault(fault, call, type(op), xs, only_use=once) from None


def _add_node(
    net: NetBuilder, invocation: Invocation, op: Op, xs: tuple[Value, ...], name: str
) -> Value:
    type_, needs = net.inference.type(op, tuple(x.type for x in xs))
    if len(net.graph.nodes) >= net.max_layers:
        net.charge(1, invocation.span)
    site = Site(invocation.span, net.caller)
    path, module = net.scope.join(name)
    value = Value(path, type_, site)
    node = Node(path, module, op, xs, value, net.aux)
    value.producer = node
    net.graph.add(node)
    net.owners.setdefault(module, node)
    net.graph.equalities += [(a, b, site) for a, b in needs.equal]
    if needs.nonnegative:
        net.graph.nonnegative[op, node.types] = needs.nonnegative
    return value


# ---- the number of inputs


def _without_reference(call: ast.Call, cls: type[Op], xs: tuple[Value, ...]) -> tuple[Edit, ...]:
    """The fix for one reference too many, if the layer takes that value already."""
    references = [a for a in call.arguments if isinstance(a.value, ast.Reference)]
    if call.body is not None or len(xs) != cls.inputs[1] + 1 or len(references) != len(xs) - 1:
        return ()
    for number, reference in enumerate(references, start=1):
        if any(xs[number] is x for x in xs[:number]):
            return (without(call, call.arguments.index(reference)),)
    return ()


def _check_input_count(cls: type[Op], count: int, invocation: Invocation) -> None:
    """Raise `OpError` if a layer does not take that many inputs."""
    least, most = cls.inputs
    if least <= count <= most:
        return
    if most > MOST_REFERENCES:
        raise _wrong_arm_count(cls, count, invocation)
    raise _wrong_reference_count(cls, count)


def _wrong_arm_count(cls: type[Op], count: int, invocation: Invocation) -> OpError:
    kind, most = cls.kind, cls.inputs[1]
    if count > most:
        message = f"`{kind}` joins at most {most:,} arms or references, found {count:,}"
        advice = "join some of them first"
    elif invocation.call.body is not None:
        message = f"`{kind}` joins at least two arms, found {count}"
        advice = (
            f"to join the input itself, add the arm `| identity`: `{kind} {{ | ... | identity }}`"
        )
    else:
        message = f"`{kind}` joins arms or references, but there are none"
        advice = f"write `{kind} {{ | ... | ... }}` or `{kind}(@label)`"
    return OpError("wrong-inputs", message, help=advice)


def _wrong_reference_count(cls: type[Op], count: int) -> OpError:
    kind, (least, most) = cls.kind, cls.inputs
    if most == 1:
        references = "no reference"
    elif least == most == 2:
        references = "one reference"
    elif most == 2:
        references = "at most one reference"
    else:
        references = f"{least - 1} to {most - 1} references"
    message = f"`{kind}` takes {references} besides the current value, found {count - 1}"
    if count < least:
        advice = f"write a reference as `@label`: `{kind}(..., @label)`"
    else:
        advice = f"a layer takes the current value; write `@label -> {kind}` for another one"
    return OpError("wrong-inputs", message, help=advice)
