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
