"""Differences as one HTML page: the changes, the figures, and both tables and texts side by side.

Like the page of a net, it needs no other file and makes no request, and text is escaped.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.analysis.figures import figure
from netdsl.diff.align import increasing
from netdsl.diff.statements import words_of
from netdsl.diff.text import (
    SAME,
    amount,
    growth,
    label_of,
    names_with_arrow,
    report_of,
    shown_figures,
)
from netdsl.draw.html import STYLE, document, escaped, policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.diff.difference import NetDifference
    from netdsl.diff.parts import NetPart
    from netdsl.source import SourceFile

PAGE_STYLE = STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_SECTION = """<section class="{name}" aria-labelledby="{id}">
<h2 id="{id}">{title}</h2>
{content}</section>
"""
_TABLE = """<div class="scroll" role="region" aria-label="{label}" tabindex="0">
<table>
{head}<tbody>
{rows}</tbody>
</table>
</div>
"""
_HEADS = tuple(enumerate(("layer", "kind", "output", "params")))
_MARKS = "new", "gone"
_KINDS = ("", "", "", "n")  # the classes of these columns
_WIDTHS = '<colgroup><col class="n"><col><col class="n"><col></colgroup>\n'


def page_of(differences: Sequence[NetDifference], files: tuple[str, str]) -> str:
    """The page about the nets of two files, which have these names."""
    title = f"{files[0]} → {files[1]}"
    body = [f"<header>\n<h1>netdsl diff</h1>\n<p>{escaped(title)}</p>\n</header>\n<main>\n"]
    for number, difference in enumerate(differences):
        body += _net(difference, number)
    if differences:
        body += _texts(differences[0])
    body.append("</main>\n")
    return document(title, "".join(body), PAGE_STYLE, policy_of(PAGE_STYLE))


def _section(name: str, id_: str, title: str, content: str) -> str:
    return _SECTION.format(name=name, id=id_, title=escaped(title), content=content)


def _net(difference: NetDifference, number: int) -> Iterator[str]:
    """The sections about one pair of nets."""
    old, new = (net.graph.name for net in difference.nets)
    name = names_with_arrow(old, new)
    if difference.is_empty and not difference.asides:
        yield _section("same", f"net{number}", name, f"<p>{SAME}</p>\n")
        return
    yield _section("changes", f"net{number}", name, _changes(difference))
    if not difference.is_empty:
        yield _section("figures", f"figures{number}", f"Figures of {name}", _figures(difference))
        yield _section("layers", f"layers{number}", f"Layers of {name}", _layers(difference))


def _changes(difference: NetDifference) -> str:
    """The lines of the report, without the figures, which have a table."""
    labels = {label_of(figure) for figure in difference.figures}
    items = []
    for line in report_of(difference):
        if not line.text or (line.label in labels and line.label != "weights"):
            continue
        place = f'<span class="place">{escaped(line.label)}</span>' * (line.indent == 1)
        kind = ' class="detail"' * (line.indent == 2)
        items.append(f"<li{kind}>{place}{escaped(line.text)}</li>\n")
    return f'<ul class="difference">\n{"".join(items)}</ul>\n'


def _figures(difference: NetDifference) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escaped(label_of(f) + sizes)}</th>'
        f'<td class="n">{escaped(amount(f.name, f.old))}</td>'
        f'<td class="n">{escaped(amount(f.name, f.new))}</td>'
        f'<td class="n">{escaped(growth(f) or "")}</td></tr>\n'
        for f, sizes in shown_figures(difference)
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("", "before", "after", "change"))
    return _TABLE.format(label="figures", head=f"<thead><tr>{heads}</tr></thead>\n", rows=rows)


# ---- layers


def _layers(difference: NetDifference) -> str:
    """Both tables; a layer that both nets have is in one row, unless it has moved."""
    matching = difference.matching
    old, new = matching.before.layers(), matching.after.layers()
    places = {id(part): j for j, part in enumerate(new)}
    partners = [(i, matching.partner(part)) for i, part in enumerate(old)]
    pairs = increasing([(i, places[id(p)]) for i, p in partners if p is not None])
    changed = {id(e.part) for cause in difference.causes for e in cause.effects}
    table = _LayerTable(difference, changed)
    i = j = 0
    for x, y in [*pairs, (len(old), len(new))]:
        for part in old[i:x]:
            table.add(part, None)
        for part in new[j:y]:
            table.add(None, part)
        if x < len(old) and y < len(new):
            table.add(old[x], new[y])
        i, j = x + 1, y + 1
    heads = [f'<th scope="col"{_right(n, k)}>{name}</th>' for n in (0, 1) for k, name in _HEADS]
    head = f"<thead><tr>{''.join(heads)}</tr></thead>\n"
    return _TABLE.format(label="layers", head=head, rows="".join(table.rows))


class _LayerTable:
    """The rows of a table with the layers of two nets."""

    def __init__(self, difference: NetDifference, changed: set[int]) -> None:
        self.rows: list[str] = []
        self._matching = difference.matching
        self._changed = changed
        self._params = {
            id(n): cost.params for net in difference.nets for n, cost in net.costs.rows()
        }

    def add(self, a: NetPart | None, b: NetPart | None) -> None:
        """Add a row with a layer of the first net, one of the second, or both."""
        cells = []
        for side, part in enumerate((a, b)):
            if part is None:
                cells.append(f'<td class="empty{" right" * side}" colspan="{len(_HEADS)}"></td>')
            else:
                cells.append(self._cells(part, side, self._mark(a, b)))
        self.rows.append(f"<tr>{''.join(cells)}</tr>\n")

    def _mark(self, a: NetPart | None, b: NetPart | None) -> str:
        """The class of a row's cells."""
        if a is not None and b is not None:
            if id(b) in self._changed:
                return "changed"
            return "follows" * ((a.node.type, a.item.name) != (b.node.type, b.item.name))
        only = a or b
        if only is not None and self._matching.partner(only) is not None:
            return "moved"
        return _MARKS[b is None]

    def _cells(self, part: NetPart, side: int, mark: str) -> str:
        node = part.node
        params = self._params[id(node)]
        texts = (node.name, part.kind, str(node.type), figure(params))
        return "".join(
            f'<td class="{" ".join(filter(None, (mark, _KINDS[k], "right" * (side and not k))))}">'
            f"{escaped(text)}</td>"
            for k, text in enumerate(texts)
        )


