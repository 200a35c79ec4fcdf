"""Writes a net as a picture or page, in the format of the file's suffix."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.draw.dot import emit_dot, svg_text, with_tips
from netdsl.draw.html import emit_page
from netdsl.draw.layout import render
from netdsl.draw.mermaid import emit_mermaid
from netdsl.draw.options import SCENES, USUAL, DrawOptions
from netdsl.draw.scene import scene_of
from netdsl.draw.svg import emit_svg, svg_element
from netdsl.draw.tikz import emit_tikz
from netdsl.draw.xdot import emit_xdot
from netdsl.files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.graph import Graph


def draw(graph: Graph, path: str | Path, options: DrawOptions = USUAL) -> None:
    """Write the picture in the format of the suffix of `path`, one of `SUFFIXES`.

    Raises `ValueError` for other suffixes, and `NetdslError` if the program that
    draws is not installed or fails.
    """
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        suffixes = ", ".join(SUFFIXES)
        raise ValueError(f"the name of a picture must end in {suffixes}; found `{path}`")
    content = writer(graph, options)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def svg_of(graph: Graph, options: DrawOptions = USUAL) -> str:
    """The picture as one `<svg>` element; raises as `draw`."""
    if options.style in SCENES:
        return svg_element(scene_of(graph, options))
    return svg_text(graph, options)


def _rendered(form: str, graph: Graph, options: DrawOptions) -> bytes:
    dpi = options.dpi if form == "png" else 0
    return render(_text(graph, options), form, program=options.program, dpi=dpi)


def _text(graph: Graph, options: DrawOptions) -> str:
    """The picture as DOT text; that of some styles is one drawing without boxes."""
    if options.style in SCENES:
        return emit_xdot(scene_of(graph, options))
    return emit_dot(graph, options)


def _svg(graph: Graph, options: DrawOptions) -> bytes:
    if options.style in SCENES:
        return emit_svg(scene_of(graph, options)).encode("utf-8")
    return with_tips(_rendered("svg", graph, options).decode("utf-8")).encode("utf-8")


def _tikz(graph: Graph, options: DrawOptions) -> bytes:
    return emit_tikz(_svg(graph, options).decode("utf-8"), graph.name).encode("utf-8")


def _dot(graph: Graph, options: DrawOptions) -> bytes:
    return _text(graph, options).encode("utf-8")


def _mermaid(graph: Graph, options: DrawOptions) -> bytes:
    return emit_mermaid(graph, options.depth).encode("utf-8")


def _page(graph: Graph, options: DrawOptions) -> bytes:
    return emit_page(graph, options).encode("utf-8")


WRITERS: dict[str, Callable[[Graph, DrawOptions], bytes]] = {
    ".svg": _svg,
    ".png": partial(_rendered, "png"),
    ".pdf": partial(_rendered, "pdf"),
    ".tex": _tikz,
    ".dot": _dot,
    ".gv": _dot,
    ".mmd": _mermaid,
    ".html": _page,
}
SUFFIXES = tuple(WRITERS)
