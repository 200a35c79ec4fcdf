"""Writes a net as a picture or page, in the format of the file's suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.draw.dot import emit_dot, render
from netdsl.draw.html import emit_page
from netdsl.draw.mermaid import emit_mermaid
from netdsl.files import replacing

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".gv", ".mmd", ".html")


def draw(graph: Graph, path: str | Path, depth: int | None = None) -> None:
    """Write the picture in the format of the suffix of `path`, one of `SUFFIXES`.

    Raises `ValueError` for other suffixes, and `NetdslError` if `dot` is not installed or fails.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"the name of a picture must end in {', '.join(SUFFIXES)}; found `{path}`")
    content = _content(graph, path.suffix.lower(), depth)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _content(graph: Graph, suffix: str, depth: int | None) -> bytes:
    match suffix:
        case ".dot" | ".gv":
            return emit_dot(graph, depth).encode("utf-8")
        case ".mmd":
            return emit_mermaid(graph, depth).encode("utf-8")
        case ".html":
            return emit_page(graph, depth).encode("utf-8")
        case _:
            return render(emit_dot(graph, depth), suffix[1:])
