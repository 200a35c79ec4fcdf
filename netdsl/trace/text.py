"""What `netdsl trace` prints: the grids beside each other, the sums, and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.trace.worked import number, place_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.trace.values import CheckedWork
    from netdsl.trace.worked import NumberGrid, WorkPart

MOST_PARTS = 16  # channels that are printed with their grids
MOST_ROWS = 40  # of a grid
DIGITS = 4
GAP = "    "
WIDTH = 120  # of pages and files


def lines_of(checked: CheckedWork, *, backward: bool, width: int = WIDTH) -> Iterator[str]:
    """The lines of one output worked by hand; grids are beside each other if the width allows."""
    node, worked = checked.node, checked.worked
    place = ""
    if checked.at:
        place = f" at {place_text(checked.at)} of {'x'.join(map(str, checked.shape))}"
    yield f"{node.name} ({node.op.kind}){place}: {worked.formula}"
    yield ""
    for part in worked.parts[:MOST_PARTS]:
        yield from _part(part, width)
        yield ""
    if len(worked.parts) > MOST_PARTS:
        yield f"... and {len(worked.parts) - MOST_PARTS} more channels, which --format json lists"
        yield ""
    yield from worked.lines
    yield f"PyTorch: {number(checked.in_torch, 7)}"
    if backward:
        yield ""
        yield "backward: the gradients of this number, with 1 from above; autograd gives the same"
        for gradient in worked.gradients:
            yield ""
            yield gradient.title
            yield from grid_lines(gradient.grids[:MOST_PARTS], width)


def _part(part: WorkPart, width: int) -> Iterator[str]:
    if part.title:
        yield part.title
    yield from grid_lines(part.grids, width)
    if part.text:
        yield f"  {part.text}"


def grid_lines(grids: Sequence[NumberGrid], width: int) -> Iterator[str]:
    """Grids under their titles, as many beside each other as the width allows."""
    row: list[list[str]] = []
    used = 0
    for column in map(_column, grids):
        size = max(map(len, column)) + len(GAP)
        if row and used + size > width:
            yield from _beside(row)
            row, used = [], 0
        row.append(column)
        used += size
    if row:
        yield from _beside(row)


def _beside(columns: list[list[str]]) -> Iterator[str]:
    for i in range(max(map(len, columns))):
        cells = ["".join(c[i : i + 1]).ljust(max(map(len, c))) for c in columns]
        yield f"  {GAP.join(cells)}".rstrip()


def cell_text(value: float) -> str:
    """A number of a grid; empty for one that does not exist."""
    if np.isnan(value):
        return ""
    return number(value, DIGITS)


def _column(grid: NumberGrid) -> list[str]:
    """The title and the rows of a grid; numbers of the padding are in parentheses."""
    shown = grid.rows[:MOST_ROWS]
    texts = [[cell_text(value) for value in row] for row in shown.tolist()]
    if grid.outside is not None:
        for row, marks in zip(texts, grid.outside.tolist(), strict=False):
            row[:] = [f"({t})" if mark else t for t, mark in zip(row, marks, strict=True)]
    width = max((len(t) for row in texts for t in row), default=0)
    lines = [" ".join(t.rjust(width) for t in row) for row in texts]
    if len(grid.rows) > MOST_ROWS:
        lines.append(f"... {len(grid.rows) - MOST_ROWS} more rows")
    return [*filter(None, [grid.title]), *lines]
