"""Imports a model: reads it, recognises its layers, and writes and compiles the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.driver import compile_picked, program_of
from netdsl.errors import NetdslError
from netdsl.importers.matching import in_order
from netdsl.importers.onnx_reader import BATCH, OnnxModel
from netdsl.importers.patterns import recognise
from netdsl.importers.plain import plain_text
from netdsl.importers.translate import translate
from netdsl.ir.op import COUNTER
from netdsl.layout.format import format_source
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.driver import Compiled
    from netdsl.importers.flat import Flat, Layer
    from netdsl.importers.foreign import Foreign, Stored


class Imported(NamedTuple):
    """A model as a text. `layers` has the original of each layer, by its name in the text."""

    text: str
    compiled: Compiled
    flat: Flat
    layers: dict[str, Layer]
    original: OnnxModel
    graph: Foreign

    def weights(self) -> dict[str, Stored]:
        """The tensors of the model, by their names in the text."""
        tensors: dict[str, Stored] = {}
        for node in self.compiled.graph.nodes:
            for key, stored in self.layers[node.name].weights.items():
                tensors.setdefault(node.tensor_name(key), stored)
        return tensors

    def missing(self) -> list[str]:
        """The tensors of the text that the model does not have."""
        own = self.weights()
        return [
            name
            for node in self.compiled.graph.nodes
            for name in node.tensors()
            if name not in own and not name.endswith(COUNTER) and node.op.kind != "const"
        ]


def import_onnx(path: Path, name: str, inputs: Mapping[str, tuple[int, ...]]) -> Imported:
    """The text of an ONNX model; raises `NetdslError`.

    `name` is the file that the text is for. `inputs` are sizes without the batch for the inputs
    whose sizes the model leaves open, by their names; an empty name is the first input.
    """
    model = OnnxModel(path)
    graph = model.foreign(_shapes(model, inputs))
    recognise(graph)
    flat = translate(graph)
    text = format_source(SourceFile(name, plain_text(flat)))
    compiled = compiled_text(text, name)
    return Imported(text, compiled, flat, in_order(compiled.graph, flat), model, graph)


def compiled_text(text: str, name: str) -> Compiled:
    """The net of a text that the importer wrote; raises `NetdslError`."""
    return compile_picked(program_of(SourceFile(name, text)), None)


def _shapes(model: OnnxModel, given: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """A shape for each input, with the batch; raises `NetdslError` for open sizes."""
    shapes = {}
    for i, (name, sizes) in enumerate(model.inputs.items()):
        wanted = given.get(name) or (given.get("") if i == 0 else None)
        if wanted is not None:
            sizes = _fitting(name, sizes, wanted)
        shape = [BATCH if axis == 0 and isinstance(s, str) else s for axis, s in enumerate(sizes)]
        opened = [s for s in shape if isinstance(s, str)]
        if opened:
            raise NetdslError(
                "open-size",
                f"the input `{name}` leaves {' and '.join(opened)} open",
                help=f"give its sizes without the batch, such as `--input {name}=3x224x224`",
            )
        shapes[name] = tuple(s for s in shape if isinstance(s, int))
    return shapes


def _fitting(
    name: str, sizes: tuple[int | str, ...], wanted: tuple[int, ...]
) -> tuple[int | str, ...]:
    """The sizes of an input with those that the user gives; raises `NetdslError`."""
    own = sizes[1:]
    fits = len(own) == len(wanted) and all(
        isinstance(a, str) or a == b for a, b in zip(own, wanted, strict=True)
    )
    if not fits:
        listed, given = ("x".join(map(str, s)) for s in (own, wanted))
        raise NetdslError(
            "shape-mismatch", f"the input `{name}` has the sizes {listed}, --input has {given}"
        )
    return (sizes[0], *wanted)
