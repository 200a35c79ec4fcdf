"""Random arguments for layers that move elements, for sequences, and with a second tensor."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from .layers import (
    INITS,
    WIDTHS,
    Arguments,
    bias,
    borders_fit,
    flag,
    makes,
    maybe,
    need,
    per_axis,
    spatial,
)
from .shape import Type
from .write import Weight

if TYPE_CHECKING:
    from .calls import Generator

REFERENCES = {"gcn", "cheb", "sage", "roi_pool", "roi_align"}  # kinds that need a second tensor


@makes("reshape")
def _reshape(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    if not t.closed:
        return _open_reshape(g, t)
    rest, new = t.size, []
    for _ in range(g.random.randint(0, 3)):
        divisors = [d for d in range(1, min(rest, 40) + 1) if rest % d == 0]
        new.append(g.pick(divisors))
        rest //= new[-1]
    new.append(rest)
    g.random.shuffle(new)
    shown = list(new)
    if g.chance(0.4):
        shown[g.random.randrange(len(new))] = -1
    return [("shape", g.sizes(shown) if len(new) > 1 else g.dims(shown))], Type.of(
        *new, dtype=t.dtype
    )


def _open_reshape(g: Generator, t: Type) -> tuple[Arguments, Type]:
    """A number and -1: the number divides the product of the sizes that are not open."""
    known = prod(size for size, is_open in zip(t.shape, t.open, strict=True) if not is_open)
    parts = g.pick([v for v in range(1, known + 1) if known % v == 0])
    shape, is_open, shown = [parts, t.size // parts], [False, True], [parts, -1]
    if g.chance(0.5):
        shape, is_open, shown = shape[::-1], is_open[::-1], shown[::-1]
    return [("shape", g.sizes(shown))], Type(tuple(shape), tuple(is_open), t.dtype)


@makes("permute")
def _permute(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    order = list(range(1, t.rank + 1))
    g.random.shuffle(order)
    return [("order", g.ints(order))], Type(
        tuple(t.shape[i - 1] for i in order), tuple(t.open[i - 1] for i in order), t.dtype
    )


@makes("tokens")
def _tokens(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(2 <= t.rank <= 4)
    return [], Type((prod(t.spatial), t.channels), (any(t.open[1:]), t.open[0]), t.dtype)


@makes("pad")
def _pad(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    mode = g.pick(("constant", "constant", "reflect", "edge", "circular"))
    if g.chance(0.6):
        p = per_axis(g, n, (0, 1, 2))
        pairs, text = tuple((v, v) for v in p), g.dims(p)
    else:
        pairs = tuple((g.pick((0, 1, 2)), g.pick((0, 1, 3))) for _ in range(n))
        text = g.pairs(pairs)
    need(borders_fit(mode, tuple(map(max, pairs)), t.spatial))
    a: Arguments = [("pad", text)]
    channels = g.pick((0, 1, 2)) if mode == "constant" and g.chance(0.3) else 0
    if mode != "constant" or g.chance(0.1):
        a.append(("mode", g.word(mode)))
    if mode == "constant":
        maybe(g, a, "value", g.real(g.pick((0.0, 1.0, -2.5, 1e-40, 3e38))), 0.3)
    if channels:
        a.append(("channels", g.whole(channels)))
    return a, t.with_(
        t.channels + 2 * channels,
        tuple(x + b + e for x, (b, e) in zip(t.spatial, pairs, strict=True)),
    )


@makes("crop")
def _crop(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    size = (
        tuple(g.random.randint(1, x) for x in t.spatial) if g.chance(0.6) else (min(t.spatial),) * n
    )
    a: Arguments = [("size", g.dims(size))]
    result = Type((t.channels, *size), (t.open[0], *(False,) * n))
    if g.chance(0.3):  # crop to the size of a reference
        other = (
            t.with_(g.pick((1, t.channels)))
            if g.chance(0.3) and not t.open[0]
            else Type((2, *size), (False,) * (n + 1))
        )
        g.refer(other)
        a, size, result = (
            [],
            other.spatial,
            Type((t.channels, *other.spatial), (t.open[0], *other.open[1:])),
        )
    if g.chance(0.5):
        room = [x - s for x, s in zip(t.spatial, size, strict=True)]
        offset = (
            tuple(g.random.randint(0, r) for r in room)
            if g.chance(0.5)
            else (g.random.randint(0, min(room)),) * n
        )
        a.append(("offset", g.dims(offset)))
    return a, result


@makes("slice")
def _slice(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    axis = g.random.randrange(t.rank)
    size = t.shape[axis]
    start = g.random.randrange(size)
    end = g.random.randint(start + 1, size)
    from_end = g.chance(0.3), end < size and g.chance(0.3)
    a: Arguments = []
    if start or g.chance(0.5):
        a.append(("start", g.whole(start - size if from_end[0] else start)))
    else:
        from_end = False, from_end[1]
    to_end = end == size and g.chance(0.6)
    if not to_end:
        a.append(("end", g.whole(end - size if from_end[1] else end)))
    _add_axis(g, a, t, axis)
    ends_at_end = to_end or from_end[1]
    need(not t.open[axis] or ends_at_end or not from_end[0])  # only a few sizes would be valid
    return a, t.at(axis, end - start, open_=t.open[axis] and ends_at_end != from_end[0])


def _add_axis(g: Generator, a: Arguments, t: Type, axis: int) -> None:
    """Add the argument `axis`, or leave the default."""
    if axis or g.chance(0.1):
        a.append(("axis", g.whole(axis + 1 if g.chance(0.6) else axis - t.rank)))


@makes("select")
def _select(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank > 1)
    axis = g.random.randrange(t.rank)
    place = g.random.randrange(t.shape[axis])
    a: Arguments = [("index", g.whole(place if g.chance(0.6) else place - t.shape[axis]))]
    _add_axis(g, a, t, axis)
    left = [i for i in range(t.rank) if i != axis]
    return a, Type(tuple(t.shape[i] for i in left), tuple(t.open[i] for i in left), t.dtype)


@makes("split")
def _split(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    axis = g.random.randrange(t.rank)
    size = t.shape[axis]
    most = 3 if t.open[axis] else size
    parts = g.pick([v for v in range(1, most + 1) if size % v == 0])
    a: Arguments = [("parts", g.whole(parts)), ("index", g.whole(g.random.randrange(parts)))]
    _add_axis(g, a, t, axis)
    return a, t.at(axis, size // parts)


@makes("channel_shuffle")
def _shuffle(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(2 <= t.rank <= 4)
    return [
        ("groups", g.whole(g.pick([v for v in range(1, t.channels + 1) if t.channels % v == 0])))
    ], t


@makes("upsample")
def _upsample(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    a: Arguments = []
    if g.chance(0.4):
        size = per_axis(g, n, (1, 2, 5, 7, min(t.spatial), max(t.spatial) + 1))
        other = t.with_(g.pick((1, 2))) if g.chance(0.3) else Type((2, *size), (False,) * (n + 1))
        if g.chance(0.5):
            other = Type(other.shape, (False, *(g.chance(0.7) for _ in range(n))))
        g.refer(other)
        result = Type((t.channels, *other.spatial), (t.open[0], *other.open[1:]))
    elif g.chance(0.6):
        scale = g.pick((1, 2, 3))
        a.append(("scale", g.whole(scale)))
        result = t.with_(spatial=tuple(x * scale for x in t.spatial))
    else:
        size = per_axis(g, n, (1, 2, 5, 7, min(t.spatial), max(t.spatial) + 1))
        a.append(("size", g.dims(size)))
        result = Type((t.channels, *size), (t.open[0], *(False,) * n))
    interpolated = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[n]
    mode = g.pick(["nearest", "nearest_exact", "area", *interpolated, *interpolated])
    if mode != "nearest" or g.chance(0.1):
        a.append(("mode", g.word(mode)))
    if mode in interpolated:
        flag(g, a, "align_corners", default=False)
    return a, result


@makes("pixel_shuffle")
def _pixels(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank == 3 and t.floats)
    r = g.pick([v for v in (1, 2, 3) if t.channels % (v * v) == 0])
    return [("r", g.whole(r))], t.with_(t.channels // (r * r), tuple(x * r for x in t.spatial))


@makes("pixel_unshuffle")
def _unshuffled(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank == 3 and t.floats)
    fixed = [x for x, is_open in zip(t.spatial, t.open[1:], strict=True) if not is_open]
    need(len(fixed) == 2)
    r = g.pick([v for v in (1, 2, 3) if all(x % v == 0 for x in fixed)])
    return [("r", g.whole(r))], t.with_(t.channels * r * r, tuple(x // r for x in t.spatial))


@makes("param")
def _param(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats)
    shape = (
        t.shape
        if t.closed and g.chance(0.6)
        else tuple(g.pick((1, 2, 3, 5)) for _ in range(g.random.randint(1, 4)))
    )
    leading = g.pick((0, 0, 0, 1, 1, 2))
    g.weight = Weight((*[1] * leading, *shape), "")
    a: Arguments = []
    if prod(shape) <= 20 and g.chance(0.3):
        a.append(("value", g.nested(shape)))
    if not a or g.chance(0.2):
        a.insert(0, ("shape", g.sizes(shape)))
    if leading or g.chance(0.1):
        a.append(("leading", g.whole(leading)))
    named = INITS if len(g.weight.shape) > 1 else ("default", "normal", "zeros", "ones")
    if "value" not in dict(a):
        maybe(g, a, "init", g.word(g.pick(named)))
    return a, Type.of(*shape)


@makes("const")
def _const(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    shape = tuple(g.pick((1, 2, 3, 5)) for _ in range(g.random.randint(1, 3)))
    if g.chance(0.6):
        return [("value", g.nested(shape))], Type.of(*shape)
    dtype = g.pick(("int64", "int64", "float32"))
    numbers = _integers(g, shape)
    return [("value", numbers), ("dtype", g.word(dtype))], Type.of(*shape, dtype=dtype)


def _integers(g: Generator, shape: tuple[int, ...]) -> str:
    """Nested lists of integers that every `embedding` of random programs takes."""
    if not shape:
        return g.whole(g.pick((0, 1, 2)))
    return "[" + ", ".join(_integers(g, shape[1:]) for _ in range(shape[0])) + "]"


@makes("positions")
def _positions(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    a: Arguments = []
    axis = 1 if g.chance(0.5) else g.axis(t)
    if axis != 1 or g.chance(0.2):
        a.append(("axis", g.whole(axis)))
    i = axis - 1 if axis > 0 else axis + t.rank
    need(t.shape[i] <= 50)  # `verify` tries longer axes, and an `embedding` may have 100 vectors
    return a, Type((t.shape[i],), (t.open[i],), "int64")


# ---- sequences


@makes("rnn", "lstm", "gru")
def _recurrent(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank == 2 and t.floats and not t.open[1] and t.shape[0] <= 24)
    hidden, layers = g.pick((1, 2, 3, 5)), g.pick((1, 1, 2, 3))
    a: Arguments = [("hidden", g.whole(hidden))]
    if layers > 1 or g.chance(0.1):
        a.append(("layers", g.whole(layers)))
    both = flag(g, a, "bidirectional", default=False, p=0.5)
    if layers > 1:
        maybe(g, a, "dropout", g.real(g.pick((0.0, 0.2, 1.0))), 0.4)
    last = flag(g, a, "last", default=False, p=0.4)
    if kind == "rnn":
        maybe(g, a, "nonlinearity", g.word(g.pick(("tanh", "relu"))), 0.4)
    flag(g, a, "bias", default=True, p=0.2)
    rows = layers * (2 if both else 1)
    state = Type.of(hidden) if rows == 1 else Type.of(rows, hidden)
    names = ("h", "c") if kind == "lstm" else ("h",)
    if g.chance(0.35):
        a += [(name, g.tensor(state)) for name in names]
    g.results = dict.fromkeys(names, state)
    width = hidden * (2 if both else 1)
    return a, Type.of(width) if last else t.at(1, width)


@makes("attention")
def _attention(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(2 <= t.rank <= 4 and t.floats and not t.open[-1] and t.shape[-2] <= 64)
    width, windows = t.shape[-1], t.rank - 2
    heads = g.pick([v for v in range(1, width + 1) if width % v == 0])
    a: Arguments = [("heads", g.whole(heads))]
    flag(g, a, "bias", default=True)
    keys = t
    if g.chance(0.35):
        keys = t.at(t.rank - 2, g.pick((1, 4, 6))).at(t.rank - 1, g.pick((width, width, 3)))
        g.refer(keys)
        if g.chance(0.3):
            g.refer(keys.at(t.rank - 1, g.pick((width, 2))))
        maybe(g, a, "causal", g.truth(False), 0.2)
    else:
        flag(g, a, "causal", default=False)
    maybe(g, a, "dropout", g.real(g.pick((0.0, 0.3))), 0.2)
    if windows or g.chance(0.1):
        a.append(("windowed", g.truth(windows > 0)))
    _masks(g, a, t, keys, heads)
    return a, t


def _masks(g: Generator, a: Arguments, t: Type, keys: Type, heads: int) -> None:
    """Sometimes add masks to the arguments of an attention."""
    (*windows, queries, _), (*_, count, _) = _pairs(t), _pairs(keys)
    if g.chance(0.35):
        whole = [*windows, (heads, False), queries, count]
        axes = whole[g.random.randint(0, len(whole) - 2) :]
        axes = [(1, False) if g.chance(0.2) else axis for axis in axes]
        a.append(("mask", g.tensor(_of_pairs(axes, g.pick(("float32", "bool"))))))
    if g.chance(0.25):
        whole = [*windows, count]
        axes = whole[g.random.randint(0, len(whole) - 1) :]
        a.append(("padding", g.tensor(_of_pairs(axes, "bool"))))


def _pairs(t: Type) -> list[tuple[int, bool]]:
    return list(zip(t.shape, t.open, strict=True))


def _of_pairs(axes: list[tuple[int, bool]], dtype: str) -> Type:
    return Type(tuple(size for size, _ in axes), tuple(is_open for _, is_open in axes), dtype)


@makes("roll")
def _roll(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    if g.chance(0.6):
        shift, axis = g.whole(g.pick((-3, -1, 0, 1, 2, 9))), g.whole(g.axis(t))
        return [("shift", shift), ("axis", axis)], t
    axes = g.random.sample(range(1, t.rank + 1), g.random.randint(1, t.rank))
    shifts = [g.pick((-2, -1, 1, 3)) for _ in axes]
    return [("shift", g.ints(shifts)), ("axis", g.ints(axes))], t


# ---- kinds that take a second tensor


@makes("gcn", "cheb", "sage")
def _graph(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank == 2 and t.floats and not t.open[1] and t.shape[0] <= 24)
    g.refer(Type((t.shape[0],) * 2, (t.open[0],) * 2))
    units = g.pick(WIDTHS)
    a: Arguments = [("units", g.whole(units))]
    if kind == "cheb":
        a.append(("k", g.whole(g.pick((1, 2, 3, 4)))))
    bias(g, a, units)
    if kind == "gcn":
        flag(g, a, "normalize", default=False, p=0.6)
    return a, t.at(1, units)


@makes("roi_pool", "roi_align")
def _regions(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank == 3 and t.floats)
    boxes = g.pick((1, 2, 3))
    g.refer(Type.of(boxes, 4))
    size = per_axis(g, 2, (1, 2, 3, 7))
    a: Arguments = [("size", g.dims(size)), ("scale", g.real(g.pick((0.25, 1.0, 2.5))))]
    if kind == "roi_align":
        maybe(g, a, "samples", g.whole(g.pick((1, 2, 3))))
        flag(g, a, "aligned", default=False)
    return a, Type((boxes, t.channels, *size), (False, t.open[0], False, False))


@makes("add", "mul", "sub", "max", "concat")
def _join(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    """A join of the current value with references.

    They have its type or axes of size 1; for `concat`, the size of the joined axis may differ.
    """
    need(t.floats or kind == "concat")
    if kind != "concat":
        for _ in range(g.pick((1, 1, 2))):
            other = t
            if g.chance(0.3):
                other = Type(tuple(1 if g.chance(0.5) else d for d in t.shape), t.open, t.dtype)
                other = Type(
                    other.shape,
                    tuple(o and d != 1 for o, d in zip(t.open, other.shape, strict=True)),
                    t.dtype,
                )
            g.refer(other)
        return [], t
    axis = g.pick([i for i in range(t.rank) if not t.open[i]] or [0])
    total, opened = t.shape[axis], t.open[axis]
    for _ in range(g.pick((1, 1, 2))):
        size = t.shape[axis] if opened else g.pick((1, 2, t.shape[axis]))
        g.refer(t.at(axis, size))
        total += size
    a: Arguments = (
        [("axis", g.whole(axis + 1 if g.chance(0.6) else axis - t.rank))]
        if axis or g.chance(0.15)
        else []
    )
    return a, t.at(axis, total)
