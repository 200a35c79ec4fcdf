"""What training on several devices sends and computes, compared with PyTorch and by hand."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import netdsl
from netdsl.analysis.cost import Costs
from netdsl.analysis.traffic import Cut, Traffic, traffic_of
from netdsl.ir.types import Sym

NETS = ["lenet5:LeNet5", "resnet:CifarResNet20", "convnetjs:ConvNetJS", "vit:FashionViT"]
SKIPPING = """net Skipping {
    input image: 1x8x8
    a: { kept: conv(2, 3, pad = same) -> relu }
    b: { conv(4, 3, pad = same) -> maxpool(2) }
    c: {
        small: @a -> maxpool(2)
        @b -> concat(@small)
        flatten -> dense(3)
    }
}"""
PLAIN = """net Plain {
    input image: 1x8x8
    a: { c: conv(2, 3, pad = same, bias = false) -> relu }
    b: { c: conv(4, 3, pad = same, bias = false) -> maxpool(2) }
    flatten
    c: { f: dense(3, bias = false) }
}"""
# Of the net above: the multiply-accumulates of each layer.
FIRST, SECOND, LAST = 64 * 2 * 9, 64 * 4 * 2 * 9, 64 * 3


def traffic(text: str, **options: object) -> Traffic:
    """The figures of the net of a text."""
    graph = netdsl.loads(text).graph
    return traffic_of(graph, Costs(graph), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETS)
def test_parameters_of_pytorch(name: str) -> None:
    """Gradients, parameters and buffers have the sizes of the tensors of the PyTorch module."""
    net = netdsl.load(name)
    module = net.torch()
    found = traffic_of(net.graph, Costs(net.graph))
    learned = [p for p in module.parameters() if p.requires_grad]
    assert found.learned == sum(p.numel() for p in learned)
    assert found.gradients == sum(p.numel() * p.element_size() for p in learned)
    assert found.params == sum(p.numel() * p.element_size() for p in module.parameters())
    assert found.buffers == sum(
        b.numel() * b.element_size() for b in module.buffers() if b.dtype == torch.float32
    )


@pytest.mark.parametrize("name", NETS[:3])
def test_operations_of_pytorch(name: str) -> None:
    """PyTorch's own counter finds two operations for each product of both passes."""
    net = netdsl.load(name)
    module, sizes = net.torch(), net.graph.inputs[0].type.shape
    found = traffic_of(net.graph, Costs(net.graph))
    image = torch.rand(1, *(int(str(size)) for size in sizes))
    module.eval()  # a batch norm takes no single value in training
    for part in ("forward", "both"):
        counter = FlopCounterMode(display=False)
        with counter:
            result = module(image)
            if part == "both":
                result.sum().backward()
        products = found.forward + (found.backward if part == "both" else 0)
        assert counter.get_total_flops() == 2 * products


def test_backward_by_hand() -> None:
    """Every layer computes the gradients of its weights and of its input; the first has no input
    that needs them.
    """
    found = traffic(PLAIN)
    assert found.forward == FIRST + SECOND + LAST
    assert found.backward == FIRST + 2 * SECOND + 2 * LAST


def test_frozen_layers() -> None:
    """A frozen layer has no gradients, in the text or in the section, and stops those above it."""
    frozen = traffic(PLAIN.replace("-> relu }", "-> relu } -> frozen"))
    assert frozen == traffic(PLAIN, frozen={"a.c.weight"})
    assert frozen.gradients == 4 * (72 + 192)
    assert frozen.params == 4 * (18 + 72 + 192)
    assert frozen.backward == SECOND + 2 * LAST
    assert [cut.backward for cut in frozen.cuts] == [0, 4 * 4 * 16]
    in_the_middle = traffic(PLAIN, frozen={"b.c.weight"})
    assert in_the_middle.backward == FIRST + SECOND + 2 * LAST
    nothing = traffic(PLAIN, frozen={"a.c.weight", "b.c.weight", "c.f.weight"})
    assert (nothing.learned, nothing.gradients, nothing.backward) == (0, 0, 0)


