"""Evaluates the conditions for the sizes of a net, such as `T >= 8, T divisible by 4`."""

from __future__ import annotations


def says(phrase: str, size: int) -> bool:
    """Whether a condition such as `T >= 8, T divisible by 4` is true for a size."""
    for part in phrase.split(", T"):
        words = part.removeprefix("T").strip()
        if words.startswith(">="):
            is_true = size >= int(words[2:])
        elif words.startswith("divisible by"):
            is_true = size % int(words[12:]) == 0
        elif words.startswith("%"):
            period, _, rest = words[1:].partition("==" if "==" in words else "in")
            is_true = any(
                low <= size % int(period) <= high for low, high in map(_run, rest.split(", "))
            )
        elif words.startswith("in"):
            is_true = size in map(int, words[2:].split(", "))
        elif words.startswith("from"):
            low, high = words[4:].split(", ")[0].split(" to ")
            is_true = int(low) <= size <= int(high)
        else:
            assert words.startswith("==")
            is_true = size == int(words[2:])
        if not is_true:
            return False
    return True


def _run(text: str) -> tuple[int, int]:
    low, _, high = text.partition(" to ")
    return int(low), int(high or low)
