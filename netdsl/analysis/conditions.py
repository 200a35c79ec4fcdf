"""The conditions that the open sizes of a net must satisfy."""

from __future__ import annotations

from collections import Counter
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.types import Atom, Sym

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph
    from netdsl.ir.types import Monomial, TensorType


class Condition(NamedTuple):
    """If `equal`, `value` must be 0; otherwise at least 0."""

    value: Sym
    equal: bool

    def holds(self, at: dict[str, int]) -> bool:
        """Whether these sizes satisfy the condition. Every symbol must have a size."""
        value = self.value.at(at)
        return value == 0 if self.equal else value >= 0


def conditions(graph: Graph) -> list[Condition]:
    """The conditions on the input sizes, without duplicates."""
    needed: dict[Condition, None] = {}
    seen: set[object] = set()
    for value in graph.inputs:
        formulas = [d for d in value.type.shape if isinstance(d, Sym) and str(d) not in d.symbols()]
        rooms = [d - 1 for d in formulas]
        needed |= {Condition(r, equal=False): None for r in rooms if isinstance(r, Sym)}
    for node in graph.nodes:
        key = (node.op, node.types)
        if key in seen:
            continue
        seen.add(key)
        for d in node.type.shape:
            room = d - 1
            if isinstance(room, Sym) and not _flattened(d, node.types, node.type):
                needed[Condition(room, equal=False)] = None
        for room in graph.nonnegative.get(key, ()):
            needed[Condition(room, equal=False)] = None
    for a, b, _ in graph.equalities:
        unequal = difference(a, b)
        if isinstance(unequal, Sym):
            needed[Condition(unequal, equal=True)] = None
    return list(needed)


def difference(a: int | Sym, b: int | Sym) -> int | Sym:
    """A formula that is 0 exactly if two sizes are equal; its first term is positive.

    It is a - b without the number and the symbols by which all terms can be divided.
    """
    value = a - b
    if isinstance(value, int):
        return value
    divisor = gcd(*value.terms.values())
    if next(iter(value.terms.values())) < 0:
        divisor = -divisor
    first, *others = (Counter[Atom](monomial) for monomial in value.terms)
    common = Counter[Atom]({atom: n for atom, n in first.items() if isinstance(atom, str)})
    for atoms in others:
        common &= atoms
    if not others:
        common.clear()  # no symbol is 0, so that the only term stays
    terms = {tuple(_left(m, common)): c // divisor for m, c in value.terms.items()}
    return Sym(terms)


def _left(monomial: Monomial, common: Counter[Atom]) -> Iterator[Atom]:
    """The atoms of a monomial without those that all monomials have."""
    waiting = common.copy()
    for atom in monomial:
        if waiting[atom]:
            waiting[atom] -= 1
        else:
            yield atom


def _flattened(size: int | Sym, types: tuple[TensorType, ...], output: TensorType) -> bool:
    """Whether a size of the output is a product of the input's sizes.

    Such a size needs no condition of its own, because the sizes of the input are at least 1.
    """
    is_only_open_size = (
        isinstance(size, Sym)
        and len(size.symbols()) > 1
        and len(types) == 1
        and sum(isinstance(o, Sym) for o in output.shape) == 1
    )
    return is_only_open_size and types[0].size == output.size
