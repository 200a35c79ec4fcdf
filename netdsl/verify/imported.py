"""Proves that an imported net is the original: compares all values on the same random inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch

from netdsl.backends.onnx.elements import ELEMENT
from netdsl.errors import NetdslError
from netdsl.importers.onnx.foreign import SMALL
from netdsl.importers.onnx.open_sizes import misfit
from netdsl.importers.rules.kept import is_kept
from netdsl.process.memory import is_out_of_memory
from netdsl.runtime.quiet import quiet_options
from netdsl.source import printable
from netdsl.verify.bounds import witnesses
from netdsl.verify.numbers import inputs_for
from netdsl.verify.report import Difference, Report
from netdsl.verify.torch_side import StepError, TorchSide
from netdsl.verify.values import Executor, compare_values

if TYPE_CHECKING:
    from netdsl.backends.torch.steps import Step
    from netdsl.importers.flat import FlatLayer
    from netdsl.importers.importing import Imported
    from netdsl.ir.graph import Node

Arrays = dict[str, np.ndarray]
CLOSE = 1e-5  # of the largest number, for layers that are only a part of an operator
NAME = "the original in onnxruntime"


def prove(imported: Imported, seed: int = 0) -> Report:
    """Compare every layer of an imported net with the original, on the original's own values.

    Each layer runs in double precision on the values that the original in onnxruntime gives to it,
    and the original's result must be within the bounds of `verify`. Raises `NetdslError` with the
    code `values-differ` and the first layer that differs, or if the original cannot run. Operators
    that stay as they are have the original's results, and are not compared.
    """
    graph = imported.compiled.graph
    first = imported.graph.types[imported.graph.inputs[0]]
    if not first.shape:
        name = printable(imported.graph.inputs[0])
        raise NetdslError("bad-model", f"the input `{name}` is a single number, without a batch")
    tensors = inputs_for(graph, first.shape[0], imported.sizes, seed)
    arrays = _original(imported, [tensors[id(v)].numpy() for v in graph.inputs])
    side = TorchSide(graph)
    side.load({n: torch.from_numpy(_float(s.read())) for n, s in imported.weights().items()})
    report = Report(graph.name)
    values = dict(tensors)
    try:
        with torch.no_grad():
            for step in side.steps:
                difference = _compare(imported, step, values, arrays, report)
                if difference is not None:
                    raise _differs(imported, step, difference)
    except StepError as error:
        raise NetdslError("back-end-fails", f"PyTorch fails: {error.cause}") from error
    return report


def _compare(
    imported: Imported, step: Step, values: dict[int, torch.Tensor], arrays: Arrays, report: Report
) -> Difference | None:
    """Compare one layer; its results are added to `values`."""
    node = step.node
    layer = imported.layers[node.name]
    if is_kept(node):
        values |= _taken(node, layer, arrays)
        return None
    xs = [values[id(v)] for v in node.taken]
    theirs = [layer.output, *(layer.results.get(name, "") for name in node.results)]
    if not all(name in arrays for name in theirs):
        ys = step.outputs(xs)
        values |= {id(v): y for v, y in zip(node.outputs, ys, strict=True)}
        return None
    ys = [torch.from_numpy(arrays[name]) for name in theirs]
    values |= {id(v): y for v, y in zip(node.outputs, ys, strict=True)}
    found = compare_values(step, [Executor(NAME, xs, ys)], report).get(NAME)
    if found is not None and (layer.is_part or layer.node.is_pattern) and _is_close(step, xs, ys):
        return None
    return found


def _taken(node: Node, layer: FlatLayer, arrays: Arrays) -> dict[int, torch.Tensor]:
    """The results of an operator that stays as it is, from the original; raises `NetdslError`."""
    names = [layer.output, *(layer.results[name] for name in node.results)]
    lost = [name for name in names if name not in arrays]
    if lost:
        raise NetdslError(
            "unsupported-operator",
            f"the result `{printable(lost[0])[:80]}` of {node.op.kind} is inside of another"
            " operator, where it cannot be read",
        )
    return {
        id(value): torch.from_numpy(np.array(arrays[name]))
        for value, name in zip(node.outputs, names, strict=True)
    }


def _is_close(step: Step, xs: list[torch.Tensor], ys: list[torch.Tensor]) -> bool:
    """Whether results are equal up to a small share of their largest number."""
    for (value, _), y in zip(witnesses(step, xs), ys, strict=True):
        if value.shape != y.shape:
            return False
        largest = float(value.abs().max()) if value.numel() else 0.0
        if not bool(((value - y.double()).abs() <= CLOSE * largest).all()):
            return False
    return True


def _differs(imported: Imported, step: Step, difference: Difference) -> NetdslError:
    layer = imported.layers[step.node.name]
    name = layer.node.name or layer.node.output
    return NetdslError(
        "values-differ",
        f"the node `{name}` ({layer.node.kind}) of the original and the layer `{step.node.name}`"
        f" ({step.node.op.kind}) differ",
        notes=difference.notes,
        help="nothing is written; please report this with the model",
    )


def _original(imported: Imported, inputs: list[np.ndarray]) -> Arrays:
    """The values of the original that are inputs or outputs of layers, by name."""
    graph = imported.graph
    # A value inside the body of an `If` cannot be an output.
    made = {name for node in imported.original.model.graph.node for name in node.output}
    wanted = {
        name
        for layer in imported.flat.layers
        for name in (layer.output, *layer.results.values())
        if name in made
    }
    fed = dict(zip(graph.inputs, inputs, strict=True))
    try:
        session = _session(imported, sorted(wanted))
        names = [o.name for o in session.get_outputs()]
        taken = {i.name for i in session.get_inputs()}
        results = session.run(names, {k: v for k, v in fed.items() if k in taken})
    except Exception as error:  # onnxruntime has many classes of exceptions
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:300]
        shapes = {name: array.shape for name, array in fed.items()}
        raise misfit(imported.original, shapes, bool(imported.sizes), reason) or NetdslError(
            "bad-model", f"onnxruntime cannot run the original: {reason}"
        ) from None
    return fed | dict(zip(names, results, strict=True))


def _session(imported: Imported, wanted: list[str]) -> onnxruntime.InferenceSession:
    """A session of the original in which these values are outputs too."""
    whole = onnx.ModelProto()
    whole.CopyFrom(imported.original.model)
    stored = imported.original.stored
    del whole.graph.initializer[:]
    large: Arrays = {}
    for name, tensor in stored.items():
        array = np.array(tensor.read(), order="C")
        if array.size <= SMALL or array.dtype.name not in ELEMENT:
            whole.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
            continue
        large[name] = array
        external = whole.graph.initializer.add(
            name=name,
            data_type=ELEMENT[array.dtype.name],
            dims=array.shape,
            data_location=onnx.TensorProto.EXTERNAL,
        )
        external.external_data.add(key="location", value="memory")
    known = {v.name for v in (*whole.graph.input, *whole.graph.output)}
    for name in wanted:
        if name not in known:
            element = ELEMENT[imported.graph.types[name].dtype]
            whole.graph.output.add(name=name).type.tensor_type.elem_type = element
    options = quiet_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_external_initializers(
        list(large), [onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in large.values()]
    )
    return onnxruntime.InferenceSession(
        whole.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _float(array: np.ndarray) -> np.ndarray:
    """An array as float32 in memory of its own."""
    return np.array(array, np.float32)
