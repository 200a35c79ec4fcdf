"""The library: every net of every file, typed, counted, drawn, lowered, exported; most also run by
PyTorch and onnxruntime.

Counts and shapes of the PyTorch modules are taken on the `meta` device, which has no numbers: nets
of any size in no time.
"""

from __future__ import annotations

import re
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import netdsl
from netdsl.analysis.cost import Costs
from netdsl.api import Net
from netdsl.backends.onnx.graph import Skeleton, skeleton
from netdsl.draw.dot import emit_dot
from netdsl.driver import Compiled, check_expects, compile_net, open_program, program_of
from netdsl.ir.types import subs
from netdsl.library import library_names, resource
from netdsl.source import SourceFile
from netdsl.train.config import TrainConfig
from netdsl.train.section import read_config
from netdsl.train.settings import SGD, HFlip, MultiStep, RandomCrop
from tests.support.back_ends import assert_back_ends_agree, inputs_for, run_onnx, run_torch

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = Path(resource("nets"))
NETS = [f"{file}:{net}" for file in library_names() for net in open_program(file).nets()]
ONE_SIZE = {"H": 64, "W": 96, "V": 11, "T": 7, "R": 3}
OTHER_SIZE = {"H": 96, "W": 64, "V": 5, "T": 2, "R": 4}
# Where the boxes lie decides what is read: no shapes without numbers.
ON_NUMBERS = {"rcnn:FastRCNN"}

# Multiply-accumulates that PyTorch does beside ours: C3 multiplies absent connections by zeros;
# distances are no products to it.
MORE_MACS = {"lenet5:LeNet5Original": 10 * 10 * 25 * (6 * 16 - 60) - 84 * 10}

# To run, nets of a fixed size have a smaller one, and dense layers of 4096 units have 64.
RUN_AT = {"alexnet": 67, "googlenet:GoogLeNet": 96, "vgg": 32, "zfnet": 67, "rcnn:RCNN": 67}
# 4 GB of weights; 1,202 layers like those of the 110.
NOT_RUN = {"perceptron:Megapixel", "resnet:CifarResNet1202"}
# Few layers, small numbers: these agree element by element, the others in the scale of their
# outputs.
SHALLOW = ("convnetjs", "graphnet", "kernels", "lenet5", "neocognitron", "perceptron")


@cache
def load(name: str, size: tuple[int, ...] | None = None) -> Net:
    """A net of the library, at another input size where one is given."""
    file, net = name.split(":")
    program = open_program(file)
    return Net(compile_net(program, net, {"": size} if size else None))


@cache
def exported(name: str, size: tuple[int, ...] | None = None) -> Skeleton:
    """Its ONNX model without the weights' numbers."""
    return skeleton(load(name, size).graph)


@cache
def weightless(name: str) -> torch.nn.Module:
    """Its module without the weights' numbers."""
    with torch.device("meta"):
        return load(name).torch()


def shapes_through(
    name: str, batch: int, sizes: dict[str, int], *, training: bool = False
) -> list[tuple[int, ...]]:
    """The shapes that the module gives for a batch of that size."""
    module = weightless(name).train(training)
    inputs = [t.to("meta") for t in inputs_for(load(name), batch, sizes)]
    with torch.no_grad():
        made = module(*inputs)
    return [tuple(t.shape) for t in (made if isinstance(made, tuple) else (made,))]


# ---- typed, counted, drawn


@pytest.mark.parametrize("name", NETS)
def test_expectations_hold(name: str) -> None:
    """Each net has `expect` lines, its own or its family's, and all hold."""
    file, net = name.split(":")
    program = open_program(file)
    compiled = compile_net(program, net)
    good, broken = check_expects(compiled)
    assert not broken
    assert good >= 1


@pytest.mark.parametrize("name", NETS)
def test_every_layer_is_drawn(name: str) -> None:
    """The picture has a box for each layer, and the count of parameters."""
    net = load(name)
    dot = emit_dot(net.graph)
    boxes = re.findall(r"^\s*n\d+ \[label=.*fillcolor=", dot, re.MULTILINE)
    ends = len(net.graph.inputs) + len(net.graph.outputs) + len(net.graph.aux)
    assert len(net.graph.nodes) + ends == len(boxes)
    assert f"{net.params:,} parameters" in dot or net.params == 0


