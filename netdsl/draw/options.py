"""How a picture is drawn."""

from __future__ import annotations

from typing import NamedTuple

PROGRAMS = ("graphviz-pure", "dot")
MAX_DPI = 1200


class DrawOptions(NamedTuple):
    """How a net is drawn.

    With a `depth`, each scope that is deeper becomes one box. `dpi` is the number of pixels of an
    inch in a PNG. Without a `program`, `graphviz-pure` draws, or `dot` where it cannot.
    """

    depth: int | None = None
    dpi: int = 144
    program: str = ""
