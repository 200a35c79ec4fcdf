"""Checks nets: the figures and `expect` lines of each, and the diagnostics of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.summary import Summary
from netdsl.diagnostics import MAX_ERRORS, Diagnostic
from netdsl.driver import compile_net, outcomes_of_expects
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program


Place = tuple[str | None, int]  # the path of a file, and an offset in it


class Checked:
    """The result for one net: its summary, or None if it has errors, and its `expect` lines.

    `label` is its name in tables, which contains the file if several were checked.
    """

    def __init__(self, name: str, label: str) -> None:
        self.name = name
        self.label = label
        self.compiled: Compiled | None = None
        self.summary: Summary | None = None
        self.proven = 0  # how many of the `asked` lines hold
        self.asked = 0
        self.deferred = 0  # how many of them only `verify` can evaluate
        self.sizes: dict[str, tuple[int, ...]] = {}

    def build(
        self, program: Program, sizes: Mapping[str, tuple[int, ...]] | None = None
    ) -> list[Diagnostic]:
        """Build the net, for the sizes that the user gives; returns its errors.

        They are those of its text, of its `expect` lines, and of its `train` section.
        """
        self.sizes = dict(sizes or {})
        found: list[Diagnostic] = []
        try:
            compiled = self.compiled = compile_net(program, self.name, self.sizes)
            self.summary = Summary(compiled.graph, compiled.costs, compiled.valid_for)
            outcomes = outcomes_of_expects(compiled)
            self.proven = sum(outcome.holds is True for outcome in outcomes)
            self.deferred = sum(outcome.claim is not None for outcome in outcomes)
            self.asked = len(outcomes)
            found += [d for outcome in outcomes for d in outcome.diagnostics]
            if compiled.train is not None:
                from netdsl.train.fit import errors_of_section  # few nets have one

                found += errors_of_section(compiled)
        except NetdslError as error:
            found += error.diagnostics
        return found


def names_to_check(program: Program) -> list[str]:
    """The nets of a whole file; raises `NetdslError` if it has neither nets nor blocks."""
    nets = program.nets()
    if nets:
        return nets
    if program.module.own and not any(
        getattr(d, "is_net", True) for d in program.module.definitions.values()
    ):
        return []  # the file has only blocks: it is valid, and there is no net to show
    return [program.pick(None)]


def stopped() -> Diagnostic:
    """The note that ends the diagnostics of a file that has too many errors."""
    return Diagnostic("too-many-errors", f"stopped after {MAX_ERRORS} errors", severity="note")


# Errors at one place that may be others for the nets of a family.
OF_NETS = ("expect-failed", "data-mismatch")


class Findings:
    """The diagnostics of all files.

    Those that two nets have in common, or two files that import a third, are kept once.
    """

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[object, ...]] = set()

    def add(self, file: str, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep the diagnostics of a file; those without a place get its name."""
        for diagnostic in diagnostics:
            if diagnostic.span is None and diagnostic.file is None:
                diagnostic.file = file
            key = _identity(diagnostic)
            if key not in self._seen:
                self._seen.add(key)
                self.diagnostics.append(diagnostic)

    def add_warnings(self, file: str, warnings: Iterable[Diagnostic]) -> None:
        """Keep the warnings of a file, except about what the fix of an error replaces."""
        replaced = [edit.span for d in self.diagnostics for edit in d.fix]
        self.add(file, (w for w in warnings if w.span not in replaced))

    def forget_unused(self, used: set[Place]) -> None:
        """Drop the warnings about what one file does not use, but another one does."""
        self.diagnostics = [
            d
            for d in self.diagnostics
            if d.span is None
            or d.code not in ("unused-block", "unused-let")
            or (d.span.file.path, d.span.start) not in used
        ]

    def count(self, severity: str) -> int:
        """The number of diagnostics of that severity."""
        return sum(d.severity == severity for d in self.diagnostics)


def _identity(diagnostic: Diagnostic) -> tuple[object, ...]:
    """What equal diagnostics have in common: a file that is read twice is the same file.

    An error in a block, or in a family of nets, is the same for all nets, with other sizes.
    """
    span = diagnostic.span
    place: tuple[object, ...] = (diagnostic.file,)
    if span is not None:
        place = (span.file.path or span.file.name, span.start, span.end)
        if diagnostic.severity == "error" and diagnostic.code not in OF_NETS:
            return (diagnostic.code, *place)
    return (diagnostic.code, diagnostic.message, *place)
