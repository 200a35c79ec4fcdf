"""The sizes that a model leaves open: their names, and errors about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.importers.described import sizes_text
from netdsl.source import printable
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.onnx.reader import OnnxModel

PICTURE = 3  # axes of a sample


def symbols_of(inputs: Mapping[str, tuple[int | str, ...]]) -> dict[str, str]:
    """The open sizes, by their names in the model, with names of the language."""
    names: dict[str, str] = {}
    for sizes in inputs.values():
        for axis, size in enumerate(sizes):
            if axis > 0 and isinstance(size, str) and size not in names:
                names[size] = _capital(size, set(names.values()))
    return names


def _capital(name: str, used: set[str]) -> str:
    """A name in capital letters without an X, such as H for `height`."""
    letters = re.sub(r"[^A-Za-z]", "", name).upper().replace("X", "")
    for word in (letters if len(letters) <= 2 else letters[:1], letters[:3], "S"):
        if word and word not in used:
            return word
    number = 1
    while f"S{number}" in used:
        number += 1
    return f"S{number}"


def open_sizes(inputs: Mapping[str, tuple[int | str, ...]]) -> NetdslError:
    """The error of a model whose net depends on sizes that it leaves open."""
    names = [n for n, v in inputs.items() if any(isinstance(s, str) for s in v[1:])]
    sizes = [s for n in names for s in inputs[n][1:] if isinstance(s, str)]
    return NetdslError(
        "open-size",
        f"the net depends on the sizes {listed(list(dict.fromkeys(sizes)))} of"
        f" {listed([f'`{n}`' for n in names])}, which the model leaves open",
        help=f"give its sizes without the batch, such as `--input {_example(names[0], inputs)}`",
    )


def _example(name: str, inputs: Mapping[str, tuple[int | str, ...]]) -> str:
    """An input with numbers for its open sizes: those of a picture, or of a short sequence."""
    sizes = inputs[name][1:]
    usual = 224 if len(sizes) == PICTURE else 64
    return f"{printable(name)}={sizes_text([s if isinstance(s, int) else usual for s in sizes])}"


def misfit(
    model: OnnxModel, shapes: Mapping[str, tuple[int, ...]], is_open: bool, reason: str
) -> NetdslError | None:
    """The error of a model that onnxruntime cannot run at sizes that its file leaves open.

    With `is_open`, they were chosen, and otherwise the user gave them. None if the file has all
    sizes: then they are not at fault.
    """
    if not symbols_of(model.inputs):
        return None
    at = listed([f"`{printable(n)}` of {sizes_text(s[1:])}" for n, s in shapes.items()])
    return NetdslError(
        "open-size" if is_open else "shape-mismatch",
        f"{printable(model.title)} does not run with {at}: {reason}",
        help="its file leaves sizes open, but does not fit all of them: give those that it takes"
        " with `--input`",
    )
