"""`netdsl test`: evaluates trained weights on the test images, in PyTorch or onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import load_one, warn_of_other_net
from netdsl.commands.output import note, printing, say, say_json
from netdsl.data.catalog import describe_dataset, open_dataset
from netdsl.data.evaluate import evaluate
from netdsl.errors import SettingError
from netdsl.files import scratch_folder
from netdsl.train.fit import check_ends, check_scores, fitted
from netdsl.train.records import shown
from netdsl.train.section import placed, read_config
from netdsl.weights.checkpoints import fit, read_weights, report, tensors_of
from netdsl.weights.record import record_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import numpy as np

    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.train.config import TrainConfig
    from netdsl.weights.record import RunRecord

    Outputs = Callable[..., list[np.ndarray]]


def run(arguments: argparse.Namespace) -> int:
    """Print each metric in percent."""
    compiled = load_one(arguments, arguments.weights)
    read = read_weights(arguments.weights)
    record = record_of(read)
    data = arguments.data
    if data is None and record is not None:
        data = record.data
    config = read_config(compiled, data)
    params = tensors_of(compiled.graph)
    weights = fit(params, read, allow_nonfinite=arguments.allow_nonfinite)
    say(f"{arguments.weights}: {report(params, read)}")
    try:
        check_ends(compiled.graph, config, "`netdsl test`", describe_dataset(config.data))
        dataset = config.adapt(open_dataset(config.data, progress=not printing().quiet))
        warn_of_other_net(record, compiled.graph)
        results = _evaluate(arguments, compiled, config, dataset, record, weights)
    except SettingError as error:
        replaced = () if data is None else ("data",)
        raise placed(error, compiled, replaced) from None
    name = compiled.graph.name
    if arguments.format == "json":
        net = {
            "name": name,
            "file": compiled.program.source.name,
            "weights": arguments.weights,
            "engine": arguments.engine,
            "data": dataset.name,
            "images": len(dataset.test),
            "metrics": results,
        }
        say_json({"nets": [net], "diagnostics": []}, indent=2)
    metrics = [f"{key.replace('_', ' ')} {shown(key, value)}" for key, value in results.items()]
    say(f"{name} with {arguments.weights} in {arguments.engine}: {', '.join(metrics)}")
    return 0


def _evaluate(
    arguments: argparse.Namespace,
    compiled: Compiled,
    config: TrainConfig,
    dataset: Dataset,
    record: RunRecord | None,
    weights: Mapping[str, object],
) -> dict[str, float]:
    """The metrics as fractions of 1, by name; raises `SettingError` and `NetdslError`."""
    say(dataset.note)
    sized, dataset = fitted(compiled, dataset)
    output, target = check_scores(sized.graph, config, dataset)
    dataset = dataset.with_first(target)
    if record is not None:
        dataset = record.applied_to(dataset)
    engine = _torch if arguments.engine == "torch" else _onnxruntime
    outputs = engine(compiled.graph, weights, arguments.device)

    def forward(*inputs: np.ndarray) -> np.ndarray:
        return outputs(*inputs)[output]

    return evaluate(forward, dataset.test, dataset, config.metrics, batch=arguments.batch)


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
