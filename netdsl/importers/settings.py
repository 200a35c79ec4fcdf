"""Translates a model whose inputs may have open sizes.

A rule for an operator needs numbers. So a model with open sizes is translated twice, with different
numbers for them: if the two nets are equal, they do not depend on the numbers, and the sizes stay
open in the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.importers.described import fixed_help, sizes_text
from netdsl.importers.onnx.open_sizes import open_sizes, symbols_of
from netdsl.importers.onnx.reader import BATCH
from netdsl.importers.onnx.running import add_types
from netdsl.importers.patterns.recognise import recognise
from netdsl.importers.rules.translate import translate
from netdsl.importers.writing.plain import plain_text
from netdsl.source import printable
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.flat import Flat
    from netdsl.importers.onnx.foreign import Foreign
    from netdsl.importers.onnx.reader import OnnxModel
    from netdsl.importers.rules.kept import Kept

    Sizes = dict[str, int]

# Pairs of numbers that are tried for open sizes. The next name gets the number plus the step.
PICTURES = ((64, 128, 32), (224, 256, 32), (128, 192, 32), (572, 604, 16), (30, 45, 7))
SEQUENCES = ((12, 21, 5), (64, 96, 32), (5, 9, 2))
PICTURE_AXES = 4  # of a batch of pictures


class Translated(NamedTuple):
    """The graph of a model, its net, and the numbers of its open sizes."""

    graph: Foreign
    flat: Flat
    sizes: Sizes


def translated(
    model: OnnxModel,
    given: Mapping[str, tuple[int, ...]],
    *,
    partial: bool = False,
    kept: Kept | None = None,
) -> Translated:
    """The net of a model; raises `NetdslError`.

    `given` are sizes of inputs without the batch, by their names; the empty name is the first.
    `partial` and `kept` are those of `translate`.
    """
    making = _Making(model, partial, kept)
    inputs = _with_given(model, given)
    names = symbols_of(inputs)
    if not names:
        return making.at(inputs, {}, {})
    failure: NetdslError | None = None
    pictures = any(len(sizes) >= PICTURE_AXES for sizes in inputs.values())
    for first, second, step in PICTURES if pictures else SEQUENCES:
        try:
            one, other = (
                making.at(inputs, _numbers(names, base, step), names) for base in (first, second)
            )
        except NetdslError as error:
            failure = failure or error
            continue
        if plain_text(one.flat) == plain_text(other.flat):
            return one
    if failure is not None and failure.code == "unsupported-operator":
        raise failure
    raise open_sizes(inputs)


class _Making(NamedTuple):
    """Makes the nets of a model."""

    model: OnnxModel
    partial: bool
    kept: Kept | None

    def at(
        self,
        inputs: Mapping[str, tuple[int | str, ...]],
        sizes: Sizes,
        names: Mapping[str, str],
    ) -> Translated:
        """The net with numbers for the open sizes, by their names in the model."""

        def fixed(axis: int, size: int | str) -> int:
            if isinstance(size, int):
                return size
            if axis == 0:
                return BATCH
            return sizes[size]

        shapes = {k: tuple(fixed(i, s) for i, s in enumerate(v)) for k, v in inputs.items()}
        graph = self.model.foreign(shapes)
        graph.open = {
            k: {i: names[s] for i, s in enumerate(v) if i and isinstance(s, str)}
            for k, v in inputs.items()
        }
        if self.kept is not None:
            add_types(graph, self.model)
        recognise(graph, self.kept.undone if self.kept is not None else ())
        flat = translate(graph, partial=self.partial, kept=self.kept)
        return Translated(graph, flat, {names[n]: size for n, size in sizes.items()})


def _numbers(names: Mapping[str, str], base: int, step: int) -> Sizes:
    return {name: base + i * step for i, name in enumerate(names)}


def _with_given(
    model: OnnxModel, given: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int | str, ...]]:
    """The sizes of the inputs with those that the user gives; raises `NetdslError`."""
    unknown = [name for name in given if name and name not in model.inputs]
    if unknown:
        known = listed([f"`{name}`" for name in model.inputs])
        raise NetdslError(
            "unknown-input", f"the model has no input `{unknown[0]}`", help=f"it has {known}"
        )
    found = {}
    for i, (name, sizes) in enumerate(model.inputs.items()):
        wanted = given.get(name) or (given.get("") if i == 0 else None)
        found[name] = sizes if wanted is None else _fitting(name, sizes, wanted)
    return found


def _fitting(
    name: str, sizes: tuple[int | str, ...], wanted: tuple[int, ...]
) -> tuple[int | str, ...]:
    own = sizes[1:]
    fits = len(own) == len(wanted) and all(
        isinstance(a, str) or a == b for a, b in zip(own, wanted, strict=True)
    )
    if not fits:
        listed_, given = (printable(sizes_text(s)) for s in (own, wanted))
        raise NetdslError(
            "shape-mismatch",
            f"the input `{printable(name)}` has the sizes {listed_}, --input has {given}",
            help=fixed_help(own, wanted),
        )
    return (sizes[0], *wanted)
