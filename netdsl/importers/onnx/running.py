"""Runs a model to learn the shapes that cannot be inferred, such as those of custom operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime

from netdsl.errors import NetdslError
from netdsl.importers.onnx.foreign import Typed
from netdsl.importers.onnx.open_sizes import misfit
from netdsl.process.memory import is_out_of_memory
from netdsl.runtime.quiet import quiet_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.onnx.foreign import Foreign
    from netdsl.importers.onnx.reader import OnnxModel


class ModelFailsError(Exception):
    """Why onnxruntime cannot run a model."""


def add_types(graph: Foreign, model: OnnxModel) -> None:
    """Add the types of the values whose shapes ONNX does not infer; raises `NetdslError`.

    The numbers of the inputs are random, so a shape that depends on them is an example.
    """
    made = {name for node in model.model.graph.node for name in node.output if name}
    lost = [
        name
        for node in graph.nodes
        for name in node.outputs
        if name in made and name not in graph.types
    ]
    if not lost:
        return
    inputs = {name: graph.types[name] for name in graph.inputs}
    try:
        arrays = _results(model, lost, inputs)
    except ModelFailsError as error:
        shapes = {name: typed.shape for name, typed in inputs.items()}
        raise misfit(model, shapes, any(graph.open.values()), str(error)) or NetdslError(
            "unsupported-operator",
            f"the shapes in {model.path} cannot be inferred, and onnxruntime cannot run it:"
            f" {error}",
            help="infer the shapes with the tool that wrote the model, and save them in it",
        ) from None
    for name, array in arrays.items():
        if isinstance(array, np.ndarray):
            graph.types[name] = Typed(array.shape, array.dtype.name)


def _results(
    model: OnnxModel, names: list[str], inputs: Mapping[str, Typed]
) -> dict[str, np.ndarray]:
    whole = onnx.ModelProto()
    whole.CopyFrom(model.model)
    known = {value.name for value in whole.graph.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in known)
    random = np.random.default_rng(0)
    try:
        onnx.load_external_data_for_model(whole, str(model.path.parent))
        session = onnxruntime.InferenceSession(
            whole.SerializeToString(), quiet_options(), providers=["CPUExecutionProvider"]
        )
        fed = {i.name: _numbers(inputs[i.name], random) for i in session.get_inputs()}
        results = session.run(names, fed)
    except Exception as error:  # onnxruntime and protobuf have many classes of exceptions
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise ModelFailsError(reason) from None
    return dict(zip(names, results, strict=True))


def _numbers(typed: Typed, random: np.random.Generator) -> np.ndarray:
    """Random numbers around 0, or zeros of another element type, which are valid indices."""
    if typed.dtype.startswith("float"):
        return random.standard_normal(typed.shape).astype(typed.dtype)
    return np.zeros(typed.shape, typed.dtype)
