"""The result of a verification: claims, with their witnesses, verdicts and differences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netdsl.advising import advises
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.graph import Node


# The batch sizes. With the first, weights get their numbers; with the second, values are compared;
# with the last, products are counted.
BATCHES = (7, 2, 1)


class Difference(Diagnostic):
    """The first disagreement of witnesses about a claim.

    `fact` is what differs, `values` are the findings by witness, and `node` is the layer. Without
    a layer, `name` and `kind` are empty.
    """

    def __init__(
        self,
        code: str,
        fact: str,
        values: dict[str, str],
        node: Node | None = None,
        help: str | None = None,
    ) -> None:
        notes = tuple(Annotation(f"{who}: {value}") for who, value in values.items())
        self.name = self.kind = ""
        self.values = values
        span = None
        if node is not None:
            self.name, self.kind, span = node.name, node.op.kind, node.span
            fact = f"`{self.name}` ({self.kind}): {fact}"
        super().__init__(code, fact, span, notes=notes, help=help)

    @property
    def line(self) -> int | None:
        """The line of the node in the text."""
        return self.span.first.line if self.span else None


@dataclass(slots=True)
class Claim:
    """A claim: its `name`, such as macs, and the `witnesses`, whose results are compared.

    `detail` is what it covers, as a text. `ok` is whether it holds, and `verdict` the same as a
    word; `difference` is the first one if it does not hold, or None. `ran` is False if an earlier
    failure made it impossible to test the claim. `is_empty` is whether the net has nothing that the
    claim is about.
    """

    name: str
    witnesses: tuple[str, ...]
    detail: str = ""
    difference: Difference | None = None
    ran: bool = True
    is_empty: bool = False

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return self.ran and self.difference is None

    @property
    def verdict(self) -> str:
        """`agree`, `differ`, or `not tried`."""
        if not self.ran:
            return "not tried"
        return "agree" if self.ok else "differ"


@advises(ok="passed success holds equal result agrees")
@dataclass(slots=True, repr=False)
class Report:
    """The verification of one net.

    `sizes` are the settings of the open sizes. `comparisons` is the number of tensors that were
    compared. `worst` is the largest error of any number, in units of its rounding bound.

    `beyond` names the layers with numbers that were not compared, because float32 cannot represent
    the numbers from which they are computed. This concerns `skipped` of all `numbers`.
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
        """Whether there were numbers to compare, but none could be compared."""
        return 0 < self.numbers == self.skipped

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return all(c.ok for c in self.claims)

    @property
    def shown(self) -> list[Claim]:
        """The claims for people: without those about layers that the net does not have."""
        return [claim for claim in self.claims if not (claim.ok and claim.is_empty)]

    @property
    def first(self) -> Difference | None:
        """The difference of the first claim that fails."""
        return next(iter(self.differences()), None)

    def __repr__(self) -> str:
        head = f"<Report of {self.net}: {counted(self.comparisons, 'value')} compared>"
        width = max((len(claim.name) for claim in self.shown), default=0)
        lines = [f"  {c.name:<{width}}  {c.verdict:<9}  {c.detail}".rstrip() for c in self.shown]
        return "\n".join([head, *lines])

    def differences(self) -> list[Difference]:
        """The difference of each claim that fails."""
        return [c.difference for c in self.claims if c.difference is not None]
