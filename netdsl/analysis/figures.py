"""Figures as people read them: numbers with thousands separated, formulas, bytes; and the totals of
a net, line by line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.types import Sym, compact
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.analysis.summary import Summary

USUAL = ("kind", "output", "params", "macs")  # the columns of the layer table
SHOW = ("weights", "units", "memory", "field")  # those that it has on request
MAX_FORMULA = 24


def totals(
    summary: Summary, proven: int = 0, asked: int = 0, *, units: bool = False
) -> list[tuple[str, str]]:
    """What stands under the table: a label and a text for each line.

    `proven` of the `asked` lines of `expect` hold.
    """
    t = summary.totals
    frozen = f" ({t.params - t.trainable:,} frozen)" if t.trainable != t.params else ""
    lines = [("params", f"{t.params:,}{frozen}"), ("MACs", long_figure(t.macs))]
    simple = summary.macs_of_multiples()
    if simple:
        lines[-1] = ("MACs", simple)
    if summary.aux_params:
        lines.append(("auxiliary heads", f"{summary.aux_params:,} params, in training only"))
    lines.append(("weights", f"{t.weights:,} without biases"))
    if units:
        lines.append(("units", f"{long_figure(t.units)} of layers with weights"))
    lines.append(("depth", counted(t.depth, "layer") + " with weights"))
    lines.append(
        (
            "memory",
            (
                f"{memory(4 * t.params)} params, {memory(t.activation_bytes)} activations,"
                f" {memory(t.peak_bytes)} at the peak"
            ),
        )
    )
    if summary.valid_for:
        lines.append(("valid for", summary.valid_for))
    if asked:
        lines.append(("expect", f"{proven} of {asked} hold"))
    return lines


def figure(value: int | Sym) -> str:
    """A figure for a table cell: thousands separated; a dash for none; long formulas cut short."""
    if isinstance(value, Sym):
        text = compact(value)
        return text if len(text) <= MAX_FORMULA else f"f({', '.join(sorted(value.symbols()))})"
    return f"{value:,}" if value else "-"


def long_figure(value: int | Sym) -> str:
    """A figure with its formula in full."""
    return compact(value) if isinstance(value, Sym) else f"{value:,}"


def memory(value: int | Sym) -> str:
    """Bytes in units that people read."""
    if isinstance(value, Sym):
        return f"{figure(value)} B" if len(compact(value)) <= MAX_FORMULA else figure(value)
    size = float(value)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
