"""The results of `netdsl check` for one net."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.analysis.summary import Summary
    from netdsl.driver import Compiled


class Checked:
    """The result for one net: its summary, or None if it has errors, and its `expect` lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.compiled: Compiled | None = None
        self.summary: Summary | None = None
        self.proven = 0  # how many of the `asked` lines hold
        self.asked = 0
        self.sizes: dict[str, tuple[int, ...]] = {}
