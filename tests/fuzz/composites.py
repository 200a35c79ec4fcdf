"""Random calls of the blocks of `nets/lib`: their arguments, and the types that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import maybe, need

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Generator
    from .shape import Type

Call = tuple[list[str], "Type"]  # the arguments, and the type of the result
ACTIVATIONS = ("relu", "silu", "leaky_relu(0.1)", "hard_swish", "identity")
SCALES = ("se(width = 2)", "se(width = 3, gate = hard_sigmoid)", "dropout", "identity")


def composite(g: Generator, t: Type) -> tuple[str, Type]:
    """A call of a block that suits the type, and its output type."""
    need(t.floats and not t.open[0] and 2 <= t.rank <= 4)
    kind = g.pick(list(COMPOSITES))
    arguments, result = COMPOSITES[kind](g, t)
    return f"{kind}({', '.join(arguments)})", result


def _width(g: Generator) -> int:
    return g.pick([1, 2, 3, 4])


def _named(g: Generator, *arguments: tuple[str, str]) -> list[str]:
    """Some of the arguments, by name."""
    chosen: list[tuple[str, str]] = []
    for name, text in arguments:
        maybe(g, chosen, name, text, 0.3)
    return [f"{name} = {text}" for name, text in chosen]


def _strided(g: Generator, t: Type, out: int) -> tuple[int, Type]:
    """A stride, and the type after windows of odd size with half of it as padding."""
    stride = g.pick([1, 1, 2, 3])
    return stride, t.with_(out, tuple((size - 1) // stride + 1 for size in t.spatial))


def _basicblock(g: Generator, t: Type) -> Call:
    width = _width(g)
    stride, result = _strided(g, t, width)
    arguments = [g.whole(width), *([g.whole(stride)] if stride > 1 else [])]
    return arguments + _named(g, ("scale", g.pick(SCALES))), result


def _bottleneck(g: Generator, t: Type) -> Call:
    width = _width(g)
    stride, result = _strided(g, t, 4 * width)
    arguments = [g.whole(width), *([f"stride = {g.whole(stride)}"] if stride > 1 else [])]
    others = (
        ("groups", g.whole(g.pick([2, 3]))),
        ("base", g.whole(g.pick([64, 128, 150]))),
        ("scale", g.pick(SCALES)),
    )
    return arguments + _named(g, *others), result


def _dense_block(g: Generator, t: Type) -> Call:
    layers, growth = _width(g), _width(g)
    others = (("width", g.whole(_width(g))), ("drop", "0.5"))
    arguments = [g.whole(layers), g.whole(growth), *_named(g, *others)]
    return arguments, t.with_(t.channels + layers * growth)


def _fire(g: Generator, t: Type) -> Call:
    squeeze, expand1, expand3 = (_width(g) for _ in range(3))
    return [g.whole(w) for w in (squeeze, expand1, expand3)], t.with_(expand1 + expand3)


def _inception(g: Generator, t: Type) -> Call:
    w = [_width(g) for _ in range(6)]
    return [g.whole(v) for v in w], t.with_(w[0] + w[2] + w[4] + w[5])


def _inception_naive(g: Generator, t: Type) -> Call:
    w = [_width(g) for _ in range(3)]
    return [g.whole(v) for v in w], t.with_(sum(w) + t.channels)


def _inverted_residual(g: Generator, t: Type) -> Call:
    out = g.pick([t.channels, _width(g)])
    stride, result = _strided(g, t, out)
    others = (
        ("expand", g.whole(_width(g))),
        ("k", g.pick(["1", "5"])),
        ("act", g.pick(ACTIVATIONS)),
        ("scale", g.pick(SCALES)),
    )
    return [g.whole(out), g.whole(stride), *_named(g, *others)], result


def _se(g: Generator, t: Type) -> Call:
    if t.channels < 16 or g.chance(0.7):
        squeezed = [
            f"ratio = {g.whole(g.pick([1, t.channels, max(1, t.channels // 2)]))}",
            f"width = {g.whole(_width(g))}",
        ]
        arguments = [g.pick(squeezed)]
    else:
        arguments = []
    others = (("act", g.pick(ACTIVATIONS)), ("gate", g.pick(["hard_sigmoid", "tanh"])))
    return arguments + _named(g, *others), t


COMPOSITES: dict[str, Callable[[Generator, Type], Call]] = {
    "basicblock": _basicblock,
    "bottleneck": _bottleneck,
    "dense_block": _dense_block,
    "fire": _fire,
    "inception": _inception,
    "inception_naive": _inception_naive,
    "inverted_residual": _inverted_residual,
    "se": _se,
}
