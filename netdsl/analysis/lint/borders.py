"""Warnings about windows and padding that do not suit the size of their map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.elaborate.notes import call_notes
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node

PATCH = 4  # the least width of a patch; smaller ones are used for downsampling, at any size
CROPS = ("crop", "slice")  # layers that take what a causal convolution has too much

_PADDED = re.compile(r"conv\((?P<out>[^,()]+), \w+, pad = \w+\)")


def border_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about the ends of the maps that the layers of a net see."""
    uses = graph.uses()
    for node in graph.nodes:
        if node.op.kind == "avgpool":
            yield from _partial_average(node)
        elif node.op.family == "convolution" and node.op.kind != "deconv":
            yield from _partial_patches(node)
            yield from _padding_only(node)
            if not any(user.op.kind in CROPS for user in uses.get(id(node.output), [])):
                yield from _growing_map(node)


def _partial_average(node: Node) -> Iterator[Diagnostic]:
    """`avgpool(7)` of a map of 8x8, of which it averages only a part."""
    sizes, windows = node.types[0].spatial, node.op.windows(*node.types)
    if set(node.type.spatial) != {1} or any(window.pad for window in windows):
        return
    seen = [window.extent for window in windows]
    if any(isinstance(size, int) and n < size for n, size in zip(seen, sizes, strict=True)):
        kernel = node.op.window_text(*node.types).partition("/")[0]
        message = (
            f"this `avgpool` has a single {kernel} window, which covers only part of the"
            f" {shape_text(sizes)} input"
        )
        yield _warning("unread-border", message, node, "`gap` takes the mean of the whole map")


def _partial_patches(node: Node) -> Iterator[Diagnostic]:
    """`conv(64, 7, stride = 7)` of a map of 32x32: four rows and columns are in no patch."""
    sizes = node.types[0].spatial
    for window, size in zip(node.op.windows(*node.types), sizes, strict=True):
        if window.extent != window.stride or window.extent < PATCH or window.pad:
            return
        if isinstance(size, int) and size % window.extent:
            message = (
                f"patches of {window.extent} leave out the last {size % window.extent} of {size}"
                " pixels"
            )
            help_ = f"choose a kernel that divides {size}, or an input size that {window.extent}"
            yield _warning("unread-border", message, node, f"{help_} divides")
            return


def _growing_map(node: Node) -> Iterator[Diagnostic]:
    """`conv(32, 3, pad = 2)`, which makes a map of 32x32 one of 34x34."""
    before, after = node.types[0].spatial, node.type.spatial
    for window, size, result in zip(node.op.windows(*node.types), before, after, strict=True):
        # Kernels of even size cannot keep a size; a padding beyond the kernel moves the picture.
        is_odd = window.extent > 1 and window.extent % 2 == 1
        if window.stride != 1 or not is_odd or window.pad >= window.extent:
            continue
        if isinstance(size, int) and isinstance(result, int) and result > size:
            message = (
                f"the padding of this `{node.op.kind}` makes the result larger than its input:"
                f" {shape_text(after)} from {shape_text(before)}"
            )
            help_ = f"`pad = {window.extent // 2}` keeps the size, and so does `pad = same`"
            yield _warning("growing-map", message, node, help_)
            return


def _padding_only(node: Node) -> Iterator[Diagnostic]:
    """`gap -> conv(64, 3, pad = 1)`: of the kernel of 3x3, only the middle sees a pixel."""
    if node.op.given.get("pad_mode", "zeros") != "zeros":
        return
    windows = node.op.windows(*node.types)
    is_padded = any(window.pad and window.extent > 1 for window in windows)
    if set(node.types[0].spatial) != {1} or not is_padded:
        return
    kernel = shape_text(tuple(window.extent for window in windows))
    message = (
        f"the input of this `{node.op.kind}` is {node.types[0]}, so its kernel of {kernel} sees"
        " one position, and padding around it"
    )
    help_ = "a kernel of 1, without padding, computes the same"
    written = _PADDED.fullmatch(node.span.text)
    if written is not None:
        help_ = f"`conv({written['out']}, 1)` computes the same"
    source = node.inputs[0].producer
    while source is not None and source.types and set(source.types[0].spatial) == {1}:
        source = source.inputs[0].producer
    if source is None:
        yield _warning("padding-only", message, node, help_)
        return
    if any(w.stride > w.extent > 1 for w in source.op.windows(*source.types)):
        return  # its own warning says what is wrong
    if source.op.is_global:
        line = source.span.first.line
        help_ += f"; to see the map, put this layer before the `{source.op.kind}` on line {line}"
    else:
        help_ += "; for a larger map, use fewer strides or a larger input"
    yield _warning("padding-only", message, node, help_)


def _warning(code: str, message: str, node: Node, help: str) -> Diagnostic:
    notes = call_notes(node.output.site)
    return Diagnostic(code, message, node.span, "warning", help=help, notes=notes)
