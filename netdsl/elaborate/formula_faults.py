"""The errors of operators in formulas, such as `(@a * @b)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.dtype_advice import as_floats
from netdsl.elaborate.faults import input_notes
from netdsl.elaborate.join_labels import reshaped
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.label_advice import first_only
from netdsl.elaborate.origins import source_of
from netdsl.errors import NetdslError
from netdsl.ops.cast import NUMBERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.errors import OpError
    from netdsl.ir.graph import Value
    from netdsl.ir.op import Op
    from netdsl.source import Span


def of_operator(
    error: OpError, op: Op | None, xs: tuple[Value, ...], span: Span, net: NetBuilder
) -> NetdslError:
    """The error of an operator in a formula; without `op`, its numbers are at fault."""
    notes = input_notes(xs)
    if error.code == "wrong-dtype":
        return NetdslError(error.code, error.message, span, help=_as_floats(xs), notes=notes)
    row = _one_row(xs)
    if row is None:
        row = Repair(error.help)
    help_ = reshaped(xs, net.scope) or _other_input(xs, net.open[-1]) or row.help
    makers = [x.producer.op for x in xs if x.producer is not None]
    reductions = [op.kind for op in makers if _drops_axes(op)]
    if reductions and len({len(x.type.shape) for x in xs}) > 1:
        help_ = f"`{reductions[0]}` removes the axis; `keep = true` keeps it with size 1"
    label = first_only(net, op, xs) if op is not None else None
    if label is not None:
        row, help_ = Repair(label), label
    return NetdslError(error.code, error.message, span, help=help_, notes=notes, fix=row.fix)


def _as_floats(xs: tuple[Value, ...]) -> str | None:
    """Advice for the first tensor of integers or booleans."""
    x = next((x for x in xs if x.type.dtype in NUMBERS), None)
    if x is None:
        return None
    source = source_of(x)
    if source.producer is None:
        if source.type.dtype == "bool":
            return f"`float(@{source.name})` has 1 for true and 0 for false"
        return f"declare input `{source.name}` without a type, which makes it float32"
    return as_floats(source.producer)


def _one_row(xs: tuple[Value, ...]) -> Repair | None:
    """Advice for a `param` with fewer axes than the tensor that it is combined with."""
    for x, other in (xs, xs[::-1]) if len(xs) == 2 else ():
        extra = len(other.type.shape) - len(x.type.shape)
        is_last = bool(x.type.shape) and x.type.shape == other.type.shape[extra:]
        if x.producer is not None and x.producer.op.kind == "param" and extra > 0 and is_last:
            text, sizes = x.producer.span.text, str(x.type)
            written = text.replace(sizes, "1x" * extra + sizes, 1)
            return Repair(f"write `{written}`", (Edit(x.producer.span, written),))
    return None


def _other_input(xs: tuple[Value, ...], definition: ast.Definition) -> str | None:
    """Advice for an input whose length is not that of the vector that it is combined with."""
    starts = [_start(x) for x in xs]
    inputs = [x for x in starts if x.producer is None]
    others = [x for x in starts if x.producer is not None]
    if len(inputs) != 1 or len(others) != 1 or not all(len(x.type.shape) == 1 for x in xs):
        return None
    length = others[0].type.shape[0]
    if others[0].site.caller is not None or not isinstance(length, int):
        return None
    named = [
        p.name
        for p in definition.parameters
        if isinstance(p.default, ast.Literal) and p.default.value == length
    ]
    size = str(length)
    if len(named) == 1:
        size = named[0]
    return f"declare the input with the same length: `input {inputs[0].name}: {size}`"


def _start(x: Value) -> Value:
    """The value that a tensor is computed from with numbers, as in `0.5 * @noise`."""
    while x.producer is not None and x.producer.op.family == "arithmetic":
        if len(x.producer.inputs) > 1:
            break
        x = x.producer.inputs[0]
    return x


def _drops_axes(op: Op) -> bool:
    return op.kind.startswith("reduce_") and not op.given["keep"]
