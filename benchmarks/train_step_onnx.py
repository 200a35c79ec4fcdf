"""Times a training step exported to ONNX, in onnxruntime, and the same step in PyTorch.

    python benchmarks/train_step_onnx.py [NET ...]

The nets are LeNet-5, ResNet-20 for CIFAR-10 and a small GoogLeNet, on the CPU with one thread. Both
sides take their steps in turns, and the ratio is that of the medians.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from measure import header, verdict

from netdsl.backends.torch.module import lower
from netdsl.driver import compile_picked, open_program, program_of
from netdsl.source import SourceFile
from netdsl.train.recipe.losses import CrossEntropy, OutputLoss
from netdsl.train.recipe.optimizers import SGD
from netdsl.train.step.assemble import METADATA, build_step
from netdsl.train.step.recipe import Recipe, StepTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.graph import Graph

ROUNDS, WARM = 21, 3
BOUND = 1.2
SMALL = """
net SmallGoogLeNet {
    input image: 3x32x32
    conv(32, 3, pad = 1) -> relu -> maxpool(2)
    a: inception(16, 24, 32, 4, 8, 8)
    b: inception(32, 32, 48, 8, 24, 16)
    maxpool(2)
    c: inception(48, 24, 52, 4, 12, 16)
    gap -> flatten -> dropout(0.4)
    output logits: dense(10)
}
"""
NETS = {
    "lenet5": ("lenet5:LeNet5", 64),
    "resnet20": ("resnet:CifarResNet20", 32),
    "googlenet": ("", 32),
}
MOMENTUM, DECAY = 0.9, 1e-4


def graph_of(name: str) -> Graph:
    """The graph of a net of the library, or that of the small GoogLeNet."""
    if not name:
        return compile_picked(program_of(SourceFile("small.net", SMALL)), None).graph
    file, net = name.split(":")
    return compile_picked(open_program(file), net).graph


def recipe_of(graph: Graph, batch: int) -> Recipe:
    """Cross entropy, and SGD with momentum and weight decay."""
    weights = [n for node in graph.nodes for n in node.tensors()]
    return Recipe(
        batch,
        (OutputLoss(graph.outputs[0].name, CrossEntropy()),),
        (StepTarget("labels", has_classes=True),),
        SGD(0.01, MOMENTUM, DECAY),
        {},
        frozenset(weights),
    )


def in_onnxruntime(
    graph: Graph, start: dict[str, np.ndarray], images: np.ndarray, labels: np.ndarray
) -> Callable[[], float]:
    """A function that takes a step, and gives its loss."""
    model = build_step(graph, recipe_of(graph, len(images)))
    names = json.loads({e.key: e.value for e in model.metadata_props}[METADATA])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.serialized(), options, providers=["CPUExecutionProvider"]
    )
    outputs = [value.name for value in session.get_outputs()]
    feeds = {v.name: np.zeros(v.shape, np.float32) for v in session.get_inputs()}
    feeds |= {name: start[name] for name in names["state"] if name in start}
    feeds |= {name: np.array(value, np.float32) for name, value in names["hyper"].items()}
    feeds |= {graph.inputs[0].name: images, "labels": labels}

    def step() -> float:
        made = dict(zip(outputs, session.run(None, feeds), strict=True))
        feeds.update({name: made[new] for name, new in names["state"].items()})
        return float(made["loss"])

    return step


def in_torch(
    module: torch.nn.Module, images: np.ndarray, labels: np.ndarray
) -> Callable[[], float]:
    """A function that takes a step, and gives its loss."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=MOMENTUM, weight_decay=DECAY)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), y)
        torch.autograd.backward(loss)
        optimizer.step()
        return loss.item()

    return step


def compare(title: str, name: str, batch: int) -> bool:
    """Time both; prints the medians and the ratio, and returns whether the bound is met."""
    graph = graph_of(name)
    torch.manual_seed(0)
    module = lower(graph).train()
    start = {n: t.numpy().copy() for n, t in module.state_dict().items()}
    rng = np.random.default_rng(0)
    shape = (batch, *(int(str(d)) for d in graph.inputs[0].type.shape))
    images, labels = rng.normal(size=shape).astype(np.float32), rng.integers(0, 10, batch)
    steps = in_onnxruntime(graph, start, images, labels), in_torch(module, images, labels)
    times: list[list[float]] = [[], []]
    for round_ in range(ROUNDS + WARM):
        for which in (0, 1) if round_ % 2 else (1, 0):
            begin = time.perf_counter()
            steps[which]()
            if round_ >= WARM:
                times[which].append(time.perf_counter() - begin)
    ours, theirs = map(median, times)
    print(f"{1000 * ours:8.2f} ms  {title}, a step of {batch} images, in onnxruntime")
    print(f"{1000 * theirs:8.2f} ms  the same in PyTorch")
    return verdict("ratio of the medians", ours / theirs, BOUND, at_most=True)


def main(names: list[str]) -> int:
    """Compare the nets; returns 1 if a bound is missed."""
    header("torch")
    print(f"onnxruntime {onnxruntime.__version__}")
    torch.set_num_threads(1)
    met = [compare(title, *NETS[title]) for title in names or NETS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