@pytest.mark.parametrize("name", NETS)
def test_params_three_ways(name: str) -> None:
    """Ours, the module's without its auxiliary heads, and the ONNX initialisers'."""
    net = load(name)
    heads = tuple(f"{head.name}." for head in net.graph.aux)
    module = {
        k: p.numel()
        for k, p in weightless(name).named_parameters()
        if not (heads and k.startswith(heads))
    }
    stored = {f"{n.module}.{k}" for n in net.graph.nodes for k in n.buffers()}
    model = {k: p.size for k, p in exported(name).params.items() if k not in stored}
    assert net.params == sum(module.values())
    assert module == model


@pytest.mark.parametrize("name", NETS)
def test_buffers_of_the_module(name: str) -> None:
    """The buffers are the numbers that a checkpoint of the module has beside its parameters, apart
    from the counters of batches, which are integers, and from auxiliary heads.
    """
    net = load(name)
    heads = tuple(f"{head.name}." for head in net.graph.aux)
    learned = {k for k, _ in weightless(name).named_parameters()}
    stored = {
        k: tensor.numel()
        for k, tensor in weightless(name).state_dict().items()
        if k not in learned and tensor.is_floating_point() and not k.startswith(heads or " ")
    }
    totals = Costs(net.graph).totals()
    assert totals.buffers == sum(stored.values())
    rows = {row.name: row.buffers for row in net.layers if row.buffers and not row.aux}
    assert rows == {
        layer: sum(stored[f"{layer}.{k}"] for k in ("running_mean", "running_var"))
        for layer in {k.rpartition(".")[0] for k in stored}
    }


@pytest.mark.parametrize("name", [n for n in NETS if load(n).graph.aux])
def test_heads_in_training(name: str) -> None:
    """In training the module gives the heads' scores after its outputs; at inference and in ONNX
    they are gone.
    """
    net = load(name)
    assert (
        len(net.outputs)
        == len(shapes_through(name, 2, ONE_SIZE))
        == len(exported(name).model.graph.output)
    )
    expected = [
        (2, *v.type.shape)
        for v in (*(o.value for o in net.outputs), *(h.value for h in net.graph.aux))
    ]
    assert expected == shapes_through(name, 2, ONE_SIZE, training=True)


@pytest.mark.parametrize("name", [n for n in NETS if n not in ON_NUMBERS])
def test_macs_are_those_of_a_forward_pass(name: str) -> None:
    """PyTorch's operators, counted while they run, multiply as often as we say."""
    net = load(name)
    counter = FlopCounterMode(display=False)
    with counter:
        shapes_through(name, 1, ONE_SIZE)
    assert subs(net.macs, ONE_SIZE) == counter.get_total_flops() // 2 - MORE_MACS.get(name, 0)


@pytest.mark.parametrize("name", [n for n in NETS if n not in ON_NUMBERS])
def test_shapes_are_the_modules(name: str) -> None:
    """The module gives the shapes of the types, at two sizes and for two batches."""
    for batch, sizes in [(1, ONE_SIZE), (3, OTHER_SIZE)]:
        expected = [
            (batch, *(subs(d, sizes) for d in o.value.type.shape)) for o in load(name).outputs
        ]
        assert expected == shapes_through(name, batch, sizes)


