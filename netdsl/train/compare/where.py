"""The condition of `--where`: which variants are compared, by their static figures."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from netdsl.analysis.expect import Facts
from netdsl.analysis.expect_advice import is_open
from netdsl.elaborate.bodies import Expectation
from netdsl.errors import NetdslError
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.driver import Compiled

WHERE = "--where"
BROKEN = "expect-failed"  # the code of a condition that is not true
OPEN = "open-size"  # the code of a condition that depends on sizes
MOST_REASONS = 3  # in a message


class WhereCondition:
    """A condition as in an `expect` line; `reasons` has one for each variant that it leaves out."""

    def __init__(self, text: str, *, is_labelled: bool) -> None:
        self._place = Span(SourceFile(WHERE, text), 0, len(text))
        expr = parse_expression(self._place.file)
        self._statement = ast.Expect(expr.span, expr, None)
        self._is_labelled = is_labelled  # whether an error names the variant
        self.reasons: list[str] = []

    def permits(self, label: str, net: Compiled) -> bool:
        """Whether a variant is compared, as far as it is known before all its sizes are.

        Raises `NetdslError` for a condition that cannot be evaluated.
        """
        facts = Facts(net.graph, net.costs, net.labels)
        broken = facts.check(Expectation(self._statement, net.env, ""))
        if broken is None or broken.code == OPEN:
            return True
        if broken.code != BROKEN:
            if self._is_labelled:
                broken.message = f"{label}: {broken.message}"
            raise NetdslError.of([broken])
        if any(is_open(value) for value in self._figures(facts, net)):
            return True
        self.reasons.append(f"{label}: {broken.message}")
        return False

    def _figures(self, facts: Facts, net: Compiled) -> Iterator[object]:
        """The values of the parts of the condition."""
        for part in self._statement.condition.walk():
            if isinstance(part, ast.Expr):
                with suppress(NetdslError):  # of a name that is no figure, such as a function's
                    yield facts.value(part, net.env)

    def excludes_all(self) -> NetdslError:
        """The error for a condition that no variant satisfies."""
        message = f"no variant satisfies `{self._statement.condition.span.brief}`"
        help_ = "; ".join(self.reasons[:MOST_REASONS])
        return NetdslError("nothing-to-compare", message, self._place, help=help_)
