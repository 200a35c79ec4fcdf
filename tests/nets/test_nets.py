"""Every net of the library: its types, counts, picture, PyTorch module and ONNX model.

Most nets also run in PyTorch and onnxruntime. Counts and shapes of the modules come from PyTorch's
`meta` device, which computes no numbers and so is fast for nets of any size.
"""

from __future__ import annotations

import re
from collections import Counter
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
from netdsl.backends.onnx.write import as_onnx
from netdsl.draw.dot import emit_dot
from netdsl.draw.picture import Picture
from netdsl.driver import (
    Compiled,
    check_expects,
    compile_net,
    open_program,
    program_of,
)
from netdsl.elaborate.program import Program
from netdsl.ir.types import subs
from netdsl.library import library_names, resource
from netdsl.source import SourceFile
from netdsl.train.config import TrainConfig
from netdsl.train.recipe.optimizers import SGD
from netdsl.train.recipe.schedules import MultiStep
from netdsl.train.section import read_config
from netdsl.train.settings import HFlip, RandomCrop
from tests.support.back_ends import assert_back_ends_agree, inputs_for, run_onnx, run_torch
from tests.support.library import NETS

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = Path(resource("nets"))
ONE_SIZE = {"H": 64, "W": 96, "V": 11, "T": 7, "R": 3}
OTHER_SIZE = {"H": 96, "W": 64, "V": 5, "T": 2, "R": 4}
SMALL_SIZE = {**ONE_SIZE, "H": 32, "W": 64}
LARGER = {"unet:UNet": 156}  # these need larger images: by so many pixels
# The positions of boxes decide which elements are read, so these do not run on the `meta` device.
ON_NUMBERS = {"rcnn:FastRCNN"}

# Multiply-accumulates that PyTorch counts in addition to ours: it multiplies the absent connections
# of C3 by zeros, and it does not count distances.
MORE_MACS = {"lenet5:LeNet5Original": 10 * 10 * 25 * (6 * 16 - 60) - 84 * 10}

# Sizes at which nets of a fixed size are run. Their dense layers of 4096 units then have 64.
RUN_AT = {"alexnet": 67, "googlenet:GoogLeNet": 96, "vgg": 32, "zfnet": 67, "rcnn:RCNN": 67}
# The first has 4 GB of weights. The others are like smaller nets of their families, which run, but
# have 1,202 layers or billions of multiply-accumulates.
NOT_RUN = {
    "perceptron:Megapixel",
    "resnet:CifarResNet1202",
    "densenet:CifarDenseNet190",
    "densenet:CifarDenseNet250",
    "resnext:CifarResNeXt29_16x64d",
}
# Nets with few layers and small numbers, whose outputs are compared element by element. For the
# others, differences are compared with the largest output.
SHALLOW = ("convnetjs", "graphnet", "kernels", "lenet5", "neocognitron", "perceptron")


def sizes_for(name: str, sizes: dict[str, int]) -> dict[str, int]:
    """Numbers for the open sizes of a net."""
    more = LARGER.get(name, 0)
    return {**sizes, "H": sizes["H"] + more, "W": sizes["W"] + more}


@cache
def program_in(file: str) -> Program:
    """The program of a shipped file."""
    return open_program(file)


@cache
def compiled(name: str, size: tuple[int, ...] | None = None) -> Compiled:
    """A compiled net of the library, at an input size if one is given."""
    file, net = name.split(":")
    return compile_net(program_in(file), net, {"": size} if size else None)


@cache
def load(name: str, size: tuple[int, ...] | None = None) -> Net:
    """A net of the library, at an input size if one is given."""
    return Net(compiled(name, size))


@cache
def exported(name: str, size: tuple[int, ...] | None = None) -> Skeleton:
    """The ONNX model of a net, without the numbers of its weights."""
    return skeleton(load(name, size).graph)


@cache
def weightless(name: str) -> torch.nn.Module:
    """The PyTorch module of a net, without the numbers of its weights."""
    with torch.device("meta"):
        return load(name).torch()


def shapes_through(
    name: str, batch: int, sizes: dict[str, int], *, training: bool = False
) -> list[tuple[int, ...]]:
    """The shapes of the module's outputs for a batch, with numbers for open sizes."""
    module = weightless(name).train(training)
    inputs = [t.to("meta") for t in inputs_for(load(name), batch, sizes_for(name, sizes))]
    with torch.no_grad():
        outputs = module(*inputs)
    return [tuple(t.shape) for t in (outputs if isinstance(outputs, tuple) else (outputs,))]