def _right(side: int, column: int) -> str:
    """The class of the first column of the second net."""
    return ' class="right"' * (side > column)


# ---- texts


def _texts(difference: NetDifference) -> Iterator[str]:
    """The texts of the files that differ, side by side."""
    old, new = (net.program.loader.sources() for net in difference.nets)
    known = {_stem(source): source for source in old[1:]}
    pairs = [(old[0], new[0])]
    pairs += [(known[_stem(s)], s) for s in new[1:] if _stem(s) in known]
    shown = [pair for pair in pairs if pair[0].text != pair[1].text]
    for number, (a, b) in enumerate(shown):
        title = names_with_arrow(a.name, b.name)
        yield _section("text", f"text{number}", title, _text(a, b))


def _stem(source: SourceFile) -> str:
    """The name of an imported file without its folder."""
    return Path(source.name).name


def _text(a: SourceFile, b: SourceFile) -> str:
    lines = a.text.rstrip().split("\n"), b.text.rstrip().split("\n")
    words = [[words_of(line) for line in side] for side in lines]
    rows = []
    for tag, i, x, j, y in SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        for n in range(max(x - i, y - j)):
            cells = [
                _line_cells(lines[side][start:end], start, n, (side, tag))
                for side, (start, end) in enumerate(((i, x), (j, y)))
            ]
            rows.append(f"<tr>{''.join(cells)}</tr>\n")
    return _TABLE.format(label="text", head=_WIDTHS, rows="".join(rows))


def _line_cells(lines: list[str], start: int, number: int, kind: tuple[int, str]) -> str:
    """The number of a line and the line, marked if the other text has another one.

    `start` is the number of the first of the lines, and `kind` the side and what changed.
    """
    side, tag = kind
    if number >= len(lines):
        return f'<td class="n empty{" right" * side}"></td><td class="empty"></td>'
    mark = {"equal": "", "replace": "changed", "delete": "gone", "insert": "new"}[tag]
    return (
        f'<td class="n{" right" * side}">{start + number + 1}</td>'
        f'<td class="{mark}">{escaped(lines[number].rstrip())}</td>'
    )
