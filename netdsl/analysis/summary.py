"""The rows and totals of a net that `netdsl check` shows, and the same as JSON."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import total, units
from netdsl.analysis.receptive import Field, receptive_fields
from netdsl.analysis.valid import valid_for
from netdsl.ir.types import Floor, Sym, compact

if TYPE_CHECKING:
    from netdsl.analysis.cost import Cost, Costs
    from netdsl.ir.graph import Graph, Node, Value

MAX_STEP = 4096  # with a larger product of strides, there is no polynomial


class Row(NamedTuple):
    """One layer, or one block or group if its layers are folded into one row.

    `bytes` is the size of the output for one sample. `field` is the receptive field along each
    spatial axis. `aux` tells whether the row belongs to an auxiliary head.
    """

    name: str
    kind: str
    shape: tuple[int | Sym, ...]
    params: int
    macs: int | Sym
    weights: int
    units: int | Sym
    bytes: int | Sym
    field: Field
    line: int
    aux: bool


class Summary:
    """Everything that `check` prints about a net.

    `valid` is the text of `valid_for(graph)`, if it is already known.
    """

    def __init__(self, graph: Graph, costs: Costs, valid: str | None = None) -> None:
        self.graph = graph
        self.costs = costs
        self.totals = costs.totals()
        self.valid_for = valid_for(graph) if valid is None else valid
        self.aux_params = sum(c.params for n, c in costs.rows() if n.aux is not None)

    def rows(
        self, depth: int | None = None, only: tuple[str, ...] = (), *, field: bool = True
    ) -> list[Row]:
        """The rows in the order of the text.

        With `depth`, the layers of each block that is nested deeper are folded into one row. With
        `only`, the result has only rows of these kinds. Without `field`, the receptive fields are
        empty, which saves the time to compute them.
        """
        fields: list[Field] = [()] * len(self.graph.nodes)
        if field:
            fields = receptive_fields(self.graph)
        rows = [
            Row(
                n.name,
                n.op.kind,
                n.type.shape,
                c.params,
                c.macs,
                c.weights,
                c.units,
                c.bytes,
                stretch,
                n.span.first.line,
                n.aux is not None,
            )
            for (n, c), stretch in zip(self.costs.rows(), fields, strict=True)
        ]
        if depth is not None:
            rows = self._folded(rows, depth)
        if only:
            rows = [r for r in rows if r.kind in only]
        return rows

    def _folded(self, rows: list[Row], depth: int) -> list[Row]:
        """The rows, one for each block or group at that depth.

        Depth 0 is one row for the net, without its auxiliary heads: its totals do not include them.
        """
        pairs = zip(rows, self.costs.rows(), strict=True)
        layers = (pair for pair in pairs if depth or not pair[0].aux)
        parts = groupby(layers, key=lambda layer: layer[1][0].at_depth(depth).name)
        return [self._part(name, *zip(*members, strict=True)) for name, members in parts]

    def _part(self, name: str, rows: tuple[Row, ...], costs: tuple[tuple[Node, Cost], ...]) -> Row:
        """One row for a part of the net: its sums, and the shape and field of its last layer."""
        last, scope = rows[-1], self.graph.scopes.get(name)
        if last.name == name:  # a layer, or a join, whose row includes its arms
            kind, line = last.kind, last.line
        elif scope is not None and scope.site is not None:
            kind, line = scope.kind or "group", scope.site.span.first.line
        elif name:
            kind, line = "group", rows[0].line
        else:
            kind, line = "net", self.graph.site.span.first.line
        return last._replace(
            name=name or self.graph.name,
            kind=kind,
            line=line,
            params=sum(r.params for r in rows),
            macs=total(r.macs for r in rows),
            weights=sum(r.weights for r in rows),
            units=units(name, costs),
            bytes=total(r.bytes for r in rows),
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
                "output": _shape(r.shape),
                "params": r.params,
                "macs": _plain(r.macs),
                "weights": r.weights,
                "units": _plain(r.units),
                "receptive_field": [_plain(d) for d in r.field],
                "line": r.line,
                "activation_bytes": _plain(r.bytes),
                "training_only": r.aux,
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
        }


def _plain(value: int | Sym) -> int | str:
    return value if isinstance(value, int) else str(value)


def _shape(shape: tuple[int | Sym, ...]) -> list[int | str]:
    return ["N", *(_plain(d) for d in shape)]


def _tensor(name: str, value: Value) -> dict[str, object]:
    return {"name": name, "shape": _shape(value.type.shape), "dtype": value.type.dtype}
