"""The layers of several nets beside each other, as VGG's Table 1 prints its configurations.

Nets are aligned one after the other: layers that are equal share a row, as many as possible. Layers
between two such rows share rows in their order. A cell is marked if the net to the left has another
layer, or none, in the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import Costs
from netdsl.analysis.figures import figure
from netdsl.draw.describe import describe
from netdsl.render import width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Graph

MARK, GAP = "*", "   "
MOST_LAYERS = 400  # of a net: aligning takes the product of two numbers of layers
_HIDDEN = ("activation", "regularisation", "shape", "arithmetic")


class NetColumn(NamedTuple):
    """The layers of a net, and the names of all nets that have these layers."""

    names: list[str]
    layers: list[str]
    figures: list[str]  # parameters, MACs and depth


def side_by_side(nets: Sequence[tuple[str, Graph]], width: int | None) -> list[str]:
    """The lines of the table, in parts beside each other that fit into the width."""
    columns = _columns(nets)
    rows = aligned([column.layers for column in columns])
    texts = [_cells(column, number, rows) for number, column in enumerate(columns)]
    heads = ["", *("" for _ in rows), "params", "MACs"]
    lines: list[str] = []
    first = 0
    while first < len(texts):
        last = first + 1
        while last < len(texts) and _fits([heads, *texts[first : last + 1]], width):
            last += 1
        if lines:
            lines.append("")
        lines += _laid_out([heads, *texts[first:last]])
        first = last
    if any(MARK in cell for column in texts for cell in column):
        lines += ["", f"{MARK}  differs from the net to the left"]
    return lines


def layers_of(graph: Graph) -> list[str]:
    """The layers that a paper's table lists: no activations, dropout, or batch norm."""
    shown = []
    for node in graph.nodes:
        is_norm = node.op.family == "normalisation" and bool(node.params())
        is_hidden = is_norm or node.op.family in _HIDDEN or node.op.kind == "flatten"
        if node.aux is None and not is_hidden:
            shown.append(describe(node.op, len(node.type.shape) - 1))
    return shown


def aligned(nets: list[list[str]]) -> list[list[str]]:
    """Rows with one cell for each net, which is empty where the net has no layer."""
    rows: list[list[str]] = [[layer] for layer in nets[0]]
    for number, layers in enumerate(nets[1:], start=1):
        made: list[list[str]] = []
        row = layer = 0
        for i, j in [*_pairs(rows, layers), (len(rows), len(layers))]:
            between = max(i - row, j - layer)
            olds = [*rows[row:i], *[[""] * number] * (between - (i - row))]
            news = [*layers[layer:j], *[""] * (between - (j - layer))]
            made += [[*old, new] for old, new in zip(olds, news, strict=True)]
            if i < len(rows):
                made.append([*rows[i], layers[j]])
            row, layer = i + 1, j + 1
        rows = made
    return rows


def _pairs(rows: list[list[str]], layers: list[str]) -> list[tuple[int, int]]:
    """The rows and layers that are equal, as many as possible, from the top."""
    best = [[0] * (len(layers) + 1) for _ in range(len(rows) + 1)]
    for i in reversed(range(len(rows))):
        for j in reversed(range(len(layers))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            if layers[j] in rows[i]:
                best[i][j] = max(best[i][j], best[i + 1][j + 1] + 1)
    found, i, j = [], 0, 0
    while i < len(rows) and j < len(layers):
        if layers[j] in rows[i] and best[i][j] == best[i + 1][j + 1] + 1:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _columns(nets: Sequence[tuple[str, Graph]]) -> list[NetColumn]:
    """The columns; nets with the same layers share one."""
    columns: dict[tuple[str, ...], NetColumn] = {}
    for name, graph in nets:
        layers = layers_of(graph)
        column = columns.get(tuple(layers))
        if column is None:
            totals = graph.derived(Costs).totals()
            shown = [figure(totals.params), figure(totals.macs)]
            columns[tuple(layers)] = NetColumn([name], layers, shown)
        else:
            column.names.append(name)
    return list(columns.values())


def _cells(column: NetColumn, number: int, rows: list[list[str]]) -> list[str]:
    """The name of a net, its layers, and its figures."""
    cells = []
    for row in rows:
        cell = row[number]
        if cell and number and row[number - 1] != cell:
            cell += f" {MARK}"
        cells.append(cell)
    return [", ".join(column.names), *cells, *column.figures]


def _fits(columns: list[list[str]], width: int | None) -> bool:
    widths = [max(map(width_of, column)) for column in columns]
    return width is None or sum(widths) + len(GAP) * (len(widths) - 1) <= width


def _laid_out(columns: list[list[str]]) -> list[str]:
    widths = [max(map(width_of, column)) for column in columns]
    lines = []
    for cells in zip(*columns, strict=True):
        padded = (c + " " * (w - width_of(c)) for c, w in zip(cells, widths, strict=True))
        lines.append(GAP.join(padded).rstrip())
    rule = "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    return [lines[0], rule, *lines[1:-2], rule, *lines[-2:]]
