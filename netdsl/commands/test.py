"""`netdsl test`: evaluates trained weights on the test images, in PyTorch or onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.output import note, say, say_json
from netdsl.commands.trained import open_data, open_trained, placing
from netdsl.data.evaluate import evaluate
from netdsl.files import scratch_folder
from netdsl.train.records import shown

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
    net = open_trained(arguments)
    with placing(net):
        dataset, results = _evaluate(arguments, net)
    name = net.compiled.graph.name
    if arguments.format == "json":
        found = {
            "name": name,
            "file": net.compiled.program.source.name,
            "weights": arguments.weights,
            "engine": arguments.engine,
            "data": dataset.name,
            "images": len(dataset.test),
            "metrics": results,
        }
        say_json({"nets": [found], "diagnostics": []}, indent=2)
    metrics = [f"{key.replace('_', ' ')} {shown(key, value)}" for key, value in results.items()]
    say(f"{name} with {arguments.weights} in {arguments.engine}: {', '.join(metrics)}")
    return 0


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
