"""The errors of operators in formulas, such as `(@a * @b)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.faults import input_notes
from netdsl.elaborate.join_labels import reshaped
from netdsl.elaborate.join_repairs import Repair
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from netdsl.elaborate.scope import Namespace
    from netdsl.errors import OpError
    from netdsl.ir.graph import Value
    from netdsl.ir.op import Op
    from netdsl.source import Span


def of_operator(error: OpError, xs: tuple[Value, ...], span: Span, scope: Namespace) -> NetdslError:
    """The error of an operator in a formula."""
    notes = input_notes(xs)
    row = _one_row(xs)
    if row is None:
        row = Repair(error.help)
    help_ = reshaped(xs, scope) or row.help
    makers = [x.producer.op for x in xs if x.producer is not None]
    reductions = [op.kind for op in makers if _drops_axes(op)]
    if reductions and len({len(x.type.shape) for x in xs}) > 1:
        help_ = f"`{reductions[0]}` removes the axis; `keep = true` keeps it with size 1"
    return NetdslError(error.code, error.message, span, help=help_, notes=notes, fix=row.fix)


def _one_row(xs: tuple[Value, ...]) -> Repair | None:
    """Advice for a `param` with fewer axes than the tensor that it is combined with."""
    for x, other in (xs, xs[::-1]) if len(xs) == 2 else ():
        extra = len(other.type.shape) - len(x.type.shape)
        is_last = x.type.shape == other.type.shape[extra:]
        if x.producer is not None and x.producer.op.kind == "param" and extra > 0 and is_last:
            text, sizes = x.producer.span.text, str(x.type)
            written = text.replace(sizes, "1x" * extra + sizes, 1)
            return Repair(f"write `{written}`", (Edit(x.producer.span, written),))
    return None


def _drops_axes(op: Op) -> bool:
    return op.kind.startswith("reduce_") and not op.given["keep"]
