"""What a picture shows, and how: its style, direction, theme, and the details of each style."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Style = Literal["layers", "blocks", "volumes", "neurons"]
STYLES: tuple[Style, ...] = ("layers", "blocks", "volumes", "neurons")
DIRECTIONS = ("down", "right")
DPI, MAX_DPI = 144, 1200


class Options(NamedTuple):
    """How a net is drawn.

    Without a `depth`, large nets are folded until they fit; `right` is the direction of the flow,
    by default that of the style. `units` is the most circles in a layer of the style `neurons`.
    `field` is a unit whose receptive field is shown, such as `C3:5,5`. `link` makes the address of
    a line in a file, from the name of the file and the number.
    """

    depth: int | None = None
    style: Style = "layers"
    right: bool | None = None
    theme: str = "light"
    dpi: int = DPI
    units: int = 0
    field: str = ""
    link: Callable[[str, int], str] | None = None
