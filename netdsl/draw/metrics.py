"""How wide a text is in Helvetica, whose widths Arial and Liberation Sans share.

Pictures are laid out with these numbers, so that they do not depend on the fonts of a machine.
"""

from __future__ import annotations

from unicodedata import combining, east_asian_width

# Thousandths of the font size for the characters from U+0020 to U+007E, from Adobe's metrics.
_REGULAR = tuple(
    map(
        int,
        """
278 278 355 556 556 889 667 222 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556
556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778
667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 222 556 556 500 556 556 278 556
556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
""".split(),
    )
)
_BOLD = tuple(
    map(
        int,
        """
278 333 474 556 556 889 722 278 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556
556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778
667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 278 556 611 556 611 556 333 611
611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584
""".split(),
    )
)
_OTHERS = {
    "×": 584,
    "…": 1000,
    "−": 584,
    "·": 278,
    "→": 1000,
    "⌈": 400,
    "⌉": 400,
    "⌊": 400,
    "⌋": 400,
}
_USUAL = 667  # of other letters, such as Greek and Cyrillic ones
ASCENT, DESCENT = 0.72, 0.21  # of the font size, above and below the base line


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a text in a font of this size."""
    widths = _BOLD if bold else _REGULAR
    return sum(_thousandths(c, widths) for c in text) * size / 1000


def _thousandths(character: str, widths: tuple[int, ...]) -> int:
    place = ord(character) - 32
    if 0 <= place < len(widths):
        return widths[place]
    if character in _OTHERS:
        return _OTHERS[character]
    if combining(character):
        return 0
    return 1000 if east_asian_width(character) in "WF" else _USUAL
