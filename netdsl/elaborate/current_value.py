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
from netdsl.ir.types import Sym
from netdsl.ops.args import show
from netdsl.ops.base import bind
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.invocation import Invocation
    from netdsl.errors import OpError
    from netdsl.ir.op import Op
    from netdsl.ir.types import TensorType

_OF_INPUT = re.compile(r"\bin\.(?=\w)")


def _of_input(expr: ast.Expr | None) -> list[ast.Attribute]:
    """The sizes of `in` in an expression."""
    parts = [] if expr is None else expr.walk()
    return [p for p in parts if isinstance(p, ast.Attribute) and p.value is None]


def _default(expr: ast.Expr, definition: ast.Definition) -> ast.Expr | None:
    """The default of the parameter that an expression is, or None."""
    defaults = {p.name: p.default for p in definition.parameters}
    return defaults.get(expr.id) if isinstance(expr, ast.Name) else None


def _is_open_sequence(type_: TensorType) -> bool:
    """Whether a type is a sequence of vectors, T x D, with an open length."""
    shape = type_.shape
    return len(shape) == 2 and isinstance(shape[0], Sym) and not isinstance(shape[1], Sym)


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
    used = _of_input(argument.value) or _of_input(_default(argument.value, definition))
    if len(used) != 1 or source.type is None:
        return None
    if used[0].name == "channels" and _is_open_sequence(source.type):
        length, features = source.type.shape
        fact = f"`{used[0].span.text}` is {length}, the length of the sequence"
        help_ = f"{fact}; its vectors have {features} numbers: write `in.shape[1]`"
        return Repair(help_, (Edit(used[0].span, "in.shape[1]"),))
    if used[0] not in argument.value.walk():
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
