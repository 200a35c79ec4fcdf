"""Advice for joins of different shapes: the layer that brings one input to the other's shape."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from netdsl.elaborate.join_causes import cause, other_shape, other_width
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.elaborate.invocation import Invocation
    from netdsl.ir.graph import Value
    from netdsl.ir.types import Sym, TensorType

ORDINALS = ("first", "second", "third", "fourth")
LARGEST_STRIDE = 16
SEQUENCE = 2  # axes of T x D, and of C x L
MOST_AXES = 4  # channels and three spatial axes
SAME_SIZES = "give them the same stride and padding (`pad = k // 2` keeps the size)"


class Change(NamedTuple):
    """The number of the input to change, and the layers to add to it."""

    number: int
    layers: str


def for_join(invocation: Invocation, xs: Sequence[Value]) -> str | None:
    """Advice for a join of inputs that do not fit each other, or None."""
    types = [x.type for x in xs]
    other = next((i for i, x in enumerate(types) if _differs(invocation.name, types[0], x)), None)
    if other is None:
        return None
    first, second = types[0], types[other]
    advice = other_shape((xs[0], xs[other]), (second, first))
    if advice is None and invocation.name != "concat" and _are_sequences(first, second):
        advice = other_width((xs[0], xs[other]))
    advice = advice or cause(invocation.call, xs)
    if advice is not None or not all(map(_is_closed, (first, second))):
        return advice
    return _changed(invocation, xs, other)


def _is_closed(x: TensorType) -> bool:
    """Whether all sizes are numbers."""
    return all(isinstance(size, int) for size in x.shape)


def _are_sequences(first: TensorType, second: TensorType) -> bool:
    """Whether two inputs have vectors of unlike lengths, and as many of them."""
    return len(first.shape) == len(second.shape) == SEQUENCE and first.shape[0] == second.shape[0]


def _changed(invocation: Invocation, xs: Sequence[Value], other: int) -> str | None:
    """Advice to add layers to one of two inputs."""
    first, second = xs[0].type, xs[other].type
    if len(first.shape) != len(second.shape):
        change = _to_vector(invocation.name, first, second)
    elif len(first.shape) == SEQUENCE and first.spatial != second.spatial:
        change = _to_length(first, second)
    elif invocation.name == "concat":
        change = _to_size(first, second)
    else:
        change = _projected(first, second)
    if change is None:
        return None
    if change.layers.startswith(("crop", "maxpool")):
        return _of_one_size(invocation, xs, other, change)
    return _placed(invocation, other if change.number else 0, change.layers)


def _of_one_size(
    invocation: Invocation, xs: Sequence[Value], other: int, change: Change
) -> str | None:
    """Advice for maps of unequal sizes, where no layer is known to be wrong."""
    arguments = invocation.call.arguments
    if len(arguments) == 1 and isinstance(arguments[0].value, ast.Comprehension):
        listed = arguments[0].value
        sizes = min((_numbers(x.type.spatial) for x in xs), default=[])
        size = sizes[0] if len(set(sizes)) == 1 else "x".join(map(str, sizes))
        head = listed.span.text[len(listed.item.span.text) + 1 : -1].strip()
        layers = f"| {listed.item.span.text} -> adaptive_avgpool({size})"
        return f"bring them to one size: write `{invocation.name} {{ {head} {{ {layers} }} }}`"
    if len(xs) > 2:
        return SAME_SIZES
    return f"{SAME_SIZES}, or {_placed(invocation, other if change.number else 0, change.layers)}"


def _differs(kind: str, first: TensorType, x: TensorType) -> bool:
    """Whether two inputs have different shapes, apart from the axis that `concat` joins along."""
    if kind == "concat":
        return len(first.shape) != len(x.shape) or first.spatial != x.spatial
    pairs = zip(first.shape, x.shape, strict=False)
    return len(first.shape) != len(x.shape) or any(a != b and 1 not in (a, b) for a, b in pairs)


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


def _to_size(*types: TensorType) -> Change | None:
    """The change that makes the larger of two maps as small as the other."""
    sizes = [_numbers(x.spatial) for x in types]
    number = int(sizes[1] > sizes[0])
    large, small = sizes[number], sizes[1 - number]
    if any(a < b for a, b in zip(large, small, strict=True)):
        return None
    ratios = {a / b for a, b in zip(large, small, strict=True)}
    ratio = ratios.pop()
    if not ratios and ratio.is_integer():
        return Change(number, f"maxpool({int(ratio)})")
    return Change(number, f"crop({'x'.join(map(str, small))})")


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
    wanted = channels[1 - number]
    if len(types[0].shape) == 1:
        return Change(number, f"dense({wanted})")
    strides = {_stride(a, b) for a, b in sizes} or {1}
    stride = strides.pop()
    if len(types[0].shape) > MOST_AXES or any(a < b for a, b in sizes):
        return None
    if not strides and stride is not None:
        option = f", stride = {stride}" if stride > 1 else ""
        return Change(number, f"conv({wanted}, 1{option})")
    layers = f"crop({'x'.join(str(b) for _, b in sizes)})"
    if channels[number] != wanted:
        layers += f" -> conv({wanted}, 1)"
    return Change(number, layers)


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
        which = ORDINALS[number] if number < len(ORDINALS) else f"{number + 1}th"
        return f"end the {which} arm with `-> {layers}`"
    if number == 0:
        return f"write `{layers} -> {call.span.text}`"
    references = [a.value for a in call.arguments if isinstance(a.value, ast.Reference)]
    written = next(islice(references, number - max(arms, 1), None), None)
    if written is None or arms:
        return f"project a reference with `{layers}` first"
    others = [r.span.text for r in references if r is not written]
    changed = " ".join(f"| {text}" for text in ["identity", *others])
    return f"write `{call.name} {{ {changed} | {written.span.text} -> {layers} }}`"
