"""Advice for `in.channels` in an argument that is about the current value: `@.channels`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.attributes import attribute
from netdsl.elaborate.corrections import argument_of
from netdsl.elaborate.evaluate import INPUT, Env, evaluate
from netdsl.elaborate.join_repairs import Repair
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ops.args import show
from netdsl.ops.base import bind
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.invocation import Invocation
    from netdsl.errors import OpError
    from netdsl.ir.op import Op

_OF_INPUT = re.compile(r"\bin\.(?=\w)")


def of_current(
    error: OpError,
    invocation: Invocation,
    cls: type[Op],
    given: dict[str, object],
    definition: ast.Definition,
) -> Repair | None:
    """Advice for an argument with a size of `in`, if the layer takes that of the current value.

    `given` are the values of the call's arguments, by their names.
    """
    argument = argument_of(invocation.call, cls, error.arg or "")
    source, current = invocation.env.find(INPUT)[1], invocation.x
    if argument is None or not isinstance(source, Value) or current is None:
        return None
    used = [p for p in argument.value.walk() if isinstance(p, ast.Attribute) and p.value is None]
    if len(used) != 1 or source.type is None:
        return None
    owner = "block"
    if definition.is_net:
        owner = "net"
    fact = f"`{used[0].span.text}` is {show(attribute(used[0], source))}, of the {owner}'s input"
    if current.type is None:
        return Repair(f"{fact}; `@.{used[0].name}` is that of the current value")
    frame = Env(invocation.env)
    frame.values[INPUT] = current
    try:
        size = attribute(used[0], current)
        changed = {**given, str(error.arg): evaluate(argument.value, frame)}
        bind(cls, (), changed).inferred(current.type)
    except NetdslError:
        return None
    if size == attribute(used[0], source):
        return None
    text = _OF_INPUT.sub("@.", argument.span.text)
    help_ = f"{fact}; the current value has {show(size)}: write `{text}`"
    return Repair(help_, (Edit(argument.span, text),))