@pytest.mark.parametrize("name", NETS)
def test_shapes_are_those_that_onnx_infers(name: str) -> None:
    """ONNX's strict inference finds the shape that we give, at every layer; where a size is open,
    at one size.
    """
    graph = load(name).graph
    sizes = tuple(subs(d, ONE_SIZE) for d in graph.inputs[0].type.shape)
    size = None if sizes == graph.inputs[0].type.shape else sizes
    graph, made = load(name, size).graph, exported(name, size)
    model = onnx.ModelProto()
    model.CopyFrom(made.model)
    model.graph.input.extend(
        onnx.helper.make_tensor_value_info(k, made.element, p.shape) for k, p in made.params.items()
    )
    inferred = onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True, data_prop=True
    ).graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*inferred.value_info, *inferred.output)
    }
    last = {
        p.value: n.output[0]
        for n in inferred.node
        for p in n.metadata_props
        if p.key == "netdsl.layer"
    }
    for node in graph.nodes:
        if node.name in last:
            # 0: open, or not inferred.
            wanted = [d if isinstance(d, int) else 0 for d in node.type.shape]
            found = shapes[last[node.name]][1:] or wanted
            assert wanted == [w and f for w, f in zip(wanted, found, strict=True)] or 0 in found, (
                node.name
            )


# ---- run


def small(name: str) -> Net:
    """A net of the library made cheap to run."""
    file, net = name.split(":")
    text = re.sub(r"\b4096\b", "64", source_of(file))
    size = RUN_AT.get(name, RUN_AT.get(file))
    defines = {"size": str(size)} if size else {}
    program = program_of(SourceFile("small.net", text, str(FOLDER / "small.net")), defines)
    return Net(compile_net(program, net))


