"""Aligns two sequences: pairs of members in the same order that are worth the most together."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

T = TypeVar("T")
MOST_CELLS = 300_000  # of the table of values; longer sequences are divided first
Pairs = list[tuple[int, int]]


def align(
    a: Sequence[T], b: Sequence[T], key: Callable[[T], Hashable], worth: Callable[[T, T], float]
) -> Pairs:
    """The pairs of indices, increasing in both.

    Members with equal keys at both ends are paired. Between them the sum of `worth` is the largest;
    members whose worth is 0 or less are never paired.
    """
    keys_a, keys_b = [key(x) for x in a], [key(x) for x in b]
    start = 0
    while start < min(len(a), len(b)) and keys_a[start] == keys_b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and keys_a[-1 - end] == keys_b[-1 - end]:
        end += 1
    head = [(i, i) for i in range(start)]
    tail = [(len(a) - i, len(b) - i) for i in range(end, 0, -1)]
    middle = _middle(a, b, keys_a, keys_b, (start, len(a) - end, start, len(b) - end), worth)
    return [*head, *middle, *tail]


def _middle(
    a: Sequence[T],
    b: Sequence[T],
    keys_a: list[Hashable],
    keys_b: list[Hashable],
    bounds: tuple[int, int, int, int],
    worth: Callable[[T, T], float],
) -> Pairs:
    """The pairs within the bounds of two sequences, which are divided if they are long."""
    first_a, last_a, first_b, last_b = bounds
    if (last_a - first_a) * (last_b - first_b) <= MOST_CELLS:
        best = _best(a[first_a:last_a], b[first_b:last_b], worth)
        return [(first_a + i, first_b + j) for i, j in best]
    pairs: Pairs = []
    i, j = first_a, first_b
    anchors = _anchors(keys_a[first_a:last_a], keys_b[first_b:last_b])
    for x, y in [*((first_a + x, first_b + y) for x, y in anchors), (last_a, last_b)]:
        if (x - i) * (y - j) <= MOST_CELLS:
            pairs += [(i + p, j + q) for p, q in _best(a[i:x], b[j:y], worth)]
        else:  # nothing tells these apart: they are paired in their order
            pairs += [(i + n, j + n) for n in range(min(x - i, y - j)) if worth(a[i + n], b[j + n])]
        if x < last_a and y < last_b:
            pairs.append((x, y))
        i, j = x + 1, y + 1
    return pairs


def _anchors(keys_a: list[Hashable], keys_b: list[Hashable]) -> Pairs:
    """Pairs of equal members that occur only once in each, in the same order (patience)."""
    places_a, places_b = _once(keys_a), _once(keys_b)
    return increasing([(i, places_b[key]) for key, i in places_a.items() if key in places_b])


def increasing(pairs: Pairs) -> Pairs:
    """As many of the pairs as increase in both numbers; they are sorted by the first one."""
    # By length, the pair that ends the chain with the smallest end; none for the empty chain.
    ends: list[int | None] = [None]
    before: list[int | None] = []
    lasts: list[int] = []  # the second numbers of these pairs
    for n, (_, j) in enumerate(pairs):
        length = bisect_left(lasts, j)
        before.append(ends[length])
        ends[length + 1 : length + 2] = [n]
        lasts[length : length + 1] = [j]
    chain: Pairs = []
    n_or_none = ends[-1]
    while n_or_none is not None:
        chain.append(pairs[n_or_none])
        n_or_none = before[n_or_none]
    return chain[::-1]


def _once(keys: list[Hashable]) -> dict[Hashable, int]:
    """The places of the members that occur only once, in their order."""
    places: dict[Hashable, int] = {}
    again: set[Hashable] = set()
    for i, key in enumerate(keys):
        if key in places:
            again.add(key)
        places.setdefault(key, i)
    return {key: i for key, i in places.items() if key not in again}


def _best(a: Sequence[T], b: Sequence[T], worth: Callable[[T, T], float]) -> Pairs:
    """The pairs whose sum of worth is the largest; of equal sums, those from the top."""
    if not a or not b:
        return []
    table = [[worth(x, y) for y in b] for x in a]
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        row, below, values = best[i], best[i + 1], table[i]
        for j in reversed(range(len(b))):
            most = max(below[j], row[j + 1])
            if values[j] > 0:
                most = max(most, below[j + 1] + values[j])
            row[j] = most
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if table[i][j] > 0 and best[i][j] == best[i + 1][j + 1] + table[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs
