"""Random arguments for layers with a window, and the output sizes, computed from definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import (
    INITS,
    WIDTHS,
    Arguments,
    bias,
    borders_fit,
    flag,
    init,
    makes,
    need,
    per_axis,
    spatial,
    weight,
)

if TYPE_CHECKING:
    from .calls import Generator
    from .shape import Type

Pairs = tuple[tuple[int, int], ...]


def _same(t: Type, extent: tuple[int, ...], s: tuple[int, ...]) -> Pairs:
    """TensorFlow's padding: as much as ceil(size / stride) windows need, more of it at the end."""
    totals = [
        max((-(-x // s_) - 1) * s_ + e - x, 0)
        for x, e, s_ in zip(t.spatial, extent, s, strict=True)
    ]
    return tuple((total // 2, total - total // 2) for total in totals)


def _pad(
    g: Generator, t: Type, k: tuple[int, ...], extent: tuple[int, ...], s: tuple[int, ...]
) -> tuple[str | None, Pairs]:
    """The text of a padding (None if it is not given) and its (begin, end) pairs."""
    n, r = len(k), g.random.random()
    if r < 0.3:
        return None, ((0, 0),) * n
    if r < 0.5:
        return g.word("same"), _same(t, extent, s)
    if r < 0.75:
        p = per_axis(g, n, (0, 1, 2, max(extent) // 2, k[0]))
        return g.dims(p), tuple((v, v) for v in p)
    pairs = tuple((g.pick((0, 1, 2)), g.pick((0, 1, 3))) for _ in range(n))
    return g.pairs(pairs), pairs


def _window(g: Generator, t: Type, arguments: Arguments) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Add the window, stride, padding and dilation of a convolution.

    Returns the spatial sizes of the output, and the window.
    """
    n = spatial(t)
    sizes = (1, 2, 3, 3, 4, 5, min(t.spatial), min(t.spatial) + 1)
    k = per_axis(g, n, sizes)
    d = (1,) * n if g.chance(0.7) else per_axis(g, n, (1, 2, 3))
    s = (1,) * n if g.chance(0.5) else per_axis(g, n, (1, 2, 3, max(1, k[0] - 1), k[0], k[0] + 1))
    extent = tuple(d_ * (k_ - 1) + 1 for k_, d_ in zip(k, d, strict=True))
    text, pads = _pad(g, t, k, extent, s)
    padded = tuple(x + a + b for x, (a, b) in zip(t.spatial, pads, strict=True))
    need(all(e <= v for e, v in zip(extent, padded, strict=True)))
    arguments.append(("k", g.dims(k)))
    if any(v != 1 for v in s) or g.chance(0.3):
        arguments.append(("stride", g.dims(s)))
    if text is not None:
        arguments.append(("pad", text))
    if any(v != 1 for v in d) or g.chance(0.1):
        arguments.append(("dilation", g.dims(d)))
    if g.chance(0.25):
        mode = g.pick(("zeros", "reflect", "edge", "circular"))
        need(borders_fit(mode, tuple(map(max, pads)), t.spatial))
        arguments.append(("pad_mode", g.word(mode)))
    return tuple((v - e) // s_ + 1 for v, e, s_ in zip(padded, extent, s, strict=True)), k


@makes("conv")
def _conv(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(spatial(t) > 0 and not t.open[0])
    out = g.pick(WIDTHS)
    a: Arguments = [("out", g.whole(out))]
    sizes, k = _window(g, t, a)
    common = [n for n in range(1, 13) if out % n == 0 and t.channels % n == 0]
    groups = g.pick(common) if g.chance(0.3) else 1
    if groups > 1 or g.chance(0.1):
        a.append(("groups", g.whole(groups)))
    bias(g, a, out)
    if groups == 1 and g.chance(0.12):
        rows = [
            sorted(
                g.random.sample(range(t.channels), g.random.randint(1, t.channels)),
                key=lambda _: g.random.random(),
            )
            for _ in range(out)
        ]
        a.append(("connections", "[" + ", ".join(g.ints(row) for row in rows) + "]"))
        init(g, a, ("default", "normal", "zeros", "ones"))
    else:
        weight(g, a, (out, t.channels // groups, *k))
        init(g, a)
    return a, t.with_(out, sizes)


@makes("depthwise")
def _depthwise(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(spatial(t) > 0 and not t.open[0])
    m = g.pick((1, 1, 2, 3))
    a: Arguments = []
    sizes, k = _window(g, t, a)
    if m > 1 or g.chance(0.1):
        a.append(("multiplier", g.whole(m)))
    bias(g, a, t.channels * m)
    weight(g, a, (t.channels * m, 1, *k))
    init(g, a)
    return a, t.with_(t.channels * m, sizes)


def _cut(
    g: Generator,
    t: Type,
    k: tuple[int, ...],
    s: tuple[int, ...],
    d: tuple[int, ...],
    more: tuple[int, ...],
) -> tuple[str | None, tuple[int, ...]]:
    """The text of a padding of `deconv` other than "same", and the sizes of the output."""
    r = g.random.random()
    text: str | None = None
    pairs: Pairs = ((0, 0),) * len(k)
    if r < 0.4:
        p = per_axis(g, len(k), (0, 1, 2))
        text, pairs = g.dims(p), tuple((v, v) for v in p)
    elif r < 0.6:
        pairs = tuple((g.pick((0, 1, 2)), g.pick((0, 1, 3))) for _ in k)
        text = g.pairs(pairs)
    sizes = tuple(
        (x - 1) * s_ - sum(pair) + d_ * (k_ - 1) + e_ + 1
        for x, s_, pair, d_, k_, e_ in zip(t.spatial, s, pairs, d, k, more, strict=True)
    )
    need(min(sizes) >= 1)
    return text, sizes


@makes("deconv")
def _deconv(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    need(not t.open[0])
    out = g.pick(WIDTHS)
    k, s = per_axis(g, n, (1, 2, 3, 4)), per_axis(g, n, (1, 1, 2, 3))
    d = (1,) * n if g.chance(0.7) else per_axis(g, n, (1, 2, 3))
    e = (0,) * n
    text: str | None
    if g.chance(0.2):
        text, sizes = g.word("same"), tuple(x * s_ for x, s_ in zip(t.spatial, s, strict=True))
    else:
        if g.chance(0.3):
            e = tuple(g.random.randrange(max(s_, d_)) for s_, d_ in zip(s, d, strict=True))
        text, sizes = _cut(g, t, k, s, d, e)
    a: Arguments = [("out", g.whole(out)), ("k", g.dims(k))]
    if any(v != 1 for v in s) or g.chance(0.1):
        a.append(("stride", g.dims(s)))
    if text is not None:
        a.append(("pad", text))
    if any(e):
        a.append(("output_pad", g.dims(e)))
    common = [v for v in range(1, 13) if out % v == 0 and t.channels % v == 0]
    groups = 1
    if g.chance(0.3):
        groups = g.pick(common)
        a.append(("groups", g.whole(groups)))
    bias(g, a, out)
    if any(v != 1 for v in d) or g.chance(0.1):
        a.append(("dilation", g.dims(d)))
    weight(g, a, (t.channels, out // groups, *k))
    init(g, a, (*INITS, "bilinear", "bilinear"))
    return a, t.with_(out, sizes)


@makes("maxpool", "avgpool", "sumpool", "l2pool")
def _pool(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    k = per_axis(g, n, (1, 2, 2, 3, 4, min(t.spatial), min(t.spatial) + 1))
    s = k if g.chance(0.5) else per_axis(g, n, (1, 2, 3, max(1, k[0] - 1), k[0], k[0] + 1))
    d = (1,) * n
    if g.chance(0.3):
        d = per_axis(g, n, (1, 2, 3))
    extent = tuple(d_ * (k_ - 1) + 1 for k_, d_ in zip(k, d, strict=True))
    text, pads, is_number = _pool_pad(g, t, extent, s)
    need(not (n == 3 and is_number and kind in ("avgpool", "sumpool")) or min(t.spatial) >= max(k))
    # A window that lies on both sides of the input would contain only padding.
    axes = zip(t.spatial, d, pads, strict=True)
    need(all(d_ == 1 or not any(pair) or x >= d_ for x, d_, pair in axes))
    need(all(x + sum(pair) >= e for x, pair, e in zip(t.spatial, pads, extent, strict=True)))
    a: Arguments = [("k", g.dims(k))]
    if s != k or g.chance(0.2):
        a.append(("stride", g.dims(s)))
    if text is not None:
        a.append(("pad", text))
    ceil = kind != "l2pool" and flag(g, a, "ceil", default=False)
    if any(v != 1 for v in d):
        a.append(("dilation", g.dims(d)))
    if kind == "avgpool":
        flag(g, a, "count_pad", default=True)
    if text is not None and "same" in text:
        return a, t.with_(spatial=tuple(-(-x // s_) for x, s_ in zip(t.spatial, s, strict=True)))
    sizes = zip(t.spatial, extent, s, pads, strict=True)
    return a, t.with_(spatial=tuple(pooled(*axis, ceil) for axis in sizes))


def _pool_pad(
    g: Generator, t: Type, extent: tuple[int, ...], s: tuple[int, ...]
) -> tuple[str | None, Pairs, bool]:
    """A padding of pooling: its text (None if it is not given), its (begin, end) pairs.

    The last value tells whether it consists of numbers for both sides.
    """
    r = g.random.random()
    if r < 0.4:
        return None, ((0, 0),) * len(s), True
    if r < 0.6:
        return g.word("same"), _same(t, extent, s), False
    if r < 0.8:
        p = tuple(g.random.randint(0, e // 2) for e in extent)
        return g.dims(p), tuple((v, v) for v in p), True
    pairs = tuple((g.random.randrange(e), g.random.randrange(e)) for e in extent)
    return g.pairs(pairs), pairs, False


def pooled(x: int, k: int, s: int, pad: tuple[int, int], ceil: bool) -> int:
    """The output size, as in PyTorch.

    With `ceil`, the last window must start inside the input or the padding before it.
    """
    if not ceil:
        return (x + sum(pad) - k) // s + 1
    out = -((x + sum(pad) - k) // -s) + 1
    while (out - 1) * s >= x + pad[0]:
        out -= 1
    return out
