"""`netdsl test`: evaluates trained weights on the test images, in PyTorch or onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError, suffix_of
from netdsl.commands.output import note, printing, say, say_json
from netdsl.commands.trained import open_data, open_trained, placing
from netdsl.data.catalog import open_dataset
from netdsl.data.evaluate import evaluate
from netdsl.files import scratch_folder
from netdsl.train.records import shown
from netdsl.train.section import read_data

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import numpy as np

    from netdsl.commands.trained import NetWithWeights
    from netdsl.data.dataset import Dataset
    from netdsl.ir.graph import Graph

    Outputs = Callable[..., list[np.ndarray]]


def run(arguments: argparse.Namespace) -> int:
    """Print each metric in percent."""
    if suffix_of(arguments.file) == ".onnx":
        return _test_model(arguments)
    if arguments.weights is None:
        raise UsageError("the following arguments are required: --weights")
    net = open_trained(arguments)
    with placing(net):
        dataset, results = _evaluate(arguments, net)
    name, file = net.compiled.graph.name, net.compiled.program.source.name
    _print(arguments, (name, file, arguments.engine), dataset, results)
    return 0


def _test_model(arguments: argparse.Namespace) -> int:
    """Print the accuracy of a `.onnx` model, which contains its weights."""
    from netdsl.runtime.tested import MODEL_METRICS, opened_for_test, same_data

    if arguments.weights or arguments.define:
        raise UsageError("--weights and -D apply only to nets: a .onnx file contains its weights")
    if arguments.data is None:
        raise UsageError("a .onnx model needs --data, such as --data fashion_mnist")
    session = opened_for_test(Path(arguments.file), arguments.device)
    if session.chosen:
        note(f"device: {session.device} ({session.chosen})")
    data = open_dataset(read_data(arguments.data), progress=not printing().quiet)
    dataset = same_data(session, data)
    say(dataset.note)
    names = [value.name for value in session.inputs]

    def forward(*inputs: np.ndarray) -> np.ndarray:
        return session.run(dict(zip(names, inputs, strict=True)))[0]

    results = evaluate(forward, dataset.test, dataset, MODEL_METRICS, batch=arguments.batch)
    _print(arguments, (Path(arguments.file).stem, arguments.file, "onnxruntime"), dataset, results)
    return 0


def _print(
    arguments: argparse.Namespace,
    about: tuple[str, str, str],
    dataset: Dataset,
    results: Mapping[str, float],
) -> None:
    """Print the metrics of a model, which has a name and runs in an engine."""
    name, file, engine = about
    if arguments.format == "json":
        found = {
            "name": name,
            "file": file,
            "weights": arguments.weights,
            "engine": engine,
            "data": dataset.name,
            "images": len(dataset.test),
            "metrics": results,
        }
        say_json({"nets": [found], "diagnostics": []}, indent=2)
    metrics = [f"{key.replace('_', ' ')} {shown(key, value)}" for key, value in results.items()]
    weights = f" with {arguments.weights}" * bool(arguments.weights)
    say(f"{name}{weights} in {engine}: {', '.join(metrics)}")


def _evaluate(
    arguments: argparse.Namespace, net: NetWithWeights
) -> tuple[Dataset, dict[str, float]]:
    """The data, and the metrics as fractions of 1; raises `SettingError` and `NetdslError`."""
    _, dataset, output = open_data(net, "`netdsl test`")
    engine = _torch if arguments.engine == "torch" else _onnxruntime
    outputs = engine(net.compiled.graph, net.weights, arguments.device)

    def forward(*inputs: np.ndarray) -> np.ndarray:
        return outputs(*inputs)[output]

    metrics = net.config.metrics
    return dataset, evaluate(forward, dataset.test, dataset, metrics, batch=arguments.batch)


def _torch(graph: Graph, weights: Mapping[str, object], device: str) -> Outputs:
    import torch

    from netdsl.backends.torch.module import lower, set_weights
    from netdsl.train.run import torch_device

    chosen = torch_device(device)
    module = lower(graph)
    set_weights(module, weights, allow_nonfinite=True)
    module.eval().to(chosen)

    def forward(*inputs: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            results = module(*(torch.from_numpy(values).to(chosen) for values in inputs))
        if not isinstance(results, tuple):
            results = (results,)
        return [result.cpu().numpy() for result in results]

    return forward


def _onnxruntime(graph: Graph, weights: Mapping[str, object], device: str) -> Outputs:
    from netdsl.backends.onnx.export import export_onnx
    from netdsl.runtime.session import open_session

    with scratch_folder() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(graph, path, weights, allow_nonfinite=True)  # `fit` has checked them
        session = open_session(path, device)
    if session.chosen:
        note(f"device: {session.device} ({session.chosen})")
    names = [value.name for value in session.inputs]

    def forward(*inputs: np.ndarray) -> list[np.ndarray]:
        return session.run(dict(zip(names, inputs, strict=True)))

    return forward
