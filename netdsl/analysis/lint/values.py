"""Warnings about values that a layer takes, or numbers that it is given, by mistake."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.ir.op import WINDOWED
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node

DOUBLED = ("add", "concat", "max")  # `mul` with the value itself is a square, and `sub` is 0
LEAST_SCALE = 4  # of boxes, which is certainly meant the other way round
MORE_CHANNELS = 2  # channels of a map, as a multiple of its height, that came last in the text
_REFERENCES = re.compile(r"\w+\((?P<references>\s*@[\w.]+\s*(?:,\s*@[\w.]+\s*)*)\)")
_PART_OF_INPUT = re.compile(r"\bin\.channels\s*//?\s*\w+")
_PRODUCT = re.compile(r"\b\w+\s*\*\s*in\.channels\b|\bin\.channels\s*\*\s*\w+")


def value_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about the values and numbers that layers are given, each for one layer."""
    yield from _smaller_tables(graph)
    for node in graph.nodes:
        if node.op.kind in DOUBLED:
            yield from _joined_twice(node)
        elif node.op.family == "regularisation":
            yield from _all_dropped(node)
        elif node.op.kind == "reshape":
            yield from _reshape(node, graph)
        elif node.op.given.get("scale", 0) is not None and node.op.family == "regions":
            yield from _large_scale(node)
        elif node.output.site.caller is None and "in.channels" in node.span.text:
            yield from _input_channels(node, graph)


def _warning(code: str, message: str, node: Node, help: str) -> Diagnostic:
    return Diagnostic(code, message, node.span, "warning", help=help)


def _smaller_tables(graph: Graph) -> Iterator[Diagnostic]:
    """Two `embedding`s of the same integers, of which one has fewer rows than the integers need."""
    largest: dict[int, Node] = {}
    tables = [node for node in graph.nodes if node.op.kind == "embedding"]
    for node in tables:
        other = largest.setdefault(id(node.inputs[0]), node)
        if node.op.given["n"] > other.op.given["n"]:
            largest[id(node.inputs[0])] = node
    for node in tables:
        rows, other = node.op.given["n"], largest[id(node.inputs[0])]
        if rows < other.op.given["n"] and node.types[0].span is None:
            yield _warning(
                "small-table",
                f"this `embedding` has {rows:,} vectors, but the same integers choose from"
                f" {other.op.given['n']:,} in another one",
                node,
                f"for the positions, write `positions -> {node.span.text}`; other integers come"
                " from an input of their own",
            )


def _joined_twice(node: Node) -> Iterator[Diagnostic]:
    """`add(@a, @b)` right after `b`: the current value is one of those that it names."""
    written = _REFERENCES.fullmatch(node.span.text)
    if written is None:
        return
    names = [name.strip() for name in written["references"].split(",")]
    if len(names) != len(node.inputs) - 1:
        return
    kind, current = node.op.kind, node.inputs[0]
    same = [name for x, name in zip(node.inputs[1:], names, strict=True) if x is current]
    if not same:
        return
    others = [name for name in names if name != same[0]]
    help_ = f"write `{kind}({', '.join(others)})`, or all values in a list: `{kind}([{{}}])`"
    help_ = help_.format(", ".join(names))
    message = f"`{same[0]}` is the current value too, so `{kind}` takes it twice"
    if not others:
        help_ = "refer to an earlier value, which has a label of its own"
    yield _warning("joined-twice", message, node, help_)


def _all_dropped(node: Node) -> Iterator[Diagnostic]:
    """`dropout(1)`."""
    if node.op.given.get("p") == 1:
        kind = node.op.kind
        message = f"this `{kind}` sets every value to 0 in training"
        help_ = f"its number is the share that is dropped: write `{kind}(0.1)` for a tenth"
        yield _warning("all-dropped", message, node, help_)


def _reshape(node: Node, graph: Graph) -> Iterator[Diagnostic]:
    """A batch as the first size, or the channels as the last."""
    shape, given = node.type.shape, node.op.given["shape"]
    if len(shape) > 1 and given[:1] == (-1,) and shape[0] == 1:
        written = "flatten"
        if len(shape) > 2:
            written = f"reshape({shape_text(shape[1:])})"
        message = f"-1 is 1 here: the result is {shape_text(shape)}, which has an extra axis"
        help_ = f"sizes have no batch: write `{written}`"
        yield _warning("batch-in-reshape", message, node, help_)
    if len(shape) != 3 or len(node.inputs[0].type.shape) != 1:
        return
    channels, height, width = shape
    if channels != height or not isinstance(channels, int) or not isinstance(width, int):
        return
    users = graph.uses().get(id(node.output), [])
    if width >= MORE_CHANNELS * channels > 2 and any(n.op.family in WINDOWED for n in users):
        message = f"channels come first: this is {channels} channels of {height}x{width}"
        help_ = f"for {width} channels, write `{width}x{channels}x{height}`"
        yield _warning("channels-last", message, node, help_)


def _large_scale(node: Node) -> Iterator[Diagnostic]:
    """`roi_align(7, 16, @boxes)` after four strides of 2."""
    scale = node.op.given["scale"]
    if scale >= LEAST_SCALE:
        message = f"boxes are multiplied by the `scale`, which makes them {scale:g} times as large"
        help_ = f"for a map that is {scale:g} times as small as the picture, write `1 / {scale:g}`"
        yield _warning("large-scale", message, node, help_)


def _input_channels(node: Node, graph: Graph) -> Iterator[Diagnostic]:
    """`conv(in.channels // 2, 1)` in the body of a net, where `in` is the input of the net.

    A product may be meant for the last layer, as in super-resolution, but not before an activation.
    """
    after = {user.op.family for user in graph.uses().get(id(node.output), [])}
    part = _PART_OF_INPUT.search(node.span.text)
    if part is None and after & {"activation", "normalisation"}:
        part = _PRODUCT.search(node.span.text)
    own, first = node.inputs[0].type.shape, graph.inputs[0].type.shape
    if part is None or not own or not first or own[0] == first[0]:
        return
    message = (
        f"`in` is the input of the net, which has {first[0]} channels; this value has {own[0]}"
    )
    written = part[0].replace("in.", "@.")
    help_ = f"for the channels of the current value, write `{written}`"
    yield _warning("input-channels", message, node, help_)
