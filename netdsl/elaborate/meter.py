"""Counts the steps that unrolling takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Overrun
from netdsl.limits import limit, raise_help

if TYPE_CHECKING:
    from netdsl.source import Span

ELEMENTS = 16  # elements of a list or string that count as one step


class Meter:
    """Counts steps: statements, rounds of loops, and the elements of long lists."""

    __slots__ = ("most", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.most = limit("steps")

    def charge(self, steps: int, span: Span) -> None:
        """Count steps; raises `Overrun` if the total exceeds the limit."""
        self.steps += steps
        if self.steps > self.most:
            self.refuse(span)

    def check(self, steps: int, span: Span) -> None:
        """Raise `Overrun` if this many further steps would exceed the limit."""
        if self.steps + steps > self.most:
            self.refuse(span)

    def refuse(self, span: Span) -> None:
        """Raise the `Overrun`."""
        raise Overrun(
            "too-many-steps",
            f"the net takes more than {self.most:,} steps to unroll",
            span,
            help=raise_help("steps"),
        )
