"""Formulas on tensors, loops that carry values, and arms made by loops, in random bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .calls import Generator
from .shape import Skip

if TYPE_CHECKING:
    from .shape import Type
    from .write import Weight

ANYWHERE = ("tanh", "sigmoid", "relu", "abs", "square", "sin", "cos", "erf", "silu", "softplus")
REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_norm")
NUMBERS = ("0.5", "2", "1.5", "3", "0.1")


class Constructs(Generator):
    """Writes elements that compute with values."""

    def label(self, t: Type, entry: Type | None, weight: Weight | None = None) -> str:
        """A new label; `Bodies` defines it."""
        raise NotImplementedError

    def _loop(
        self, t: Type, budget: int, rounds: int, names: list[str], *, counts: bool
    ) -> list[str]:
        """The body of a loop; `Bodies` defines it."""
        raise NotImplementedError

    def _formula(self, t: Type, budget: int) -> tuple[str, Type, int]:
        if not t.floats:
            raise Skip
        text = f"({self._term(t, self.pick([1, 2, 3]))})"
        if self.frame.can_name and self.chance(0.3):
            return f"{self.label(t, t)}: {text}", t, 2
        return text, t, 2

    def _term(self, t: Type, depth: int) -> str:
        """A formula whose result has type `t`."""
        if depth == 0:
            return self._value(t)
        a = self._operand(t, depth - 1)
        return self.pick(
            [
                f"{a} + {self._operand(t, depth - 1)}",
                f"{a} - {self.pick(NUMBERS)}",
                f"{self.pick(NUMBERS)} - {a}",
                f"{a} * {self._operand(t, depth - 1)}",
                f"{a} * {self.pick(NUMBERS)}",
                f"-{a}",
                f"{a} / (1 + abs({self._value(t)}))",
                f"{a} / {self.pick(NUMBERS)}",
                f"{self.pick(NUMBERS)} / (1 + {a} ** 2)",
                f"{a} ** 2",
                f"{self.pick(ANYWHERE)}({a})",
                f"exp(clamp({a}, -3, 2))",
                f"{self.pick(['sqrt', 'log'])}(1 + abs({a}))",
                f"{a} * {self.pick(REDUCTIONS)}({a}, axis = {self.axis(t)}, keep = true)",
                f"{a} - {self.pick(REDUCTIONS)}({a}, {self.axis(t)}, true)",
            ]
        )

    def _operand(self, t: Type, depth: int) -> str:
        text = self._term(t, depth)
        return text if re.fullmatch(r"@[\w.]*|\w+\(@?\w*\)", text) else f"({text})"

    def _value(self, t: Type) -> str:
        """The current value, or one with a label."""
        names = [n for n, label in self.frame.visible().items() if label.type == t]
        if names and self.chance(0.6):
            return f"@{self.pick(names)}"
        return "@"

    # ---- loops

    def _carrying(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A loop that collects a value in each round, and an `add` of all of them."""
        if not t.floats:
            raise Skip
        rounds, counter, every, each = (
            self.pick([1, 2, 3]),
            self.fresh("i"),
            self.fresh("all"),
            self.fresh("v"),
        )
        lines = self._loop(t, budget // 2, rounds, [counter], counts=True)
        lines.append(f"next {every} = {self.pick([f'{every} + [@]', f'[@] + {every}[0:]'])}")
        width = self.fresh("w")
        start = f"{every} = [], {width} = {self.whole(2)}" if self.chance(0.5) else f"{every} = []"
        if width in start:
            lines.insert(0, f"next {width} = 2 * {width}")
        body = "\n".join("    " + line for text in lines for line in text.split("\n"))
        loop = f"repeat {rounds} as {counter} with {start} {{\n{body}\n}}"
        more = self.pick(
            [
                f"for {each} in {every} {{ | @{each} }}\n    | identity",
                f"| add([@] + {every})\n    | (@ * 2)",
            ]
        )
        return f"{loop} -> add {{\n    {more}\n}}", t, 4

    def _made_arms(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A join with arms that a loop and a condition make."""
        if not t.floats or t.open[0]:
            raise Skip
        rounds, counter = self.pick([1, 2, 3]), self.fresh("i")
        lines = self._loop(t, budget // 2, rounds, [counter], counts=True)
        arm = "\n          ".join(line for text in lines for line in text.split("\n"))
        made = f"for {counter} in range({rounds}) {{\n        | {arm}\n    }}"
        holds = self.chance(0.5)
        also = f"if {self.truth(holds)} {{ | identity }}"
        kind = self.pick(["add", "concat", "max"])
        always = "\n    | tanh" if self.chance(0.7) else ""
        count = rounds + holds + bool(always)
        result = t.with_(t.channels * count) if kind == "concat" else t
        if result.size > 8000:
            raise Skip
        return f"{kind} {{\n    {made}\n    {also}{always}\n}}", result, 4