def settle(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give every weight and statistic a value of its own, of a size that keeps a deep net's numbers
    finite.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            fan = max(1, tensor[0].numel()) if tensor.dim() > 1 else 1
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.dim() > 1:
                tensor.normal_(0, (2 / fan) ** 0.5, generator=generator)
            else:
                tensor.uniform_(0.1, 0.6, generator=generator)
    return module.eval()


def assert_agree_in_scale(net: Net, sizes: dict[str, int]) -> None:
    """PyTorch and onnxruntime agree to 1e-4 of the largest output, which is a number, and not the
    same for all.
    """
    module = settle(net.torch())
    inputs = inputs_for(net, 1, sizes)
    expected = run_torch(module, inputs)
    actual = run_onnx(net.onnx(weights=module.state_dict()), inputs)
    for one, other in zip(expected, actual, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(one).all()
        assert one.std() > 1e-3 * np.abs(one).max() > 0
        assert np.abs(one - other).max() <= 1e-4 * np.abs(one).max()


@pytest.mark.parametrize("name", [n for n in NETS if n not in NOT_RUN])
def test_back_ends_agree(name: str) -> None:
    """PyTorch and onnxruntime give the same for the same weights, with random batch-norm
    statistics.
    """
    file = name.split(":", maxsplit=1)[0]
    net = small(name)
    if file in SHALLOW:
        assert all(np.isfinite(o).all() for o in assert_back_ends_agree(net, ONE_SIZE))
    else:
        assert_agree_in_scale(net, {**ONE_SIZE, "H": 32, "W": 64})


def test_every_file_is_run() -> None:
    """Nets that are not run have another of their file that is."""
    assert {n.split(":")[0] for n in NETS} == {n.split(":")[0] for n in NETS if n not in NOT_RUN}
    assert set(NETS) >= NOT_RUN


# ---- parameters


SIZED = [
    n
    for n in NETS
    if load(n).graph.inputs[0].type.shape[1:] == 2 * (load(n).graph.arguments.get("size"),)
]


def test_nets_of_one_size_take_another() -> None:
    """Files with classes have a size as a parameter, or leave it open; LeNet-5 and the MLP stay
    with the digits of their time.
    """
    classed = {n.split(":")[0] for n in NETS if "classes" in load(n).graph.arguments}
    open_sized = {n.split(":")[0] for n in NETS if load(n).graph.symbols}
    assert classed - open_sized - {n.split(":")[0] for n in SIZED} == {"lenet5", "perceptron"}


@pytest.mark.parametrize("name", SIZED)
def test_classes_and_size(name: str) -> None:
    """With both given, the net has that input and that output."""
    file, net = name.split(":")
    graph = compile_net(open_program(file, {"size": "96", "classes": "7"}), net).graph
    assert graph.inputs[0].type.shape == (3, 96, 96)
    assert [o.value.type.shape for o in graph.outputs] == [(7,)]


# ---- trained


def section_of(name: str) -> Compiled:
    """The net with its `train` section, if it has one."""
    file, net = name.split(":")
    return compile_net(open_program(file), net)


@pytest.mark.parametrize("name", [n for n in NETS if section_of(n).train is not None])
def test_train_sections(name: str) -> None:
    """Each `train` section is one that training accepts, with the padding that its net needs of its
    data.
    """
    config = read_config(section_of(name))
    assert isinstance(config, TrainConfig)
    size = {"cifar10": 32}.get(config.data.name, 28) + 2 * config.data.kwargs.get("pad", 0)
    assert load(name).graph.inputs[0].type.shape[1:] == (size, size)


def test_recipe_of_the_cifar_resnets() -> None:
    """ResNet's section 4.2: 64,000 steps of 128 images at 0.1, with a tenth of the rate from 32,000
    and 48,000 on; all members have it.
    """
    config = read_config(section_of("resnet:CifarResNet110"))
    assert config.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    steps = ceil(50_000 / config.batch)
    assert isinstance(config.schedule, MultiStep)
    assert [round(e * steps, -3) for e in (*config.schedule.at, config.epochs)] == [
        32_000,
        48_000,
        64_000,
    ]
    assert config.augment == (RandomCrop(32, pad=4), HFlip())


# ---- the text


def source_of(file: str) -> str:
    """The text of a shipped file."""
    return (FOLDER / f"{file}.net").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", library_names())
def test_a_file_cites_its_paper(file: str) -> None:
    """The first comment names authors, what they call it, and the year; the filters are the
    lectures'.
    """
    head = re.match(r"(?:#.*\n)+", source_of(file))
    assert head is not None
    if file == "kernels":
        assert "lectures" in head[0]
    else:
        assert re.search(
            r"[A-Z]\w+((, [A-Z]\w+)*( et al\.)?:? .*,|,) (19|20)\d\d\b",
            head[0].replace("\n# ", " "),
        )


def lines_of(file: str, names: tuple[str, ...]) -> list[str]:
    """The lines that define those nets, blocks and `let`s, without comments, blank lines and
    `expect`.
    """
    kept = []
    inside = False
    for line in source_of(file).splitlines():
        begun = re.match(r"(net|block|let|train|import) (\w+)", line)
        if begun:
            inside = begun[1] != "train" and begun[2] in names
        bare = line.split("#")[0].strip()
        if inside and bare and not bare.startswith("expect "):
            kept.append(bare)
    return kept


@pytest.mark.parametrize(
    ("parts", "most"),
    [
        ([("lenet5", ("LeNet5",))], 10),
        ([("vgg", ("VGG", "D", "VGG16"))], 12),
        ([("googlenet", ("GoogLeNet", "head"))], 26),
        ([("resnet", ("ResNet", "ResNet50")), ("lib/bottleneck", ("bottleneck",))], 20),
    ],
)
def test_nets_are_short(parts: list[tuple[str, tuple[str, ...]]], most: int) -> None:
    """The nets of the papers in as many lines as their tables have."""
    lines = [line for file, names in parts for line in lines_of(file, names)]
    assert len(lines) > 5
    assert len(lines) <= most, "\n".join(lines)


# ---- files


WHOLE = {
    "lenet5:LeNet5": {},
    "resnet:ResNet18": {"H": 64, "W": 96},
    "senet:SEResNet50": {"H": 64, "W": 64},
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_nets(name: str) -> None:
    """Nets of the library compute the same in both back ends, at sizes that they leave open."""
    made = netdsl.load(name)
    module, sizes = made.torch().eval(), WHOLE[name]
    inputs = inputs_for(made, 1, sizes)
    np.testing.assert_allclose(
        run_onnx(made.onnx(weights=module.state_dict()), inputs)[0],
        run_torch(module, inputs)[0],
        rtol=1e-3,
        atol=1e-4,
    )
    assert made.params == sum(p.numel() for p in module.parameters())
