"""Writes a net as a picture or page, in the format of the file's suffix."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.draw.dot import emit_dot, render
from netdsl.draw.html import emit_page
from netdsl.draw.mermaid import emit_mermaid
from netdsl.files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.graph import Graph


def draw(graph: Graph, path: str | Path, depth: int | None = None) -> None:
    """Write the picture in the format of the suffix of `path`, one of `SUFFIXES`.

    Raises `ValueError` for other suffixes, and `NetdslError` if `dot` is not installed or fails.
    """
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        suffixes = ", ".join(SUFFIXES)
        raise ValueError(f"the name of a picture must end in {suffixes}; found `{path}`")
    content = writer(graph, depth)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _rendered(form: str, graph: Graph, depth: int | None) -> bytes:
    return render(emit_dot(graph, depth), form)


def _dot(graph: Graph, depth: int | None) -> bytes:
    return emit_dot(graph, depth).encode("utf-8")


def _mermaid(graph: Graph, depth: int | None) -> bytes:
    return emit_mermaid(graph, depth).encode("utf-8")


def _page(graph: Graph, depth: int | None) -> bytes:
    return emit_page(graph, depth).encode("utf-8")


WRITERS: dict[str, Callable[[Graph, int | None], bytes]] = {
    ".svg": partial(_rendered, "svg"),
    ".png": partial(_rendered, "png"),
    ".pdf": partial(_rendered, "pdf"),
    ".dot": _dot,
    ".gv": _dot,
    ".mmd": _mermaid,
    ".html": _page,
}
SUFFIXES = tuple(WRITERS)
