"""The elements of the inputs that one unit of a layer depends on, through all branches.

A set of elements of a map is a list of products of rows and columns. Dilated windows have gaps, and
branches with windows of different sizes give several products.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.sizes import example_inputs
from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Node, Value

Part = tuple[frozenset[int], ...]  # the indices along each spatial axis
MOST_PARTS = 64  # of one value; more become their hull
MOST_LABELS = 8  # in a message


class SeenField(NamedTuple):
    """What a unit sees: its layer, its place, and the parts of each value, by the value's id."""

    layer: str
    place: tuple[int, ...]
    parts: dict[int, list[Part]]

    def cells(self, value: Value) -> set[tuple[int, ...]]:
        """The elements of a map with two axes, as pairs of row and column."""
        found = self.parts.get(id(value), [])
        return {(row, column) for rows, columns in found for row in rows for column in columns}


def field_of(graph: Graph, text: str) -> SeenField:
    """What a unit such as `C3:5,5` sees.

    Raises `NetdslError` for an unknown layer, a layer without a map, a place outside the map, and
    open sizes.
    """
    name, colon, places = text.rpartition(":")
    numbers = places.split(",")
    if not colon or not all(number.strip().isdecimal() for number in numbers):
        raise _wrong(graph, f"`{text[:60]}` names no unit", "write a layer and a place: C3:5,5")
    node = _node(graph, name)
    place = tuple(int(number) for number in numbers)
    spatial = _sizes(graph, node.output)
    if len(spatial) != 2:
        raise _wrong(
            graph,
            f"`{name}` has the shape {node.type}, and is not a map with rows and columns",
            "name a layer before `flatten`",
        )
    if len(place) != 2 or any(p >= size for p, size in zip(place, spatial, strict=True)):
        last = ",".join(str(size - 1) for size in spatial)
        raise _wrong(
            graph,
            f"`{name}` has no unit {','.join(map(str, place))}: its map is {shape_text(spatial)}",
            f"the units are 0,0 to {last}",
        )
    parts = {id(node.output): [tuple(frozenset((p,)) for p in place)]}
    for other in reversed(graph.nodes):
        found = [part for value in other.outputs for part in parts.get(id(value), [])]
        if found:
            for value in other.inputs:
                _add(parts, value, _before(graph, other, value, found))
    return SeenField(name, place, parts)


def _node(graph: Graph, name: str) -> Node:
    node = layer_named(graph, name)
    if node is None:
        names = [node.name for node in graph.nodes if not node.label.isdigit()]
        raise _wrong(
            graph,
            f"the net has no layer `{name[:60]}`",
            did_you_mean(name, [*names, *graph.scopes]) or _labels(names),
        )
    return node


def _labels(names: list[str]) -> str:
    """Advice with the first labels of a net."""
    if not names:
        return "`netdsl check` lists the names of the layers"
    text = ", ".join(f"`{name}`" for name in names[:MOST_LABELS])
    if len(names) > MOST_LABELS:
        text += " and others, which `netdsl check` lists"
    return f"labels here: {text}"


def layer_named(graph: Graph, name: str) -> Node | None:
    """The layer of that name, or the last one of a block or group; None if there is none."""
    for node in graph.nodes:
        if node.name == name:
            return node
    scope = graph.scopes.get(name)
    if scope is not None:
        return list(scope.nodes())[-1]
    return None


def _sizes(graph: Graph, value: Value) -> tuple[int, ...]:
    sizes = value.type.spatial
    if all(isinstance(size, int) for size in sizes):
        return tuple(int(str(size)) for size in sizes)
    raise NetdslError(
        "open-size",
        f"a field is drawn pixel by pixel, and `{value.name}` has the open size {value.type}",
        value.site.span,
        help=f"give the sizes of the input: `{example_inputs(graph)}`",
    )


def _before(graph: Graph, node: Node, value: Value, found: list[Part]) -> list[Part]:
    """The parts of an input of a layer that parts of its result depend on."""
    sizes = _sizes(graph, value)
    everything = tuple(frozenset(range(size)) for size in sizes)
    if node.op.sees_all(*node.types) or len(sizes) != len(found[0]):
        return [everything]
    windows = node.op.windows(*node.types)
    steps = getattr(node.op, "dilation", 1)
    if not isinstance(steps, tuple):
        steps = (steps,) * len(sizes)
    parts = []
    for part in found:
        axes = []
        for indices, window, step, size in zip(part, windows, steps, sizes, strict=True):
            starts = (ceil(i * window.stride / window.up - window.pad) for i in indices)
            seen = {start + k for start in starts for k in range(0, window.extent, step)}
            axes.append(frozenset(i for i in seen if 0 <= i < size))
        parts.append(tuple(axes))
    return parts


def _add(parts: dict[int, list[Part]], value: Value, new: list[Part]) -> None:
    """Add parts to those of a value, without parts that are inside others."""
    known = list(dict.fromkeys([*parts.get(id(value), []), *new]))
    if len(known) > MOST_PARTS:
        axes = range(len(known[0]))
        known = [tuple(frozenset().union(*(part[n] for part in known)) for n in axes)]
    parts[id(value)] = [
        part
        for part in known
        if not any(part is not other and _inside(part, other) for other in known)
    ]


def _inside(part: Part, other: Part) -> bool:
    return all(one <= two for one, two in zip(part, other, strict=True))


def _wrong(graph: Graph, message: str, help_: str) -> NetdslError:
    return NetdslError("wrong-field", message, graph.site.span, help=help_)


def blocks_of(cells: set[tuple[int, ...]]) -> list[tuple[int, int, int, int]]:
    """Elements of a map as rectangles: top, bottom, left, right; the ends are not included."""
    rows: dict[int, list[int]] = {}
    for row, column in sorted(cells):
        rows.setdefault(row, []).append(column)
    blocks: list[tuple[int, int, int, int]] = []
    open_: dict[tuple[int, int], int] = {}  # the first row of each run of columns
    for row in range(min(rows, default=0), max(rows, default=-1) + 2):
        runs = set(_runs(rows.get(row, [])))
        ended = [run for run in open_ if run not in runs]
        blocks += [(open_.pop(run), row, *run) for run in ended]
        for run in runs:
            open_.setdefault(run, row)
    return sorted(blocks)


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as pairs of the first and the one after the last."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def field_text(field: SeenField, value: Value) -> str:
    """`C3:5,5 sees 14x14 pixels of image`, or the number of pixels if they are no rectangle."""
    cells = field.cells(value)
    blocks = blocks_of(cells)
    size = f"{len(cells):,}"
    if len(blocks) == 1:
        top, bottom, left, right = blocks[0]
        size = f"{bottom - top}x{right - left}"
    unit = ",".join(map(str, field.place))
    return f"{field.layer}:{unit} sees {size} pixels of {value.name}"
