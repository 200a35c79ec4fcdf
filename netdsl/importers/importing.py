"""Imports a model: reads it, recognises its layers, and writes and compiles the text."""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from netdsl.driver import compile_picked, program_of
from netdsl.errors import NetdslError
from netdsl.importers.described import sizes_text
from netdsl.importers.onnx.open_sizes import open_sizes
from netdsl.importers.onnx.reader import OnnxModel
from netdsl.importers.settings import translated
from netdsl.importers.writing.folded import folded_text
from netdsl.importers.writing.matching import MismatchError, in_order, matched
from netdsl.importers.writing.plain import plain_text
from netdsl.ir.op import COUNTER
from netdsl.layout.format import format_source
from netdsl.source import SourceFile, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.driver import Compiled
    from netdsl.importers.flat import Flat, FlatLayer
    from netdsl.importers.onnx.foreign import Foreign, StoredTensor
    from netdsl.importers.settings import Translated
    from netdsl.ir.op import Op

    Kinds = Mapping[str, type[Op]]


class Imported(NamedTuple):
    """A model as a text.

    `layers` has the original of each layer, by its name in the text. `sizes` are the numbers that
    the open sizes have in `graph`.
    """

    text: str
    compiled: Compiled
    flat: Flat
    layers: dict[str, FlatLayer]
    original: OnnxModel
    graph: Foreign
    sizes: dict[str, int]

    def weights(self) -> dict[str, StoredTensor]:
        """The tensors of the model, by their names in the text."""
        tensors: dict[str, StoredTensor] = {}
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
            for name, param in node.tensors().items()
            if name not in own and not (param.tied or param.is_constant or name.endswith(COUNTER))
        ]


def import_onnx(
    path: Path, name: str, inputs: Mapping[str, tuple[int, ...]], *, partial: bool = False
) -> Imported:
    """The text of an ONNX model; raises `NetdslError`.

    `name` is the file that the text is for. `inputs` are sizes without the batch for the inputs
    whose sizes the model leaves open, by their names; an empty name is the first input. With
    `partial`, nodes that cannot be imported become comments.
    """
    model = OnnxModel(path)
    return imported_of(model, translated(model, inputs, partial=partial), name)


def imported_of(
    model: OnnxModel,
    made: Translated,
    name: str,
    *,
    expects: bool = True,
    kinds: Kinds = MappingProxyType({}),
) -> Imported:
    """The text of a net; raises `NetdslError`.

    `name` is the file that the text is for. With `expects`, the text states its parameters. `kinds`
    are layers that only this text has.
    """
    graph, flat, sizes = made
    if not flat.layers:
        raise NetdslError("unsupported-operator", f"no node of {model.path} can be imported")
    try:
        plain = compiled_text(plain_text(flat), name, kinds)
    except NetdslError as error:
        if error.code == "open-size":  # its place is a line of a text that is never written
            raise open_sizes(model.inputs) from None
        raise
    lines = [f"expect params == {plain.costs.totals().params:_}"] * expects
    text, compiled, layers = _written(model, flat, plain, _Form(name, lines, kinds))
    imported = Imported(text, compiled, flat, layers, model, graph, sizes)
    _check_weights(imported)
    return imported


def _check_weights(imported: Imported) -> None:
    """Raise `NetdslError` for a tensor of the model that has not as many numbers as its layer."""
    for node in imported.compiled.graph.nodes:
        layer = imported.layers[node.name]
        params = node.params() | node.buffers()
        for key, stored in layer.weights.items():
            param = params.get(key)
            if param is not None and prod(stored.shape) not in (1, prod(param.shape)):
                name = printable(layer.node.name or layer.node.output)[:80]
                raise NetdslError(
                    "shape-mismatch",
                    f"the {key} of the node `{name}` ({layer.node.kind}) has the shape"
                    f" {sizes_text(stored.shape)}, its input asks for {sizes_text(param.shape)}",
                    help="the sizes of the inputs do not fit the model",
                )


class _Form(NamedTuple):
    """What a text contains besides its net: its name, its last lines, and its own kinds."""

    name: str
    expects: list[str]
    kinds: Kinds


def _written(
    model: OnnxModel, flat: Flat, plain: Compiled, form: _Form
) -> tuple[str, Compiled, dict[str, FlatLayer]]:
    """The text that reads best among those that describe the same net as `plain`."""
    comment = f"Imported from {printable(model.title)}."
    for blocks in (True, False):
        try:
            raw = folded_text(flat, comment, form.expects, blocks=blocks)
            text = format_source(SourceFile(form.name, raw))
            compiled = compiled_text(text, form.name, form.kinds)
            return text, compiled, matched(compiled.graph, plain.graph, flat)
        except (NetdslError, MismatchError):
            continue  # the next text has fewer constructs, and the last one has none
    text = format_source(SourceFile(form.name, plain_text(flat)))
    compiled = compiled_text(text, form.name, form.kinds)
    return text, compiled, in_order(compiled.graph, flat)


def compiled_text(text: str, name: str, kinds: Kinds = MappingProxyType({})) -> Compiled:
    """The net of a text that the importer wrote; raises `NetdslError`."""
    return compile_picked(program_of(SourceFile(name, text), kinds=kinds), None)
