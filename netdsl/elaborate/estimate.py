"""What loops and blocks take at the least, before they are unrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.ops import LAYERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.loader import Module

MOST = 10**18
DEEP = 100


class Least(NamedTuple):
    """How many layers and steps something takes at the least."""

    layers: int = 0
    steps: int = 0

    def also(self, other: Least, times: int = 1) -> Least:
        """The sum with so many times another."""
        return Least(
            min(MOST, self.layers + times * other.layers),
            min(MOST, self.steps + times * other.steps),
        )


class Estimate:
    """What bodies take at the least, as far as the text alone says: nothing is counted that a
    condition or a name may take away.
    """

    def __init__(self) -> None:
        self._bodies: dict[int, Least] = {}
        self._blocks: dict[int, Least] = {}
        self._open = 0

    def block(self, definition: ast.Definition, home: Module) -> Least:
        """Of a call; `home` is the file that defines the block: its names mean what they mean
        there.
        """
        found = self._blocks.get(id(definition))
        if found is None:
            self._blocks[id(definition)] = Least()  # what calls itself is refused when it is called
            names = given(definition.body).union(
                home.env.values, (p.name for p in definition.parameters)
            )
            found = self._blocks[id(definition)] = self.body(definition.body, home, names)
        return found

    def body(self, body: ast.Body, home: Module, hidden: frozenset[str]) -> Least:
        """Of what stands in braces in the file `home`; `hidden` are names that may not be those of
        its blocks.
        """
        found = self._bodies.get(id(body))
        if found is None:
            self._open += 1
            found = Least(0, len(body.statements))
            for arm in body.arms if self._open < DEEP else ():
                found = found.also(self.body(arm, home, hidden))
            for statement in body.statements if self._open < DEEP else ():
                chain = (
                    statement
                    if isinstance(statement, ast.Chain)
                    else getattr(statement, "chain", None)
                )
                for element in chain.elements if chain else ():
                    found = found.also(self._element(element, home, hidden))
            self._open -= 1
            self._bodies[id(body)] = found
        return found

    def _element(self, element: ast.Element, home: Module, hidden: frozenset[str]) -> Least:
        match element:
            case ast.Group():
                return self.body(element.body, home, hidden)
            case ast.Repeat():
                count = element.count.value if isinstance(element.count, ast.Literal) else 0
                inside = self.body(element.body, home, hidden)
                return Least().also(
                    inside._replace(steps=inside.steps + 1),
                    max(0, count) if isinstance(count, int) else 0,
                )
            case ast.For():
                inside = self.body(element.body, home, hidden)
                return Least().also(
                    inside._replace(steps=inside.steps + 1), _rounds(element.values)
                )
            case ast.Call():
                return self._call(element, home, hidden)
        return Least()

    def _call(self, call: ast.Call, home: Module, hidden: frozenset[str]) -> Least:
        inside = self.body(call.body, home, hidden) if call.body is not None else Least()
        definition = home.definitions.get(call.name)
        if call.name in hidden:
            return Least()
        if call.name == "residual" or (call.name in LAYERS and definition is None):
            return inside.also(Least(1))
        if isinstance(definition, ast.Definition) and not definition.is_net:
            return self.block(definition, home.homes[call.name])
        return Least()


def _rounds(values: ast.Expr) -> int:
    """How many elements a list has, where the text says: `[a, b]`, `range(9)`."""
    if isinstance(values, ast.Sequence):
        return len(values.items)
    if isinstance(values, ast.Function) and values.name == "range" and len(values.arguments) == 1:
        n = values.arguments[0].value
        return max(0, n.value) if isinstance(n, ast.Literal) and isinstance(n.value, int) else 0
    return 0


def given(body: ast.Body) -> frozenset[str]:
    """The names to which a body gives values:

    `let`s, and variables of loops, those inside included.
    """
    names: set[str] = set()
    todo = [body]
    while todo:
        inner = todo.pop()
        todo += inner.arms
        for statement in inner.statements:
            if isinstance(statement, ast.Let):
                names.add(statement.name)
            chain = (
                statement if isinstance(statement, ast.Chain) else getattr(statement, "chain", None)
            )
            if isinstance(statement, ast.Aux):
                todo.append(statement.body)
            for element in chain.elements if chain else ():
                names.update(
                    element.targets
                    if isinstance(element, ast.For)
                    else (
                        [element.variable]
                        if isinstance(element, ast.Repeat) and element.variable
                        else []
                    )
                )
                todo += [
                    b
                    for b in (getattr(element, k, None) for k in ("body", "then", "otherwise"))
                    if b is not None
                ]
    return frozenset(names)
