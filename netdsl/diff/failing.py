"""`--fail-if`: a condition on the figures of the second net, and on those of the difference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.analysis.expect import Facts
from netdsl.elaborate.conditions import truth
from netdsl.elaborate.evaluate import Env
from netdsl.errors import NetdslError
from netdsl.source import SourceFile, Span
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from netdsl.diff.difference import NetDifference

OPTION = "--fail-if"
OLD = "old_"  # before the name of a figure of the first net


class FailCondition:
    """A condition as in an `expect` line, which a change must not satisfy.

    It can name the figures of the second net (`params`), those of the first (`old_params`), and
    those of the difference: `changes`, the number of causes; `removed` and `added`, numbers of
    layers; `loaded`, the share of the second net's weights that load; and `missing`, the number of
    its tensors that do not.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._expr = parse_expression(SourceFile(OPTION, text))
        except NetdslError as error:
            relative = re.fullmatch(r"\s*(\w+)\s*(>=?|<=?)\s*([+-]?)(\d+(?:\.\d+)?)\s*%\s*", text)
            if relative is not None:
                name, sign, minus, percent = relative.groups()
                factor = 1 + float(f"{minus}{percent}") / 100
                error.diagnostic.help = (
                    f"a condition has no `%`: for a change by {minus}{percent} %, write"
                    f" `{name} {sign} {factor:g} * {OLD}{name}`"
                )
                error.diagnostic.fix = ()
            raise

    def holds(self, difference: NetDifference) -> bool:
        """Whether the condition is true; raises `NetdslError` if it has no truth value."""
        net = difference.nets[1]
        facts = Facts(net.graph, net.costs, net.labels)
        env = Env(net.env)
        env.values |= figures_for(difference)
        return truth(facts.value(self._expr, env), self._expr.span)

    def error(self, difference: NetDifference) -> NetdslError:
        """The error for a change that satisfies the condition."""
        figures = figures_for(difference)
        totals = difference.nets[1].costs.totals()._asdict()
        named = {part.id for part in self._expr.walk() if hasattr(part, "id")}
        shown = [
            f"`{name}` is {shown_value(value)}"
            for name, value in {**totals, **figures}.items()
            if name in named
        ]
        place = Span(self._expr.span.file, 0, len(self.text))
        message = f"{net_name(difference)}: the condition of {OPTION} is true"
        if shown:
            message += f": {', '.join(shown)}"
        return NetdslError("condition-met", message, place)


def shown_value(value: object) -> str:
    """A figure in a message."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def net_name(difference: NetDifference) -> str:
    """The name of the second net."""
    return f"`{difference.nets[1].graph.name}`"


def figures_for(difference: NetDifference) -> dict[str, object]:
    """The figures that only a condition on a difference can name."""
    loading, matching = difference.loading, difference.matching
    return {
        **{f"{OLD}{figure.name}": figure.old for figure in difference.figures},
        "changes": len(difference.causes),
        "removed": sum(part.size for part in matching.removed),
        "added": sum(part.size for part in matching.added),
        "loaded": loading.share,
        "missing": len(loading.missing) + len(loading.reshaped) + len(loading.misplaced),
    }
