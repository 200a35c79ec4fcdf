"""Counts the steps that unrolling takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Overrun
from netdsl.limits import limit, raise_help

if TYPE_CHECKING:
    from netdsl.source import Span

ELEMENTS = 16  # of a list that count as a step


class Meter:
    """Counts steps: statements, rounds of loops, and what work on long lists costs."""

    __slots__ = ("most", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.most = limit("steps")

    def charge(self, steps: int, span: Span) -> None:
        """Take so many steps; raises `Overrun`."""
        self.steps += steps
        if self.steps > self.most:
            self.refuse(span)

    def check(self, steps: int, span: Span) -> None:
        """Refuse steps that there is no room for, before any is taken; raises `Overrun`."""
        if self.steps + steps > self.most:
            self.refuse(span)

    def refuse(self, span: Span) -> None:
        """Raise the `Overrun`."""
        raise Overrun(
            "too-many-steps",
            f"more than {self.most:,} statements to unroll",
            span,
            help=raise_help("steps"),
        )
