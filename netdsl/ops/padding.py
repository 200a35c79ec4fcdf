"""Advice for `pad = same` and pairs of numbers, which pooling and `deconv` do not support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from netdsl.errors import OpError
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.types import Sym

    Sizes = Sequence[int | Sym]


def is_even(pad: object) -> bool:
    """Whether a padding is one number for both sides of an axis."""
    return isinstance(pad, int) or (isinstance(pad, tuple) and isinstance(pad[0], int))


def refuse(kind: str, pad: object, advice: str) -> NoReturn:
    """Raise the `OpError` for a padding that is `same` or has pairs."""
    message = f"`pad` of `{kind}` must be an integer or sizes such as 1x7, found {show(pad)}"
    raise OpError("wrong-type", message, "pad", advice)


def pooled(size: int | Sym, k: int, s: int, p: int, *, ceil: bool) -> int | Sym:
    """The output size of a pooling window along one axis."""
    # PyTorch drops a last window that would start past the input and its padding; the smaller of
    # the two sizes is fixed by the geometry alone, so that open sizes need no minimum.
    if ceil:
        return (size + min(2 * p - k + s, p) + s - 1) // s
    return (size + 2 * p - k) // s + 1


def for_pooling(pad: Any, spatial: Sizes, k: Sequence[int], s: Sequence[int], *, ceil: bool) -> str:
    """Advice for pooling; `same` means the input's size divided by the stride, rounded up.

    `ceil` tells whether the layer can round its output size up.
    """
    if pad != "same":
        return _as_numbers(pad) or f"put the border on first, as zeros: `{_border(pad)}`"
    p = [(k_ - 1) // 2 for k_ in k]
    wanted: list[int | Sym] = [(size + s_ - 1) // s_ for size, s_ in zip(spatial, s, strict=True)]
    for rounded_up in (False, True) if ceil else (False,):
        made = [
            pooled(size, k_, s_, p_, ceil=rounded_up)
            for size, k_, s_, p_ in zip(spatial, k, s, p, strict=True)
        ]
        if made == wanted:
            given = [f"pad = {_sizes(p)}"] if any(p) else []
            given += ["ceil = true"] if rounded_up else []
            return _written(given)
    parts = zip(wanted, spatial, k, s, strict=True)
    missing = [(out - 1) * s_ + k_ - size for out, size, k_, s_ in parts]
    known = [max(m, 0) for m in missing if isinstance(m, int)]
    if len(known) == len(missing):
        pairs = [(m // 2, m - m // 2) for m in known]
        return f"put the border on first, as zeros: `{_border(pairs)}`"
    return f"write a number: at most {min(k) // 2}, half the window"


def for_deconv(
    pad: Any, spatial: Sizes, k: Sequence[int], s: Sequence[int], d: Sequence[int]
) -> str:
    """Advice for `deconv`; `same` means the input's size times the stride."""
    most = [max(s_, d_) - 1 for s_, d_ in zip(s, d, strict=True)]  # of `output_pad`
    if pad != "same":
        return _as_numbers(pad) or _pairs_for_deconv(pad, most)
    spare = [d_ * (k_ - 1) + 1 - s_ for k_, s_, d_ in zip(k, s, d, strict=True)]
    p = [max(-(-n // 2), 0) for n in spare]
    more = [2 * p_ - n for p_, n in zip(p, spare, strict=True)]
    if all(m <= most_ for m, most_ in zip(more, most, strict=True)):
        given = [f"pad = {_sizes(p)}"] if any(p) else []
        given += [f"output_pad = {_sizes(more)}"] if any(more) else []
        return _written(given)
    p = [max(n // 2, 0) for n in spare]
    sizes = [size * s_ for size, s_ in zip(spatial, s, strict=True)]
    cut = "@label"
    if all(isinstance(n, int) for n in sizes):
        cut = "x".join(map(str, sizes))
    return f"{_written([f'pad = {_sizes(p)}'] if any(p) else [])}, then `crop({cut})`"


def _pairs_for_deconv(pairs: Sequence[tuple[int, int]], most: Sequence[int]) -> str:
    more = [a - b for a, b in pairs]
    fits = len(pairs) == len(most)
    if fits and all(0 <= m <= most_ for m, most_ in zip(more, most, strict=True)):
        return f"write `pad = {_sizes([a for a, _ in pairs])}, output_pad = {_sizes(more)}`"
    p = [min(pair) for pair in pairs]
    return f"{_written([f'pad = {_sizes(p)}'] if any(p) else [])}, and cut the rest with `slice`"


def _written(arguments: list[str]) -> str:
    if not arguments:
        return "leave `pad` out"
    instead = "" if arguments[0].startswith("pad") else " in place of `pad`"
    return f"write `{', '.join(arguments)}`{instead}"


def _as_numbers(pairs: Sequence[tuple[int, int]]) -> str:
    """Advice for pairs of equal numbers; "" for others."""
    if any(a != b for a, b in pairs):
        return ""
    return f"write `pad = {_sizes([a for a, _ in pairs])}`"


def _border(pairs: Sequence[tuple[int, int]]) -> str:
    return f"pad([{', '.join(f'({a}, {b})' for a, b in pairs)}])"


def _sizes(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))
