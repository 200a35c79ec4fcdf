"""`expect values(label) == [[...]]`: what such a line states, for `verify` to evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text, subs
from netdsl.ops.args import show
from netdsl.ops.init import is_random
from netdsl.syntax import ast
from netdsl.words import numbers_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.analysis.expect import Facts
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.op import Param
    from netdsl.source import Span

VALUES = "values"  # the figure of a label
_FORM = "write `expect values(label) == [[1, 2], [3, 4]]`, with a line for each label"


class ValuesClaim(NamedTuple):
    """The values that a line states: those of `value`, of the given shape, row by row."""

    statement: ast.Expect
    value: Value
    shape: tuple[int, ...]
    numbers: tuple[float, ...]


def asks_values(expectation: Expectation) -> bool:
    """Whether a line is about the values of a label, unless the text defines the name itself."""
    parts = expectation.statement.condition.walk()
    return any(isinstance(p, ast.Function) and p.name == VALUES for p in parts)


def values_claim(expectation: Expectation, facts: Facts) -> ValuesClaim:
    """What a line about values states; raises `NetdslError` if it cannot be evaluated."""
    statement = expectation.statement
    asked, listed = _sides(statement)
    if statement.at is not None:
        message = "`at` gives other sizes, but the values are those of the example of the input"
        raise NetdslError("not-a-value", message, statement.at.span, help="leave `at` out")
    value = facts.value_of(asked, expectation)
    found = facts.value(listed, expectation.env)
    _check_known(facts.graph, value, asked)
    sizes = _sizes(facts.graph)
    shape = tuple(_number(subs(size, sizes)) for size in value.type.shape)
    if found is UNKNOWN:
        raise NetdslError("not-a-value", "the numbers are not known", listed.span)
    return ValuesClaim(statement, value, shape, _flat(found, shape, asked, listed.span))


def _sides(statement: ast.Expect) -> tuple[ast.Function, ast.Expr]:
    """The call of `values` and the list that it is compared with; raises `NetdslError`."""
    condition = statement.condition
    if isinstance(condition, ast.Operation) and len(condition.rest) == 1:
        ((operator, right),) = condition.rest
        sides = [(condition.first, right), (right, condition.first)]
        for asked, listed in sides:
            if isinstance(asked, ast.Function) and asked.name == VALUES and operator == "==":
                inner = [p for p in listed.walk() if isinstance(p, ast.Function)]
                if len(asked.arguments) == 1 and not any(p.name == VALUES for p in inner):
                    return asked, listed
    message = "`values(label)` can only be compared with a list of its numbers"
    raise NetdslError("not-a-value", message, condition.span, help=_FORM)


def _check_known(graph: Graph, value: Value, asked: ast.Function) -> None:
    """Raise `NetdslError` if the text does not determine the values."""
    text = asked.span.text
    missing = next((v for v in graph.inputs if v.name not in graph.examples), None)
    if missing is not None:
        sizes = shape_text(missing.type.shape)
        raise NetdslError(
            "unknown-values",
            f"`{text}` is not determined: the input `{missing.name}` has no example",
            asked.span,
            help=f"write numbers after its sizes: `input {missing.name}: {sizes} = [[...]]`",
        )
    for node in nodes_before(value):
        if node.aux is not None:
            message = f"`{text}` is not determined: auxiliary heads exist only in training"
            raise NetdslError("unknown-values", message, asked.span)
        name = random_weight(graph, node)
        if name is not None:
            raise NetdslError(
                "unknown-values",
                f"`{text}` is not determined: `{name}` of `{node.name}` ({node.op.kind}) is random",
                asked.span,
                help=f"give its numbers in the text, `{name} = [...]`{_without(node, name)}",
            )


def _without(node: Node, name: str) -> str:
    return ", or leave it out, `bias = false`" if name == "bias" and "bias" in node.op.given else ""


def nodes_before(value: Value) -> list[Node]:
    """The layers from which a value is computed, with its own, in the order of the graph."""
    found: dict[int, Node] = {}
    waiting = [value]
    while waiting:
        node = waiting.pop().producer
        if node is not None and id(node) not in found:
            found[id(node)] = node
            waiting += node.inputs
    return list(reversed(found.values()))


def random_weight(graph: Graph, node: Node) -> str | None:
    """The first learned tensor of a layer that starts with random numbers, or None.

    A tensor that belongs to another layer starts as it does there.
    """
    owners = {n.module: n for n in reversed(graph.nodes)}
    for key, param in owners.get(node.module, node).params().items():
        if is_random(_owned(param, owners)):
            return key or node.label
    return None


def _owned(param: Param, owners: Mapping[str, Node]) -> Param:
    """The tensor of an earlier layer that a tensor is tied to, or else the tensor itself."""
    if not param.tied:
        return param
    owner, _, name = param.tied.rpartition(".")
    other = owners.get(owner) or owners.get(param.tied)
    own = other.params() if other is not None else {}
    return own.get(name) or own.get("") or param


def _sizes(graph: Graph) -> dict[str, int]:
    """The open sizes, as the examples have them."""
    sizes: dict[str, int] = {}
    for value in graph.inputs:
        shape = graph.examples[value.name].shape
        sizes |= {str(d): n for d, n in zip(value.type.shape, shape, strict=True)}
    return sizes


def _number(size: object) -> int:
    assert isinstance(size, int)
    return size


def _flat(
    found: object, shape: tuple[int, ...], asked: ast.Function, span: Span
) -> tuple[float, ...]:
    """The listed numbers row by row; raises `NetdslError` if they do not have the shape."""
    wanted = shape
    depth = _depth(found)
    while len(wanted) > depth and wanted[0] == 1:
        wanted = wanted[1:]
    numbers = list(_rows(found, wanted))
    if not shape and isinstance(found, tuple):
        message = f"`{asked.span.text}` is 1 number, and not a list"
        raise NetdslError("shape-mismatch", message, span, help="leave out the brackets")
    if None in numbers:
        raise NetdslError(
            "shape-mismatch",
            f"`{asked.span.text}` has {numbers_in(shape_text(shape))}, but {_found(found)}",
            span,
            help=f"nest the lists as {shape_text(shape)}; leading sizes of 1 can be left out",
        )
    wrong = next((n for n in numbers if isinstance(n, bool) or not isinstance(n, int | float)), 0)
    if wrong != 0:
        raise NetdslError("wrong-type", f"{show(wrong)} is not a number", span)
    return tuple(float(n) for n in numbers if isinstance(n, int | float))


def _found(found: object) -> str:
    """What was written in place of nested lists of the right shape."""
    if not isinstance(found, tuple):
        return f"{show(found)} is not a list"
    shape = _regular(found)
    if shape is None:
        return "the rows of the list have different lengths"
    return f"the list has {shape_text(shape)}"


def _regular(found: object) -> tuple[int, ...] | None:
    """The shape of nested lists, or None if their lengths differ."""
    if not isinstance(found, tuple) or not found:
        return (0,) * isinstance(found, tuple)
    inner = {_regular(item) for item in found}
    shape = inner.pop()
    return None if inner or shape is None else (len(found), *shape)


def _depth(found: object) -> int:
    depth = 0
    while isinstance(found, tuple) and found:
        depth, found = depth + 1, found[0]
    return depth


def _rows(found: object, shape: tuple[int, ...]) -> Iterator[object]:
    """The elements of nested lists row by row, and None where a list has another length."""
    if not shape:
        yield None if isinstance(found, tuple) else found
    elif not isinstance(found, tuple) or len(found) != shape[0]:
        yield None
    else:
        for item in found:
            yield from _rows(item, shape[1:])
