"""Other arguments of layers that give a label the sizes that an `expect` line expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.elaborate.join_repairs import changed_call
from netdsl.elaborate.join_ways import line, retyped, way
from netdsl.ir.op import WINDOWED
from netdsl.ir.types import shape_text
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.ir.graph import Node, Value
    from netdsl.source import Span

MOST_TRIED = 40  # layers
MOST_LISTED = 3  # that one message lists


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
                found.append(f"`{name} = {number}` in the `{node.op.kind}` on line {line(span)}")
                break
    if not found:
        found = _of_several(value, wanted, places) or _enlarged(value, wanted, places)
    if len(found) != 1:
        return None
    return f"with {found[0]}, it is {'x'.join(map(str, wanted))}"


def _of_several(value: Value, wanted: tuple[object, ...], places: Mapping[Span, Node]) -> list[str]:
    """The calls of all transposed convolutions, or all windows, with which the sizes are wanted.

    The first multiply a size by their stride, and the others keep it.
    """
    for rules in ((_multiplying,), (_keeping,), (_multiplying, _keeping)):
        changes = {}
        for span, node in places.items():
            change = next((c for rule in rules if (c := rule(node))), None)
            if change is not None:
                changes[span] = change
        types = retyped([value], changes)
        if len(changes) < 2 or types is None or types[0].shape != wanted:
            continue
        spans = sorted(changes, key=lambda span: span.start)
        calls = [
            f"`{changed_call(places[span], **{n: str(v) for n, v in changes[span].items()})}`"
            f" on line {line(span)}"
            for span in spans[:MOST_LISTED]
        ]
        return [listed(calls) + ", and so on" * (len(spans) > MOST_LISTED)]
    return []


def _enlarged(value: Value, wanted: tuple[object, ...], places: Mapping[Span, Node]) -> list[str]:
    """The `upsample` to an earlier size that a pooling layer rounded down, such as 7 to 3."""
    earlier = {node.inputs[0].type.spatial for node in places.values()}
    for span, node in places.items():
        scale = node.op.given.get("scale")
        if node.op.kind != "upsample" or not isinstance(scale, int):
            continue
        for size in earlier:
            rests = [most - n for most, n in zip(size, node.type.spatial, strict=False)]
            if not all(isinstance(n, int) and 0 < n < scale for n in rests):
                continue
            types = retyped([value], {span: {"scale": None, "size": size}})
            if types is not None and types[0].shape == wanted:
                return [f"`upsample(size = {shape_text(size)})` on line {line(span)}"]
    return []


def _multiplying(node: Node) -> dict[str, int]:
    """The arguments with which a `deconv` multiplies a size by its stride, 2 if it has none."""
    given, kernel = node.op.given, node.op.given.get("k")
    stride = given.get("stride")
    if node.op.kind != "deconv" or not isinstance(kernel, int) or not isinstance(stride, int):
        return {}
    stride = max(stride, 2)
    if kernel < stride or given["dilation"] != 1:
        return {}
    pad = (kernel - stride + 1) // 2
    wanted = {"stride": stride, "pad": pad, "output_pad": 2 * pad - (kernel - stride)}
    return {name: number for name, number in wanted.items() if given[name] != number}


def _keeping(node: Node) -> dict[str, int]:
    """The padding with which a window of stride 1 keeps the size."""
    given = node.op.given
    kernel, dilation = given.get("k"), given.get("dilation", 1)
    if node.op.family not in WINDOWED or node.op.kind == "deconv" or given.get("pad") != 0:
        return {}
    if not isinstance(kernel, int) or not isinstance(dilation, int):
        return {}
    if given.get("stride") != 1 or kernel % 2 == 0 or kernel == 1:
        return {}
    return {"pad": kernel // 2 * dilation}


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
