"""Advice for joins of different shapes: the layer that brings one input to the other's shape."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_causes import cause, other_shape, other_width
from netdsl.elaborate.join_deconvs import with_borders
from netdsl.elaborate.join_enlarged import enlarged, larger_label
from netdsl.elaborate.join_gates import for_gate
from netdsl.elaborate.join_kept import for_all_arms, for_single_position
from netdsl.elaborate.join_labels import meant
from netdsl.elaborate.join_points import padded_point
from netdsl.elaborate.join_repairs import Repair, deconvs, strides, unpadded
from netdsl.elaborate.join_steps import for_steps
from netdsl.elaborate.join_vectors import channels_of_input, for_vector
from netdsl.elaborate.join_ways import fits, fork, ordinal, part_of_list, resizes, way, ways_of
from netdsl.elaborate.shape_advice import layout
from netdsl.ir.op import WINDOWED
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.elaborate.invocation import Invocation
    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.types import Sym, TensorType

LARGEST_STRIDE = 16
SEQUENCE = 2  # axes of T x D, and of C x L
MOST_AXES = 4  # channels and three spatial axes


class Change(NamedTuple):
    """The number of the input to change, and the layers to add to it."""

    number: int
    layers: str


def for_join(join: Joining) -> Repair | None:
    """Advice for a join of inputs that do not fit each other, or None."""
    kind, xs = join.invocation.name, join.xs
    types = [x.type for x in xs]
    other = next((i for i, x in enumerate(types) if _differs(kind, types[0], x)), None)
    if other is None:
        return None
    first, second = types[0], types[other]
    broadcast = for_gate(join, other)
    if broadcast is not None:
        return channels_of_input(join) or broadcast
    advice = other_shape((xs[0], xs[other]), (second, first))
    if advice is None and kind != "concat" and _are_sequences(first, second):
        advice = other_width((xs[0], xs[other]))
    if advice is None and len(first.shape) == len(second.shape):
        first_number, number = _pair(xs, other)
        correction = _deconvs(join, first_number, number)
        correction = correction or padded_point(join, first_number, number)
        if correction is not None:
            return correction
        advice = _cause(join, first_number, number)
        repair = enlarged(join, first_number, number) if advice is None else None
        if repair is not None:
            return repair
        steps = for_steps(join, first_number, number) if advice is None else None
        if steps is not None:
            return steps
    special = (channels_of_input(join) or for_vector(join)) if advice is None else None
    if special is not None:
        return special
    if advice is None and all(map(_is_closed, (first, second))):
        gate = _gate(join, other) if len(first.shape) != len(second.shape) else None
        if gate is not None:
            return gate
        advice = _changed(join, other)
    if advice is None:
        return None
    return Repair(advice)


def unlike(kind: str, xs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Of the inputs of a join, two that do not fit each other, or the first ones."""
    types = [x.type for x in xs]
    other = next((i for i, x in enumerate(types) if _differs(kind, types[0], x)), None)
    if other is None or len(xs) == 2:
        return xs[:3]
    first, second = _pair(xs, other)
    return xs[first], xs[second]


def _deconvs(join: Joining, first: int, other: int) -> Repair | None:
    """The correction of a `deconv` before a join of maps of unequal sizes."""
    if join.xs[first].type.spatial == join.xs[other].type.spatial:
        return None
    repair = deconvs(join, first, other)
    if repair is None:
        nodes = [node for x in join.xs for node in way(x)]
        repair = with_borders(nodes, lambda changes: fits(join, changes))
    return repair


def _pair(xs: Sequence[Value], other: int) -> tuple[int, int]:
    """The numbers of two inputs of unlike sizes: of several, one that most are unlike."""
    spatial = [x.type.spatial for x in xs]
    counts = Counter(spatial)
    usual = max(counts, key=lambda size: counts[size])
    if len(xs) == 2 or len(counts) == 1 or counts[usual] == 1:
        return 0, other
    odd = next(i for i, size in enumerate(spatial) if size != usual)
    return tuple(sorted((spatial.index(usual), odd)))  # type: ignore[return-value]


def _cause(join: Joining, first: int, other: int) -> str | None:
    """Advice to change what makes two inputs unlike, or the ways on which they become so."""
    xs = join.xs
    is_map = len(xs[0].type.shape) > SEQUENCE or join.invocation.name == "concat"
    is_map = is_map or {layout(x) for x in (xs[first], xs[other])} == {"map"}
    advice = meant(join, first, other)
    if xs[first].type.spatial == xs[other].type.spatial or not is_map:
        return advice
    return (
        part_of_list(join)
        or for_all_arms(join, 1)
        or for_single_position(join)
        or cause(join.invocation.call, xs)
        or unpadded(join, first, other)
        or for_all_arms(join, None)
        or advice
        or strides(join, first, other)
    )


