"""The figures of a net by name, for given sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.expect import Facts
from netdsl.api_arguments import size_of
from netdsl.api_parts import Memory
from netdsl.driver import compile_net
from netdsl.elaborate.evaluate import Env
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, subs
from netdsl.source import SourceFile
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netdsl.driver import Compiled


def resized(compiled: Compiled, sizes: Mapping[str, object]) -> Compiled:
    """The net with numbers for all of its open sizes.

    Raises `TypeError` and `ValueError` for wrong sizes, and `NetdslError` if the net is not valid
    for them.
    """
    graph = compiled.graph
    numbers = {name: size_of(name, size) for name, size in sizes.items()}
    has = f"`{graph.name}` has no open sizes"
    if graph.symbols:
        has = f"the open sizes of `{graph.name}` are {_listed(graph.symbols)}"
    unknown = [name for name in numbers if name not in graph.symbols]
    if unknown:
        raise ValueError(f"{has}: there is no {_listed(unknown)}")
    missing = [name for name in graph.symbols if name not in numbers]
    if missing:
        raise ValueError(f"{has}: give {_listed(missing)} too")
    shapes = {v.name: tuple(int(subs(d, numbers)) for d in v.type.shape) for v in graph.inputs}
    return compile_net(compiled.program, graph.name, shapes)


def value_of(compiled: Compiled, expression: str) -> object:
    """The value of an expression with figures and labels.

    Raises `ValueError` if it has none, or if it depends on open sizes.
    """
    value: object
    if expression == "memory":
        value = memory_of(compiled)
    else:
        value = _evaluated(compiled, expression)
    symbols = sorted(_symbols(value))
    if symbols:
        raise _without_sizes(expression, symbols)
    return value


def _without_sizes(expression: str, symbols: list[str]) -> ValueError:
    """The error of a figure that depends on open sizes."""
    sizes = ", ".join(f"{symbol}=224" for symbol in symbols)
    return ValueError(
        f"`{expression}` depends on {_listed(symbols)}: give the sizes, as in"
        f' figure("{expression}", {sizes})'
    )


def memory_of(compiled: Compiled) -> Memory:
    """The bytes that the net needs."""
    totals = compiled.costs.totals()
    return Memory(4 * totals.params, totals.activation_bytes, totals.peak_bytes)


def _evaluated(compiled: Compiled, expression: str) -> object:
    env = Env(compiled.env)
    env.values.update(compiled.graph.arguments)
    facts = Facts(compiled.graph, compiled.costs, compiled.labels, ("memory",))
    try:
        return facts.value(parse_expression(SourceFile("figure", expression)), env)
    except NetdslError as error:
        if error.code == "open-size":
            raise _without_sizes(expression, sorted(compiled.graph.symbols)) from None
        advice = f"; {error.help}" if error.help else ""
        raise ValueError(f"figure({expression!r}): {error.message}{advice}") from None


def _symbols(value: object) -> set[str]:
    """The open sizes on which a value depends."""
    if isinstance(value, Sym):
        return value.symbols()
    if isinstance(value, tuple):
        return set().union(*map(_symbols, value))
    return set()


def _listed(names: Iterable[str]) -> str:
    """Names as words: `H`, `H and W`, `H, W and T`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def check_shapes(compiled: Compiled, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `NetdslError` if the net has open sizes and is not valid for inputs of these shapes."""
    if compiled.graph.symbols:
        compile_net(compiled.program, compiled.graph.name, shapes)
