"""The sentences that tell for which sizes a net is valid, such as `T >= 8, T divisible by 4`."""

from __future__ import annotations


def says(phrase: str, size: int) -> bool:
    """Whether a sentence such as `T >= 8, T divisible by 4` holds for a size."""
    for part in phrase.split(", T"):
        words = part.removeprefix("T").strip()
        if words.startswith(">="):
            good = size >= int(words[2:])
        elif words.startswith("divisible by"):
            good = size % int(words[12:]) == 0
        elif words.startswith("%"):
            period, _, rest = words[1:].partition("==" if "==" in words else "in")
            good = any(
                low <= size % int(period) <= high for low, high in map(_run, rest.split(", "))
            )
        elif words.startswith("in"):
            good = size in map(int, words[2:].split(", "))
        elif words.startswith("from"):
            low, high = words[4:].split(", ")[0].split(" to ")
            good = int(low) <= size <= int(high)
        else:
            assert words.startswith("==")
            good = size == int(words[2:])
        if not good:
            return False
    return True


def _run(text: str) -> tuple[int, int]:
    low, _, high = text.partition(" to ")
    return int(low), int(high or low)
