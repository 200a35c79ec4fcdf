"""Finds settings: numbers for the open sizes of a net that make the net valid.

`verify` takes two small settings, in which every map is large enough for its windows. `bench` takes
one with the usual size of images.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.conditions import conditions
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, subs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.analysis.conditions import Condition
    from netdsl.ir.graph import Graph

Sizes = dict[str, int]
USUAL = 224  # of a picture
LENGTH = 128  # of a sequence
DEPTH = 64  # of a volume
PICTURE = 3  # axes of a sample
ROOM = 3  # a smaller map has no inside, only a border
TARGET = 48  # the search for room ends at this size, even if a map is still smaller than `ROOM`
LIMIT = 4096  # the largest size that is tried
TRIES = 48  # how many sizes of one symbol are combined with those of others
MOST = 20_000  # how many settings are tried


def two_settings(graph: Graph) -> list[Sizes]:
    """Two different settings with room, or only one if no second is found.

    If no size is open, the result is one empty setting. Raises `NetdslError` if no valid setting is
    found.
    """
    symbols = graph.symbols
    if not symbols:
        return [{}]
    rules = conditions(graph)
    choices = {s: _Choices(s, rules) for s in symbols}
    dims = {d for n in graph.nodes for d in n.type.shape if isinstance(d, Sym)}
    first = _roomy(symbols, choices, rules, dims, 0)
    if not first:
        tried = f"{', '.join(symbols)} from 2 to {LIMIT:,}"
        message = f"no {tried} was found that makes `{graph.name}` valid"
        advice = "give the sizes with --input (in Python with `inputs=`)"
        raise NetdslError("no-valid-size", message, graph.site.span, help=advice)
    backwards = list(reversed(symbols))
    second = _roomy(backwards, choices, rules, dims, max(first.values()) + 3)
    if second and second != first:
        return [first, second]
    return [first]


def usual_size(axes: int) -> int:
    """The size that an open axis of an input gets, by the axes of a sample: 3 are a picture."""
    if axes == PICTURE:
        return USUAL
    return LENGTH if axes < PICTURE else DEPTH


def usual_setting(graph: Graph) -> Sizes:
    """The setting with the usual size for every open size, or the next for which it is valid.

    All sizes grow together until it is. If this finds none, the result is the first of
    `two_settings`. Raises `NetdslError` if no valid setting is found.
    """
    rules = conditions(graph)
    first: Sizes = {}
    for value in graph.inputs:
        for symbol in (s for d in value.type.shape if isinstance(d, Sym) for s in d.symbols()):
            first.setdefault(symbol, usual_size(len(value.type.shape)))
    for more in range(LIMIT - USUAL):
        setting = {name: size + more for name, size in first.items()}
        if all(r.holds(setting) for r in rules):
            return setting
    return two_settings(graph)[0]


class ExampleSizes(NamedTuple):
    """Numbers for the open sizes of a net, and the inputs that have them: `image 3x224x224`."""

    sizes: Sizes
    inputs: str


def example_of(graph: Graph) -> ExampleSizes | None:
    """The usual sizes of a net with open sizes, or None if no valid sizes are found."""
    if not graph.symbols:
        return None
    try:
        setting = usual_setting(graph)
    except NetdslError:
        return None
    return ExampleSizes(
        setting, ", ".join(f"{name} {sizes}" for name, sizes in _sized(graph, setting))
    )


def _sized(graph: Graph, setting: Sizes) -> Iterator[tuple[str, str]]:
    """The names of the open inputs, and their sizes in a setting."""
    for value in graph.inputs:
        if any(isinstance(size, Sym) for size in value.type.shape):
            yield value.name, "x".join(str(subs(size, setting)) for size in value.type.shape)


def example_inputs(graph: Graph) -> str:
    """The options that give the open inputs of a net usual sizes: `--input 3x224x224`.

    `--input SIZES` if no valid sizes are found.
    """
    try:
        setting = usual_setting(graph)
    except NetdslError:
        return "--input SIZES"
    first = graph.inputs[0].name
    return " ".join(
        f"--input {sizes}" if name == first else f"--input {name}={sizes}"
        for name, sizes in _sized(graph, setting)
    )


def nearest_sizes(graph: Graph, inputs: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The nearest sizes of one input, as in `3x240x240`, for which a net is valid.

    None if the net is valid for the given sizes, or if more than its open sizes are given.
    """
    sizes = next(iter(inputs.values()))
    if len(graph.inputs) != 1 or len(inputs) != 1 or min(sizes) < 1:
        return []
    shape = graph.inputs[0].type.shape
    pairs = list(zip(shape, sizes, strict=False))
    given = {str(size): number for size, number in pairs if isinstance(size, Sym)}
    fits = len(shape) == len(sizes) and all(isinstance(a, Sym) or a == b for a, b in pairs)
    if not fits or given.keys() != set(graph.symbols):
        return []
    rules = conditions(graph)
    if all(rule.holds(given) for rule in rules):
        return []
    settings: dict[str, None] = {}
    for is_smaller in (True, False):
        setting = {s: _nearest(s, n, rules, is_smaller=is_smaller) for s, n in given.items()}
        if all(setting.values()) and all(rule.holds(setting) for rule in rules):
            settings["x".join(str(subs(size, setting)) for size in shape)] = None
    return list(settings)


