"""Any ONNX model as a net in memory: its layers, and in place of others the operators themselves.

The net is compiled from the text that `netdsl import` would write. If the language cannot express
some operators, they become layers that know only their shapes, tensors and MACs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.importers.importing import Imported, compiled_text, imported_of
from netdsl.importers.onnx.reader import OnnxModel
from netdsl.importers.rules.kept import Kept, sample_type
from netdsl.importers.rules.translate import identifier
from netdsl.importers.settings import translated
from netdsl.importers.writing.plain import plain_text
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.driver import Compiled
    from netdsl.importers.settings import Translated

ATTEMPTS = 12  # each keeps the operators whose layers did not compile in the one before
# Errors of the model or of the sizes that the user gives, which keeping an operator cannot mend.
FINAL = ("bad-model", "corrupt-model", "open-size", "unknown-input", "model-too-large")


def whole_model(name: str | os.PathLike[str], inputs: Mapping[str, tuple[int, ...]]) -> Imported:
    """The net of an ONNX model; raises `NetdslError`.

    `inputs` are sizes without the batch for the inputs whose sizes the model leaves open, by their
    names in the model or in the net; an empty name is the first input.
    """
    shown = printable(os.fspath(name))
    model = OnnxModel(Path(name))
    own = {identifier(value): value for value in model.inputs}
    inputs = {
        given if given in model.inputs else own.get(given, given): sizes
        for given, sizes in inputs.items()
    }
    try:
        return imported_of(model, translated(model, inputs), shown, expects=False)
    except NetdslError as error:
        if error.code in FINAL:
            raise
    return _with_operators(model, inputs, shown)


def _with_operators(model: OnnxModel, inputs: Mapping[str, tuple[int, ...]], name: str) -> Imported:
    """The net of a model in which some operators stay as they are."""
    kept = Kept()
    for attempt in range(ATTEMPTS):
        kept.all_stay = attempt >= ATTEMPTS - 2  # of which one may undo groups of operators
        undone = len(kept.undone)
        made = translated(model, inputs, kept=kept)
        if len(kept.undone) > undone:
            continue
        wrong = _wrong(made, kept, name)
        if not wrong:
            return imported_of(model, made, name, expects=False, kinds=kept.kinds)
        kept.forced |= wrong
    raise NetdslError("unsupported-operator", f"{name} cannot be described as a net")


def _wrong(made: Translated, kept: Kept, name: str) -> set[str]:
    """The outputs of operators whose layers do not compile, or have another shape."""
    text = plain_text(made.flat)
    try:
        compiled = compiled_text(text, name, kept.kinds)
    except NetdslError as error:
        return _at_fault(error, made, text, kept)
    return _of_other_shape(made, compiled)


def _at_fault(error: NetdslError, made: Translated, text: str, kept: Kept) -> set[str]:
    """The outputs of the operators at whose layers there is an error; raises it if it is elsewhere.

    Each layer has a line of its own, which begins with its label.
    """
    lines = text.splitlines()
    found: set[str] = set()
    for diagnostic in error.diagnostics:
        if diagnostic.span is None:
            continue
        label = lines[diagnostic.span.first.line - 1].partition(":")[0].removeprefix("v")
        if label.isdecimal():
            found.update(n for n in made.flat.layers[int(label)].node.outputs if n)
    if not found - kept.forced:
        raise error
    return found


def _of_other_shape(made: Translated, compiled: Compiled) -> set[str]:
    """The outputs of operators whose layers have another shape than the model says."""
    types = made.graph.types
    wrong: set[str] = set()
    for node, layer in zip(compiled.graph.nodes, made.flat.layers, strict=True):
        typed = types.get(layer.output)
        if typed is None or "tensors" in layer.args or node.type.symbolic:
            continue
        if sample_type(typed, made.graph).shape != node.type.shape:
            wrong.update(name for name in layer.node.outputs if name)
    return wrong
