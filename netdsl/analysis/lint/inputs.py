"""Warnings about inputs whose axes seem to be in another tool's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.ir.op import WINDOWED
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.types import Sym

COLOURS = (1, 3, 4)  # the channels of pictures: grey, RGB, RGB and transparency
PICTURES = ("image", "img", "picture", "photo", "pixels")  # names of inputs
SMALLEST_PICTURE = 8  # pixels
LONG, NARROW = 32, 16  # the fewest steps, and the most sensors, of a recording with steps first
IMAGE_FAMILIES = ("convolution", "pooling", "normalisation")


def input_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about the inputs of a net."""
    uses = graph.uses()
    for value in graph.inputs:
        users = uses.get(id(value), [])
        is_image = any(node.op.family in IMAGE_FAMILIES for node in users)
        kinds = {node.op.kind for node in users}
        if is_image:
            yield from _channels_last(value)
            yield from _without_channels(value)
        if users and all(_slides(node) for node in users):
            yield from _steps_first(value)
        if is_image or "flatten" in kinds:
            yield from _batch_of_pictures(value)
        if "dense" in kinds:
            yield from _batch_of_vectors(value, graph)


def _channels_last(value: Value) -> Iterator[Diagnostic]:
    """`224x224x3`, where netdsl puts channels first."""
    shape = value.type.shape
    if len(shape) != 3 or shape[2] not in COLOURS or not _is_picture(shape[0], shape[1]):
        return
    # Sequences of vectors can have a third size of 1.
    if shape[2] != 1 or shape[0] == shape[1] or not isinstance(shape[0], int):
        yield _warning(
            "channels-last",
            value,
            f"input `{value.name}` has {shape[0]} channels of {shape[1]} x {shape[2]}, but looks"
            " like height x width x channels",
            f"write the channels first: {shape_text((shape[2], shape[0], shape[1]))}",
        )


def _without_channels(value: Value) -> Iterator[Diagnostic]:
    """`input image: 224x224`, which would be a sequence of 224 channels."""
    shape = value.type.shape
    if len(shape) == 2 and _is_picture(*shape) and value.name.lower() in PICTURES:
        yield _warning(
            "missing-channels",
            value,
            f"input `{value.name}` has two sizes, so it is {shape[0]} channels of a length of"
            f" {shape[1]}",
            f"write the channels of a picture first: {shape_text((1, *shape))} if it is grey,"
            f" {shape_text((3, *shape))} if it has colours",
        )


def _slides(node: Node) -> bool:
    """Whether a layer has a window along its axes, of more than one step."""
    return node.op.family in WINDOWED and node.op.given.get("k") not in (1, (1,))


def _steps_first(value: Value) -> Iterator[Diagnostic]:
    """`500x6` for 500 steps of 6 sensors, where netdsl puts the channels of a window first."""
    shape = value.type.shape
    if len(shape) != 2 or not all(isinstance(size, int) for size in shape):
        return
    steps, width = (int(str(size)) for size in shape)
    if steps >= LONG and width < NARROW and steps >= 8 * width:
        yield _warning(
            "channels-last",
            value,
            f"input `{value.name}` has {steps} channels of a length of {width}, but looks like"
            f" {steps} steps of {width} numbers",
            f"write the channels first: {width}x{steps}; for a sequence with its steps first,"
            " write `permute([2, 1])` before the layers",
        )


def _batch_of_pictures(value: Value) -> Iterator[Diagnostic]:
    """`1x3x224x224`, which would be a volume of 1 channel with a depth of 3."""
    shape = value.type.shape
    if len(shape) != 4:
        return
    if shape[1] in COLOURS and _is_picture(shape[2], shape[3]):
        picture = shape[1:]
    elif shape[3] in COLOURS and _is_picture(shape[1], shape[2]):
        picture = (shape[3], shape[1], shape[2])
    else:
        return
    yield _warning(
        "batch-in-input",
        value,
        f"input `{value.name}` has four sizes, and the first looks like a batch; inputs have none,"
        " so this is a volume",
        f"leave the batch out: {shape_text(picture)}",
    )


def _batch_of_vectors(value: Value, graph: Graph) -> Iterator[Diagnostic]:
    """`1x784` before `dense`, which would be a sequence of one vector up to the outputs."""
    shapes = [value.type.shape, *(output.value.type.shape for output in graph.outputs)]
    if all(len(shape) == 2 and shape[0] == 1 for shape in shapes):
        shape = shapes[0]
        yield _warning(
            "batch-in-input",
            value,
            f"input `{value.name}` is a sequence of one vector; its first size looks like a batch",
            f"leave the batch out: {shape_text(shape[1:])}",
        )


def _is_picture(height: int | Sym, width: int | Sym) -> bool:
    """Whether two sizes look like those of a picture: equal and large, or open."""
    if isinstance(height, int) and isinstance(width, int):
        return height == width >= SMALLEST_PICTURE or min(height, width) >= 4 * SMALLEST_PICTURE
    return not isinstance(height, int) and not isinstance(width, int)


def _warning(code: str, value: Value, message: str, help: str) -> Diagnostic:
    return Diagnostic(code, message, value.site.span, "warning", help=help)
