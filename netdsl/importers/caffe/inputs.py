"""The inputs of a net of Caffe, and their sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.importers.caffe.text import LOSSES, SOURCES
from netdsl.importers.described import fixed_help, sizes_text, wrong
from netdsl.source import printable
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.caffe.prototxt import ProtoMessage
    from netdsl.importers.caffe.text import CaffeText

    Shape = tuple[int, ...]

OLD_AXES = 4  # of an input of `input_dim`
COLOURS = 3  # channels of the pictures that a layer crops, unless `--input` says otherwise


def input_shapes(
    message: ProtoMessage, layers: list[CaffeText], given: Mapping[str, Shape]
) -> dict[str, Shape]:
    """The shapes of the inputs that layers take, without the batch; raises `NetdslError`.

    Labels and other values that only losses take are no inputs.
    """
    taken = {b for layer in layers if layer.kind not in LOSSES for b in layer.bottoms}
    found = {k: v for k, v in _described(message, layers).items() if k in taken}
    if not found:
        raise wrong("no layer takes an input of the net", message.span)
    unknown = [name for name in given if name and name not in found]
    if unknown:
        known = listed([f"`{name}`" for name in found])
        raise NetdslError(
            "unknown-input", f"the net has no input `{unknown[0]}`", help=f"it has {known}"
        )
    shapes: dict[str, Shape] = {}
    for i, (name, (shape, where)) in enumerate(found.items()):
        wanted = given.get(name) or (given.get("") if i == 0 else None)
        if wanted is None and shape is None:
            shown = printable(name)
            raise NetdslError(
                "open-size",
                f"the file does not have the sizes of `{shown}`",
                where.span,
                help=f"give them without the batch, such as `--input {shown}=3x224x224`",
            )
        if wanted is not None and shape is not None and len(wanted) != len(shape):
            raise NetdslError(
                "shape-mismatch",
                f"`{printable(name)}` has the sizes {sizes_text(shape)},"
                f" --input has {sizes_text(wanted)}",
                where.span,
                help=fixed_help(shape, wanted),
            )
        shapes[name] = wanted or shape or ()
    return shapes


def _described(
    message: ProtoMessage, layers: list[CaffeText]
) -> dict[str, tuple[Shape | None, ProtoMessage]]:
    """The shape of each input, or None if the file does not have it, and where it is."""
    found: dict[str, tuple[Shape | None, ProtoMessage]] = {}
    names, dims = message.texts("input"), message.integers("input_dim", 1)
    shapes = [m.integers("dim", 1) for m in message.messages("input_shape")]
    if names and dims:
        shapes = [dims[i : i + OLD_AXES] for i in range(0, len(dims), OLD_AXES)]
    if shapes and len(shapes) != len(names):
        text = f"{len(shapes)} shapes are given for {len(names)} inputs"
        raise wrong(text, message.at("input"))
    for i, name in enumerate(names):
        found[name] = (tuple(shapes[i][1:]) if shapes else None), message
    for layer in layers:
        if layer.kind in SOURCES:
            for i, top in enumerate(layer.tops):
                found[top] = _made(layer, i), layer.message
    return found


def _made(layer: CaffeText, index: int) -> Shape | None:
    """The shape of a value that a layer for data makes, without the batch."""
    message = layer.message
    for name in ("input_param", "dummy_data_param"):
        param = message.message(name)
        shapes = [m.integers("dim", 1) for m in param.messages("shape")]
        if shapes:
            return tuple(shapes[index if index < len(shapes) else 0][1:])
    memory = message.message("memory_data_param")
    if memory.fields and index == 0:
        return tuple(memory.integer(key, 1, 1) for key in ("channels", "height", "width"))
    if layer.kind in ("Data", "ImageData", "WindowData") and index == 0:
        own = {"Data": "data_param", "WindowData": "window_data_param"}
        places = (message.message("transform_param"), message.message(own.get(layer.kind, "")))
        sizes = [place.integer("crop_size", 0) for place in places]
        if any(sizes):
            return COLOURS, max(sizes), max(sizes)
    return None
