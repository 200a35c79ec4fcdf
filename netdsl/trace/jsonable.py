"""An output worked by hand as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from netdsl.trace.values import CheckedWork
    from netdsl.trace.worked import NumberGrid


def as_json(net: str, checked: CheckedWork, *, backward: bool) -> dict[str, object]:
    """The whole work; numbers that do not exist, such as hidden scores, are null."""
    node, worked = checked.node, checked.worked
    found: dict[str, object] = {
        "net": net,
        "layer": node.name,
        "kind": node.op.kind,
        "at": list(checked.at),
        "shape": list(checked.shape),
        "formula": worked.formula,
        "parts": [
            {"title": part.title, "grids": [_grid(grid) for grid in part.grids], "text": part.text}
            for part in worked.parts
        ],
        "lines": list(worked.lines),
        "terms": [{"name": term.name, "value": term.value} for term in worked.terms],
        "result": _number(worked.result),
        "pytorch": _number(checked.in_torch),
        "allowed": checked.allowed,
    }
    if backward:
        found["gradients"] = [
            {
                "of": gradient.source,
                "index": list(gradient.where),
                "title": gradient.title,
                "grids": [_grid(grid) for grid in gradient.grids],
            }
            for gradient in worked.gradients
        ]
    return found


def _grid(grid: NumberGrid) -> dict[str, object]:
    rows = [[_number(value) for value in row] for row in grid.rows.tolist()]
    found: dict[str, object] = {"title": grid.title, "rows": rows}
    if grid.outside is not None and grid.outside.any():
        found["outside"] = grid.outside.tolist()
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
