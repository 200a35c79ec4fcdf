"""Rich consoles on which text from a file cannot control the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from rich.console import Console, RenderHook
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from netdsl.commands.common import terminal_width
from netdsl.commands.output import printing, use_colour
from netdsl.draw.columns import KEPT, wrapped
from netdsl.render import cut_to, width_of
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import ConsoleOptions, ConsoleRenderable, RenderResult

BREAKS = (", ", " ", "/", "-", "_", ".")  # after which a cell is broken, by preference


def console() -> Console:
    """A console on standard output that is as wide as all tables."""
    coloured = use_colour(sys.stdout)
    out = _Screen(
        width=terminal_width(),
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        quiet=printing().hides_text,
        # The environment can make rich regard a pipe as a terminal, and write progress to it.
        force_terminal=sys.stdout.isatty(),
        color_system=_color_system(coloured=coloured),
        no_color=not coloured,
    )
    out.push_render_hook(_Hook(_Printable))
    return out


def plain_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> Table:
    """A table without lines; the columns whose heads are in `right` have numbers."""
    columns = [Column(Cell(head)) for head in heads]
    for column, head in zip(columns, heads, strict=True):
        if head in right:
            column.justify = "right"
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for row in rows:
        table.add_row(*map(Cell, row))
    return table


class Cell:
    """A text in a table, which is broken between its words, or else between the parts of a name.

    `name = value` stays together.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def lines(self, width: int) -> list[str]:
        """The text in lines of at most that many columns."""
        text = self._text.replace(" = ", f"{KEPT}={KEPT}")
        lines: list[str] = []
        for line in wrapped(text, width, *BREAKS):
            rest = line.replace(KEPT, " ")
            while width_of(rest) > width and (part := cut_to(rest, width)):
                lines.append(part)
                rest = rest[len(part) :]
            lines.append(rest)
        return lines

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, max(width_of(self._text), 1))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(self.lines(options.max_width)))


def _color_system(*, coloured: bool) -> Literal["auto", "standard"] | None:
    if not coloured:
        return None
    if printing().color == "auto" and sys.stdout.isatty():
        return "auto"  # rich asks the terminal
    return "standard"


def listing() -> Console:
    """The same console, without the blanks that rich adds to the lines of a table."""
    out = console()
    out.push_render_hook(_Hook(_Trimmed))
    return out


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """End the command like any other whose output nobody reads; rich would exit with 1."""
        raise BrokenPipeError


class _Hook(RenderHook):
    def __init__(self, wrapper: type[_Wrapped]) -> None:
        self._wrapper = wrapper

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [self._wrapper(r) for r in renderables]


class _Wrapped:
    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._inner, options)


class _Printable(_Wrapped):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text, "\t\n"), segment.style)


class _Trimmed(_Wrapped):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Segment.split_lines(console.render(self._inner, options)):
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
            yield from line
            yield Segment.line()
