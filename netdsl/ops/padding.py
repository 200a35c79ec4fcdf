"""Advice for `pad = same` and pairs of numbers, which pooling and `deconv` do not support."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from netdsl.errors import OpError
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import TypeIs

    from netdsl.ir.types import Sym
    from netdsl.ops.args import Dims, Padding, Pairs, UnevenPadding

    Sizes = Sequence[int | Sym]


def is_even(pad: Padding) -> TypeIs[Dims]:
    """Whether a padding is one number for both sides of an axis."""
    return isinstance(pad, int) or (isinstance(pad, tuple) and isinstance(pad[0], int))


def refuse(kind: str, pad: UnevenPadding, advice: str) -> NoReturn:
    """Raise the `OpError` for a padding that is `same` or has pairs."""
    message = f"`pad` of `{kind}` must be an integer or sizes such as 1x7, found {show(pad)}"
    raise OpError("wrong-type", message, "pad", advice)


def pooled(size: int | Sym, k: int, s: int, p: int, *, ceil: bool) -> int | Sym:
    """The output size of a pooling window along one axis."""
    # PyTorch drops a last window that would start past the input and its padding. Which of the two
    # sizes is smaller depends only on k, s and p, so open sizes need no minimum.
    if ceil:
        return (size + min(2 * p - k + s, p) + s - 1) // s
    return (size + 2 * p - k) // s + 1


# ---- pooling


def for_pooling(
    pad: UnevenPadding, spatial: Sizes, k: Sequence[int], s: Sequence[int], *, ceil: bool
) -> str:
    """Advice for pooling; `same` means the input's size divided by the stride, rounded up.

    `ceil` tells whether the layer can round its output size up.
    """
    if pad != "same":
        return _as_numbers(pad) or _as_border(pad)
    p = [(k_ - 1) // 2 for k_ in k]
    wanted: list[int | Sym] = [(size + s_ - 1) // s_ for size, s_ in zip(spatial, s, strict=True)]
    for rounded_up in (False, True) if ceil else (False,):
        axes = zip(spatial, k, s, p, strict=True)
        if wanted == [pooled(*axis, ceil=rounded_up) for axis in axes]:
            arguments = _argument("pad", p)
            if rounded_up:
                arguments.append("ceil = true")
            return _written(arguments)
    pairs = _missing(wanted, spatial, k, s)
    if pairs is None:
        return f"write a number of at most {min(k) // 2}, half the window"
    return _as_border(pairs)


def _missing(wanted: Sizes, spatial: Sizes, k: Sequence[int], s: Sequence[int]) -> Pairs | None:
    """The padding that windows need for output sizes; None if it depends on an open size."""
    pairs = []
    for out, size, k_, s_ in zip(wanted, spatial, k, s, strict=True):
        total = (out - 1) * s_ + k_ - size
        if not isinstance(total, int):
            return None
        total = max(total, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


# ---- `deconv`


def for_deconv(
    pad: UnevenPadding, spatial: Sizes, k: Sequence[int], s: Sequence[int], d: Sequence[int]
) -> str:
    """Advice for `deconv`; `same` means the input's size times the stride."""
    most = [max(s_, d_) - 1 for s_, d_ in zip(s, d, strict=True)]  # the largest `output_pad`
    if pad != "same":
        return _as_numbers(pad) or _pairs_for_deconv(pad, most)
    # By how much the output exceeds the input's size times the stride, without any padding.
    surplus = [d_ * (k_ - 1) + 1 - s_ for k_, s_, d_ in zip(k, s, d, strict=True)]
    p = [max(-(-n // 2), 0) for n in surplus]
    output_pad = [2 * p_ - n for p_, n in zip(p, surplus, strict=True)]
    if all(more <= most_ for more, most_ in zip(output_pad, most, strict=True)):
        return _written([*_argument("pad", p), *_argument("output_pad", output_pad)])
    cut = "@label"
    sizes = [size * s_ for size, s_ in zip(spatial, s, strict=True)]
    if all(isinstance(size, int) for size in sizes):
        cut = "x".join(map(str, sizes))
    p = [max(n // 2, 0) for n in surplus]
    return f"{_written(_argument('pad', p))}, then `crop({cut})`"


def _pairs_for_deconv(pairs: Pairs, most: Sequence[int]) -> str:
    output_pad = [begin - end for begin, end in pairs]
    fits = len(pairs) == len(most)
    if fits and all(0 <= more <= most_ for more, most_ in zip(output_pad, most, strict=True)):
        begins = [begin for begin, _ in pairs]
        return f"write `pad = {sizes_text(begins)}, output_pad = {sizes_text(output_pad)}`"
    smaller = [min(pair) for pair in pairs]
    return f"{_written(_argument('pad', smaller))}, and cut the rest with `slice`"


# ---- how advice is written


def _argument(name: str, values: Sequence[int]) -> list[str]:
    """`pad = 1`, or nothing if all numbers are the default, 0."""
    return [f"{name} = {sizes_text(values)}"] if any(values) else []


def _written(arguments: Sequence[str]) -> str:
    """Advice to write these arguments in place of the padding that was found."""
    if not arguments:
        return "leave `pad` out"
    instead = "" if arguments[0].startswith("pad") else " in place of `pad`"
    return f"write `{', '.join(arguments)}`{instead}"


def _as_numbers(pairs: Pairs) -> str:
    """Advice for pairs of equal numbers; "" for others."""
    if any(begin != end for begin, end in pairs):
        return ""
    return f"write `pad = {sizes_text([begin for begin, _ in pairs])}`"


def _as_border(pairs: Iterable[tuple[int, int]]) -> str:
    """Advice to pad in a layer of its own."""
    written = ", ".join(f"({begin}, {end})" for begin, end in pairs)
    return f"pad with zeros in a layer before it: `pad([{written}])`"


def sizes_text(values: Sequence[int]) -> str:
    """One number if all axes have the same, else sizes such as 1x2."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))
