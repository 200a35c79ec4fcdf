"""The input sizes for which a net is valid.

Every size of every value must be at least 1, and the sizes that a join requires to be equal must be
equal. If a condition depends on only one symbol, sizes are tried. Floors repeat with a period, so
for each remainder, the condition is a polynomial in the number of periods. Beyond the roots of all
of these polynomials, one more period shows which sizes are valid.
"""

from __future__ import annotations

from itertools import chain, combinations, islice, pairwise
from math import lcm
from typing import TYPE_CHECKING

from netdsl.analysis.conditions import conditions, difference
from netdsl.analysis.implied import Domain, without_equal, without_implied
from netdsl.diagnostics import Annotation
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, compact

if TYPE_CHECKING:
    from netdsl.analysis.conditions import Condition
    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.types import Monomial
    from netdsl.source import Span

LIMIT = 20_000  # how many sizes are tried at most
TRIED = 500  # how many sets of conditions are tried to find one that no size satisfies
SHOWN = 12  # how many single sizes a text lists
FAR = 200  # layers before a join that are examined
RUNS = 8  # how many runs of remainders a text lists
# Four values determine a polynomial of the third degree, the product of a size along three axes.
VALUES = 4


def valid_for(graph: Graph) -> str:
    """The input sizes for which a net is valid, as in `H >= 32, H divisible by 16`.

    Empty if no size is open. Raises `NetdslError` if a symbol has no valid size.
    """
    symbols = graph.symbols
    if not symbols:
        return ""
    needed = conditions(graph)
    domains: dict[str, Domain] = {}
    untried: dict[str, str] = {}
    for symbol in symbols:
        own = [c for c in needed if c.value.symbols() == {symbol}]
        domain = _domain(own, symbol)
        if domain is None:
            domains[symbol] = Domain()
            texts = [f"{compact(c.value)} {'==' if c.equal else '>='} 0" for c in own]
            untried[symbol] = "; ".join(texts)
            continue
        if domain.is_empty:
            raise _never_valid(graph, symbol, own)
        domains[symbol] = domain
    joint = [c for c in needed if len(c.value.symbols()) > 1]
    joint = without_implied(joint, domains)
    kept = without_equal(domains, joint)
    parts: list[str] = []
    for symbol in symbols:
        if symbol in untried:
            parts.append(untried[symbol])
        elif symbol in kept:
            parts += _describe(symbol, domains[symbol])
    return ", ".join([*parts, *map(_words, joint)])


def _never_valid(graph: Graph, symbol: str, own: list[Condition]) -> NetdslError:
    """The error of a net for which no size is valid.

    It names the fewest conditions that exclude each other, and the layers that require equal sizes.
    """
    few = chain(combinations(own, 1), combinations(own, 2), combinations(own, 3))
    clash = next(
        (some for some in islice(few, TRIED) if _is_impossible(list(some), symbol)),
        tuple(own),
    )
    places = [
        site.span
        for a, b, site in graph.equalities
        for c in clash
        if c.equal and c.value == difference(a, b)
    ]
    *others, place = list(dict.fromkeys(places)) or [_declaration(graph, symbol)]
    notes = tuple(Annotation("sizes must be equal here too", span) for span in others[:2])
    help_ = f"write a number for {symbol} in the `input` to see which layer does not fit"
    node = next((node for node in graph.nodes if node.span == place), None)
    if node is not None:
        *more, last = map(str, node.types)
        taken = f"this `{node.op.kind}` takes {', '.join(more)}{' and ' if more else ''}{last}"
        if node.op.kind == "reshape":
            help_ = f"{taken}: write `-1` for the size that fits"
        else:
            help_ = f"{taken}{_changing(node) or f'; {help_}'}"
    both = "both " * (len(clash) == 2)
    return NetdslError(
        "no-valid-size",
        f"`{graph.name}` is not valid for any {symbol}: it needs"
        f" {both}{' and '.join(map(_words, clash[:4]))}",
        place,
        help=help_,
        notes=notes,
    )


def _changing(node: Node) -> str:
    """The last layers before a join that change the size of its inputs, or nothing."""
    changing: list[Node] = []
    for x in node.inputs:
        value, steps = x, 0
        while value.producer is not None and value.producer.inputs and steps < FAR:
            maker, steps = value.producer, steps + 1
            if maker.type.spatial != maker.inputs[0].type.spatial:
                changing.append(maker)
                break
            value = maker.inputs[0]
    facts = [
        f"`{maker.span.brief}` on line {maker.span.first.line} turns {maker.types[0]} into"
        f" {maker.type}"
        for maker in changing
    ]
    return f": {' and '.join(facts)}" * bool(facts)


def _is_impossible(some: list[Condition], symbol: str) -> bool:
    domain = _domain(some, symbol)
    return domain is not None and domain.is_empty


def _declaration(graph: Graph, symbol: str) -> Span:
    """The place of the first input in whose shape the symbol occurs."""
    for value in graph.inputs:
        if any(isinstance(d, Sym) and symbol in d.symbols() for d in value.type.shape):
            return value.site.span
    return graph.site.span


