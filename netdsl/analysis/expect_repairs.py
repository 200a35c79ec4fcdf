"""An argument of one layer that gives a label the sizes that an `expect` line expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.elaborate.join_ways import line, retyped, way
from netdsl.ir.op import WINDOWED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Node, Value

MOST_TRIED = 40  # layers


def other_argument(value: Value, wanted: tuple[object, ...]) -> str | None:
    """The end of advice about sizes: the one argument with which they are the wanted ones.

    None if there is no such argument, or if several layers could have one.
    """
    found: list[str] = []
    places = {node.span: node for node in way(value)[:MOST_TRIED]}
    for span, node in places.items():
        for name, number in _arguments(node):
            types = retyped([value], {span: {name: number}})
            if types is not None and types[0].shape == wanted:
                found.append(f"`{name} = {number}` in the `{node.op.kind}` in line {line(span)}")
                break
    if len(found) != 1:
        return None
    return f"with {found[0]}, it is {'x'.join(map(str, wanted))}"


def _arguments(node: Node) -> Iterator[tuple[str, int]]:
    """Arguments that are not written in the call of a window, and that change its size."""
    given, kernel = node.op.given, node.op.given.get("k")
    if node.op.family not in WINDOWED or not isinstance(kernel, int):
        return
    pads = range(1, kernel // 2 + 1)
    if node.op.family == "pooling" and kernel % 2 == 0:
        pads = range(0)  # `maxpool(2)` halves a map, and nobody pads it
    numbers = {"pad": pads, "stride": range(2, 3)}
    if node.op.kind == "deconv":
        numbers = {**numbers, "output_pad": range(1, 2)}
    for name, tried in numbers.items():
        is_default = given.get(name) == (name == "stride")
        if is_default and not re.search(rf"\b{name}\s*=", node.span.text):
            yield from ((name, number) for number in tried)
