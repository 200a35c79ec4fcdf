"""Texts in figures: names from data can have any characters and any length."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from netdsl.source import printable

MOST = 22  # characters of a name in a figure


def plain(text: str) -> str:
    """Text in which matplotlib sees no formula, and which has no unprintable characters."""
    return printable(text, "\n").replace("$", r"\$")


def short(name: str, most: int = MOST) -> str:
    """A name, or its beginning if it is long."""
    if len(name) <= most:
        return name
    return f"{name[: most - 1]}…"


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Draw characters that the font does not have as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
