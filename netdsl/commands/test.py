"""`netdsl test`: the metrics of trained weights on the test images, in PyTorch or onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.commands.common import load_one
from netdsl.commands.output import note, say
from netdsl.data.catalog import open_dataset
from netdsl.data.dataset import check_shape
from netdsl.data.evaluate import evaluate
from netdsl.errors import SettingError
from netdsl.files import scratch_folder
from netdsl.train.section import placed, read_config
from netdsl.weights.checkpoints import fit, read_weights, report, tensors_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from netdsl.ir.graph import Graph


def run(arguments: argparse.Namespace) -> int:
    """Print each metric in percent."""
    compiled = load_one(arguments)
    name = compiled.graph.name
    config = read_config(compiled, arguments.data)
    found = read_weights(arguments.weights)
    params = tensors_of(compiled.graph)
    weights = fit(params, found, allow_nonfinite=arguments.allow_nonfinite)
    say(f"{arguments.weights}: {report(params, found)}")
    try:
        dataset = config.adapt(open_dataset(config.data))
        say(dataset.note)
        shape = compiled.graph.inputs[0].type.shape
        if all(isinstance(d, int) for d in shape):
            check_shape(dataset, tuple(d for d in shape if isinstance(d, int)))
        engine = _torch if arguments.engine == "torch" else _onnxruntime
        forward = engine(compiled.graph, weights, arguments.device)
        results = evaluate(forward, dataset.test, dataset, config.metrics, batch=arguments.batch)
    except SettingError as error:
        raise placed(error, compiled, () if arguments.data is None else ("data",)) from None
    shown = ", ".join(
        f"{key.replace('_', ' ')} {100 * value:.2f} %" for key, value in results.items()
    )
    say(f"{name} with {arguments.weights} in {arguments.engine}: {shown}")
    return 0


def _torch(
    graph: Graph, weights: dict[str, Any], device: str
) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    from netdsl.backends.torch.module import lower
    from netdsl.train.loop import torch_device

    where = torch_device(device)
    module = lower(graph)
    module.load_state_dict(
        {n: torch.from_numpy(np.array(a)) for n, a in weights.items()}, strict=False
    )
    module.eval().to(where)

    def forward(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            made: np.ndarray = module(torch.from_numpy(images).to(where)).cpu().numpy()
        return made

    return forward


def _onnxruntime(
    graph: Graph, weights: dict[str, Any], device: str
) -> Callable[[np.ndarray], np.ndarray]:
    from netdsl.backends.onnx.export import export_onnx
    from netdsl.runtime.session import open_session

    with scratch_folder() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(graph, path, weights, allow_nonfinite=True)  # they were checked before
        session = open_session(path, device)
    if session.chosen:
        note(f"device: {session.device} ({session.chosen})")
    name = session.inputs[0].name

    def forward(images: np.ndarray) -> np.ndarray:
        made: np.ndarray = session.run({name: images})[0]
        return made

    return forward