def _is_closed(x: TensorType) -> bool:
    """Whether all sizes are numbers."""
    return all(isinstance(size, int) for size in x.shape)


def _are_sequences(first: TensorType, second: TensorType) -> bool:
    """Whether two inputs have vectors of unlike lengths, and as many of them."""
    return len(first.shape) == len(second.shape) == SEQUENCE and first.shape[0] == second.shape[0]


def _changed(join: Joining, other: int) -> str | None:
    """Advice to add layers to one of two inputs."""
    invocation, xs = join.invocation, join.xs
    first, second = xs[0].type, xs[other].type
    if len(first.shape) != len(second.shape):
        change = _to_vector(invocation.name, first, second)
    elif len(first.shape) == SEQUENCE and first.spatial != second.spatial:
        change = _to_length(first, second)
    elif first.spatial != second.spatial and not _is_shortcut(join, other):
        return _of_one_size(join, *_pair(xs, other))
    else:
        change = _projected(first, second)
    if change is None:
        is_map = len(first.shape) == len(second.shape) > SEQUENCE
        is_map = is_map and first.spatial != second.spatial
        if not is_map:
            return None
        return _enlarging(join, 0, other)
    return _placed(invocation, other if change.number else 0, change.layers)


def _is_shortcut(join: Joining, other: int) -> bool:
    """Whether one of two added values comes from the other, whose size only strides changed."""
    a, b = join.xs[0], join.xs[other]
    if join.invocation.name == "concat" or "{" in join.invocation.call.span.text.partition("|")[0]:
        return False
    small, large = sorted((a, b), key=lambda x: _numbers(x.type.spatial))
    end = fork(small, large)
    changed = [node for node in way(small, end) if resizes(node)]
    shrinking = all(node.op.family in WINDOWED for node in changed)
    keeping = not any(resizes(node) for node in way(large, end))
    grown = any(node.op.kind == "deconv" for node in changed)
    return end is not None and keeping and shrinking and not grown


def _of_one_size(join: Joining, first: int, other: int) -> str | None:
    """Advice for maps of unequal sizes, where no layer is known to be wrong."""
    arguments = join.invocation.call.arguments
    if len(arguments) == 1 and isinstance(arguments[0].value, ast.Comprehension):
        listed = arguments[0].value
        sizes = min((_numbers(x.type.spatial) for x in join.xs), default=[])
        size = sizes[0] if len(set(sizes)) == 1 else "x".join(map(str, sizes))
        head = listed.span.text[len(listed.item.span.text) + 1 : -1].strip()
        layers = f"| {listed.item.span.text} -> adaptive_avgpool({size})"
        name = join.invocation.name
        return f"bring them to one size: write `{name} {{ {head} {{ {layers} }} }}`"
    return _enlarging(join, first, other)


def _enlarging(join: Joining, first: int, other: int) -> str | None:
    """How two unequal sizes come about, and an `upsample` to the larger one if it divides it."""
    facts = ways_of(join, first, other)
    small, large = first, other
    if _numbers(join.xs[first].type.spatial) > _numbers(join.xs[other].type.spatial):
        small, large = other, first
    label = larger_label(join, join.xs[small], join.xs[large])
    if facts is None or label is None or len(join.xs) > 2:
        return facts
    return f"{facts}; to enlarge the smaller one, " + _placed(
        join.invocation, small, f"upsample(@{label})"
    )


def _differs(kind: str, first: TensorType, x: TensorType) -> bool:
    """Whether two inputs have different shapes, apart from the axis that `concat` joins along."""
    if kind == "concat":
        return len(first.shape) != len(x.shape) or first.spatial != x.spatial
    pairs = zip(first.shape, x.shape, strict=False)
    return len(first.shape) != len(x.shape) or any(a != b and 1 not in (a, b) for a, b in pairs)


