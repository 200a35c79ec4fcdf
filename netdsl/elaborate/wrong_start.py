"""Advice for a chain that begins with another value than the one that was meant.

It continues from an output, from the first input, or from the group that it applies again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.join_ways import line, takes, way
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.scope import Namespace
    from netdsl.ir.graph import Value
    from netdsl.ir.op import Op

_START = re.compile(r"(?P<reference>@[\w.]+)[ \t]*->[ \t]*$")
_OUTPUT = re.compile(r"[ \t]*output[ \t]+(?P<name>\w+)[ \t]*:[ \t]*")


def wrong_start(op: Op, call: ast.Call, xs: tuple[Value, ...], net: NetBuilder) -> Repair | None:
    """Advice for a layer whose input has the wrong rank or element type."""
    if len(xs) == 2 and op.family == "join":
        return _words(xs)
    if len(xs) == 2:
        return _exchanged(op, call, xs)
    if len(xs) != 1:
        return None
    x = xs[0]
    return _from_output(op, call, x, net) or _again(x, net) or _other_input(op, call, x, net)


def _exchanged(op: Op, call: ast.Call, xs: tuple[Value, ...]) -> Repair | None:
    """Advice for `@rois -> roi_align(7, 1 / 16, @features)`, whose inputs are exchanged."""
    start = _START.search(call.span.file.text[: call.span.start])
    references = [a.value.span for a in call.arguments if isinstance(a.value, ast.Reference)]
    if start is None or len(references) != 1 or not takes(op, [x.type for x in reversed(xs)]):
        return None
    first = Span(call.span.file, *start.span("reference"))
    written = call.span.text.replace(references[0].text, first.text, 1)
    help_ = f"the two are swapped: write `{references[0].text} -> {written}`"
    return Repair(help_, (Edit(first, references[0].text), Edit(references[0], first.text)))


def _from_output(op: Op, call: ast.Call, x: Value, net: NetBuilder) -> Repair | None:
    """Advice for a second output that continues from the first one."""
    first = _output(x.site.span)
    this = _output(call.span)
    if first is None or this is None or this.end() != _column(call):
        return None
    number = line(x.site.span)
    start = x
    for node in way(x):
        if line(node.span) != number or node.span.file is not call.span.file:
            break
        start = node.inputs[0]
    if start is x or not takes(op, [start.type]):
        return None
    fact = f"the current value is output `{first['name']}` (line {number})"
    label = _label(net.scope, start)
    if label is not None:
        text = f"@{label} -> "
        written = f"output {this['name']}: {text}{call.span.text}"
        return Repair(f"{fact}: write `{written}`", (inserted(call.span, text),))
    if start.producer is None:
        return None
    labelled = f"`features: {start.producer.op.kind}` on line {line(start.site.span)}"
    written = f"output {this['name']}: @features -> {call.span.text}"
    help_ = f"{fact}: give the value before it a label, {labelled}, and write `{written}`"
    if start.producer.params() or re.search(r"\bfeatures\b", call.span.file.text):
        return Repair(help_)
    labelling = inserted(start.site.span, "features: ")
    return Repair(help_, (labelling, inserted(call.span, "@features -> ")))


def begins_chain(span: Span) -> bool:
    """Whether no `->` is before a place, so that a reference can be added there."""
    return re.search(r"->\s*$", span.file.text[: span.start]) is None


def _output(span: Span) -> re.Match[str] | None:
    """The beginning of a line that has an output."""
    return _OUTPUT.match(span.file.line(line(span)))


def _column(call: ast.Call) -> int:
    """The characters before a call, or its label, on its line."""
    start = call.span if call.label is None else call.label.span
    return start.first.column - 1


def _label(scope: Namespace | None, value: Value) -> str | None:
    """The label of a value in a scope, or in one around it."""
    while scope is not None:
        for label, binding in scope.labels.items():
            if binding.value is value and label.isidentifier():
                return label
        scope = scope.outer
    return None


def _again(x: Value, net: NetBuilder) -> Repair | None:
    """Advice for `other: tower`, which applies the group `tower` to its own result."""
    if net.caller is None:
        return None
    call = net.caller.span.text
    binding = net.scope.find(call.split("."))
    if binding is None or binding.value is not x:
        return None
    used = {x for node in net.graph.nodes for x in node.inputs}
    unused = [x.name for x in net.graph.inputs[1:] if x not in used]
    if not unused:
        fact = f"`{call}` is applied to its own result, which is the current value"
        return Repair(f"{fact}: begin with a reference to its input")
    text = f"@{unused[0]} -> "
    fact = f"`{call}` is applied to its own result, and nothing uses input `{unused[0]}`"
    fix = (inserted(net.caller.span, text),) if begins_chain(net.caller.span) else ()
    return Repair(f"{fact}: write `{text}{call}`", fix)


def _other_input(op: Op, call: ast.Call, x: Value, net: NetBuilder) -> Repair | None:
    """Advice for a layer that takes another input of the net than the first."""
    begin = call.span
    if call.label is not None:
        begin = call.label.span
    if not net.graph.inputs or net.graph.inputs[0] is not x or not begins_chain(begin):
        return None  # it is not the first input, or a reference names it
    fitting = [y for y in net.graph.inputs[1:] if _takes(op, y)]
    if len(fitting) != 1:
        return None
    text = f"@{fitting[0].name} -> "
    fact = f"the current value is the first input, `{x.name}`"
    written = call.span.file.text[begin.start : call.span.end]
    return Repair(f"{fact}: write `{text}{written}`", (inserted(begin, text),))


def _takes(op: Op, x: Value) -> bool:
    """Whether a layer takes a value with its element type."""
    return takes(op, [x.type]) and (op.any_dtype or x.type.dtype == "float32")


def _words(xs: tuple[Value, ...]) -> Repair | None:
    """Advice for `add(@tokens)`, where vectors meet the integers that they belong to."""
    integers = [x for x in xs if x.type.dtype.startswith("int") and x.producer is None]
    vectors = [x for x in xs if x.type.dtype == "float32" and len(x.type.shape) == 2]
    if len(integers) != 1 or len(vectors) != 1 or len(integers[0].type.shape) != 1:
        return None
    name, width = integers[0].name, vectors[0].type.shape[-1]
    return Repair(
        f"`{name}` has integers: turn them into vectors first, as in"
        f" `{name}_vectors: @{name} -> embedding(1000, {width})`"
    )
