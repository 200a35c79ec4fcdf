"""Runs training steps, and gradients of layers, in onnxruntime and in PyTorch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch

from netdsl.backends.onnx.form import OPSET
from netdsl.backends.onnx.training import Passes, Terminal, learned_of, model_of_ports
from netdsl.backends.torch.module import lower
from netdsl.train.recipe.losses import MSE, CrossEntropy, OutputLoss
from netdsl.train.recipe.optimizers import SGD
from netdsl.train.step.assemble import METADATA, build_step
from netdsl.train.step.recipe import Recipe, StepTarget
from tests.support.back_ends import randomise
from tests.support.sessions import session_of

if TYPE_CHECKING:
    from netdsl.backends.onnx.application import TensorKind
    from netdsl.backends.onnx.proto import ModelProto
    from netdsl.ir.graph import Graph
    from netdsl.train.recipe.losses import Loss
    from netdsl.train.recipe.optimizers import Optimizer

Arrays = dict[str, np.ndarray]
SEED, INPUT = "seed of the gradient", "gradient of "


def as_onnx(model: ModelProto) -> onnx.ModelProto:
    """A model as a message of the package `onnx`."""
    return onnx.ModelProto.FromString(model.serialized())


def run_model(model: onnx.ModelProto, feeds: Arrays) -> Arrays:
    """The outputs of a model by name; inputs that it does not have are left out."""
    session = session_of(model)
    names = [value.name for value in session.get_outputs()]
    given = {value.name: feeds[value.name] for value in session.get_inputs()}
    return dict(zip(names, session.run(None, given), strict=True))


# ---- the gradients of a net with one output


def gradient_model(graph: Graph, batch: int, *, with_inputs: bool = True) -> onnx.ModelProto:
    """A model that gives the first output, and the gradients of weights and inputs.

    It takes the gradient of the output, and factors in place of dropout's random ones.
    """
    return gradients_of(graph, batch, with_inputs=with_inputs)[0]


def gradients_of(
    graph: Graph, batch: int, *, with_inputs: bool = True
) -> tuple[onnx.ModelProto, dict[str, TensorKind]]:
    """The same model, and the types and shapes that its values have while it is made."""
    passes = Passes(graph, batch, OPSET, with_inputs=with_inputs, takes_masks=True)
    g, y = passes.g, passes.value(graph.outputs[0].value)
    g.add(y, g.declare(SEED, "float32", g.shape(y)))
    passes.backward_layers()
    wanted = {name: name for name in passes.learned}
    wanted |= {passes.inputs[id(v)]: v.name for v in graph.inputs if v.type.dtype == "float32"}
    made = {name: g.gradient(inner) for inner, name in wanted.items()}
    outputs = [Terminal("result", y)]
    outputs += [Terminal(INPUT + name, value) for name, value in made.items() if value is not None]
    inputs = [Terminal(v.name, passes.inputs[id(v)]) for v in graph.inputs]
    inputs += [Terminal(name, name) for name in (SEED, *g.masks)]
    inputs += [Terminal(f"{n} ", n) for n, p in g.params.items() if not p.is_constant]
    return as_onnx(model_of_ports(g, graph.name, "", inputs, outputs, {})), g.kinds


def torch_gradients(
    module: torch.nn.Module, inputs: dict[str, torch.Tensor], seed: np.ndarray
) -> Arrays:
    """The same in PyTorch, in double precision and training mode, without dropout."""
    module = without_dropout(module.double().train())
    given = {
        name: x.double().requires_grad_() if x.is_floating_point() else x
        for name, x in inputs.items()
    }
    result: Any = module(*given.values())
    if isinstance(result, tuple):
        result = result[0]
    found = {"result": result.detach().numpy()}
    if result.requires_grad:
        (result * torch.from_numpy(seed).double()).sum().backward()
    named = {**dict(module.named_parameters()), **given}
    found |= {INPUT + n: t.grad.numpy() for n, t in named.items() if t.grad is not None}
    return found


def without_dropout(module: torch.nn.Module) -> torch.nn.Module:
    """The module with all dropout switched off, also inside attention and recurrent layers."""
    for part in module.modules():
        if type(part).__name__.startswith(("Drop",)):
            part.eval()
        if isinstance(part, torch.nn.RNNBase | torch.nn.MultiheadAttention):
            part.dropout = 0.0
    return module


# ---- whole steps


def recipe_for(
    graph: Graph, batch: int, optimizer: Optimizer | None = None, loss: Loss | None = None
) -> Recipe:
    """A recipe with that loss for every output with an axis, and `mse` for the others."""
    own = loss or CrossEntropy()
    outputs = [(output.name, bool(output.value.type.shape)) for output in graph.outputs]
    return Recipe(
        batch,
        tuple(OutputLoss(name, own if has_axis else MSE()) for name, has_axis in outputs),
        tuple(StepTarget(f"labels.{name}", has_axis) for name, has_axis in outputs),
        optimizer or SGD(lr=0.05, momentum=0.9, weight_decay=0.01),
        rates={},
        decayed=frozenset(learned_of(graph)),
    )


class StepRun:
    """A step in onnxruntime, with its state and its other inputs by name."""

    def __init__(self, model: onnx.ModelProto, start: Arrays, feeds: Arrays) -> None:
        self.names = json.loads({e.key: e.value for e in model.metadata_props}[METADATA])
        self.session = session_of(model)
        self.outputs = [value.name for value in self.session.get_outputs()]
        own = {k: np.array(v, np.float32) for k, v in self.names["hyper"].items()}
        self.feeds = {**own, **feeds}
        for value in self.session.get_inputs():
            if value.name not in self.feeds:
                zeros = np.zeros(value.shape, np.float32)
                self.feeds[value.name] = start.get(value.name, zeros)

    def step(self) -> Arrays:
        """Take a step; returns what it gives."""
        known = {value.name for value in self.session.get_inputs()}
        feeds = {name: value for name, value in self.feeds.items() if name in known}
        made = dict(zip(self.outputs, self.session.run(None, feeds), strict=True))
        self.feeds |= {name: made[new] for name, new in self.names["state"].items()}
        return made


def state_of(module: torch.nn.Module) -> Arrays:
    """The tensors of a module as arrays of their own."""
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def module_for(graph: Graph, *, random: bool = False) -> torch.nn.Module:
    """The module of a graph in training mode, with fresh or random weights, without dropout."""
    torch.manual_seed(0)
    module = lower(graph)
    if random:
        module = randomise(module)
    return without_dropout(module.train())


def step_model(graph: Graph, recipe: Recipe) -> onnx.ModelProto:
    """The model of a step whose dropout takes its factors as inputs."""
    return as_onnx(build_step(graph, recipe, takes_masks=True))


def masks_of_ones(model: onnx.ModelProto) -> Arrays:
    """Factors that switch dropout off."""
    return {
        value.name: np.ones([d.dim_value for d in value.type.tensor_type.shape.dim], np.float32)
        for value in model.graph.input
        if value.name.startswith("mask")
    }
