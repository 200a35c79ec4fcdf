"""Advice for `pad = same` and pairs of numbers, which pooling and `deconv` do not support."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from netdsl.errors import Correction, OpError
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import TypeIs

    from netdsl.ir.types import Sym
    from netdsl.ops.args import Dims, Padding, Pairs, UnevenPadding

    Sizes = Sequence[int | Sym]


def is_even(pad: Padding) -> TypeIs[Dims]:
    """Whether a padding is one number for both sides of an axis."""
    return isinstance(pad, int) or (isinstance(pad, tuple) and isinstance(pad[0], int))


class OtherPadding(NamedTuple):
    """What to write instead of a padding, and the correction if it is only a change of the call."""

    help: str
    correction: Correction | None = None


def refuse(kind: str, pad: UnevenPadding, advice: OtherPadding) -> NoReturn:
    """Raise the `OpError` for a padding that is `same` or has pairs."""
    message = f"`pad` of `{kind}` must be an integer or sizes such as 1x7, found {show(pad)}"
    raise OpError("wrong-type", message, "pad", *advice)


def for_all_pairs(pairs: Pairs) -> OtherPadding:
    """Advice for a wrong number of (begin, end) pairs; one number is enough if all are equal."""
    numbers = {number for pair in pairs for number in pair}
    if len(numbers) > 1:
        return OtherPadding("give a (begin, end) pair for each axis")
    text = str(numbers.pop())
    return OtherPadding(
        f"one number is enough for all sides: write `{text}`", Correction({"pad": text})
    )


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
) -> OtherPadding:
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
                arguments["ceil"] = "true"
            return _written(arguments)
    pairs = _missing(wanted, spatial, k, s)
    if pairs is None:
        return OtherPadding(f"write a number of at most {min(k) // 2}, half the window")
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
) -> OtherPadding:
    """Advice for `deconv`; `same` means the input's size times the stride."""
    most = [max(s_, d_) - 1 for s_, d_ in zip(s, d, strict=True)]  # the largest `output_pad`
    if pad != "same":
        return _as_numbers(pad) or _pairs_for_deconv(pad, most)
    # By how much the output exceeds the input's size times the stride, without any padding.
    surplus = [d_ * (k_ - 1) + 1 - s_ for k_, s_, d_ in zip(k, s, d, strict=True)]
    p = [max(-(-n // 2), 0) for n in surplus]
    output_pad = [2 * p_ - n for p_, n in zip(p, surplus, strict=True)]
    if all(more <= most_ for more, most_ in zip(output_pad, most, strict=True)):
        return _written(_argument("pad", p) | _argument("output_pad", output_pad))
    cut = "@label"
    sizes = [size * s_ for size, s_ in zip(spatial, s, strict=True)]
    if all(isinstance(size, int) for size in sizes):
        cut = "x".join(map(str, sizes))
    p = [max(n // 2, 0) for n in surplus]
    return OtherPadding(f"{_written(_argument('pad', p)).help}, then `crop({cut})`")


def _pairs_for_deconv(pairs: Pairs, most: Sequence[int]) -> OtherPadding:
    output_pad = [begin - end for begin, end in pairs]
    fits = len(pairs) == len(most)
    if fits and all(0 <= more <= most_ for more, most_ in zip(output_pad, most, strict=True)):
        begins = [begin for begin, _ in pairs]
        arguments = {"pad": sizes_text(begins), "output_pad": sizes_text(output_pad)}
        return _written(arguments)
    smaller = [min(pair) for pair in pairs]
    return OtherPadding(
        f"{_written(_argument('pad', smaller)).help}, and cut the rest with `slice`"
    )


# ---- how advice is written


def _argument(name: str, values: Sequence[int]) -> dict[str, str]:
    """`pad = 1`, or nothing if all numbers are the default, 0."""
    return {name: sizes_text(values)} if any(values) else {}


def _written(arguments: Mapping[str, str]) -> OtherPadding:
    """Advice to write these arguments in place of the padding that was found."""
    correction = Correction({"pad": None, **arguments})
    if not arguments:
        return OtherPadding("leave `pad` out", correction)
    instead = "" if "pad" in arguments else " in place of `pad`"
    text = ", ".join(f"{name} = {value}" for name, value in arguments.items())
    return OtherPadding(f"write `{text}`{instead}", correction)


def _as_numbers(pairs: Pairs) -> OtherPadding | None:
    """Advice for pairs of equal numbers."""
    if any(begin != end for begin, end in pairs):
        return None
    text = sizes_text([begin for begin, _ in pairs])
    return OtherPadding(f"write `pad = {text}`", Correction({"pad": text}))


def _as_border(pairs: Iterable[tuple[int, int]]) -> OtherPadding:
    """Advice to pad in a layer of its own."""
    written = ", ".join(f"({begin}, {end})" for begin, end in pairs)
    return OtherPadding(f"pad with zeros in a layer before it: `pad([{written}])`")


def sizes_text(values: Sequence[int]) -> str:
    """One number if all axes have the same, else sizes such as 1x2."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))
