"""The rows and totals of a net that `netdsl check` shows, and the same as JSON."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import total, units
from netdsl.analysis.receptive import Field, receptive_fields
from netdsl.analysis.valid import valid_for
from netdsl.ir.types import Floor, Sym, compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.analysis.cost import Cost, Costs
    from netdsl.ir.graph import Graph, Node, Value

MAX_STEP = 4096  # with a larger product of strides, there is no polynomial


class Row(NamedTuple):
    """One layer, or one block or group if its layers are folded into one row.

    `window` is the window as papers write it, and empty for other layers. `sources` are the names
    of the rows and of the net's inputs that the row takes. `bytes` is the size of the output for
    one sample. `field` is the receptive field along each spatial axis. `file` and `line` are the
    place in the text: a block can be in another file than the net. `aux` tells whether the row
    belongs to an auxiliary head. `results` are the names and shapes of the further results that the
    net uses, such as the final states of an `lstm`. `at_least` tells whether it has more MACs than
    are known. `operation` is an operator with its operands, `x / 2`, and empty for other layers.
    `shares` are the names of weights of other layers that it uses.
    """

    name: str
    kind: str
    window: str
    shape: tuple[int | Sym, ...]
    params: int
    macs: int | Sym
    sources: tuple[str, ...]
    buffers: int
    weights: int
    units: int | Sym
    bytes: int | Sym
    field: Field
    file: str
    line: int
    aux: bool
    results: tuple[tuple[str, tuple[int | Sym, ...]], ...] = ()
    at_least: bool = False
    operation: str = ""
    shares: tuple[str, ...] = ()


class Layer(NamedTuple):
    """A layer with its row and its figures."""

    row: Row
    node: Node
    cost: Cost


class Summary:
    """Everything that `check` prints about a net.

    `valid` is the text of `valid_for(graph)`, if it is already known.
    """

    def __init__(self, graph: Graph, costs: Costs, valid: str | None = None) -> None:
        self.graph = graph
        self.costs = costs
        self.totals = costs.totals()
        self.valid_for = valid_for(graph) if valid is None else valid
        heads = [(node.aux, cost) for node, cost in costs.rows() if node.aux is not None]
        self.aux_params = sum(cost.params for _, cost in heads)
        self.aux_heads = list(dict.fromkeys(head for head, _ in heads))
        self.uncounted = list(
            dict.fromkeys(node.op.kind for node in graph.nodes if not node.op.is_counted)
        )

    def rows(
        self, depth: int | None = None, only: tuple[str, ...] = (), *, field: bool = True
    ) -> list[Row]:
        """The rows in the order of the text.

        With `depth`, the layers of each block that is nested deeper are folded into one row. With
        `only`, the result has only rows of these kinds. Without `field`, the receptive fields are
        empty, which saves the time to compute them.
        """
        layers = self.layers(field=field)
        rows = [layer.row for layer in layers]
        if depth is not None:
            rows = self._folded(layers, depth)
        if only:
            rows = [r for r in rows if r.kind in only]
        return rows

    def layers(self, *, field: bool = True) -> list[Layer]:
        """Every layer with its row, in the order of the text; `field` is as in `rows`."""
        fields: list[Field] = [()] * len(self.graph.nodes)
        if field:
            fields = receptive_fields(self.graph)
        return [
            Layer(_row(n, c, stretch), n, c)
            for (n, c), stretch in zip(self.costs.rows(), fields, strict=True)
        ]

    def _folded(self, layers: list[Layer], depth: int) -> list[Row]:
        """The rows, one for each block or group at that depth.

        Depth 0 is one row for the net, without its auxiliary heads: its totals do not include them.
        """
        shown = [layer for layer in layers if depth or layer.node.aux is None]
        parts = parts_at(shown, depth)
        names = {id(members[-1].node.output): name for name, members in parts}
        return [
            self.part(name, members)._replace(
                sources=tuple(names.get(id(v)) or name_of(v) for v in taken_by(members))
            )
            for name, members in parts
        ]

    def part(self, name: str, layers: list[Layer]) -> Row:
        """One row for a part of the net: its sums, and the shape and field of its last layer."""
        rows = [layer.row for layer in layers]
        last, scope = rows[-1], self.graph.scopes.get(name)
        window = ""
        if last.name == name:  # a layer, or a join, whose row includes its arms
            kind, place, window = last.kind, layers[-1].node.span, last.window
        elif scope is not None and scope.site is not None:
            kind, place = scope.kind or "group", scope.site.span
        elif name:
            kind, place = "group", layers[0].node.span
        else:
            kind, place = "net", self.graph.site.span
        return last._replace(
            name=name or self.graph.name,
            kind=kind,
            window=window,
            file=place.file.name,
            line=place.first.line,
            params=sum(r.params for r in rows),
            macs=total(r.macs for r in rows),
            buffers=sum(r.buffers for r in rows),
            weights=sum(r.weights for r in rows),
            units=units(name, [(layer.node, layer.cost) for layer in layers]),
            bytes=total(r.bytes for r in rows),
            at_least=any(r.at_least for r in rows),
            operation=last.operation if last.name == name else "",
            shares=last.shares if len(rows) == 1 else (),
        )

    def macs_of_multiples(self) -> str:
        """The MACs as a polynomial without floors, for sizes that are divisible by all strides.

        For example, `81,456 H W + 2,048,000 for H and W divisible by 32`. Empty if there is no such
        polynomial, or if the MACs have no floors.
        """
        macs = self.totals.macs
        if not isinstance(macs, Sym):
            return ""
        step = macs.period()
        floors = [a.numerator.symbols() for a in macs.atoms() if isinstance(a, Floor)]
        symbols = [s for s in self.graph.symbols if any(s in f for f in floors)]
        if step == 1 or step > MAX_STEP:
            return ""
        scaled = macs.subs({s: Sym.var(s) * step for s in symbols})
        if not isinstance(scaled, Sym):
            return ""
        terms = {}
        for monomial, coefficient in scaled.terms.items():
            divisor = step ** sum(a in symbols for a in monomial)
            if coefficient % divisor:
                return ""
            terms[monomial] = coefficient // divisor
        return f"{compact(Sym(terms))} for {' and '.join(symbols)} divisible by {step}"

    def as_json(self, depth: int | None = None, only: tuple[str, ...] = ()) -> dict[str, object]:
        """The net as `netdsl check --format json` prints it.

        `depth` and `only` are as in `rows`.
        """
        graph = self.graph
        totals = {name: _plain(value) for name, value in self.totals._asdict().items()}
        layers = [
            {
                "name": r.name,
                "kind": r.kind,
                "window": r.window,
                "output": _shape(r.shape),
                "params": r.params,
                "macs": None if r.at_least and not r.macs else _plain(r.macs),
                "from": r.sources,
                "buffers": r.buffers,
                "weights": r.weights,
                "units": _plain(r.units),
                "receptive_field": [_plain(d) for d in r.field],
                "file": r.file,
                "line": r.line,
                "activation_bytes": _plain(r.bytes),
                "training_only": r.aux,
                **({"results": {k: _shape(shape) for k, shape in r.results}} if r.results else {}),
                **({"macs_at_least": True} if r.at_least else {}),
            }
            for r in self.rows(depth, only)
        ]
        return {
            "name": graph.name,
            "file": graph.site.span.file.name,
            "valid_for": self.valid_for,
            "inputs": [_tensor(v.name, v) for v in graph.inputs],
            "outputs": [_tensor(o.name, o.value) for o in graph.outputs],
            "layers": layers,
            "totals": {**totals, "auxiliary_params": self.aux_params},
            **({"not_counted": self.uncounted} if self.uncounted else {}),
        }


def parts_at(layers: Iterable[Layer], depth: int) -> list[tuple[str, list[Layer]]]:
    """The parts of a net at a depth, in the order of the text: their names and layers."""
    parts = groupby(layers, key=lambda layer: layer.node.at_depth(depth).name)
    return [(name, list(members)) for name, members in parts]


def taken_by(layers: Sequence[Layer]) -> list[Value]:
    """The values that a part of a net takes from outside, each once."""
    inside = {id(layer.node) for layer in layers}
    values = (v for layer in layers for v in layer.node.inputs)
    return list({id(v): v for v in values if id(v.producer) not in inside}.values())


def name_of(value: Value) -> str:
    """The name of an input, or of the layer that makes a value; `enc.h` for a further result."""
    return value.name


def _row(node: Node, cost: Cost, field: Field) -> Row:
    types, text = node.types, node.op.kind_text()
    return Row(
        node.name,
        node.op.kind,
        node.op.window_text(*types),
        node.type.shape,
        cost.params,
        cost.macs,
        tuple(name_of(v) for v in node.inputs),
        cost.buffers,
        cost.weights,
        cost.units,
        cost.bytes,
        field,
        node.span.file.name,
        node.span.first.line,
        node.aux is not None,
        tuple((name, value.type.shape) for name, value in node.results.items()),
        not node.op.is_counted,
        text if text != node.op.kind else "",
        tuple(p.tied for p in node.params().values() if p.tied),
    )


def _plain(value: int | Sym) -> int | str:
    return value if isinstance(value, int) else str(value)


def _shape(shape: tuple[int | Sym, ...]) -> list[int | str]:
    return ["N", *(_plain(d) for d in shape)]


def _tensor(name: str, value: Value) -> dict[str, object]:
    return {"name": name, "shape": _shape(value.type.shape), "dtype": value.type.dtype}
