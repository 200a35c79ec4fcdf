"""How a picture is drawn."""

from __future__ import annotations

from typing import NamedTuple

PROGRAMS = ("graphviz-pure", "dot")
STYLES = ("layers", "blocks", "volumes", "neurons")
SCENES = ("volumes", "neurons")  # these are drawn to scale, without Graphviz
DIRECTIONS = ("down", "right")
THEMES = ("light", "dark", "print")
MAX_DPI = 1200


class DrawOptions(NamedTuple):
    """How a net is drawn.

    With a `depth`, each scope that is deeper becomes one box; without one, large nets are folded.
    `dpi` is the number of pixels of an inch in a PNG, and `units` the most circles of a layer in
    the style `neurons`. `field` is a unit, such as `C3:5,5`, whose field is shaded. Without a
    `program`, `graphviz-pure` draws, or `dot` where it cannot.
    """

    depth: int | None = None
    style: str = "layers"
    direction: str = "down"
    theme: str = "light"
    dpi: int = 144
    program: str = ""
    units: int = 0
    field: str = ""


USUAL = DrawOptions()
