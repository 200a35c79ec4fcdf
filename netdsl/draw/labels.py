"""The labels of boxes, scopes and the whole picture, as Graphviz' HTML-like text.

Every character of a user's text is escaped, so that it stays text.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from netdsl.draw.metrics import text_width
from netdsl.draw.picture import short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.draw.picture import Band, Box

    Block = tuple[int, int, int, int]  # top, bottom, left, right
    Title = tuple[str, str]  # a line: the name of a scope or a part of it, and its block
    from netdsl.draw.themes import Theme

MAP = 96  # points of the longer side of a map of pixels
SMALL, TITLE = 9, 16  # sizes of letters; those of boxes have the size of the graph's nodes


class Words:
    """A line of a label: pieces of text, each bold or not, in a colour and a size."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def add(self, text: str, colour: str, *, bold: bool = False, size: int = 0) -> Words:
        """Append a text, unless it is empty."""
        text = escape(short(text)).replace("\\", "\\\\")  # else `\\G` names the graph
        if not text.strip():
            return self
        if bold:
            text = f"<B>{text}</B>"
        points = f' POINT-SIZE="{size}"' if size else ""
        self.pieces.append(f'<FONT COLOR="{colour}"{points}>{text}</FONT>')
        return self

    def __str__(self) -> str:
        return " ".join(self.pieces)


def label(lines: Iterable[Words], align: str = "") -> str:
    """The lines below each other; the empty label if there are none."""
    texts = list(filter(None, map(str, lines)))
    if not texts:
        return '""'
    if align:
        mark = f'<BR ALIGN="{align}"/>'
        return f"<{''.join(text + mark for text in texts)}>"
    return f"<{'<BR/>'.join(texts)}>"


def box_label(box: Box, shape: str, theme: Theme) -> str:
    """The name, the kind, the stacked layers and the shape of the result of a box."""
    lines: list[Words] = []
    if box.look in ("input", "output"):
        lines.append(Words().add(box.lines[0], theme.ink, bold=True))
    elif box.look == "loss":
        lines.append(Words().add(box.lines[0], theme.soft, size=SMALL))
    elif box.look == "sign":
        return label([Words().add(box.lines[0], theme.ink, size=14)])
    elif box.look == "folded":
        name, *others = box.lines
        lines.append(Words().add(name, theme.ink, bold=True))
        lines += [Words().add(text, theme.soft) for text in others]
    else:
        lines += _band_lines(box.bands[0], box, theme)
        lines += _stacked(box.bands[1:], theme)
    return label([*lines, Words().add(shape, theme.faint, size=SMALL)])


def _band_lines(band: Band, box: Box, theme: Theme) -> list[Words]:
    if box.look == "small":
        line = Words().add(band.name, theme.ink, bold=True, size=SMALL + 1)
        lines = [line.add(band.words, theme.soft, size=SMALL + 1)]
    else:
        lines = [Words().add(band.name, theme.ink, bold=True), Words().add(band.words, theme.soft)]
    return [*lines, *(Words().add(note, theme.faint, size=SMALL) for note in band.notes)]


def _stacked(bands: list[Band], theme: Theme) -> list[Words]:
    """The layers that share a box: `bn1 · relu`, three in a line."""
    words = []
    for band in bands:
        text = band.words
        if band.name:
            text = band.name if band.name.startswith(band.node.op.kind) else f"{band.name} {text}"
        words.append(text)
    lines = [" · ".join(words[n : n + 3]) for n in range(0, len(words), 3)]
    return [Words().add(text, theme.soft, size=SMALL + 1) for text in lines]


def input_label(
    box: Box, shape: str, blocks: Iterable[Block], sizes: tuple[int, int], theme: Theme
) -> str:
    """The name and the shape of an input, and a map of its pixels with those that a unit sees.

    The map is a table of cells; rows and columns without a change are one cell.
    """
    high, wide = sizes
    scale = MAP / max(high, wide)
    parts = [tuple(round(edge * scale) for edge in block) for block in blocks]
    rows = sorted(
        {0, round(high * scale), *(e for top, bottom, _, _ in parts for e in (top, bottom))}
    )
    columns = sorted({0, round(wide * scale), *(e for p in parts for e in p[2:])})
    lines = []
    for top, below in pairwise(rows):
        cells = []
        for left, right in pairwise(columns):
            seen = any(t <= top < b and m <= left < r for t, b, m, r in parts)
            colour = f' BGCOLOR="{theme.mark}"' * seen
            size = f'WIDTH="{right - left}" HEIGHT="{below - top}"'
            cells.append(f'<TD FIXEDSIZE="TRUE" {size}{colour}></TD>')
        lines.append(f"<TR>{''.join(cells)}</TR>")
    plain = 'CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"'
    map_ = f'<TABLE BORDER="1" COLOR="{theme.line}" {plain}>{"".join(lines)}</TABLE>'
    name = Words().add(box.lines[0], theme.ink, bold=True)
    note = Words().add(shape, theme.faint, size=SMALL)
    texts = "".join(f"<TR><TD>{words}</TD></TR>" for words in (name, note) if str(words))
    return f'<<TABLE BORDER="0" {plain}>{texts}<TR><TD>{map_}</TD></TR></TABLE>>'


def scope_label(lines: Iterable[Title], theme: Theme) -> str:
    """The name of a scope in bold, and its block."""
    words = [
        Words().add(name, theme.soft, bold=True).add(block, theme.faint) for name, block in lines
    ]
    return label(words, "LEFT" * (len(words) > 1))


def title_width(name: str, block: str) -> float:
    """The width of a line of the title of a scope, in points."""
    space = " " * bool(name and block)
    return text_width(name, SMALL, bold=True) + text_width(space + block, SMALL)


def title_label(name: str, facts: Iterable[str], theme: Theme) -> str:
    """The name of the net, and lines of facts about it."""
    head = Words().add(name, theme.ink, bold=True, size=TITLE)
    return label([head, *(Words().add(fact, theme.faint, size=10) for fact in facts)], "LEFT")


def legend_label(families: Iterable[str], across: int, theme: Theme) -> str:
    """A patch of colour and a word for each family, so many beside each other."""
    shown = set(families)
    words = [family for family in theme.families if family in shown]
    if len(words) < 2:
        return '""'
    rows = []
    for start in range(0, len(words), across):
        cells = "".join(_legend_cells(word, theme) for word in words[start : start + across])
        rows.append(f"<TR>{cells}</TR>")
    return (
        '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="0">'
        f"{''.join(rows)}</TABLE>>"
    )


def _legend_cells(word: str, theme: Theme) -> str:
    fill, border = theme.families[word]
    return (
        f'<TD FIXEDSIZE="TRUE" WIDTH="10" HEIGHT="10" BORDER="1" COLOR="{border}"'
        f' BGCOLOR="{fill}"></TD>'
        f'<TD ALIGN="LEFT"><FONT COLOR="{theme.faint}" POINT-SIZE="{SMALL}">{word} </FONT></TD>'
    )