@cache
def counted_pass(name: str) -> tuple[list[tuple[int, ...]], int]:
    """The shapes of the outputs for one sample of `ONE_SIZE`, and the MACs that PyTorch counts."""
    with FlopCounterMode(display=False) as counter:
        shapes = shapes_through(name, 1, ONE_SIZE)
    return shapes, counter.get_total_flops() // 2


# ---- types, counts, pictures


@pytest.mark.parametrize("name", NETS)
def test_expectations_hold(name: str) -> None:
    """Each net has `expect` lines, its own or its family's, and all are true."""
    passed, failed = check_expects(compiled(name))
    assert not failed
    assert passed >= 1


@pytest.mark.parametrize("name", NETS)
def test_every_layer_is_drawn(name: str) -> None:
    """The picture has a box for each layer and shows the number of parameters."""
    net = load(name)
    dot = emit_dot(net.graph)
    boxes = Picture(net.graph).boxes()
    ends = len(net.graph.inputs) + len(net.graph.outputs) + len(net.graph.aux)
    assert len(net.graph.nodes) + ends == len(boxes)
    assert f"{net.params:,} parameters" in dot or net.params == 0


@pytest.mark.parametrize("name", NETS)
def test_params_three_ways(name: str) -> None:
    """Our count, the module's without auxiliary heads, and the initialisers' agree."""
    net = load(name)
    heads = tuple(f"{head.name}." for head in net.graph.aux)
    module = {
        k: p.numel()
        for k, p in weightless(name).named_parameters()
        if not (heads and k.startswith(heads))
    }
    stored = {n.tensor_name(k) for n in net.graph.nodes for k in n.buffers()}
    model = {k: p.size for k, p in exported(name).params.items() if k not in stored}
    assert net.params == sum(module.values())
    assert module == model


@pytest.mark.parametrize("name", NETS)
def test_buffers_of_the_module(name: str) -> None:
    """The buffers are the numbers that a checkpoint of the module has beside its parameters, apart
    from the counters of batches and from auxiliary heads.
    """
    net = load(name)
    heads = tuple(f"{head.name}." for head in net.graph.aux)
    learned = {k for k, _ in weightless(name).named_parameters(remove_duplicate=False)}
    stored = {
        k: tensor.numel()
        for k, tensor in weightless(name).state_dict().items()
        if k not in learned
        and not k.endswith("num_batches_tracked")
        and not k.startswith(heads or " ")
    }
    totals = Costs(net.graph).totals()
    assert totals.buffers == sum(stored.values())
    rows = Counter({row.name: row.buffers for row in net.layers if row.buffers and not row.aux})
    layers = Counter[str]()
    for k, size in stored.items():  # a constant has the name of its layer
        layers[re.sub(r"\.running_(mean|var)$", "", k)] += size
    assert rows == layers


def test_heads_in_training() -> None:
    """In training the module returns the heads' scores after its outputs, otherwise only outputs.

    The ONNX model has no heads either.
    """
    with_heads = [name for name in NETS if load(name).graph.aux]
    assert with_heads
    for name in with_heads:
        net = load(name)
        assert (
            len(net.outputs)
            == len(shapes_through(name, 2, ONE_SIZE))
            == len(exported(name).model.graph.output)
        ), name
        values = [*(o.value for o in net.outputs), *(h.value for h in net.graph.aux)]
        expected = [(2, *v.type.shape) for v in values]
        assert expected == shapes_through(name, 2, ONE_SIZE, training=True), name


@pytest.mark.parametrize("name", [n for n in NETS if n not in ON_NUMBERS])
def test_macs_are_those_of_a_forward_pass(name: str) -> None:
    """PyTorch's counter of operations gives our number of multiply-accumulates."""
    counted = counted_pass(name)[1] - MORE_MACS.get(name, 0)
    assert subs(load(name).macs, sizes_for(name, ONE_SIZE)) == counted


@pytest.mark.parametrize("name", [n for n in NETS if n not in ON_NUMBERS])
def test_shapes_are_the_modules(name: str) -> None:
    """The module's outputs have the inferred shapes, for two settings of sizes and batch."""
    passes = [
        (1, ONE_SIZE, counted_pass(name)[0]),
        (3, OTHER_SIZE, shapes_through(name, 3, OTHER_SIZE)),
    ]
    for batch, sizes, actual in passes:
        shapes = [o.value.type.shape for o in load(name).outputs]
        expected = [(batch, *(subs(d, sizes_for(name, sizes)) for d in shape)) for shape in shapes]
        assert expected == actual


