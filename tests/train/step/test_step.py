"""A training step in ONNX is a step of PyTorch, for the recipe of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from netdsl.backends.onnx.differentiate import Differentiator
from netdsl.backends.onnx.form import OPSET
from netdsl.backends.onnx.training import Terminal, model_of_ports
from netdsl.data.catalog import SAMPLE_FOLDER
from netdsl.data.dataset import TargetData
from netdsl.data.idx import read_idx_folder
from netdsl.driver import compile_picked, open_program, program_of
from netdsl.source import SourceFile
from netdsl.train.freezing import Freezing, frozen_until
from netdsl.train.numerics import clip_values
from netdsl.train.objective import Objective
from netdsl.train.optimizers import build_optimizer
from netdsl.train.recipe.optimizers import SGD
from netdsl.train.section import read_config
from netdsl.train.selection import Selection, kinds_of
from netdsl.train.step.assemble import build_step
from netdsl.train.step.from_config import recipe_of
from tests.support.train_steps import (
    StepRun,
    as_onnx,
    masks_of_ones,
    module_for,
    recipe_for,
    run_model,
    state_of,
    step_model,
)

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from tests.support.train_steps import Arrays

BATCH = 6


def compiled_text(body: str, section: str = "") -> Compiled:
    """A net `A` with that body, and a section with these entries."""
    text = f"net A {{\n{body}\n}}\ntrain A {{\n{section}\n}}\n"
    return compile_picked(program_of(SourceFile("a.net", text)), "A")


class Both:
    """The same steps in ONNX and in PyTorch."""

    def __init__(self, compiled: Compiled, batch: int = BATCH) -> None:
        graph = self.graph = compiled.graph
        config = self.config = read_config(compiled)
        self.recipe = recipe_of(graph, config, batch)
        model = step_model(graph, self.recipe)
        onnx.checker.check_model(model, full_check=True)
        self.module = module_for(graph)
        selection = Selection(kinds_of(graph))
        Freezing(self.module, frozen_until(config, selection)).apply(0)
        self.optimizer = build_optimizer(
            config.optimizer, dict(self.module.named_parameters()), selection
        )
        rng = np.random.default_rng(0)
        shapes = {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input
        }
        self.inputs: Arrays = {}
        for value in graph.inputs:
            self.inputs[value.name] = rng.normal(size=shapes[value.name]).astype(np.float32)
        self.labels: Arrays = {}
        for target in self.recipe.targets:
            shape = shapes[target.name]
            self.labels[target.name] = rng.integers(0, 2, shape)
            if not target.has_classes:
                self.labels[target.name] = rng.normal(size=shape).astype(np.float32)
        feeds: Arrays = {**self.inputs, **self.labels, **masks_of_ones(model)}
        self.run = StepRun(model, state_of(self.module), feeds)
        self.objective = Objective(
            self.recipe.losses,
            [output.name for output in graph.outputs],
            self._targets(),
            [head.weight for head in graph.aux],
        )

    def _targets(self) -> dict[str, TargetData]:
        sizes = {o.name: o.value.type.shape for o in self.graph.outputs}
        found = {}
        for part, target in zip(self.recipe.losses, self.recipe.targets, strict=True):
            count = max(2, int(str(sizes[part.output][0]))) if target.has_classes else 0
            found[part.output] = TargetData(tuple(map(str, range(count))), target.ignored)
        return found

    def step(self) -> None:
        """Take a step in both, and compare the loss and the whole state."""
        made = self.run.step()
        outputs = self.module(*map(torch.from_numpy, self.inputs.values()))
        if not isinstance(outputs, tuple):
            outputs = (outputs,)
        results = [output.detach().numpy().copy() for output in outputs]
        labels = zip(self.recipe.losses, self.recipe.targets, strict=True)
        given = {p.output: torch.from_numpy(self.labels[t.name]) for p, t in labels}
        loss = self.objective(outputs, given)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        parameters = [p for p in self.module.parameters() if p.grad is not None]
        if self.config.clip_value is not None:
            clip_values([p.grad for p in parameters if p.grad is not None], self.config.clip_value)
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
        self.optimizer.step()
        assert made["loss"] == pytest.approx(loss.item(), rel=1e-5)
        for output, expected in zip(self.graph.outputs, results, strict=False):
            close(made[self.run.names["outputs"][output.name]], expected, output.name)
        state = state_of(self.module)
        assert {n for n in self.run.names["state"] if n in state}
        for name, expected in state.items():
            if name in self.run.names["state"]:
                close(made[self.run.names["state"][name]], expected, name)


def close(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    """Compare within 1e-5 of the largest number."""
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale, err_msg=name)


def check(body: str, section: str = "", steps: int = 3, batch: int = BATCH) -> Both:
    """Compare some steps of a text."""
    both = Both(compiled_text(body, section), batch)
    for _ in range(steps):
        both.step()
    return both


SMALL = """
input image: 2x6x6
conv1: conv(4, 3, bias = false) -> norm: bn -> tanh -> maxpool(2) -> flatten
dense(5) -> tanh
output logits: dense(3)
"""
OPTIMIZERS = [
    "sgd(lr = 0.1)",
    "sgd(lr = 0.1, momentum = 0.9, weight_decay = 0.01)",
    "sgd(lr = 0.1, momentum = 0.9, weight_decay = 0.01, nesterov = true)",
    "sgd(lr = [(conv1, 0.01), (rest, 0.1)], momentum = 0.5)",
    "sgd(lr = 0.1, weight_decay = 0.1, no_decay = [bn, bias])",
    "adam(lr = 0.01)",
    "adam(lr = 0.01, weight_decay = 0.1, betas = [0.8, 0.99], eps = 1e-6)",
    "adamw(lr = 0.01, weight_decay = 0.1, no_decay = [bias])",
    "rmsprop(lr = 0.01, weight_decay = 0.1)",
    "rmsprop(lr = 0.01, alpha = 0.9, momentum = 0.5)",
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer: str) -> None:
    """Weights, slots and running statistics after three steps."""
    both = check(SMALL, f"optimizer = {optimizer}")
    assert both.run.names["state"]["norm.running_var"] == "norm.running_var.new"


@pytest.mark.parametrize(
    "section",
    [
        "loss = cross_entropy(label_smoothing = 0.1)",
        "loss = mse",
        "clip_norm = 0.1",
        "clip_value = 0.01\n clip_norm = 0.05",
        "freeze = conv1",
        "freeze = [conv1, norm]",
    ],
)
def test_recipes(section: str) -> None:
    """Losses, limits of the gradients, and parts that are frozen."""
    check(SMALL, section)


def test_frozen_layers() -> None:
    """Frozen weights and statistics are inputs, but have no new value."""
    both = check(
        "input x: 2x5x5\n a: { conv(3, 3) -> bn } -> frozen\n"
        " relu -> b: conv(4, 3) -> flatten\n output y: dense(3)"
    )
    names = both.run.names
    assert [n for n in names["fixed"] if n.startswith("a.")] == names["fixed"]
    assert "a.1.running_mean" in names["fixed"]
    assert not any(name.startswith("a.") for name in names["state"])
    assert "b.weight" in names["state"]


def test_shared_weights() -> None:
    """The gradient of a weight that several layers use is the sum of their gradients."""
    both = check(
        "input x: 5\n a: dense(5) -> tanh -> @a -> tanh"
        " -> b: dense(5, weight = @a.weight)\n output y: dense(3)"
    )
    assert "a.weight" in both.run.names["state"]
    assert "b.weight" not in both.run.names["state"]


def test_several_outputs_and_inputs() -> None:
    """Each output has labels of its own, classes or numbers, and a weight."""
    both = check(
        "input a: 4\n input b: 3\n @a -> dense(6) -> tanh\n output first: dense(3)\n"
        " @b -> dense(5) -> tanh\n output second: dense(2)",
        "loss = [(first, cross_entropy), (second, mse, 0.5)]\n"
        'data = npz("none.npz", inputs = ["a", "b"])',
    )
    assert both.run.names["labels"] == ["labels.first", "labels.second"]
    assert both.labels["labels.second"].dtype == np.float32


def test_auxiliary_heads() -> None:
    """The loss of a head is added with its weight."""
    body = """
    input x: 2x8x8
    conv(4, 3) -> relu
    aux side(weight = 0.3) { gap -> flatten -> dense(3) }
    conv(4, 3) -> relu -> flatten
    output y: dense(3)
    """
    both = check(body)
    assert any(name.startswith("side") for name in both.run.names["state"])


def test_names_in_use() -> None:
    """If the net has a name that the step uses, the step takes another one."""
    both = check(
        "input rate: 4\n labels: dense(6) -> loss: tanh\n output momentum: dense(3)",
        "optimizer = sgd(lr = 0.1, momentum = 0.9)",
    )
    names = both.run.names
    assert [*names["hyper"]] == ["rate_", "decay", "momentum_"]
    assert names["labels"] == ["labels"]
    assert names["loss"] == "loss"


def test_output_of_a_parameter() -> None:
    """An output that has the name of a weight gets another name: weights keep theirs."""
    both = check(
        "input x: 3\n first: @x -> dense(2) -> tanh\n output w: param(2)\n"
        " output y: mul(@w, @first)",
        "loss = [(w, mse), (y, mse)]",
    )
    assert both.run.names["outputs"] == {"w": "w_", "y": "y"}
    assert both.run.names["state"]["w"] == "w.new"


KINDS = [
    ("dropout(0.4)", (8, 6, 4, 4)),
    ("dropout2d(0.4)", (8, 6, 1, 1)),
    ("droppath(0.4)", (8, 1, 1, 1)),
]


@pytest.mark.parametrize(("kind", "shape"), KINDS)
def test_dropout(kind: str, shape: tuple[int, ...]) -> None:
    """Random factors have one number for each element, map or sample, and act backward, too."""
    body = f"input x: 6x4x4\n a: conv(6, 1, bias = false) -> {kind} -> flatten\n"
    graph = compiled_text(f"{body} output y: dense(2)").graph
    recipe = recipe_for(graph, 8)
    module, images = module_for(graph), np.random.default_rng(0).normal(size=(8, 6, 4, 4))
    feeds: Arrays = {"x": images.astype(np.float32), "labels.y": np.arange(8) % 2}
    model = step_model(graph, recipe)
    assert masks_of_ones(model)["mask0"].shape == shape
    off = StepRun(model, state_of(module), {**feeds, "mask0": np.zeros(shape, np.float32)})
    own = state_of(module)["a.weight"]  # of whose gradient only the decay is left
    np.testing.assert_allclose(off.step()["a.weight.momentum.new"], 0.01 * own, rtol=1e-6)
    run = StepRun(as_onnx(build_step(graph, recipe)), state_of(module), feeds)
    run.feeds["rate"] = np.array(0, np.float32)
    assert len({float(run.step()["loss"]) for _ in range(3)}) > 1


def test_random_factors() -> None:
    """The share p of the factors is 0, and the others are 1 / (1 - p)."""
    g = Differentiator(OPSET, [])
    g.begin_at("mask", "dropout", compiled_text("input x: 1\n relu").graph.site)
    factors = Terminal("factors", g.mask((100, 100), 0.3))
    model = as_onnx(model_of_ports(g, "mask", "", [], [factors], {}))
    found = run_model(model, {})["factors"]
    assert {*np.unique(found)} == {np.float32(0), np.float32(1 / 0.7)}
    assert 0.27 < (found == 0).mean() < 0.33


def test_lenet_learns() -> None:
    """A hundred steps on the sample give the losses of a hundred steps of PyTorch."""
    both = Both(compile_picked(open_program("lenet5"), "LeNet5"), 32)
    train, _ = read_idx_folder(SAMPLE_FOLDER, 10)
    losses = []
    for step in range(100):
        rows = np.arange(step * 32, step * 32 + 32)
        pixels = train.images[rows].astype(np.float32) / 255 - 0.286
        images = np.pad(pixels / 0.353, [(0, 0), (0, 0), (2, 2), (2, 2)])
        both.run.feeds |= {"image": images, "labels": train.labels[rows]}
        made = both.run.step()
        scores = both.module(torch.from_numpy(images))
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(train.labels[rows]))
        both.optimizer.zero_grad()
        torch.autograd.backward(loss)
        both.optimizer.step()
        losses.append((float(made["loss"]), loss.item()))
    ours, theirs = np.array(losses).T
    np.testing.assert_allclose(ours[:20], theirs[:20], rtol=1e-4)
    np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.02)
    assert ours[-10:].mean() < 0.5 * ours[0]


DROPPING = [
    ("4x3", "lstm(5, layers = 2, dropout = 0.3)", (4, BATCH, 5), "d.weight_ih_l0"),
    ("4x6", "attention(2, dropout = 0.3)", (BATCH, 2, 4, 4), "d.in_proj_weight"),
]


@pytest.mark.parametrize(("shape", "call", "size", "weight"), DROPPING)
def test_dropout_inside_layers(shape: str, call: str, size: tuple[int, ...], weight: str) -> None:
    """Recurrent layers drop values between their layers, and attention drops its weights."""
    graph = compiled_text(f"input x: {shape}\n d: {call} -> flatten\n output y: dense(2)").graph
    model = step_model(graph, recipe_for(graph, BATCH, SGD(lr=0.1)))
    [mask] = masks_of_ones(model).items()
    assert mask[1].shape == size
    rng = np.random.default_rng(0)
    sizes = [BATCH, *map(int, shape.split("x"))]
    feeds: Arrays = {
        "x": rng.normal(size=sizes).astype(np.float32),
        "labels.y": np.zeros(BATCH, int),
    }
    for factor, is_zero in ((1.0, False), (0.0, True)):
        own = {mask[0]: np.full(size, factor, np.float32)}
        made = StepRun(model, state_of(module_for(graph)), {**feeds, **own}).step()
        assert is_zero != made[f"{weight}.momentum.new"].any()


def test_ignored_class_of_the_data() -> None:
    """Pixels whose class the data ignores do not count."""
    both = check(
        "input x: 3x8x8\n output y: conv(4, 3, pad = 1)",
        'data = segments("pictures", "masks", size = 8, ignored = 1)',
    )
    assert both.recipe.targets[0].ignored == 1
