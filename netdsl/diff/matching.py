"""Which layer of one net is which layer of another.

The trees of scopes are compared from the top down. The members of two scopes are aligned in their
order, by kinds, labels, arguments and content. A scope that only one net has, around members that
both have, is opened. What is left over in both nets and equal has moved, and what is left over in
the same place of both has been replaced.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from netdsl.diff.align import align
from netdsl.diff.parts import NetParts, comparable, is_of_join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netdsl.diff.parts import NetPart
    from netdsl.ir.graph import Graph

_SIMILAR = 0.5  # the common share of a scope and its surroundings at which it is opened

_NEAR = 3  # places that a layer without a label or weights can move: its like can be anywhere
_WEIGHTS = 6, 4  # of an equal layer in two scopes, and of one of the same kind
_SAME_POSITION = 1e-6
_OTHER_BLOCK = 1.5


class Matching:
    """The pairs of parts of two nets, and what is left over.

    `wrapped` are scopes around parts that the first net has without them, `unwrapped` the scopes
    that the second net lacks. `removed` and `added` are the outermost parts that only one net has.
    `moved` and `replaced` are pairs; a pair of layers that is replaced has two kinds.
    """

    def __init__(self, before: Graph, after: Graph) -> None:
        parts = NetParts()
        self.graphs = before, after
        self.before, self.after = parts.tree(before), parts.tree(after)
        self.partners: dict[int, NetPart] = {}  # by the id of a part of either net
        self.wrapped: list[NetPart] = []
        self.unwrapped: list[NetPart] = []
        self.moved: list[tuple[NetPart, NetPart]] = []
        self.replaced: list[tuple[NetPart, NetPart]] = []
        self._worths: dict[tuple[int, int], float] = {}
        self._pair(self.before, self.after)
        self._match_all()
        self._find_moves()
        self._find_replaced()
        order = {id(p): n for tree in (self.before, self.after) for n, p in enumerate(tree.walk())}
        for scopes in (self.wrapped, self.unwrapped):
            scopes.sort(key=lambda part: order[id(part)])
        self.removed = self._left(self.before)
        self.added = self._left(self.after)

    def pairs(self) -> Iterable[tuple[NetPart, NetPart]]:
        """The pairs in the order of the first net."""
        for part in self.before.walk():
            if id(part) in self.partners:
                yield part, self.partners[id(part)]

    def partner(self, part: NetPart) -> NetPart | None:
        """The part of the other net that is this one."""
        return self.partners.get(id(part))

    def _pair(self, a: NetPart, b: NetPart) -> None:
        self.partners[id(a)], self.partners[id(b)] = b, a

    def _pair_whole(self, a: NetPart, b: NetPart) -> None:
        """Pair two equal parts, and all that is inside."""
        for x, y in zip(a.walk(), b.walk(), strict=True):
            self._pair(x, y)

    # ---- from the top down

    def _match_all(self) -> None:
        waiting = [(self.before.members, self.after.members)]
        while waiting:
            members_a, members_b = self._opened(*waiting.pop())
            pairs = align(members_a, members_b, lambda part: part.exact, self.worth)
            chosen = [(members_a[i], members_b[j]) for i, j in pairs]
            chosen += self._opened_gaps(members_a, members_b, pairs)
            for a, b in chosen:
                if a.content == b.content:
                    self._pair_whole(a, b)
                else:
                    self._pair(a, b)
                    waiting.append((a.members, b.members))

    def _opened(self, a: list[NetPart], b: list[NetPart]) -> tuple[list[NetPart], list[NetPart]]:
        """The members, with those of scopes that only one net has around equal members."""
        opened_b = [s for s in b if _is_around(s, b, a)]
        opened_a = [s for s in a if _is_around(s, a, b)]
        self.wrapped += opened_b
        self.unwrapped += opened_a
        return _without(a, opened_a), _without(b, opened_b)

    def _opened_gaps(
        self, a: list[NetPart], b: list[NetPart], pairs: list[tuple[int, int]]
    ) -> list[tuple[NetPart, NetPart]]:
        """Further pairs between those that are aligned, in scopes that only one net has."""
        found: list[tuple[NetPart, NetPart]] = []
        i = j = 0
        for x, y in [*pairs, (len(a), len(b))]:
            gap_a, gap_b = a[i:x], b[j:y]
            if gap_a and gap_b:
                found += self._opened_gap(gap_a, gap_b)
            i, j = x + 1, y + 1
        return found

    def _opened_gap(self, a: list[NetPart], b: list[NetPart]) -> list[tuple[NetPart, NetPart]]:
        """The pairs between two lists without any, once a scope of one of them is opened."""
        for scopes, others, opened in ((b, a, self.wrapped), (a, b, self.unwrapped)):
            for scope in (s for s in scopes if _is_similar(s, others)):
                left, right = a, b
                if scopes is b:
                    right = _without(b, [scope])
                else:
                    left = _without(a, [scope])
                inner = align(left, right, lambda part: part.exact, self.worth)
                chosen = [(left[p], right[q]) for p, q in inner]
                inside = [p for pair in chosen for p in pair if p.outer is scope]
                if 2 * len(inside) >= len(scope.members):
                    opened.append(scope)
                    return chosen
        return []

    def worth(self, a: NetPart, b: NetPart) -> float:
        """How much it is worth to pair two parts; 0 if they have nothing to do with each other."""
        key = a.exact, b.exact
        known = self._worths.get(key)
        if known is None:
            known = self._worths[key] = _worth(a, b)
        if known and a.item.label == b.item.label:
            # Of pairs that are equally good, those whose names stay are better. Different blocks
            # have little else in common.
            known += _SAME_POSITION
            if not a.is_layer and a.kind != b.kind:
                known *= _OTHER_BLOCK
        return known

    # ---- what is left

    def _left(self, tree: NetPart) -> list[NetPart]:
        """The outermost parts without a partner, in the order of the text."""
        opened = set(map(id, [*self.wrapped, *self.unwrapped]))
        known = {id(part) for pair in self.replaced for part in pair} | set(self.partners)
        whole = {id(p) for pair in self.replaced for p in pair if id(p) not in self.partners}
        left: list[NetPart] = []
        waiting = [tree]
        while waiting:
            part = waiting.pop()
            if id(part) in known or id(part) in opened or _has_paired(part, known):
                if id(part) not in whole:
                    waiting += reversed(part.members)
            else:
                left.append(part)
        return left

    def _find_moves(self) -> None:
        """Pair what is left over and equal, the largest first, then layers of the same label."""
        keys: tuple[Callable[[NetPart], object], ...] = (
            lambda part: part.exact,
            lambda part: part.content,
            lambda part: part.is_layer and part.label and (part.label, part.kind),
        )
        for key in keys:
            places: dict[object, list[NetPart]] = {}
            for part in self._all_left(self.after):
                places.setdefault(key(part), []).append(part)
            for part in sorted(self._all_left(self.before), key=lambda p: -p.size):
                if id(part) in self.partners or not key(part):
                    continue
                free = [p for p in places.get(key(part), []) if self._can_move(part, p)]
                if part.content not in {p.content for p in free}:
                    free = [p for p in free if self._are_beside(part, p)]
                if free:
                    self._pair_whole(part, free[0])
                    self.moved.append((part, free[0]))

    def _all_left(self, tree: NetPart) -> list[NetPart]:
        """All parts without a partner, also inside others."""
        return [p for left in self._left(tree) for p in left.walk() if id(p) not in self.partners]

    def _can_move(self, a: NetPart, b: NetPart) -> bool:
        """Whether a part can be another one in another place.

        A layer that has no label moves only within its scope: its like can be anywhere.
        """
        if id(b) in self.partners or any(id(p) in self.partners for p in b.walk()):
            return False
        if any(id(p) in self.partners for p in a.walk()) or a.is_layer != b.is_layer:
            return False
        assert a.outer is not None
        assert b.outer is not None
        if self._are_beside(a, b):
            return a.size > 1 or bool(a.label or a.node.params()) or self._is_near(a, b)
        home_a, home_b = (self._home(part) for part in (a.outer, b.outer))
        is_near = self.partner(home_a) is home_b
        if not is_near and (home_a is not a.outer or home_b is not b.outer):
            return False
        return a.size > 2 or bool(a.label and a.label == b.label)

    def _are_beside(self, a: NetPart, b: NetPart) -> bool:
        """Whether two parts are members of the same scope."""
        return a.outer is not None and self.partner(a.outer) is b.outer

    def _is_near(self, a: NetPart, b: NetPart) -> bool:
        """Whether only a few layers are between the places of two members of the same scope."""
        place, before = 0, self._sibling_before(a)
        if before is not None:
            place = self.partners[id(before)].place + 1
        return abs(place - b.place) <= _NEAR

    def _sibling_before(self, part: NetPart) -> NetPart | None:
        """The last member before a part, in its scope, that both nets have in this scope."""
        outer = part.outer
        assert outer is not None
        for sibling in reversed(outer.members[: part.place]):
            partner = self.partner(sibling)
            if partner is not None and partner.outer is self.partner(outer):
                return sibling
        return None

    def _home(self, part: NetPart) -> NetPart:
        """The nearest scope around, or the part itself, that both nets have."""
        while part.outer is not None and id(part) not in self.partners:
            part = part.outer
        return part

    def _find_replaced(self) -> None:
        """Pair what is left over in the same place, if there is as much of it in both nets."""
        places: dict[tuple[int, int], tuple[list[NetPart], list[NetPart]]] = {}
        for side, tree in enumerate((self.before, self.after)):
            for part in self._left(tree):
                if is_of_join(part):
                    continue
                places.setdefault(self._place(part, side), ([], []))[side].append(part)
        for removed, added in places.values():
            if len(removed) != len(added):
                continue
            for a, b in zip(removed, added, strict=True):
                if a.is_layer and b.is_layer:
                    self._pair(a, b)
                self.replaced.append((a, b))

    def _place(self, part: NetPart, side: int) -> tuple[int, int]:
        """The scope and the sibling before a part, both as parts of the second net."""
        outer = part.outer
        assert outer is not None
        before = next(
            (p for p in reversed(outer.members[: part.place]) if id(p) in self.partners), None
        )
        if side:
            return id(outer), id(before)
        return id(self.partner(outer)), id(before and self.partner(before))


def _worth(a: NetPart, b: NetPart) -> float:
    if a.is_layer != b.is_layer:
        return 0
    label = 0.0
    if a.label == b.label:
        label = 4 if a.label else 1
    elif a.label and b.label:
        label = -2
    if a.is_layer:
        if a.kind != b.kind:
            return 0
        # Two layers that swap their places are one move rather than two layers that have changed.
        return 1 + label + 2 * _same_share(a, b) + 6 * (a.content == b.content)
    common = a.kinds & b.kinds
    weight = sum(n * _WEIGHTS[isinstance(key, str)] for key, n in common.items())
    share = _shared(common, a, b)
    is_same = bool(a.label and a.label == b.label) or (a.kind == b.kind and a.kind != "")
    if share < _SIMILAR and not is_same:
        return 0
    return max(1.0, weight * share + label + 2 * (a.kind == b.kind))


def _same_share(a: NetPart, b: NetPart) -> float:
    """The share of the arguments of two layers of one kind that are equal."""
    ours, others = a.node.op.given, b.node.op.given
    same = [comparable(ours[name]) == comparable(others[name]) for name in ours]
    return (1 + sum(same)) / (1 + len(same))


def _shared(common: Counter[object], a: NetPart, b: NetPart) -> float:
    """Twice the layers that two scopes have in common, of all layers in both."""
    return 2 * sum(common.values()) / max(1, sum(a.kinds.values()) + sum(b.kinds.values()))


def _is_around(scope: NetPart, beside: list[NetPart], others: list[NetPart]) -> bool:
    """Whether the members of a scope are a run among `others`, which have no such scope."""
    if scope.is_layer or not scope.members or any(p.content == scope.content for p in others):
        return False
    inside = [p.exact for p in scope.members]
    if all(p.exact in {q.exact for q in beside} for p in scope.members):
        return False  # they are beside the scope, too
    keys = [p.exact for p in others]
    starts = (i for i, key in enumerate(keys) if key == inside[0])
    return any(keys[i : i + len(inside)] == inside for i in starts)


def _is_similar(scope: NetPart, others: list[NetPart]) -> bool:
    """Whether a scope without a partner has about the layers that are left beside it."""
    if scope.is_layer or not others:
        return False
    total: Counter[object] = Counter()
    for part in others:
        total += part.kinds
    common = scope.kinds & total
    least = min(sum(scope.kinds.values()), sum(total.values()))
    return sum(common.values()) > _SIMILAR * least


def _without(parts: list[NetPart], opened: list[NetPart]) -> list[NetPart]:
    """The parts, with the members of those that are opened in their place."""
    if not opened:
        return parts
    inside = set(map(id, opened))
    return [p for part in parts for p in _members(part, inside)]


def _members(part: NetPart, opened: set[int]) -> list[NetPart]:
    """A part, or its members if it is opened."""
    if id(part) in opened:
        return part.members
    return [part]


def _has_paired(part: NetPart, known: set[int]) -> bool:
    """Whether anything inside a part has a partner."""
    return any(id(p) in known for p in part.walk())
