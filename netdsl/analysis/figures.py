"""Figures as text: numbers with separated thousands, formulas, bytes, and the totals of a net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.cost import TYPICAL, peak_at
from netdsl.ir.types import Sym, compact
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.analysis.cost import Costs
    from netdsl.analysis.sizes import ExampleSizes
    from netdsl.analysis.summary import Summary

USUAL = ("kind", "window", "output", "params", "macs", "from")  # the columns of the layer table
SHOW = ("buffers", "weights", "units", "memory", "field")  # the columns that `--show` adds
PARALLEL = "parallel"  # the tables about training on several devices, which `--show` also adds
FIGURES = ("params", "macs", "buffers", "weights", "units", "memory")  # columns of numbers
MAX_FORMULA = 24  # characters in a table cell


def totals(
    summary: Summary,
    proven: int = 0,
    asked: int = 0,
    *,
    deferred: int = 0,
    units: bool = False,
    most: int | None = MAX_FORMULA,
    example: ExampleSizes | None = None,
) -> list[tuple[str, str]]:
    """The lines under the table, each as a label and a text.

    `proven` of the `asked` lines with `expect` are true, and `deferred` of them are about values,
    which only `verify` computes. `most` is as in `figure`, for memory. With an `example`, the MACs
    also have their number for its sizes, and memory has only this if its formulas are longer.
    """
    t = summary.totals
    frozen = f" ({t.params - t.trainable:,} frozen)" if t.trainable != t.params else ""
    macs = summary.macs_of_multiples() or long_figure(t.macs)
    lines = [("params", f"{t.params:,}{frozen}")]
    if t.buffers:
        lines.append(("buffers", f"{t.buffers:,} stored, not learned"))
    if summary.uncounted:
        macs = f"at least {macs}; not known for {', '.join(summary.uncounted)}"
    if example is not None and isinstance(t.macs, Sym):
        macs += f"; {t.macs.at(example.sizes):,} for {example.inputs}"
    lines.append(("MACs", macs))
    if summary.aux_params:
        heads = f"{summary.aux_params:,} params of {' and '.join(summary.aux_heads)}"
        lines.append(("auxiliary heads", f"{heads}, in training only, not in the totals"))
    lines.append(("weights", f"{t.weights:,} without biases"))
    if units:
        lines.append(("units", f"{long_figure(t.units)} of layers with weights"))
    lines.append(("depth", counted(t.depth, "layer") + " with weights on the longest path"))
    lines.append(("memory", _memory_used(summary.costs, most, example)))
    if summary.valid_for:
        lines.append(("valid for", summary.valid_for))
    if asked:
        lines.append(("expect", _expected(proven, asked - deferred, deferred)))
    return lines


def _memory_used(costs: Costs, most: int | None, example: ExampleSizes | None) -> str:
    """The memory of params, of all values, and of those that are in use at the same time."""
    t = costs.totals()
    values, peak, sizes = t.activation_bytes, t.peak_bytes, ""
    if example is not None and any(is_long(value, most) for value in (values, peak)):
        values, peak = value_at(values, example), peak_at(costs.graph, example.sizes)
        sizes = f", for {example.inputs}"
    elif not costs.peak.is_for_all_sizes:
        sizes = f" for sizes around {TYPICAL}"
    return (
        f"{memory(4 * t.params)} params, {memory(values, most)} activations,"
        f" {memory(peak, most)} at the peak{sizes}"
    )


def is_long(value: int | Sym, most: int | None) -> bool:
    """Whether a figure is a formula of more than `most` characters."""
    return isinstance(value, Sym) and most is not None and len(compact(value)) > most


def value_at(value: int | Sym, example: ExampleSizes) -> int:
    """A figure for the sizes of an example."""
    return value.at(example.sizes) if isinstance(value, Sym) else value


def _expected(proven: int, checked: int, deferred: int) -> str:
    """How many `expect` lines hold, and how many are not evaluated."""
    parts = []
    if checked:
        parts.append(f"{proven} of {checked} hold")
    if deferred:
        parts.append(f"{deferred} not evaluated: `netdsl verify` evaluates values")
    return ", ".join(parts)


def figure(value: int | Sym, most: int | None = MAX_FORMULA) -> str:
    """A figure for a table cell: `1,024`, a dash for 0.

    A formula of more than `most` characters becomes `f(H, W)`, unless `most` is None.
    """
    if isinstance(value, Sym):
        text = compact(value)
        if is_long(value, most):
            return min(text, f"f({', '.join(sorted(value.symbols()))})", key=len)
        return text
    return f"{value:,}" if value else "-"


def long_figure(value: int | Sym) -> str:
    """A figure, with its whole formula if it has one."""
    return compact(value)


def memory(value: int | Sym, most: int | None = MAX_FORMULA) -> str:
    """Bytes in the largest fitting unit, up to GB: `512 B`, `1.5 MB`; formulas as in `figure`."""
    if isinstance(value, Sym):
        text = figure(value, most)
        return f"{text} B" if text == compact(value) else text
    if value < 1000:
        return f"{value} B"
    size = value / 1000
    for unit in ("KB", "MB"):
        if size < 1000:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
