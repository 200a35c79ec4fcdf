"""What a verification found: claims, each with its witnesses and its verdict, and the first
difference of those that fail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Diagnostic

if TYPE_CHECKING:
    from netdsl.ir.graph import Node


# Weights settle at the first, values are compared at the second, products are counted at the last.
BATCHES = (7, 2, 1)


class Difference(Diagnostic):
    """Where witnesses disagree first: the node, what was compared, and what each witness says."""

    def __init__(
        self,
        code: str,
        what: str,
        values: dict[str, str],
        node: Node | None = None,
        help: str | None = None,
    ) -> None:
        where = f"`{node.name}` ({node.op.kind}): " if node is not None else ""
        notes = tuple(Annotation(f"{who}: {value}") for who, value in values.items())
        super().__init__(
            code, f"{where}{what}", node.span if node is not None else None, notes=notes, help=help
        )
        self.name = node.name if node is not None else ""
        self.kind = node.op.kind if node is not None else ""
        self.values = values

    @property
    def line(self) -> int | None:
        """The line of the text that the node stands in."""
        return self.span.first.line if self.span else None


@dataclass(slots=True)
class Claim:
    """One thing that is proven: by whom, over how much, and the first difference where it fails.

    Not `ran`: an earlier failure left no ground for it.
    """

    name: str
    witnesses: tuple[str, ...]
    detail: str = ""
    difference: Difference | None = None
    ran: bool = True

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return self.ran and self.difference is None

    @property
    def verdict(self) -> str:
        """`agree`, `differ`, or `not tried`."""
        return "agree" if self.ok else "differ" if self.ran else "not tried"


@dataclass(slots=True)
class Report:
    """The verification of one net.

    `worst` is the largest error of any value, in units of float32 rounding of its bound. `beyond`
    names the layers that have values which were not compared, because float32 cannot represent the
    numbers from which they are computed. `skipped` is how many of the `numbers` these are.
    """

    net: str
    claims: list[Claim] = field(default_factory=list)
    sizes: list[dict[str, int]] = field(default_factory=list)
    batches: tuple[int, ...] = tuple(sorted(BATCHES))
    comparisons: int = 0
    worst: float = 0.0
    worst_node: str = ""
    worst_kind: str = ""
    beyond: set[str] = field(default_factory=set)
    numbers: int = 0
    skipped: int = 0

    @property
    def empty(self) -> bool:
        """Whether values were looked at and none of them could be compared."""
        return 0 < self.numbers == self.skipped

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return all(c.ok for c in self.claims)

    @property
    def first(self) -> Difference | None:
        """The difference to look at first."""
        return next((c.difference for c in self.claims if c.difference is not None), None)

    def differences(self) -> list[Difference]:
        """Every claim's difference at its place in the text."""
        return [c.difference for c in self.claims if c.difference is not None]
