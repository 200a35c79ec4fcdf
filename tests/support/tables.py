"""Printed layer tables, read back."""

from __future__ import annotations

import re
from typing import NamedTuple

LEFT = ("layer", "kind", "window", "output", "from")  # columns of words


class Printed(NamedTuple):
    """A row of a printed table: its indent, and its cells by their heads."""

    indent: int
    cells: dict[str, str]

    def number(self, head: str) -> int:
        """The number in a column; a dash is 0."""
        text = self.cells[head].replace(",", "")
        if text == "-":
            return 0
        return int(text)


def rows_of(text: str) -> list[Printed]:
    """The rows of the first table in a text, whose columns are at least two blanks apart.

    Lines below rows are left out.
    """
    lines = text.splitlines()
    rule = next(i for i, line in enumerate(lines) if line.startswith("─"))
    heads = list(re.finditer(r"\S+", lines[rule - 1]))
    rows = []
    for line in lines[rule + 1 : lines.index("", rule)]:
        cells = {head[0]: _cell(line, head) for head in heads}
        if cells["kind"]:
            rows.append(Printed(len(line) - len(line.lstrip()), cells))
    return rows


def _cell(line: str, head: re.Match[str]) -> str:
    """The cell below a head: words begin where it begins, figures end where it ends."""
    if head[0] == "layer":
        return line.strip().split("  ")[0]
    if head[0] in LEFT:
        return line[head.start() :].split("  ", maxsplit=1)[0].strip()
    return line[: head.end()].rsplit("  ", maxsplit=1)[-1].strip()
