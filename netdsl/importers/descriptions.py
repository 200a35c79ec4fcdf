"""Imports nets that are no ONNX models: those of Darknet, of Caffe, and modules of PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.caffe.read import read_caffe
from netdsl.importers.darknet.read import read_darknet
from netdsl.importers.importing import imported_of
from netdsl.importers.onnx.reader import OnnxModel
from netdsl.importers.settings import translated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.importers.importing import Imported
    from netdsl.importers.torch.process import ModuleCall

    Sizes = Mapping[str, tuple[int, ...]]


def import_darknet(
    path: Path, name: str, inputs: Sizes, *, weights: Path | None = None, partial: bool = False
) -> Imported:
    """The text of a net of Darknet; raises `NetdslError`.

    `path` is the `.cfg`, and `name` the file that the text is for. Without a file of `weights`, the
    original has random ones. `inputs` are sizes in place of those in the `.cfg`. With `partial`,
    layers that cannot be imported become comments.
    """
    return _imported(read_darknet(path, weights, inputs, partial=partial), name, partial=partial)


def import_caffe(path: Path, name: str, inputs: Sizes, *, partial: bool = False) -> Imported:
    """The text of a net of Caffe; raises `NetdslError`.

    `path` is the `.prototxt`, and `inputs` are sizes that it does not have. The original has random
    weights.
    """
    return _imported(read_caffe(path, inputs, partial=partial), name, partial=partial)


def import_exported(
    path: Path, call: ModuleCall, title: str, name: str, *, partial: bool = False
) -> Imported:
    """The text of a module of PyTorch that was exported to `path`; raises `NetdslError`.

    `title` is the name of the module, and `name` the file that the text is for.
    """
    model = OnnxModel(path)
    model.title = call.text
    model.model.graph.name = title
    return _imported(model, name, partial=partial)


def _imported(model: OnnxModel, name: str, *, partial: bool) -> Imported:
    """The text of a model without open sizes, with its notes as comments."""
    made = translated(model, {}, partial=partial)
    for value, notes in model.notes.items():
        made.flat.notes.setdefault(value, []).extend(notes)
    return imported_of(model, made, name)
