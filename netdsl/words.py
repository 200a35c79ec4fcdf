"""Nouns and verbs in messages that agree with a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLURALS = {"axis": "axes"}


def counted(n: int, noun: str) -> str:
    """`1 axis`, `2 axes`, `2 input channels`, `1,000 bytes`."""
    if n == 1:
        return f"{n} {noun}"
    start, space, last = noun.rpartition(" ")
    plural = _PLURALS.get(last) or last + ("es" if last.endswith("s") else "s")
    return f"{n:,} {start}{space}{plural}"


def numbers_in(shape: str) -> str:
    """`1 number`, `3 numbers`, `2x3 numbers`, for the text of a shape."""
    if shape in ("1", "scalar"):
        return "1 number"
    return f"{shape} numbers"


def are(n: int) -> str:
    """`is` for one, `are` for more and for none."""
    return "is" if n == 1 else "are"


def do(n: int) -> str:
    """`does` for one, `do` for more and for none."""
    return "does" if n == 1 else "do"


def listed(texts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def either(texts: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
