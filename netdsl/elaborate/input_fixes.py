"""Fixes of the declarations of inputs: their element types, and sizes in another tool's order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.diagnostics import Diagnostic
    from netdsl.ir.graph import Value
    from netdsl.ir.types import Sym

COLOURS = (1, 3, 4)  # the channels of pictures: grey, RGB, RGB and transparency
SMALLEST_PICTURE = 8  # pixels
_DECLARATION = re.compile(r"input\s+\w+\s*:\s*(?P<sizes>\w+)(?P<dtype>\s+[a-z]\w*)?")


def is_picture(shape: tuple[int | Sym, ...]) -> bool:
    """Whether sizes look like those of a picture, C x H x W."""
    if len(shape) != 3 or shape[0] not in COLOURS:
        return False
    _, height, width = shape
    if isinstance(height, int) and isinstance(width, int):
        return height == width >= SMALLEST_PICTURE
    return not isinstance(height, int) and not isinstance(width, int)


def with_dtype(declared: Value, dtype: str, use: Span) -> tuple[Edit, ...]:
    """The fix that gives an input of the net another element type; float32 is not written.

    There is none if the text refers to the input in other places than before or in the layer that
    needs this type: its `use`.
    """
    match, file = _declaration(declared), declared.site.span.file
    references = [found.start() for found in re.finditer(rf"@{declared.name}\b", file.text)]
    is_later = use.file is file and any(use.end <= place for place in references)
    if match is None or len(references) > 1 or is_later:
        return ()
    text = "" if dtype == "float32" else f" {dtype}"
    return (Edit(_place(declared, match.end("sizes"), match.end()), text),)


def with_channels_first(declared: Value) -> tuple[Edit, ...]:
    """The fix for an input such as `224x224x3`."""
    shape = declared.type.shape
    if len(shape) != 3 or shape[0] in COLOURS or not is_picture((shape[2], *shape[:2])):
        return ()
    return _resized(declared, lambda sizes: [sizes[2], *sizes[:2]])


def without_batch(declared: Value) -> tuple[Edit, ...]:
    """The fix for an input such as `1x3x224x224`."""
    shape = declared.type.shape
    if shape[:1] != (1,) or not is_picture(shape[1:]):
        return ()
    return without_first(declared)


def without_first(declared: Value) -> tuple[Edit, ...]:
    """The fix that leaves the first size of an input out."""
    return _resized(declared, lambda sizes: sizes[1:])


def _resized(declared: Value, change: Callable[[list[str]], list[str]]) -> tuple[Edit, ...]:
    match = _declaration(declared)
    sizes = [] if match is None else match["sizes"].split("x")
    if match is None or len(sizes) != len(declared.type.shape):
        return ()
    place = _place(declared, match.start("sizes"), match.end("sizes"))
    return (Edit(place, "x".join(change(sizes))),)


def _declaration(declared: Value) -> re.Match[str] | None:
    return _DECLARATION.fullmatch(declared.site.span.text)


def _place(declared: Value, start: int, end: int) -> Span:
    whole = declared.site.span
    return Span(whole.file, whole.start + start, whole.start + end)


def sizes_in_a_name(diagnostic: Diagnostic, xs: tuple[Value, ...]) -> None:
    """Advice for `input boxes: max_boxesx4`, which is one size and not two."""
    for x in xs:
        name = str(x.type.shape[0]) if len(x.type.shape) == 1 else ""
        if x.producer is None and (sizes := re.fullmatch(r"[a-z]\w*((?:x\d+)+)", name)):
            diagnostic.span = x.site.span
            diagnostic.message = f"`{name}` is one size of an input, and not several"
            diagnostic.help = (
                "the name of a size is in capital letters, and has no `x`: write"
                f" `R{sizes[1]}`, for example"
            )


def without_first_of_volume(diagnostic: Diagnostic, declared: Value, x: Value) -> None:
    """Advice for an input such as `16x3x64x64`, whose colours became the depth of a volume."""
    shape = declared.type.shape
    if len(x.type.shape) != len(shape) or not is_picture(shape[1:]):
        return
    diagnostic.help = (
        f"input `{declared.name}`, {declared.type}, is a volume with a depth of {shape[1]}; inputs"
        f" have no batch: write `input {declared.name}: {shape_text(shape[1:])}`"
    )
    diagnostic.fix = without_first(declared)


def batch_size(span: Span) -> NetdslError:
    """The error of `N` in the sizes of an input."""
    return NetdslError(
        "reserved-name",
        "`N` is the batch size, which an `input` does not include",
        span,
        help="leave it out, or choose another letter for a size",
        fix=_without_n(span),
    )


def _without_n(span: Span) -> tuple[Edit, ...]:
    """The fix for `Nx3x224x224`: only a batch can be before three sizes, or before numbers."""
    sizes = span.text.split("x")
    is_batch = len(sizes) == 4 or "".join(sizes[1:]).isdigit()
    if sizes[0] != "N" or "N" in sizes[1:] or not is_batch:
        return ()
    return (Edit(span, "x".join(sizes[1:])),)
