"""Lower bounds for the layers and steps of loops and blocks, computed before unrolling."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.ops import LAYERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.module import Module

MOST = 10**18  # layers or steps at which an estimate stops counting
DEEP = 100  # levels of nested bodies that are examined


class Least(NamedTuple):
    """The least number of layers and steps that something takes."""

    layers: int = 0
    steps: int = 0

    def also(self, other: Least, times: int = 1) -> Least:
        """The sum of this and `times` times the other."""
        return Least(
            min(MOST, self.layers + times * other.layers),
            min(MOST, self.steps + times * other.steps),
        )


class Estimate:
    """Lower bounds for bodies and blocks, from the text only.

    Whatever depends on a condition or on a computed value is not counted.
    """

    def __init__(self) -> None:
        self._bodies: dict[int, Least] = {}
        self._blocks: dict[int, Least] = {}
        self._open = 0

    def block(self, definition: ast.Definition, home: Module) -> Least:
        """The estimate of a block call; `home` is the file that defines the block."""
        least = self._blocks.get(id(definition))
        if least is None:
            self._blocks[id(definition)] = Least()  # a block that calls itself is reported later
            names = given(definition.body).union(
                home.env.values, (parameter.name for parameter in definition.parameters)
            )
            least = self._blocks[id(definition)] = self.body(definition.body, home, names)
        return least

    def body(self, body: ast.Body, home: Module, hidden: frozenset[str]) -> Least:
        """The estimate of a body in the file `home`.

        `hidden` are names that may have other meanings than the blocks of the file.
        """
        least = self._bodies.get(id(body))
        if least is None:
            self._open += 1
            least = Least(0, len(body.statements))
            if self._open < DEEP:
                for arm in body.arms:
                    least = least.also(self.body(arm, home, hidden))
                for statement in body.statements:
                    for element in _elements(statement):
                        least = least.also(self._element(element, home, hidden))
            self._open -= 1
            self._bodies[id(body)] = least
        return least

    def _element(self, element: ast.Element, home: Module, hidden: frozenset[str]) -> Least:
        match element:
            case ast.Group():
                return self.body(element.body, home, hidden)
            case ast.Repeat():
                return self._rounds(element.body, _integer(element.count), home, hidden)
            case ast.For():
                return self._rounds(element.body, _length(element.values), home, hidden)
            case ast.Call():
                return self._call(element, home, hidden)
        return Least()

    def _rounds(self, body: ast.Body, rounds: int, home: Module, hidden: frozenset[str]) -> Least:
        least = self.body(body, home, hidden)
        return Least().also(least._replace(steps=least.steps + 1), rounds)

    def _call(self, call: ast.Call, home: Module, hidden: frozenset[str]) -> Least:
        inside = Least()
        if call.body is not None:
            inside = self.body(call.body, home, hidden)
        definition = home.definitions.get(call.name)
        if call.name in hidden:
            return Least()
        if call.condition is not None:
            return inside  # whether the input is added is not known
        if call.name == "residual" or (call.name in LAYERS and definition is None):
            return inside.also(Least(1))
        if isinstance(definition, ast.Definition) and not definition.is_net:
            return self.block(definition, home.homes[call.name])
        return Least()


def _integer(expr: ast.Expr) -> int:
    """An integer of the text; 0 if it is negative or computed."""
    if isinstance(expr, ast.Literal) and isinstance(expr.value, int):
        return max(0, expr.value)
    return 0


def _length(values: ast.Expr) -> int:
    """The length of a list such as `[a, b]` or `range(9)`; 0 if the text does not show it."""
    if isinstance(values, ast.Sequence):
        return len(values.items)
    if isinstance(values, ast.Function) and values.name == "range" and len(values.arguments) == 1:
        return _integer(values.arguments[0].value)
    return 0


# ---- names


def given(body: ast.Body) -> frozenset[str]:
    """The names to which a body gives values.

    They are the names of `let`s and the variables of loops, including those in nested bodies.
    """
    names: set[str] = set()
    waiting = [body]
    while waiting:
        inner = waiting.pop()
        waiting += inner.arms
        for statement in inner.statements:
            if isinstance(statement, ast.Let):
                names.add(statement.name)
            elif isinstance(statement, ast.Aux):
                waiting.append(statement.body)
            for element in _elements(statement):
                names.update(_variables(element))
                waiting += _bodies(element)
    return frozenset(names)


def _elements(statement: ast.Statement) -> tuple[ast.Element, ...]:
    """The elements of a statement's chain, if it has one."""
    chain = statement.chain if isinstance(statement, ast.Output) else statement
    return chain.elements if isinstance(chain, ast.Chain) else ()


def _variables(element: ast.Element) -> tuple[str, ...]:
    if not isinstance(element, ast.For | ast.Repeat):
        return ()
    carried = tuple(start.name for start in element.carried)
    if isinstance(element, ast.For):
        return (*element.targets, *carried)
    return (*carried, element.variable) if element.variable else carried


def _bodies(element: ast.Element) -> list[ast.Body]:
    bodies: tuple[ast.Body | None, ...] = ()
    if isinstance(element, ast.If):
        bodies = (element.then, element.otherwise)
    elif isinstance(element, ast.Call | ast.Group | ast.Repeat | ast.For):
        bodies = (element.body,)
    return [body for body in bodies if body is not None]
