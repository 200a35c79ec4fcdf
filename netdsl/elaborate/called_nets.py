"""Nets that are called like blocks: their input is the value that flows in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Edit
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.evaluate import INPUT, Env, evaluate
from netdsl.errors import NetdslError
from netdsl.ir.graph import Site, Value
from netdsl.ir.types import Sym, shape_text
from netdsl.ops.args import show
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.source import Span

_LABEL = re.compile(r"(\w+):[ ]*$")
CALLER_AND_CALLED = 2  # nets, without a block between them
RESULTS = "@results"  # the outputs of the net that is being called


def check_callable(definition: ast.Definition, call: ast.Call) -> None:
    """Raise `NetdslError` if a net cannot be used like a block."""
    statements = definition.body.statements
    inputs = [s for s in statements if isinstance(s, ast.Input)]
    heads = [s for s in statements if isinstance(s, ast.Aux)]
    problem = None
    if len(inputs) != 1:
        problem = f"has {counted(len(inputs), 'input')}"
    elif heads:
        problem = f"has the auxiliary head `{heads[0].name}`"
    if problem is not None:
        raise _not_callable(definition, call.name_span, f"net `{definition.name}` {problem}")


def _not_callable(definition: ast.Definition, span: Span, fact: str) -> NetdslError:
    notes = (Annotation(f"`{definition.name}` is defined here", definition.name_span),)
    return NetdslError(
        "not-a-layer",
        f"{fact}, so it cannot be used like a block",
        span,
        notes=notes,
        help="a net with one input, one output and no auxiliary head can be; or write a `block`",
    )


def take_input(net: NetBuilder, statement: ast.Input, env: Env) -> Value:
    """Bind the input of a called net to the value that flows in; raises `NetdslError`."""
    source = env.find(INPUT)[1]
    assert isinstance(source, Value)
    name = net.pattern(statement.label, env)
    if source.type is not None:
        dtype = statement.dtype or "float32"
        if dtype != source.type.dtype:
            raise _unlike(net, statement, f"of type {dtype}", f"of type {source.type.dtype}")
        _take_sizes(net, statement, source, env)
    net.bind(name, source, statement.label.span)
    return source


def _take_sizes(net: NetBuilder, statement: ast.Input, source: Value, env: Env) -> None:
    """Give the open sizes of a declaration the sizes of the value; the others must be equal."""
    given, span = source.type.shape, statement.shape.span
    declared = _declared(statement.shape, env)
    if len(declared) != len(given):
        raise _unlike(net, statement, _text(declared, span, env), shape_text(given), source)
    for part, actual in zip(declared, given, strict=True):
        if isinstance(part, str):
            env.values.setdefault(part, actual)
    for part, actual in zip(declared, given, strict=True):
        size = _size(part, span, env)
        difference = size - actual
        if isinstance(difference, int) and difference != 0:
            raise _unlike(net, statement, _text(declared, span, env), shape_text(given), source)
        if isinstance(difference, Sym):
            site = Site(span, net.caller)
            net.graph.equalities.append((size, actual, site))


def _declared(expr: ast.Expr, env: Env) -> tuple[object, ...]:
    """The sizes of a declaration: names if they are open, and expressions if they are in a list."""
    if isinstance(expr, ast.DimsLiteral) or (
        isinstance(expr, ast.NameOrDims) and not env.find(expr.id)[0]
    ):
        parts: tuple[object, ...] = expr.parts
    elif isinstance(expr, ast.Name) and not env.find(expr.id)[0]:
        parts = (expr.id,)
    elif isinstance(expr, ast.Sequence):
        parts = tuple(item.id if isinstance(item, ast.Name) else item for item in expr.items)
    else:
        value = evaluate(expr, env)
        return value if isinstance(value, tuple) else (value,)
    return tuple(env.find(p)[1] if isinstance(p, str) and env.find(p)[0] else p for p in parts)


def _size(part: object, span: Span, env: Env) -> int | Sym:
    """The size of a part of a declaration, when open names have values; raises `NetdslError`."""
    if isinstance(part, ast.Expr):
        part = evaluate(part, env)
    elif isinstance(part, str):
        part = env.find(part)[1]
    if not isinstance(part, (int, Sym)):
        raise NetdslError("wrong-type", f"{show(part)} is not a size", span)
    return part


def _text(declared: tuple[object, ...], span: Span, env: Env) -> str:
    """The sizes of a declaration for a message, with the names of open ones."""
    frame = Env(env)
    frame.values.update({part: Sym.var(part) for part in declared if isinstance(part, str)})
    return shape_text([_size(part, span, frame) for part in declared])


def _unlike(
    net: NetBuilder, statement: ast.Input, wanted: str, found: str, value: Value | None = None
) -> NetdslError:
    """The error of a value that does not fit the input of a called net."""
    definition = net.open[-1]
    assert net.caller is not None
    notes = (Annotation("its input is declared here", statement.span),)
    call = net.caller.span.text
    message = f"the input of net `{definition.name}` is {wanted}, and this value is {found}"
    fix: tuple[Edit, ...] = ()
    help_ = "bring the value to that shape, or open sizes of the input with names, as in `3xHxW`"
    if wanted.startswith("of type"):
        help_ = "declare the input with the type of the value, or convert the value before"
    elif (fitting := _other_input(net, wanted, value)) is not None:
        help_ = f"input `{fitting}` fits: write `@{fitting} -> {call}`"
        if net.caller.span.file.text[: net.caller.span.start].rstrip(" ").endswith("\n"):
            fix = (inserted(net.caller.span, f"@{fitting} -> "),)
    elif (channels := _other_channels(wanted, found)) is not None:
        help_ = f"write `conv({channels}, 1) -> {call}`"
        first = net.graph.inputs[0]
        if str(first.type) == found:
            sizes = "x".join([channels, *found.split("x")[1:]])
            help_ += f", or begin with `input {first.name}: {sizes}`"
    elif wanted.partition("x")[0] == found.partition("x")[0] and wanted.count("x") == 2:
        opened = f"{wanted.partition('x')[0]}xHxW"
        declared = f"`input {statement.label.span.text}: {opened}`"
        help_ = f"open the sizes of the input in `{definition.name}`: {declared}"
        if value is not None and value.producer is not None:
            from netdsl.elaborate.join_ways import steps  # only texts with errors need it

            help_ = f"on the way, the value {steps(value, None)}"
    return NetdslError("shape-mismatch", message, net.caller.span, help=help_, notes=notes, fix=fix)


def _other_input(net: NetBuilder, wanted: str, value: Value | None) -> str | None:
    """The only input of the net, besides a value, that has the shape of a declaration."""
    if len(net.open) > CALLER_AND_CALLED:
        return None
    names = [x.name for x in net.graph.inputs if x is not value and _has_shape(x, wanted)]
    return names[0] if len(names) == 1 else None


def _has_shape(x: Value, wanted: str) -> bool:
    """Whether a value has the sizes of a declaration, in which a name has one size."""
    parts = wanted.split("x")
    if len(parts) != len(x.type.shape):
        return False
    pairs = [(p, str(n)) for p, n in zip(parts, x.type.shape, strict=True)]
    known = dict(pairs)
    return all(p == n or (p.isidentifier() and known[p] == n) for p, n in pairs)


def _other_channels(wanted: str, found: str) -> str | None:
    """The channels that a net takes, if its maps differ from a value only in their channels."""
    theirs, ours = wanted.split("x"), found.split("x")
    fits = all(a == b or not a.isdigit() for a, b in zip(theirs[1:], ours[1:], strict=False))
    if len(theirs) != len(ours) or len(theirs) < 2 or theirs[0] == ours[0] or not fits:
        return None
    return theirs[0] if theirs[0].isdigit() else None


def put_out(net: NetBuilder, value: Value, env: Env) -> None:
    """Remember the output of a called net; raises `NetdslError` if it is the second."""
    results = env.find(RESULTS)[1]
    assert isinstance(results, list)
    results.append(value)
    if len(results) > 1:
        assert net.caller is not None
        fact = f"net `{net.open[-1].name}` has two outputs"
        error = _not_callable(net.open[-1], net.caller.span, fact)
        error.diagnostic.help = _as_block(net.open[-1], net.caller.span)
        raise error


def _as_block(definition: ast.Definition, call: Span) -> str:
    """Advice for a net with several outputs that is called: a block, whose values have labels."""
    outputs = [s for s in definition.body.statements if isinstance(s, ast.Output)]
    named = [s for s in outputs if s.label is not None and s.chain is not None]
    parameters = ", ".join(p.span.text for p in definition.parameters)
    advice = f"make it `block {definition.name}({parameters})`, without its `input`"
    if not named:
        return f"{advice}; its values can have labels"
    output = named[0]
    assert output.label is not None
    assert output.chain is not None
    name = output.label.span.text
    layers = re.sub(rf"^{re.escape(name)}:\s*", "", output.chain.span.text)
    written = f"{{ {layers} }}" if len(output.chain.elements) > 1 else layers
    before = _LABEL.search(call.file.text[: call.start])
    user = before[1] if before is not None else "b"
    labelled = f"call it as `{user}: {call.text}`; " * (before is None)
    return (
        f"{advice}, and write `{name}: {written}` in place of `output {name}`;"
        f" {labelled}the value is then `@{user}.{name}`"
    )
