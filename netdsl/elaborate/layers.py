"""Adds the node of a layer to the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.errors import OpError
from netdsl.ir.graph import Node, Site, Value
from netdsl.ir.sizes import expressed, tensors_in
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.arguments import LayerArguments
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Invocation
    from netdsl.ir.op import Op
    from netdsl.ir.types import Sym
    from netdsl.source import Span

MOST_REFERENCES = 100  # a kind that takes more inputs joins arms


def check_values(invocation: Invocation, cls: type[Op], arguments: LayerArguments) -> None:
    """Raise `NetdslError` if an argument has no value, with what else is wrong with the call."""
    if arguments.errors:
        from netdsl.elaborate.tensor_arguments import of_label  # only errors need them
        from netdsl.elaborate.wrong_arguments import without_values

        raise of_label(invocation, cls) or without_values(invocation, cls, arguments)


def add_layer(
    net: NetBuilder,
    invocation: Invocation,
    cls: type[Op],
    arguments: LayerArguments,
    xs: tuple[Value, ...],
) -> Value:
    """The value of a layer with the inputs `xs`, whose label is bound to it.

    The tensors of named arguments are further inputs. Raises `NetdslError`.
    """
    call, label, env, _ = invocation
    name = net.member_name(label, env)
    if arguments.unknown:
        value = net.unknown(call.span)
    else:
        op = _op(net, invocation, cls, arguments, xs)
        value = _apply(net, invocation, op, (*xs, *arguments.named), name)
    if label is not None:
        net.remember(name, value, label, call, env)
    return value


def add_operator(
    net: NetBuilder, cls: type[Op], numbers: dict[str, object], xs: tuple[Value, ...], span: Span
) -> Value:
    """The value of an operator in a formula, between tensors and numbers; raises `NetdslError`."""
    name = net.scope.member(None)
    if any(x.type is None for x in xs):
        return net.unknown(span)
    op = None
    try:
        op = net.inference.op(cls, (), numbers)
        return _add_node(net, op, xs, name, span)
    except OpError as error:
        from netdsl.elaborate import formula_faults  # only texts with errors need it

        raise formula_faults.of_operator(error, op, xs, span, net) from None


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
        from netdsl.elaborate import faults, tensor_arguments  # only texts with errors need them

        fault = tensor_arguments.of_tensor(error, invocation, cls)
        if fault is None:
            fault = faults.of_arguments(error, invocation, cls, arguments, net.open[-1])
        raise fault from None
    try:
        _check_input_count(cls, len(xs), invocation)
    except OpError as error:
        from netdsl.elaborate import faults, tensor_arguments  # only texts with errors need them

        fault = tensor_arguments.of_tensor(error, invocation, cls)
        raise fault or faults.of_references(error, invocation, cls, xs) from None
    return op


def _apply(
    net: NetBuilder, invocation: Invocation, op: Op, xs: tuple[Value, ...], name: str
) -> Value:
    """The result of a layer; raises `NetdslError` if it does not take these inputs."""
    if any(x.type is None for x in xs):
        return net.unknown(invocation.span)
    try:
        return _add_node(net, op, xs, name, invocation.span)
    except OpError as error:
        from netdsl.elaborate import faults  # only texts with errors need it

        raise faults.of_inputs(error, invocation, op, xs, net) from None


def _add_node(net: NetBuilder, op: Op, xs: tuple[Value, ...], name: str, span: Span) -> Value:
    type_, needs = net.inference.type(op, tuple(x.type for x in xs))
    if len(net.graph.nodes) >= net.max_layers:
        net.charge(1, span)
    site = Site(span, net.caller)
    path, module = net.scope.join(name)
    value = Value(path, type_, site)
    node = Node(path, module, op, xs, value, net.aux)
    if needs.computed:
        node.sources = _sources(net, xs, needs.computed)
    value.producer = node
    net.graph.add(node)
    net.owners.setdefault(module, node)
    net.graph.equalities += [(a, b, site) for a, b in needs.equal]
    if needs.nonnegative:
        net.graph.nonnegative[op, node.types] = needs.nonnegative
    return value


def _sources(net: NetBuilder, xs: tuple[Value, ...], sizes: list[Sym]) -> tuple[Value, ...]:
    """The inputs of the net from which a layer computes sizes that its own inputs do not give.

    Every open size is the size of an axis of some input, which introduces its name.
    """
    values = [*xs, *(value for value in net.graph.inputs if value.type is not None)]
    shapes = [value.type.shape for value in values]
    used = set().union(*(tensors_in(expressed(size, shapes)) for size in sizes))
    return tuple(values[i] for i in sorted(used) if i >= len(xs))


# ---- the number of inputs


def _check_input_count(cls: type[Op], count: int, invocation: Invocation) -> None:
    """Raise `OpError` if a layer does not take that many inputs."""
    least, most = cls.inputs
    if least <= count <= most:
        return
    if most > MOST_REFERENCES:
        raise _wrong_arm_count(cls, count, invocation)
    raise _wrong_reference_count(cls, count, invocation.call)


def _wrong_arm_count(cls: type[Op], count: int, invocation: Invocation) -> OpError:
    kind, most = cls.kind, cls.inputs[1]
    if count > most:
        message = f"`{kind}` joins at most {most:,} arms or references, found {count:,}"
        advice = "join some of them first"
    elif invocation.call.body is not None and not count:
        message = f"`{invocation.call.name}` has no arms: its loops and conditions make none"
        advice = "add an arm that is always there, such as `| identity`"
    elif invocation.call.body is not None:
        message = f"`{kind}` joins at least two arms, found {count}"
        advice = (
            f"to join the input itself, add the arm `| identity`: `{kind} {{ | ... | identity }}`"
        )
    else:
        message = f"`{kind}` joins arms or references, but there are none"
        advice = f"write `{kind} {{ | ... | ... }}` or `{kind}(@label)`"
    return OpError("wrong-inputs", message, help=advice)


def _wrong_reference_count(cls: type[Op], count: int, call: ast.Call) -> OpError:
    kind, (least, most) = cls.kind, cls.inputs
    tensors = [a.name for a in cls.args if a.dtypes]
    if most == 1:
        references = "no reference"
    elif least == most == 2:
        references = "one reference"
    elif most == 2:
        references = "at most one reference"
    elif least == 1:
        references = f"at most {most - 1} references"
    else:
        references = f"{least - 1} to {most - 1} references"
    message = f"`{kind}` takes {references} besides the current value, found {count - 1}"
    formula = _of_formula(cls, call) if most == 1 else None
    if formula is not None:
        error = OpError("wrong-inputs", message, help=f"write `{formula}`")
        if cls.is_function:
            error.diagnostic.help = f"a function of tensors is in parentheses: write `{formula}`"
            error.diagnostic.fix = (Edit(call.span, formula),)
        return error
    first = _first_as_input(call) if count == most + 1 else None
    if first is not None:
        advice = first
    elif count < least:
        advice = f"write a reference as `@label`: `{kind}(..., @label)`"
    elif tensors:
        advice = f"give other tensors by name: `{'`, `'.join(f'{n} = @label' for n in tensors)}`"
    else:
        advice = f"a layer takes the current value; write `@label -> {kind}` for another one"
    return OpError("wrong-inputs", message, help=advice)


def _of_formula(cls: type[Op], call: ast.Call) -> str | None:
    """`(exp(@a - @b))` and `(@a * @b) -> dense(8)`, for a layer of a formula."""
    given = [a for a in call.arguments if "@" in a.span.text]
    if call.body is not None or len(given) != 1 or not isinstance(given[0].value, ast.Operation):
        return None
    if cls.is_function and call.arguments[0] is given[0]:
        return f"({call.span.text})"
    others = ", ".join(a.span.text for a in call.arguments if a is not given[0])
    layer = f"{call.name}({others})".removesuffix("()")
    if call.label is not None:
        layer = f"{call.label.span.text}: {layer}"
    return f"({given[0].value.span.text}) -> {layer}"


def _first_as_input(call: ast.Call) -> str | None:
    """Advice for one reference too many, the first of which is meant as the current value."""
    given = [a for a in call.arguments if isinstance(a.value, ast.Reference)]
    references = [a.span.text for a in given]
    is_input = call.name == "attention" or len(set(references)) == len(references)
    if len(references) < 2 or not is_input or call.body is not None:
        return None
    texts = [a.span.text for a in call.arguments if a is not given[0]]
    if len(set(references)) == 1 and call.name == "attention":
        kept = dict.fromkeys(texts)
        return f"the queries are the current value: write `{call.name}({', '.join(kept)})`"
    label = f"{call.label.span.text}: " if call.label is not None else ""
    written = f"{references[0]} -> {label}{call.name}({', '.join(texts)})"
    return f"the first input is the current value: write `{written}`"