def _nearest(symbol: str, given: int, rules: list[Condition], *, is_smaller: bool) -> int:
    """The nearest valid size of a symbol, or 0."""
    own = [r for r in rules if r.value.symbols() == {symbol}]
    tried = range(given, 0, -1) if is_smaller else range(given, given + LIMIT)
    return next((n for n in tried if all(r.holds({symbol: n}) for r in own)), 0)


class _Choices:
    """The sizes that satisfy all conditions in which only one symbol occurs."""

    def __init__(self, symbol: str, rules: list[Condition]) -> None:
        self._symbol = symbol
        self._rules = [r for r in rules if r.value.symbols() == {symbol}]
        self._known: dict[int, bool] = {}

    def at_least(self, least: int) -> Iterator[int]:
        """The sizes from `least` upwards. Each is tested only when it is needed."""
        return filter(self._is_valid, range(max(2, least), LIMIT))

    def _is_valid(self, size: int) -> bool:
        if size not in self._known:
            self._known[size] = all(r.holds({self._symbol: size}) for r in self._rules)
        return self._known[size]


def _roomy(
    symbols: list[str],
    choices: dict[str, _Choices],
    rules: list[Condition],
    dims: set[Sym],
    start: int,
) -> Sizes | None:
    """The first valid setting, from `start` upwards, in which every size is at least `ROOM`.

    If all sizes of a setting reach `TARGET` before that, or if no more settings can be tried, the
    result is the last valid setting.
    """
    best: Sizes | None = None
    for setting in islice(_settings(symbols, choices, rules, start), MOST):
        if not all(r.holds(setting) for r in rules):
            continue
        best = setting
        if min(setting.values()) >= TARGET or all(d.at(setting) >= ROOM for d in dims):
            return setting
    return best


def _settings(
    symbols: list[str], choices: dict[str, _Choices], rules: list[Condition], start: int
) -> Iterator[Sizes]:
    """Settings to try.

    First come settings in which each size is a little larger than the size before it, so that a
    confusion of two symbols shows. Then come all valid settings of the smallest sizes, because some
    sizes may have to be equal.
    """
    for low in range(4, TARGET + 4):
        setting = {
            s: next(choices[s].at_least(low + start + 2 * i), 0) for i, s in enumerate(symbols)
        }
        if all(setting.values()):
            yield dict(sorted(setting.items()))
    width = TRIES if len(symbols) < 3 else 8
    smallest = {s: [*islice(choices[s].at_least(start), width)] for s in symbols}
    yield from _valid(symbols, smallest, rules, {})


def _valid(
    symbols: list[str], choices: dict[str, list[int]], rules: list[Condition], chosen: Sizes
) -> Iterator[Sizes]:
    """Every setting that extends `chosen` and satisfies the rules.

    A rule is tested as soon as all its symbols have a size.
    """
    if len(chosen) == len(symbols):
        yield dict(chosen)
        return
    symbol = symbols[len(chosen)]
    known = {*chosen, symbol}
    due = [r for r in rules if symbol in r.value.symbols() <= known]
    for size in choices[symbol]:
        setting = {**chosen, symbol: size}
        if all(r.holds(setting) for r in due):
            yield from _valid(symbols, choices, rules, setting)
