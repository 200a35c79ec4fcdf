"""Random arguments for each layer kind, and the output type, computed independently of netdsl."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

from .shape import Skip, Type
from .write import Weight

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


def bias(g: Generator, arguments: Arguments, *shape: int) -> None:
    """Sometimes add an argument `bias`: a truth value or literal numbers."""
    if prod(shape) <= 40 and g.chance(0.1):
        arguments.append(("bias", g.nested(shape)))
    else:
        flag(g, arguments, "bias", default=True)


def weight(g: Generator, arguments: Arguments, shape: tuple[int, ...], p: float = 0.3) -> None:
    """Sometimes add an argument `weight`: literal numbers, or the weight of a label."""
    g.weight = Weight(shape)
    visible = g.frame.visible().items()
    others = [f"@{n}{v.weight.suffix}" for n, v in visible if v.weight and v.weight.shape == shape]
    if others and g.chance(0.5):
        arguments.append(("weight", g.pick(others)))
    elif prod(shape) <= 40 and g.chance(p):
        while shape[0] == 1 and len(shape) > 1 and g.chance(0.5):
            shape = shape[1:]
        arguments.append(("weight", g.nested(shape)))


def init(g: Generator, arguments: Arguments, options: tuple[str, ...] = INITS) -> None:
    """Sometimes add an `init` argument."""
    if g.chance(0.2) and "weight" not in dict(arguments):
        arguments.append(("init", g.word(g.pick(options))))


def borders_fit(mode: str, widths: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Whether all axes are long enough for borders of that mode."""
    least = {"reflect": 1, "circular": 0}.get(mode)
    return least is None or all(
        w == 0 or w + least <= x for w, x in zip(widths, sizes, strict=True)
    )


# ---- pooling of the whole input


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
    a: Arguments = [("k", g.dims(k))]
    weight(g, a, (t.channels,), 0.2)
    bias(g, a, t.channels)
    return a, t.with_(spatial=tuple((x - k_) // k_ + 1 for x, k_ in zip(t.spatial, k, strict=True)))


# ---- normalisation


@makes("bn", "lrn", "layernorm", "rmsnorm", "groupnorm", "instancenorm")
def _norm(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(
        t.floats
        and 1 <= t.rank <= 4
        and not (
            t.open[0]
            if kind in ("bn", "groupnorm", "instancenorm")
            else kind == "lrn" and t.rank < 2
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
    is_running = kind == "instancenorm" and flag(g, a, "track_running_stats", default=False)
    if kind == "bn" or is_running:
        maybe(g, a, "momentum", g.real(g.pick((0.0, 0.01, 0.1, 1.0))))
    affine = flag(g, a, "affine", default=kind != "instancenorm", p=0.5)
    shape = _axes(g, a, t) if kind in ("layernorm", "rmsnorm") else (t.channels,)
    # The variance of a single element is 0, and without `eps` the result would be 0 / 0.
    need(kind != "layernorm" or prod(shape) > 1)
    if affine:
        weight(g, a, shape, 0.4)
    if affine and kind != "rmsnorm":
        bias(g, a, *shape)
    elif kind != "rmsnorm":
        flag(g, a, "bias", default=True, p=0.1)
    return a, t


def _axes(g: Generator, a: Arguments, t: Type) -> tuple[int, ...]:
    """Choose the axes of a norm, which must have known sizes; returns these sizes."""
    closed = [i for i in range(t.rank) if not t.open[i]]
    if t.rank - 1 in closed and g.chance(0.6):
        maybe(g, a, "axis", "-1", 0.2)
        return (t.shape[-1],)
    if g.chance(0.6):
        axis = g.pick(closed)
        a.append(("axis", g.whole(axis + 1)))
        return (t.shape[axis],)
    need(bool(closed))
    axes = g.random.sample(closed, g.random.randint(1, len(closed)))
    a.append(("axis", g.ints([i + 1 if g.chance(0.6) else i - t.rank for i in axes])))
    return tuple(t.shape[i] for i in sorted(axes))


@makes("dropout", "dropout2d", "droppath")
def _dropout(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and (kind != "dropout2d" or 2 <= t.rank <= 4))
    return ([("p", g.real(g.pick((0.0, 0.1, 0.5, 1.0))))] if g.chance(0.6) else []), t


# ---- dense, activations


@makes("dense")
def _dense(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and not t.open[-1] and (t.rank <= 2 or g.chance(0.3)))
    out = g.pick(WIDTHS)
    a: Arguments = [("units", g.whole(out))]
    bias(g, a, out)
    if t.rank > 2 or g.chance(0.1):
        a.append(("axis", "-1"))
    weight(g, a, (out, t.shape[-1]), 0.2)
    init(g, a)
    return a, t.at(t.rank - 1, out)


@makes("rbf")
def _rbf(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and t.rank == 1 and t.closed)
    out = g.pick(WIDTHS)
    a: Arguments = [("units", g.whole(out))]
    weight(g, a, (out, t.size), 0.4)
    return a, Type.of(out)


@makes("flatten")
def _flatten(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.closed or t.rank == 1 or g.chance(0.1))
    return [], Type((t.size,), (not t.closed,), t.dtype)


@makes("embedding")
def _embedding(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.dtype in ("int64", "int32") and t.rank <= 3)
    # Numbers of type int64 may be positions along an axis that `verify` makes longer.
    count = g.pick((3, 4, 10, 17) if t.dtype == "int32" else (100, 150, 200))
    dim = g.pick(WIDTHS)
    a = [("n", g.whole(count)), ("dim", g.whole(dim))]
    weight(g, a, (count, dim), 0.4)
    return a, Type((*t.shape, dim), (*t.open, False))


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


@makes("glu")
def _gated(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats)
    even = [i for i in range(t.rank) if not t.open[i] and t.shape[i] % 2 == 0]
    if t.rank - 1 in even and g.chance(0.5):
        return [], t.at(t.rank - 1, t.shape[-1] // 2)
    i = g.pick(even)
    axis = i + 1 if g.chance(0.6) else i - t.rank
    return [("axis", g.whole(axis))], t.at(i, t.shape[i] // 2)


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
            weight(g, a, (1 if shared else t.channels,), 0.2)
            if "weight" not in dict(a):
                maybe(g, a, "init", g.real(g.pick((0.0, 0.1, 0.25))))
        case "gelu":
            maybe(g, a, "approximate", g.word(g.pick(("none", "tanh"))))
        case _:
            maybe(g, a, "axis", g.whole(g.axis(t)))
    return a, t