@pytest.mark.parametrize("name", NETS)
def test_shapes_are_those_that_onnx_infers(name: str) -> None:
    """ONNX's strict inference gives our shape at every layer; open sizes are set to numbers."""
    graph = load(name).graph
    sizes = tuple(subs(d, sizes_for(name, ONE_SIZE)) for d in graph.inputs[0].type.shape)
    size = None if sizes == graph.inputs[0].type.shape else sizes
    graph, exported_model = load(name, size).graph, exported(name, size)
    model = as_onnx(exported_model)
    model.graph.input.extend(
        onnx.helper.make_tensor_value_info(k, exported_model.element, p.shape)
        for k, p in exported_model.params.items()
        if not p.is_constant  # the model contains constants
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
            # 0 is a size that is open or not inferred.
            expected = [d if isinstance(d, int) else 0 for d in node.type.shape]
            inferred_shape = shapes[last[node.name]][1:] or expected
            assert (
                expected == [w and f for w, f in zip(expected, inferred_shape, strict=True)]
                or 0 in inferred_shape
            ), node.name


# ---- results


def small(name: str) -> Net:
    """A net of the library, with fewer units and a smaller input, so that it runs quickly."""
    file, net = name.split(":")
    text = re.sub(r"\b4096\b", "64", source_of(file))
    size = RUN_AT.get(name, RUN_AT.get(file))
    defines = {"size": str(size)} if size else {}
    program = program_of(SourceFile("small.net", text, str(FOLDER / "small.net")), defines)
    return Net(compile_net(program, net))


def settle(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give all weights and statistics random values that keep the numbers of deep nets finite."""
    generator = torch.Generator().manual_seed(seed)
    learned = {name for name, _ in module.named_parameters()}
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name not in learned and not name.endswith(("running_mean", "running_var")):
                continue  # a constant or a counter of batches
            fan = max(1, tensor[0].numel()) if tensor.dim() > 1 else 1
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.dim() > 1:
                tensor.normal_(0, (2 / fan) ** 0.5, generator=generator)
            else:
                tensor.uniform_(0.1, 0.6, generator=generator)
    return module.eval()


# Transformers and ConvNeXts with many layers, like smaller nets of their files, which run.
LARGE = {
    *(f"bert:BERT{size}" for size in ("", "Large", "Small", "Medium")),
    *(f"convnext:ConvNeXt{size}" for size in "SBL"),
    *(f"gpt:GPT2{size}" for size in ("", "Medium", "Large", "XL")),
    *(f"swin:Swin{size}" for size in "TSBL"),
    *(f"vit:ViT_{size}" for size in ("B16", "B32", "L16", "L32", "H14")),
}


def assert_agree_in_scale(net: Net, sizes: dict[str, int]) -> None:
    """PyTorch and onnxruntime agree to 1e-4 of the largest output; outputs are finite and vary."""
    module = settle(net.torch())
    inputs = inputs_for(net, 1, sizes)
    from_torch = run_torch(module, inputs)
    from_onnx = run_onnx(net.onnx(weights=module.state_dict()), inputs)
    for ours, theirs in zip(from_torch, from_onnx, strict=True):
        assert ours.shape == theirs.shape
        assert np.isfinite(ours).all()
        largest = np.abs(ours).max()
        assert largest > 0
        assert ours.size == 1 or ours.std() > 1e-3 * largest
        assert np.abs(ours - theirs).max() <= 1e-4 * largest


# Deeper or wider members of families, made of the same blocks as the others.
DEEPER = re.compile(r"(ResNet|ResNeXt|DenseNet)(101|152|169|201|264)|VGG1[69]")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.slow] * bool(DEEPER.search(n)))
        for n in NETS
        if n not in NOT_RUN | LARGE
    ],
)
def test_back_ends_agree(name: str) -> None:
    """PyTorch and onnxruntime agree for random weights and random batch-norm statistics."""
    file = name.split(":", maxsplit=1)[0]
    net = small(name)
    if file in SHALLOW:
        assert all(np.isfinite(o).all() for o in assert_back_ends_agree(net, ONE_SIZE))
    else:
        assert_agree_in_scale(net, sizes_for(name, SMALL_SIZE))


def test_every_file_is_run() -> None:
    """Every file has a net that runs."""
    run = {n for n in NETS if n not in NOT_RUN | LARGE}
    assert {n.split(":")[0] for n in NETS} == {n.split(":")[0] for n in run}
    assert set(NETS) >= NOT_RUN | LARGE


# ---- parameters


def sized() -> list[str]:
    """The nets with a parameter `size`, which is the height and the width of their input."""
    return [
        n
        for n in NETS
        if load(n).graph.inputs[0].type.shape[1:] == 2 * (load(n).graph.arguments.get("size"),)
    ]


def test_nets_of_one_size_take_another() -> None:
    """Files with a parameter `classes` have a parameter `size` or open sizes.

    The exceptions, LeNet-5, the perceptron and the experiments, are for small images of one size.
    """
    classed = {n.split(":")[0] for n in NETS if "classes" in load(n).graph.arguments}
    open_sized = {n.split(":")[0] for n in NETS if load(n).graph.symbols}
    assert classed - open_sized - {n.split(":")[0] for n in sized()} == {
        "lenet5",
        "perceptron",
        "experiments",
    }


def test_classes_and_size() -> None:
    """The parameters `size` and `classes` set the shapes of the input and the output."""
    for name in sized():
        file, net = name.split(":")
        channels, size, _ = load(name).graph.inputs[0].type.shape
        defines = {"size": str(2 * size), "classes": "7"}
        graph = compile_net(open_program(file, defines), net).graph
        assert graph.inputs[0].type.shape == (channels, 2 * size, 2 * size), name
        assert [o.value.type.shape for o in graph.outputs] == [(7,)], name


# ---- training


@pytest.mark.parametrize("name", NETS)
def test_train_sections(name: str) -> None:
    """Training accepts each `train` section, and its data have the size of the net's input.

    A user's own pictures are resized to the size that the section gives; nets for them are open.
    """
    if compiled(name).train is None:
        return
    config = read_config(compiled(name))
    assert isinstance(config, TrainConfig)
    if config.data.name == "segments":
        assert load(name).graph.symbols == ["H", "W"]
        return
    own = {"cifar10": 32, "digits": 8}
    size = own.get(config.data.name, 28) + 2 * config.data.kwargs.get("pad", 0)
    assert load(name).graph.inputs[0].type.shape[1:] == (size, size)


def test_recipe_of_the_cifar_resnets() -> None:
    """CIFAR's ResNets have the recipe of section 4.2 of the paper.

    It has 64,000 steps of 128 images at a rate of 0.1, which is divided by 10 after 32,000 and
    after 48,000 steps.
    """
    config = read_config(compiled("resnet:CifarResNet110"))
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
    """The first comment has authors, title and year, or names the lectures in `kernels`."""
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
    """The lines that define nets, blocks and `let`s, without comments, blank lines and `expect`."""
    lines = []
    inside = False
    for line in source_of(file).splitlines():
        definition = re.match(r"(net|block|let|train|import) (\w+)", line)
        if definition:
            inside = definition[1] != "train" and definition[2] in names
        bare = line.split("#")[0].strip()
        if inside and bare and not bare.startswith("expect "):
            lines.append(bare)
    return lines


@pytest.mark.parametrize(
    ("parts", "limit"),
    [
        ([("lenet5", ("LeNet5",))], 10),
        ([("vgg", ("VGG", "D", "VGG16"))], 12),
        ([("googlenet", ("GoogLeNet", "head"))], 26),
        ([("resnet", ("ResNet", "ResNet50")), ("lib/bottleneck", ("bottleneck",))], 21),
    ],
)
def test_nets_are_short(parts: list[tuple[str, tuple[str, ...]]], limit: int) -> None:
    """The nets of the papers take about as many lines as their tables have rows."""
    lines = [line for file, names in parts for line in lines_of(file, names)]
    assert len(lines) > 5
    assert len(lines) <= limit, "\n".join(lines)


# ---- files


WHOLE = {
    "lenet5:LeNet5": {},
    "resnet:ResNet18": {"H": 64, "W": 96},
    "senet:SEResNet50": {"H": 64, "W": 64},
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_nets(name: str) -> None:
    """Nets of the library agree in both back ends, with PyTorch's initial weights."""
    net = netdsl.load(name)
    module, sizes = net.torch().eval(), WHOLE[name]
    inputs = inputs_for(net, 1, sizes)
    np.testing.assert_allclose(
        run_onnx(net.onnx(weights=module.state_dict()), inputs)[0],
        run_torch(module, inputs)[0],
        rtol=1e-3,
        atol=1e-4,
    )
    assert net.params == sum(p.numel() for p in module.parameters())
