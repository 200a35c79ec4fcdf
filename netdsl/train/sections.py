"""What the pages about trained nets share: sections, lists of figures, the confusion matrix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.draw.html import STYLE, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.train.confusion import ConfusionMatrix

# The style of the pages about trained nets.
PAGE_STYLE = STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
BODY = """<header>
<h1>{title}</h1>
{state}
</header>
<main>
{sections}
</main>
"""
SCROLL = '<div class="scroll" role="region" aria-labelledby="{id}" tabindex="0">\n{content}</div>'
CONFUSION = "A row is a class of the test images, a column the answer of the net."
MOST_CLASSES = 30  # in a table of the confusion matrix
MOST_CONFUSED = 10  # pairs of classes


def section(name: str, title: str, content: str) -> str:
    """A section with its title; empty if it has no content."""
    if not content:
        return ""
    head = f'<section class="{name}" aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>'
    return f"{head}\n{content}\n</section>"


def definitions(items: Mapping[str, str]) -> str:
    """A list of figures with their names."""
    rows = [f"<div><dt>{escaped(k)}</dt><dd>{escaped(v)}</dd></div>" for k, v in items.items()]
    return "<dl>\n{}\n</dl>".format("\n".join(rows))


def confusion_of(confusion: ConfusionMatrix) -> str:
    """The matrix as a table unless it is large, and the most frequent mistakes."""
    parts = []
    if len(confusion.classes) <= MOST_CLASSES:
        parts.append(_matrix(confusion))
    pairs = confusion.most_confused(MOST_CONFUSED)
    lines = [f"{n:,} of {whole:,} {own} taken for {guess}" for own, guess, n, whole in pairs]
    if lines:
        parts.append(f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in lines)}</ul>")
    return "\n".join(parts)


def _matrix(confusion: ConfusionMatrix) -> str:
    names = [escaped(name) for name in confusion.classes]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for index, (name, counts) in enumerate(zip(names, confusion.counts.tolist(), strict=True)):
        whole = max(sum(counts), 1)
        cells = [f'<th scope="row">{name}</th>']
        for column, number in enumerate(counts):
            kind = ("other", "own")[column == index]
            share = 100 * number // whole
            cells.append(f'<td class="{kind}" style="--share: {share}">{number:,}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>\n")
    table = f"<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>"
    return SCROLL.format(id="confusion", content=f"<table>\n{table}\n</table>\n")
