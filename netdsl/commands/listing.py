"""Where lists are printed whose tables rich lays out: it fills each line up with blanks, which nobody sees and every comparison of texts does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, RenderHook
from rich.segment import Segment

from netdsl.commands.common import terminal_width

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, ConsoleRenderable, RenderResult


def listing() -> Console:
    """Standard output as wide as tables are, where no line ends in blanks."""
    out = Console(width=terminal_width(), highlight=False, markup=False, emoji=False, soft_wrap=False)
    out.push_render_hook(_Hook())
    return out


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Trimmed(r) for r in renderables]


class _Trimmed:
    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Segment.split_lines(console.render(self._inner, options)):
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
            yield from line
            yield Segment.line()