def _gate(join: Joining, other: int) -> Repair | None:
    """Advice for a map that is multiplied by a vector with one number for each channel."""
    xs = (join.xs[0], join.xs[other])
    ranks = [len(x.type.shape) for x in xs]
    number = ranks.index(min(ranks))
    vector, map_ = xs[number], xs[1 - number].type
    is_elementwise = join.invocation.name != "concat"
    if min(ranks) != 1 or vector.type.channels != map_.channels or not is_elementwise:
        return None
    arms = join.invocation.arms
    ones = ["1"] * len(map_.spatial)
    target = f"reshape({'x'.join([str(map_.channels), *ones])})"
    which = other if number else 0
    if which < len(arms) and "in.channels" in arms[which].span.text:
        target = f"reshape([in.channels, {', '.join(ones)}])"
    advice = _placed(join.invocation, which, target)
    nodes = way(vector, fork(*xs))
    if any(node.op.kind == "flatten" for node in nodes) and map_.channels != map_.size:
        advice += ", or keep the axes: leave out `flatten`"
        advice += ", with `conv(n, 1)` for each `dense(n)`" * _has_dense(nodes)
    fix: tuple[Edit, ...] = ()
    if which < len(arms) and join.invocation.name == "mul":
        arm = arms[which].statements[-1].span
        fix = (Edit(Span(arm.file, arm.end, arm.end), f" -> {target}"),)
    return Repair(advice, fix)


def _has_dense(nodes: Sequence[Node]) -> bool:
    return any(node.op.kind == "dense" for node in nodes)


def _to_vector(kind: str, *types: TensorType) -> Change | None:
    """The change of a map that is joined with a vector."""
    ranks = [len(x.shape) for x in types]
    if min(ranks) != 1 or max(ranks) > MOST_AXES:
        return None
    number = ranks.index(max(ranks))
    channels, length = types[number].channels, types[1 - number].shape[0]
    if types[number].size == length:
        return Change(number, "flatten")
    layers = "gap -> flatten"
    if kind != "concat" and channels != length:
        layers += f" -> dense({length})"
    return Change(number, layers)


def _to_length(*types: TensorType) -> Change | None:
    """The change of the sequence with the shorter vectors."""
    steps, lengths = zip(*(_numbers(x.shape) for x in types), strict=True)
    if steps[0] != steps[1]:
        return None
    number = int(lengths[1] < lengths[0])
    return Change(number, f"dense({lengths[1 - number]})")


def _projected(*types: TensorType) -> Change | None:
    """The change that gives one of two inputs the other's channels, and its sizes with a stride.

    The larger map becomes smaller; of maps of one size, the one with fewer channels is changed.
    """
    pairs = zip(*(_numbers(x.spatial) for x in types), strict=True)
    sizes = [(a, b) for a, b in pairs if 1 not in (a, b)]  # a size of 1 fits every other
    channels = [_numbers(x.shape)[0] for x in types]
    number = int(channels[1] < channels[0])
    if any(a != b for a, b in sizes):
        number = int(any(a < b for a, b in sizes))
    if number:
        sizes = [(b, a) for a, b in sizes]
    wanted = channels[number] if 1 in channels else channels[1 - number]
    if len(types[0].shape) == 1:
        return Change(number, f"dense({wanted})")
    strides = {_stride(a, b) for a, b in sizes} or {1}
    stride = strides.pop()
    if len(types[0].shape) > MOST_AXES or any(a < b for a, b in sizes):
        return None
    if not strides and stride is not None:
        option = f", stride = {stride}" if stride > 1 else ""
        return Change(number, f"conv({wanted}, 1{option})")
    return None


def _stride(before: int, after: int) -> int | None:
    """The stride of a 1 x 1 convolution that turns one size into the other, if there is one."""
    strides = range(1, LARGEST_STRIDE + 1)
    return next((s for s in strides if (before - 1) // s + 1 == after), None)


def _numbers(sizes: Iterable[int | Sym]) -> list[int]:
    return [size for size in sizes if isinstance(size, int)]


def _placed(invocation: Invocation, number: int, layers: str) -> str:
    """Where to write layers that change an input of a join."""
    call, arms = invocation.call, len(invocation.arms)
    if number < arms:
        return f"end the {ordinal(number)} arm with `-> {layers}`"
    if number == 0:
        return f"write `{layers} -> {call.span.text}`"
    references = [a.value for a in call.arguments if isinstance(a.value, ast.Reference)]
    written = next(islice(references, number - max(arms, 1), None), None)
    if written is None or arms:
        return f"project a reference with `{layers}` first"
    others = [r.span.text for r in references if r is not written]
    changed = " ".join(f"| {text}" for text in ["identity", *others])
    return f"write `{call.name} {{ {changed} | {written.span.text} -> {layers} }}`"
