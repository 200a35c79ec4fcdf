"""Random arguments for each layer kind, and the output type, computed independently of netdsl."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

from .shape import Skip, Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Generator

Arguments = list[tuple[str, str]]
MAKERS: dict[str, Callable[[Generator, Type], tuple[Arguments, Type]]] = {}
INITS = (
    "default",
    "he_normal",
    "he_uniform",
    "xavier_normal",
    "xavier_uniform",
    "normal",
    "zeros",
    "ones",
)
WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 12)
LARGEST = 5000  # elements of a sample


def makes(
    *kinds: str,
) -> Callable[[Callable[[Generator, Type, str], tuple[Arguments, Type]]], None]:
    """Register the function that makes some kinds; its last argument is the kind."""

    def register(function: Callable[[Generator, Type, str], tuple[Arguments, Type]]) -> None:
        for kind in kinds:
            MAKERS[kind] = partial(_call, function, kind)

    return register


def _call(
    function: Callable[[Generator, Type, str], tuple[Arguments, Type]],
    kind: str,
    g: Generator,
    t: Type,
) -> tuple[Arguments, Type]:
    return function(g, t, kind)


def need(condition: bool) -> None:
    """Raise `Skip` unless the condition is true."""
    if not condition:
        raise Skip


def spatial(t: Type) -> int:
    """The number of spatial axes, 1 to 3; raises `Skip` for other types."""
    need(2 <= t.rank <= 4 and t.floats)
    return t.rank - 1


def per_axis(g: Generator, n: int, options: tuple[int, ...]) -> tuple[int, ...]:
    """The same value for all axes, or a random value for each."""
    return (g.pick(options),) * n if g.chance(0.6) else tuple(g.pick(options) for _ in range(n))


def maybe(g: Generator, arguments: Arguments, name: str, text: str, p: float = 0.5) -> None:
    """Add an argument with probability p."""
    if g.chance(p):
        arguments.append((name, text))


def flag(g: Generator, arguments: Arguments, name: str, default: bool, p: float = 0.35) -> bool:
    """Add a Boolean argument with probability p; returns its value, which may be the default."""
    if not g.chance(p):
        return default
    value = g.chance(0.5)
    arguments.append((name, g.truth(value)))
    return value


def init(g: Generator, arguments: Arguments, options: tuple[str, ...] = INITS) -> None:
    """Sometimes add an `init` argument."""
    if g.chance(0.2):
        arguments.append(("init", g.word(g.pick(options))))


# ---- windows


def _pad(
    g: Generator, n: int, k: tuple[int, ...], d: tuple[int, ...], stride_one: bool
) -> tuple[str | None, tuple[tuple[int, int], ...]]:
    """The text of a padding (None if it is not given) and its (begin, end) pairs."""
    r = g.random.random()
    reach = tuple(d_ * (k_ - 1) for k_, d_ in zip(k, d, strict=True))
    if r < 0.3:
        return None, ((0, 0),) * n
    if r < 0.5 and stride_one:
        return g.word("same"), tuple((v // 2, v - v // 2) for v in reach)
    if r < 0.75:
        p = per_axis(g, n, (0, 1, 2, max(reach) // 2, k[0]))
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
    text, pads = _pad(g, n, k, d, all(v == 1 for v in s))
    extent = tuple(d_ * (k_ - 1) + 1 for k_, d_ in zip(k, d, strict=True))
    padded = tuple(x + a + b for x, (a, b) in zip(t.spatial, pads, strict=True))
    need(all(e <= v for e, v in zip(extent, padded, strict=True)))
    arguments.append(("k", g.dims(k)))
    if any(v != 1 for v in s) or g.chance(0.3):
        arguments.append(("stride", g.dims(s)))
    if text is not None:
        arguments.append(("pad", text))
    if any(v != 1 for v in d) or g.chance(0.1):
        arguments.append(("dilation", g.dims(d)))
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
    flag(g, a, "bias", default=True)
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
        _literal(g, a, out, t.channels // groups, k)
        init(g, a)
    return a, t.with_(out, sizes)


def _literal(g: Generator, a: Arguments, out: int, channels: int, k: tuple[int, ...]) -> None:
    shape = (out, channels, *k)
    if prod(shape) <= 40 and g.chance(0.3):
        while shape[0] == 1 and len(shape) > 1 and g.chance(0.5):
            shape = shape[1:]
        a.append(("weight", g.nested(shape)))


@makes("depthwise")
def _depthwise(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(spatial(t) > 0 and not t.open[0])
    m = g.pick((1, 1, 2, 3))
    a: Arguments = []
    sizes, k = _window(g, t, a)
    if m > 1 or g.chance(0.1):
        a.append(("multiplier", g.whole(m)))
    flag(g, a, "bias", default=True)
    _literal(g, a, t.channels * m, 1, k)
    init(g, a)
    return a, t.with_(t.channels * m, sizes)


@makes("deconv")
def _deconv(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    need(not t.open[0])
    out = g.pick(WIDTHS)
    k, s = per_axis(g, n, (1, 2, 3, 4)), per_axis(g, n, (1, 1, 2, 3))
    d = (1,) * n if g.chance(0.7) else per_axis(g, n, (1, 2, 3))
    p = (0,) * n if g.chance(0.5) else per_axis(g, n, (0, 1, 2))
    e = (
        (0,) * n
        if g.chance(0.7)
        else tuple(g.random.randrange(max(s_, d_)) for s_, d_ in zip(s, d, strict=True))
    )
    sizes = tuple(
        (x - 1) * s_ - 2 * p_ + d_ * (k_ - 1) + e_ + 1
        for x, s_, p_, d_, k_, e_ in zip(t.spatial, s, p, d, k, e, strict=True)
    )
    need(min(sizes) >= 1)
    a: Arguments = [("out", g.whole(out)), ("k", g.dims(k))]
    for name, value, default in (("stride", s, 1), ("pad", p, 0), ("output_pad", e, 0)):
        if any(v != default for v in value) or g.chance(0.1):
            a.append((name, g.dims(value)))
    common = [v for v in range(1, 13) if out % v == 0 and t.channels % v == 0]
    if g.chance(0.3):
        a.append(("groups", g.whole(g.pick(common))))
    flag(g, a, "bias", default=True)
    if any(v != 1 for v in d) or g.chance(0.1):
        a.append(("dilation", g.dims(d)))
    init(g, a, (*INITS, "bilinear", "bilinear"))
    return a, t.with_(out, sizes)


@makes("maxpool", "avgpool", "sumpool", "l2pool")
def _pool(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    need(kind != "l2pool" or n < 4)
    k = per_axis(g, n, (1, 2, 2, 3, 4, min(t.spatial), min(t.spatial) + 1))
    s = k if g.chance(0.5) else per_axis(g, n, (1, 2, 3, max(1, k[0] - 1), k[0], k[0] + 1))
    p = (
        (0,) * n
        if kind == "l2pool" or g.chance(0.5)
        else (
            tuple(g.random.randint(0, k_ // 2) for k_ in k) if g.chance(0.5) else (min(k) // 2,) * n
        )
    )
    ceil = kind in ("maxpool", "avgpool") and g.chance(0.35)
    need(
        not (ceil and any(t.open) and any(p_ > k_ - s_ for k_, s_, p_ in zip(k, s, p, strict=True)))
    )
    need(all(x + 2 * p_ >= k_ for x, p_, k_ in zip(t.spatial, p, k, strict=True)))
    need(n < 3 or kind == "maxpool" or all(x >= k_ for x, k_ in zip(t.spatial, k, strict=True)))
    a: Arguments = [("k", g.dims(k))]
    if s != k or g.chance(0.2):
        a.append(("stride", g.dims(s)))
    if any(p) or (kind != "l2pool" and g.chance(0.1)):
        a.append(("pad", g.dims(p)))
    if ceil or (kind in ("maxpool", "avgpool") and g.chance(0.1)):
        a.append(("ceil", g.truth(ceil)))
    if kind == "avgpool" and not (ceil and any(p)):
        flag(g, a, "count_pad", default=True)
    return a, t.with_(spatial=tuple(pooled(*v, ceil) for v in zip(t.spatial, k, s, p, strict=True)))


def pooled(x: int, k: int, s: int, p: int, ceil: bool) -> int:
    """The output size, as in PyTorch.

    With `ceil`, the last window must start inside the input or the padding before it.
    """
    if not ceil:
        return (x + 2 * p - k) // s + 1
    out = -((x + 2 * p - k) // -s) + 1
    return out - 1 if (out - 1) * s >= x + p else out


@makes("gap", "gmp")
def _global(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    return [], Type((t.channels, *(1,) * n), (t.open[0], *(False,) * n))


@makes("adaptive_avgpool", "adaptive_maxpool")
def _adaptive(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    out = per_axis(g, n, (1, 2, 3, 4, max(t.spatial), min(t.spatial) + 1))
    if not any(t.open) and g.chance(0.2):
        out = t.spatial
    return [("size", g.dims(out))], Type((t.channels, *out), (t.open[0], *(False,) * n))


@makes("spp")
def _spp(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.rank == 3 and t.floats)
    levels = [g.pick((1, 2, 3, 4)) for _ in range(g.random.randint(1, 3))]
    units = t.channels * sum(v * v for v in levels)
    return [("levels", g.ints(levels))], Type((units,), (t.open[0],))


@makes("subsample")
def _subsample(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    n = spatial(t)
    need(not t.open[0])
    k = per_axis(g, n, (1, 2, 3))
    need(all(x >= k_ for x, k_ in zip(t.spatial, k, strict=True)))
    return [("k", g.dims(k))], t.with_(
        spatial=tuple((x - k_) // k_ + 1 for x, k_ in zip(t.spatial, k, strict=True))
    )


# ---- normalisation


@makes("bn", "lrn", "layernorm", "rmsnorm", "groupnorm", "instancenorm")
def _norm(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(
        t.floats
        and 1 <= t.rank <= 4
        and not (
            t.open[0]
            if kind in ("bn", "groupnorm", "instancenorm")
            else kind != "lrn" and t.open[-1]
        )
    )
    a: Arguments = []
    if kind == "lrn":
        need(t.rank >= 2)
        for name, options in (
            ("alpha", (1e-4, 0.01, 1.0)),
            ("beta", (0.75, 0.5, 1.0)),
            ("k", (1.0, 2.0, 1e-20)),
        ):
            maybe(g, a, name, g.real(g.pick(options)))
        return [*([("n", g.whole(g.pick((1, 3, 5, 7))))] if g.chance(0.7) else []), *a], t
    if kind == "groupnorm":
        groups = g.pick([v for v in range(1, t.channels + 1) if t.channels % v == 0])
        need(t.rank >= 2 and t.size // groups > 1)
        a.append(("groups", g.whole(groups)))
    if kind == "instancenorm":
        need(t.rank >= 2 and prod(t.spatial) > 1)
    maybe(g, a, "eps", g.real(g.pick((1e-5, 1e-3, 0.01, 1.0, 1e-12, 0.0))))
    if kind == "bn":
        maybe(g, a, "momentum", g.real(g.pick((0.0, 0.01, 0.1, 1.0))))
    if kind != "rmsnorm":
        flag(g, a, "affine", default=kind != "instancenorm")
    return a, t


@makes("dropout", "dropout2d", "droppath")
def _dropout(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and (kind != "dropout2d" or 2 <= t.rank <= 4))
    return ([("p", g.real(g.pick((0.0, 0.1, 0.5, 1.0))))] if g.chance(0.6) else []), t


# ---- dense, activations


@makes("dense")
def _dense(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and t.rank <= 2 and not t.open[-1])
    out = g.pick(WIDTHS)
    a: Arguments = [("units", g.whole(out))]
    flag(g, a, "bias", default=True)
    if out * t.shape[-1] <= 40 and g.chance(0.2):
        a.append(("weight", g.nested((out, t.shape[-1]))))
    init(g, a)
    return a, t.at(t.rank - 1, out)


@makes("rbf")
def _rbf(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and t.rank == 1 and t.closed)
    out = g.pick(WIDTHS)
    a: Arguments = [("units", g.whole(out))]
    if out * t.size <= 40 and g.chance(0.4):
        a.append(("weight", g.nested((out, t.size))))
    return a, Type.of(out)


@makes("flatten")
def _flatten(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.closed or t.rank == 1 or g.chance(0.1))
    return [], Type((t.size,), (not t.closed,), t.dtype)


@makes("embedding")
def _embedding(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.dtype in ("int64", "int32") and t.rank <= 3)
    dim = g.pick(WIDTHS)
    return [("n", g.whole(g.pick((3, 4, 10, 17)))), ("dim", g.whole(dim))], Type(
        (*t.shape, dim), (*t.open, False)
    )


@makes(
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "softplus",
    "hard_swish",
    "mish",
    "selu",
    "silu",
    "hard_sigmoid",
    "scaled_tanh",
)
def _plain(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats)
    return [], t


@makes("leaky_relu", "elu", "prelu", "gelu", "softmax", "log_softmax")
def _activation(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats)
    a: Arguments = []
    match kind:
        case "leaky_relu":
            maybe(g, a, "slope", g.real(g.pick((0.0, 0.01, 0.2, 1.0, -0.5, 1e-30, 1e25))))
        case "elu":
            maybe(g, a, "alpha", g.real(g.pick((0.5, 1.0, 2.0, 1e-35, 1e30))))
        case "prelu":
            shared = flag(g, a, "shared", default=False)
            need(shared or not t.open[0])
            maybe(g, a, "init", g.real(g.pick((0.0, 0.1, 0.25))))
        case "gelu":
            maybe(g, a, "approximate", g.word(g.pick(("none", "tanh"))))
        case _:
            maybe(g, a, "axis", g.whole(g.axis(t)))
    return a, t
