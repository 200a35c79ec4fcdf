"""What the end of each line shows: the shape that its last layer makes, and its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import figure
from netdsl.ir.types import compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.analysis.summary import Layer
    from netdsl.checking import Checked
    from netdsl.ir.graph import Site
    from netdsl.ir.types import Sym
    from netdsl.lsp.document import Document
    from netdsl.source import SourceFile

LONGEST = 40  # characters of a shape; a longer one has dots for its formulas


class Hint(NamedTuple):
    """What a line makes: the shape after it, and the parameters of its layers."""

    line: int
    shape: str
    params: str

    @property
    def text(self) -> str:
        """Both, as a line shows them."""
        return f"{self.shape}  {self.params}".rstrip()


def hints_of(document: Document) -> dict[int, Hint]:
    """The hints of a text by their lines, from those of its nets that have been built.

    Where several nets have a line, the first of the file counts.
    """
    found: dict[int, Hint] = {}
    if document.program is None:
        return found
    for name in document.names:
        state = document.nets.get(name)
        if state is None or state.checked.compiled is None:
            continue
        known = document.hints.get(name)
        if known is None or known[0] is not state.checked:
            made = hints(state.checked, state.checked.compiled.program.source)
            known = document.hints[name] = state.checked, made
        for hint in known[1]:
            line = document.line_now(name, hint.line)
            if line is not None:
                found.setdefault(line, hint)
    return found


def hints(checked: Checked, source: SourceFile) -> list[Hint]:
    """A hint for each line of a file with layers of the net, or with calls of blocks.

    The layers of a line in a loop or a block exist several times. Their parameters are added up,
    and a shape that differs is followed by dots.
    """
    if checked.summary is None:
        return []
    lines: dict[int, list[tuple[Site, Layer]]] = {}
    for layer in checked.summary.layers(field=False):
        for site in _sites(layer):
            if site.span.file.key == source.key:
                lines.setdefault(site.span.last.line, []).append((site, layer))
    return [_hint(line, made) for line, made in sorted(lines.items())]


def _sites(layer: Layer) -> Iterator[Site]:
    """The place of a layer, and those of the calls of blocks that it is in."""
    site: Site | None = layer.node.output.site
    while site is not None:
        yield site
        site = site.caller


def _hint(line: int, made: list[tuple[Site, Layer]]) -> Hint:
    """The hint of a line, from its layers and from those of the blocks that it calls."""
    end = max(site.span.end for site, _ in made)
    last = {id(site): layer for site, layer in made if site.span.end == end}  # of each call
    shapes = list(dict.fromkeys(_shape(layer.row.shape) for layer in last.values()))
    params = sum({id(layer): layer.row.params for _, layer in made}.values())
    return Hint(
        line,
        shapes[0] + ", ..." * (len(shapes) > 1),
        f"{figure(params)} params" if params else "",
    )


def _shape(sizes: Iterable[int | Sym]) -> str:
    texts = [compact(size).replace(",", "") for size in sizes]
    whole = "x".join(texts) or "scalar"
    if len(whole) <= LONGEST:
        return whole
    return "x".join(text if text.isalnum() else "..." for text in texts)
