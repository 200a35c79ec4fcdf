"""A net as a file to look at: the suffix says what is written."""

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
    """Write the picture; the suffix of `path` says what is made, one of `SUFFIXES`.

    Raises `ValueError` for other suffixes, `NetdslError` where `dot` is missing or fails.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a picture's name ends in {', '.join(SUFFIXES)}; found `{path}`")
    made = _made(graph, path.suffix.lower(), depth)
    with replacing(path) as temporary:
        temporary.write_bytes(made)


def _made(graph: Graph, suffix: str, depth: int | None) -> bytes:
    match suffix:
        case ".dot" | ".gv":
            return emit_dot(graph, depth).encode("utf-8")
        case ".mmd":
            return emit_mermaid(graph, depth).encode("utf-8")
        case ".html":
            return emit_page(graph, depth).encode("utf-8")
        case _:
            return render(emit_dot(graph, depth), suffix[1:])