def _words(condition: Condition) -> str:
    """A condition as text: `H + 2 == W`, `H >= W`, or `⌊H/2⌋ >= 1`."""
    terms = condition.value.terms
    if not condition.equal and all(c > 0 for monomial, c in terms.items() if monomial):
        return f"{compact(condition.value + 1)} >= 1"
    left = _side({m: c for m, c in terms.items() if c > 0})
    right = _side({m: -c for m, c in terms.items() if c < 0})
    return f"{left} {'==' if condition.equal else '>='} {right}"


def _side(terms: dict[Monomial, int]) -> str:
    """The sum of the terms of one side of an equation."""
    if any(terms):
        return compact(Sym(terms))
    return compact(terms.get((), 0))


def _domain(own: list[Condition], symbol: str) -> Domain | None:
    """The sizes of a symbol that satisfy its conditions; None if there are too many to try."""
    period = lcm(*(c.value.period() for c in own))
    top = period * VALUES  # this many sizes are evaluated to find the differences
    if top <= LIMIT:
        settled = (_settled(symbol, c.value, c.value.period()) for c in own)
        top = period + max(settled, default=period)
    if top > LIMIT:
        return None
    good = _good(symbol, own, top)
    remainders = frozenset(h % period for h in good if h >= top - period)
    if not remainders:
        return Domain(remainders=remainders, few=tuple(good))
    return Domain(_minimum(good, remainders, period), period, remainders)


def _settled(symbol: str, value: Sym, period: int) -> int:
    """A size above which the value keeps its sign, for each remainder of the size.

    For one remainder, the value is a polynomial in the number q of periods. Its differences d_j
    determine it: the sum of d_j C(q, j) for j <= k has the sign of d_k if q >= 2 k and
    q > k - 1 + k s / |d_k|, where s is the sum of the |d_j| with the opposite sign.
    """
    return max(
        first + period * _periods([value.at({symbol: first + i * period}) for i in range(VALUES)])
        for first in range(period)
    )


def _periods(values: list[int]) -> int:
    """The number of periods after which a polynomial with these first values keeps its sign."""
    lower: list[int] = []  # the differences before the last one that is not 0
    periods = 0
    while any(values):
        leading = values[0]
        degree = len(lower)
        opposite = (d for d in lower if d * leading < 0)
        periods = 2 * degree + sum(degree * abs(d) // abs(leading) for d in opposite)
        lower.append(leading)
        values = [b - a for a, b in pairwise(values)]
    return periods


def _good(symbol: str, own: list[Condition], top: int) -> list[int]:
    """The sizes below `top` that satisfy every condition."""
    rules, good = list(own), []
    for h in range(1, top):
        at = {symbol: h}
        broken = next((i for i, c in enumerate(rules) if not c.holds(at)), None)
        if broken is None:
            good.append(h)
        else:
            rules = [rules.pop(broken), *rules]  # it probably fails for the next size too
    return good


def _minimum(good: list[int], remainders: frozenset[int], period: int) -> int:
    """The smallest size from which on the remainder determines which sizes are valid."""
    minimum, known = good[0], set(good)
    for h in reversed(range(minimum, max(good))):
        if (h in known) != (h % period in remainders):
            return next(g for g in good if g > h)
    return minimum


def _describe(symbol: str, domain: Domain) -> list[str]:
    """A finite number of valid sizes, or a minimum and the remainders of the sizes above it."""
    minimum, period, remainders, few = domain
    if not remainders:
        return [_few_sizes(symbol, few)]
    parts = [f"{symbol} >= {minimum}"]
    divisor = period // len(remainders)
    classes = {r % divisor for r in remainders}
    if len(classes) == 1 and divisor * len(remainders) == period > len(remainders):
        (remainder,) = classes
        if remainder == 0:
            parts.append(f"{symbol} divisible by {divisor}")
        else:
            parts.append(f"{symbol} % {divisor} == {remainder}")
    elif len(remainders) < period:
        runs = _runs(sorted(remainders))
        shown = [f"{a} to {b}" if a != b else str(a) for a, b in runs[:RUNS]]
        if len(runs) > RUNS:
            shown.append("...")
        parts.append(f"{symbol} % {period} in {', '.join(shown)}")
    return parts


def _few_sizes(symbol: str, good: tuple[int, ...]) -> str:
    """A finite number of valid sizes as text."""
    if len(good) == 1:
        return f"{symbol} == {good[0]}"
    if len(good) <= SHOWN:
        return f"{symbol} in {', '.join(map(str, good))}"
    return f"{symbol} from {good[0]} to {good[-1]}, {len(good)} sizes"


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """The first and last of each run of successive numbers."""
    runs: list[tuple[int, int]] = []
    for n in numbers:
        if runs and runs[-1][1] == n - 1:
            runs[-1] = (runs[-1][0], n)
        else:
            runs.append((n, n))
    return runs
