"""The nets of the library as training steps: which have one, and whole steps beside PyTorch's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from netdsl.analysis.cost import Costs
from netdsl.backends.onnx.training import learned_of
from netdsl.driver import compile_net, open_program
from netdsl.errors import NetdslError
from netdsl.train.recipe.losses import CrossEntropy
from netdsl.train.recipe.optimizers import SGD
from tests.support.library import NETS
from tests.support.train_steps import (
    StepRun,
    masks_of_ones,
    module_for,
    recipe_for,
    state_of,
    step_model,
)

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph
    from tests.support.train_steps import Arrays

# The sizes for those that a text leaves open.
SIZES = {"H": 64, "W": 64, "V": 11, "T": 7, "R": 3}
LARGER = {"unet:UNet": 156}  # it needs larger images, by so many pixels
REFUSED = {"rcnn:FastRCNN": "`roi_pool` has no gradient yet"}
# All weights are in the text: image filters, and pooling.
NOTHING_LEARNED = {
    f"kernels:{net}"
    for net in (
        *("Same", "Blur", "Gaussian", "Sharpen", "SharpenMore", "Edge", "EdgeLeft", "SobelX"),
        *("SobelY", "Emboss", "Binary", "Shaded", "RGB", "LetterX", "Volume", "MaxPooling"),
        "AveragePooling",
    )
}
# Nets of all families that are small enough for the quick tests.
QUICK = {
    *("convnetjs:ConvNetJS", "experiments:Dropout", "experiments:Norm", "experiments:ResShallow"),
    *("experiments:SigmoidChain", "gpt:ByteGPT", "graphnet:ChebNet", "graphnet:GCN"),
    *("kernels:Filters", "lenet5:LeNet5", "lenet5:LeNet5Original", "mobilenet:MobileNet25"),
    *("neocognitron:Neocognitron", "perceptron:MLP", "perceptron:Perceptron"),
    *("resnet:CifarResNet20", "squeezenet:SqueezeNet1_1", "swin:FashionSwin", "vae:VAE"),
    "vit:FashionViT",
}
# The slow tests run nets up to these sizes, and emit the others.
MOST_LAYERS, MOST_PARAMS, MOST_MACS = 1000, 30_000_000, 5_000_000_000
BATCH = 2
DECAY = 0.01
# The share of the norm of a gradient by which it may be off. Rounding can move a maximum to another
# place, or change the sign before a `relu`, and large nets have millions of these.
SHARE, OF_LARGE = 5e-3, 0.1


@cache
def graph_of(name: str) -> Graph:
    """The graph of a net, with all sizes known."""
    file, net = name.split(":")
    program = open_program(file)
    graph = compile_net(program, net).graph
    if not graph.symbols:
        return graph
    more = LARGER.get(name, 0)
    sizes = {
        value.name: tuple(
            d if isinstance(d, int) else d.at({s: n + more for s, n in SIZES.items()})
            for d in value.type.shape
        )
        for value in graph.inputs
    }
    return compile_net(program, net, sizes).graph


TRAINED = [name for name in NETS if name not in REFUSED and name not in NOTHING_LEARNED]
MARKED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in TRAINED]


def is_run(graph: Graph) -> bool:
    """Whether a net is small enough for a whole step."""
    totals = graph.derived(Costs).totals()
    if len(graph.nodes) > MOST_LAYERS:
        return False
    return int(str(totals.params)) <= MOST_PARAMS and int(str(totals.macs)) <= MOST_MACS


def numbers(shape: tuple[object, ...]) -> tuple[int, ...]:
    """A shape that has no open sizes."""
    return tuple(int(str(size)) for size in shape)


def loss_of(module: torch.nn.Module, graph: Graph, arrays: Arrays, labels: Arrays) -> torch.Tensor:
    """The loss of a batch in PyTorch, with those of auxiliary heads."""
    dtype = next(module.parameters()).dtype
    tensors = [torch.from_numpy(array) for array in arrays.values()]
    values = module(*(x.to(dtype) if x.is_floating_point() else x for x in tensors))
    values = values if isinstance(values, tuple) else (values,)
    given = [torch.from_numpy(array) for array in labels.values()]
    given += [given[0]] * len(graph.aux)
    weights = [*(1.0 for _ in graph.outputs), *(head.weight for head in graph.aux)]
    terms = []
    for value, own, weight in zip(values, given, weights, strict=True):
        if own.is_floating_point():
            terms.append(weight * torch.nn.functional.mse_loss(value, own.to(dtype)))
        else:
            entropy = torch.nn.functional.cross_entropy(value, own, label_smoothing=0.1)
            terms.append(weight * entropy)
    return torch.stack(terms).sum()


def gradients_of(module: torch.nn.Module, loss: torch.Tensor) -> Arrays:
    """The gradients of the weights of a module."""
    module.zero_grad()
    torch.autograd.backward(loss)
    return {n: p.grad.numpy().copy() for n, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", MARKED)
def test_whole_steps(name: str) -> None:
    """The loss and all gradients of a step are those of PyTorch in double precision.

    They may be off by 8 times as much as those of PyTorch in single precision. After the first
    step, the slot of a weight is its gradient with the decay.
    """
    graph = graph_of(name)
    optimizer = SGD(lr=0.05, momentum=0.9, weight_decay=DECAY)
    recipe = recipe_for(graph, BATCH, optimizer, CrossEntropy(label_smoothing=0.1))
    model = step_model(graph, recipe)
    learned = learned_of(graph)
    if not is_run(graph):
        return
    module = module_for(graph)
    start = state_of(module)
    rng = np.random.default_rng(0)
    inputs: Arrays = {}
    for value in graph.inputs:
        shape = (BATCH, *numbers(value.type.shape))
        if value.type.dtype == "float32":
            inputs[value.name] = rng.normal(size=shape).astype(np.float32)
        else:
            inputs[value.name] = rng.integers(0, 2, shape).astype(value.type.dtype)
    labels: Arrays = {}
    for output in graph.outputs:
        classes, *places = numbers(output.value.type.shape) or (0,)
        name = f"labels.{output.name}"
        labels[name] = rng.normal(size=BATCH).astype(np.float32)
        if classes:
            labels[name] = rng.integers(0, classes, (BATCH, *places))
    run = StepRun(model, start, {**inputs, **labels, **masks_of_ones(model)})
    made = run.step()
    single = gradients_of(module, loss_of(module, graph, inputs, labels))
    module.load_state_dict({name: torch.from_numpy(array) for name, array in start.items()})
    module = module.double()
    loss = loss_of(module, graph, inputs, labels)
    gradients = gradients_of(module, loss)
    assert made["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert {n for n in learned if n in run.names["state"]} == gradients.keys() & learned.keys()
    for weight, gradient in gradients.items():
        slot = made[run.names["state"][f"{weight}.momentum"]] - DECAY * start[weight]
        rounded = np.linalg.norm(single[weight] - gradient)
        share = SHARE if name in QUICK else OF_LARGE
        most = share * np.linalg.norm(gradient) + 8 * rounded + 1e-7
        assert np.linalg.norm(slot - gradient) <= most, weight


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """The nets that have no step, with the reason and its place."""
    graph = graph_of(name)
    with pytest.raises(NetdslError) as caught:
        step_model(graph, recipe_for(graph, BATCH))
    assert (caught.value.code, caught.value.message) == ("no-gradient", REFUSED[name])
    assert caught.value.file == f"nets/{name.partition(':')[0]}.net"


def test_nets_without_weights() -> None:
    """The filters of the lectures have nothing to learn."""
    assert all(not learned_of(graph_of(name)) for name in NOTHING_LEARNED)
    assert len(TRAINED) >= 64
