"""Windows as papers write them: `7x7/2` is a window of 7 x 7 that moves by 2.

What is unusual follows: `g32` for 32 groups, `d2` for a dilation of 2, `p1` for a padding of 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ops.padding import sizes_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def window_text(k: Sequence[int], stride: Sequence[int], *unusual: str) -> str:
    """The sizes of a window, its stride if that is not 1, and what is unusual about it."""
    text = "x".join(map(str, k))
    if any(step != 1 for step in stride):
        text += f"/{sizes_text(stride)}"
    return " ".join([text, *filter(None, unusual)])


def number_text(letter: str, values: Sequence[int], default: int) -> str:
    """`d2`, `d2x1`; empty if all values are the default."""
    if all(value == default for value in values):
        return ""
    return f"{letter}{sizes_text(values)}"


def padding_text(
    pairs: Sequence[tuple[int, int]], k: Sequence[int], dilation: Sequence[int]
) -> str:
    """`p1`, or `p(0,1)` if the two sides differ; empty without padding, and if it keeps the size.

    A padding keeps the size if it is half of what the window reaches beyond one element.
    """
    if not any(map(any, pairs)):
        return ""
    reach = [d * (size - 1) for size, d in zip(k, dilation, strict=True)]
    if all(_keeps_size(*pair, total) for pair, total in zip(pairs, reach, strict=True)):
        return ""
    return pairs_text(pairs)


def pairs_text(pairs: Sequence[tuple[int, int]]) -> str:
    """`p1`, or `p(0,1)` if the two sides differ; empty without padding."""
    if all(begin == end for begin, end in pairs):
        return number_text("p", [begin for begin, _ in pairs], 0)
    texts = [f"({begin},{end})" for begin, end in pairs]
    return f"p{texts[0] if len(set(texts)) == 1 else 'x'.join(texts)}"


def _keeps_size(begin: int, end: int, total: int) -> bool:
    """Whether the padding is `total`, or the largest even padding below it."""
    return min(begin, end) == total // 2 and begin + end <= total
