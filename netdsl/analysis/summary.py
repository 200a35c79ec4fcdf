"""A net as a table: rows of layers or of blocks, totals, and the JSON of the contract."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.analysis.cost import total, units
from netdsl.analysis.receptive import Field, receptive_fields
from netdsl.analysis.valid import valid_for
from netdsl.ir.types import Floor, Sym, compact

if TYPE_CHECKING:
    from netdsl.analysis.cost import Cost, Costs
    from netdsl.ir.graph import Graph, Node, Value


class Row(NamedTuple):
    """One layer, or one block where rows are folded."""

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
    """Everything that `check` prints about a net."""

    def __init__(self, graph: Graph, costs: Costs, valid: str | None = None) -> None:
        self.graph = graph
        self.costs = costs
        self.totals = costs.totals()
        self.valid_for = valid_for(graph) if valid is None else valid
        self.aux_params = sum(c.params for n, c in costs.rows() if n.aux is not None)

    def rows(
        self, depth: int | None = None, only: tuple[str, ...] = (), *, field: bool = True
    ) -> list[Row]:
        """The layers in order; with `depth`, members of blocks deeper than that are folded into one
        row; of the kinds in `only` where there are any.

        Without `field` they have no receptive field.
        """
        fields = receptive_fields(self.graph) if field else [()] * len(self.graph.nodes)
        made = [
            Row(
                n.name,
                n.op.kind,
                n.type.shape,
                c.params,
                c.macs,
                c.weights,
                c.units,
                c.bytes,
                seen,
                n.span.first.line,
                n.aux is not None,
            )
            for (n, c), seen in zip(self.costs.rows(), fields, strict=True)
        ]
        folded = made if depth is None else self._folded(made, depth)
        return [r for r in folded if r.kind in only] if only else folded

    def _folded(self, rows: list[Row], depth: int) -> list[Row]:
        """The layers of one name up to `depth` in one row; with depth 0 those of the net itself,
        whose heads count for nothing in its totals either.
        """
        layers = (
            (r, nc) for r, nc in zip(rows, self.costs.rows(), strict=True) if depth or not r.aux
        )
        parts = groupby(layers, key=lambda layer: layer[1][0].at_depth(depth).name)
        return [self._part(name, *zip(*members, strict=True)) for name, members in parts]

    def _part(self, name: str, rows: tuple[Row, ...], costs: tuple[tuple[Node, Cost], ...]) -> Row:
        """One row for a part of the net: its sums, the shape and field of its last layer.

        A join stands for its arms.
        """
        last, scope = rows[-1], self.graph.scopes.get(name)
        if last.name == name:
            kind, line = last.kind, last.line
        elif scope is not None and scope.site is not None:
            kind, line = scope.kind or "group", scope.site.span.first.line
        else:
            kind, line = (
                ("group", rows[0].line) if name else ("net", self.graph.site.span.first.line)
            )
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
        """The MACs in plain powers of the open sizes, for sizes that are multiples of all strides:

        `81,456 H W + 2,048,000`.
        """
        macs = self.totals.macs
        if not isinstance(macs, Sym):
            return ""
        step = macs.period()
        floors = [a.numerator.symbols() for a in macs.atoms() if isinstance(a, Floor)]
        symbols = [s for s in self.graph.symbols if any(s in f for f in floors)]
        if step == 1 or step > 4096:
            return ""
        scaled = macs.subs({s: Sym.var(s) * step for s in symbols})
        if not isinstance(scaled, Sym):
            return ""
        terms = {}
        for monomial, c in scaled.terms.items():
            divisor = step ** sum(a in symbols for a in monomial)
            if c % divisor:
                return ""
            terms[monomial] = c // divisor
        return f"{compact(Sym(terms))} for {' and '.join(symbols)} divisible by {step}"

    def as_json(self, depth: int | None = None, only: tuple[str, ...] = ()) -> dict[str, Any]:
        """The net under the keys of the JSON contract, with the rows that `depth` and `only`
        choose.
        """
        graph, t = self.graph, self.totals
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
            "totals": (
                {name: _plain(value) for name, value in t._asdict().items()}
                | {"auxiliary_params": self.aux_params}
            ),
        }


def _plain(value: int | Sym) -> int | str:
    return value if isinstance(value, int) else str(value)


def _shape(shape: tuple[int | Sym, ...]) -> list[int | str]:
    return ["N", *(_plain(d) for d in shape)]


def _tensor(name: str, value: Value) -> dict[str, Any]:
    return {"name": name, "shape": _shape(value.type.shape), "dtype": value.type.dtype}