def test_shared_and_tied_weights() -> None:
    """Weights that several layers use have one gradient, and each use computes products."""
    shared = traffic("net Shared {\n    input x: 8\n    f: dense(8, bias = false) -> relu -> f\n}")
    assert shared.gradients == 4 * 64
    assert (shared.forward, shared.backward) == (128, 64 + 128)
    tied = traffic(
        "net Tied {\n    input tokens: 3 int64\n    emb: embedding(10, 4)\n"
        "    dense(10, bias = false, weight = @emb.weight)\n}"
    )
    assert (tied.gradients, tied.params) == (4 * 40, 4 * 40)
    assert (tied.forward, tied.backward) == (3 * 40, 2 * 3 * 40)


def test_a_learned_tensor() -> None:
    """A `param` has a gradient, and is not sent from stage to stage: it is no value of a sample."""
    found = traffic(
        "net Learned {\n    input x: 4\n    w: param(4)\n"
        "    a: { @x -> dense(4, bias = false) -> relu }\n    b: { mul(@w) -> relu }\n}"
    )
    assert found.gradients == 4 * (4 + 16)
    assert [(cut.forward, cut.backward) for cut in found.cuts] == [(16, 16)]


def test_auxiliary_heads() -> None:
    """Auxiliary heads are trained, although the totals leave them out."""
    net = netdsl.load("googlenet:GoogLeNet")
    found = traffic_of(net.graph, Costs(net.graph))
    assert found.learned > net.params
    assert found.learned == sum(p.numel() for p in net.torch().parameters())


def test_cuts_by_hand() -> None:
    """A cut has the sizes of the values that cross it, and the products before it."""
    assert traffic(PLAIN).cuts == (
        Cut("a", "b", FIRST, 4 * 2 * 64, 4 * 2 * 64),
        Cut("b", "c", FIRST + SECOND, 4 * 4 * 16, 4 * 4 * 16),
    )


def test_a_value_that_passes_a_stage() -> None:
    """What a later stage takes crosses every cut on its way."""
    first, second = traffic(SKIPPING).cuts
    assert (first.forward, first.backward) == (4 * 2 * 64, 4 * 2 * 64)
    assert (second.forward, second.backward) == (4 * 2 * 64 + 4 * 4 * 16, 4 * 2 * 64 + 4 * 4 * 16)


def test_stated_stages() -> None:
    """The stages of a section replace the labelled groups; a stage can be several groups."""
    (cut,) = traffic(PLAIN, stages=(("a", "b"), "c")).cuts
    assert cut == Cut("a + b", "c", FIRST + SECOND, 4 * 4 * 16, 4 * 4 * 16)
    assert traffic(PLAIN, stages=("a", "unknown")).cuts == ()


def test_cut_of_pytorch() -> None:
    """The bytes at a cut are those of the tensor that PyTorch's module passes on."""
    net = netdsl.load("resnet:CifarResNet20")
    module, sent = net.torch(), []
    module.layer1.register_forward_hook(
        lambda _, __, result: sent.append(result.numel() * result.element_size())
    )
    with torch.no_grad():
        module.eval()(torch.rand(1, 3, 32, 32))
    found = traffic_of(net.graph, Costs(net.graph))
    assert [found.cuts[0].forward] == sent


def test_open_sizes() -> None:
    """Figures that depend on open sizes are formulas, which hold for the sizes of a picture."""
    net = netdsl.load("resnet:ResNet50")
    found = traffic_of(net.graph, Costs(net.graph))
    assert found.gradients == 4 * 25_557_032
    assert isinstance(found.backward, Sym)
    assert isinstance(found.cuts[0].forward, Sym)
    assert found.cuts[0].forward.at({"H": 224, "W": 224}) == 4 * 256 * 56 * 56
