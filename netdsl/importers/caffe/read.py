"""Reads nets of Caffe: the `.prototxt` that lists the layers of a net."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.importers.caffe.inputs import input_shapes
from netdsl.importers.caffe.joins import JOINS, SINGLE
from netdsl.importers.caffe.layer import CaffeLayer
from netdsl.importers.caffe.layers import batch_norm
from netdsl.importers.caffe.names import layer_paths
from netdsl.importers.caffe.prototxt import read_message
from netdsl.importers.caffe.text import LOSSES, SOURCES, TARGETS, layers_of
from netdsl.importers.described import read_text, wrong
from netdsl.importers.onnx.built import ModelBuilder
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.importers.caffe.text import CaffeText
    from netdsl.importers.onnx.built import BuiltValue
    from netdsl.importers.onnx.reader import OnnxModel

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "Python": "it is a program",
        "ROIPooling": "the language has no layer that rounds regions as it does",
        "LSTM": "Caffe's recurrent layers cannot be imported",
        "RNN": "Caffe's recurrent layers cannot be imported",
        "ArgMax": "its result are positions",
    }
)


def read_caffe(
    path: Path, given: Mapping[str, tuple[int, ...]], *, partial: bool = False
) -> OnnxModel:
    """The net of a `.prototxt` with random weights; raises `NetdslError`.

    Of a file for training, the layers of the phase TEST are taken, without losses. `given` has
    sizes of inputs that the file does not have. With `partial`, layers that cannot be imported are
    left out. The outputs are the values that no layer takes.
    """
    message = read_message(read_text(path))
    layers = layers_of(message, lambda kind: kind in (*JOINS, *SINGLE))
    builder = ModelBuilder(message.text("name") or path.stem)
    net = _CaffeNet(builder, layers)
    for name, shape in input_shapes(message, layers, given).items():
        net.blobs[name] = builder.input(name, shape)
    for layer in layers:
        if layer.kind not in SOURCES and layer.kind not in LOSSES:
            net.add(layer)
    if net.errors and not partial:
        raise NetdslError.of([error.diagnostic for error in net.errors])
    net.finish()
    return builder.model(path, net.notes)


class _CaffeNet:
    """A net that grows layer by layer.

    `blobs` has the present value of each name, and None for one that was left out. `errors` are
    about the layers that were left out.
    """

    def __init__(self, builder: ModelBuilder, layers: list[CaffeText]) -> None:
        self.blobs: dict[str, BuiltValue | None] = {}
        self.errors: list[NetdslError] = []
        self.notes: dict[str, list[str]] = {}
        self._builder = builder
        self._layers = layers
        self._paths = layer_paths([layer.name for layer in layers])
        self._shared: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._unused: dict[str, None] = {}
        self._merged: set[int] = set()

    def add(self, layer: CaffeText) -> None:
        """Add a layer; raises `NetdslError` unless only the language lacks it."""
        if id(layer) in self._merged:
            return
        inputs = [self._taken(layer, name) for name in layer.bottoms]
        if not layer.bottoms:
            raise wrong(f"`{printable(layer.name)}` has no `bottom`", layer.message.span)
        values = [value for value in inputs if value is not None]
        made: list[BuiltValue | None] = [None] * len(layer.tops)
        if len(values) == len(inputs):
            try:
                made = list(self._made(layer, values))
            except NetdslError as error:
                if error.code == "too-large":
                    raise wrong(error.message, layer.message.span) from None
                if error.code != "unsupported-operator":
                    error.diagnostic.span = error.diagnostic.span or layer.message.span
                    raise
                self.errors.append(error)
                note = f"not imported: line {error.line}, {error.message}"
                self.notes.setdefault(values[0].name, []).append(note)
        if len(made) != len(layer.tops):
            message = (
                f"`{printable(layer.name)}` has {len(layer.tops)} tops for {len(made)} results"
            )
            raise wrong(message, layer.message.at("top", len(made)))
        for name, value in zip(layer.tops, made, strict=True):
            self.blobs[name] = value
            self._unused[name] = None

    def _taken(self, layer: CaffeText, name: str) -> BuiltValue | None:
        if name not in self.blobs:
            shown = f"`{printable(layer.name)}` takes `{printable(name)}`"
            place = layer.message.at("bottom", layer.bottoms.index(name))
            advice = did_you_mean(name, self.blobs)
            raise wrong(f"{shown}, which no layer before it makes", place, advice)
        self._unused.pop(name, None)
        return self.blobs[name]

    def _made(self, layer: CaffeText, values: list[BuiltValue]) -> list[BuiltValue]:
        self._builder.layer = layer.name
        own = self._own(layer)
        fact = REFUSED.get(layer.kind)
        if fact is not None:
            raise own.refuse(fact)
        if layer.kind == "BatchNorm" and len(values) == 1:
            scale = self._scale_after(layer)
            return batch_norm(own, values, scale and self._own(scale)._replace(path=own.path))
        rule = JOINS.get(layer.kind) or SINGLE.get(layer.kind)
        if rule is None:
            advice = did_you_mean(layer.kind, [*JOINS, *SINGLE, *LOSSES, *SOURCES])
            raise own.refuse("it is not a layer that netdsl knows", help=advice)
        if layer.kind in SINGLE and len(values) != 1:
            raise own.wrong(f"it has {len(values)} inputs, and takes 1", key="bottom", index=1)
        return rule(own, values)

    def _own(self, layer: CaffeText) -> CaffeLayer:
        name = printable(layer.name)[:60]
        path = self._paths[layer.name]
        return CaffeLayer(layer.kind, name, layer.message, path, self._builder, self._shared)

    def _scale_after(self, layer: CaffeText) -> CaffeText | None:
        """The layer that scales the result of a batch norm, which becomes a part of it."""
        top = layer.tops[0]
        after = self._layers[self._layers.index(layer) + 1 :]
        takers = []
        for other in after:
            if top in other.bottoms:
                takers.append(other)
            if top in other.tops:
                break
        if len(takers) != 1:
            return None
        scale = takers[0]
        param = scale.message.message("scale_param")
        is_plain = param.integer("axis", 1, -9) == 1 and param.flag("bias_term", default=False)
        if scale.kind != "Scale" or scale.bottoms != [top] or not is_plain or len(scale.tops) != 1:
            return None
        self._merged.add(id(scale))
        layer.tops[0] = scale.tops[0]
        return scale

    def finish(self) -> None:
        """Make the values that no layer takes the outputs, except what only losses compare with."""
        losses = [layer for layer in self._layers if layer.kind in TARGETS]
        wanted = {name for layer in losses for name in layer.bottoms[1:]}
        wanted -= {name for layer in losses for name in layer.bottoms[:1]}
        for name in self._unused:
            if name in wanted and len(self._unused) > 1:
                continue
            value = self.blobs[name]
            if value is not None:
                self._builder.output(name, value)
