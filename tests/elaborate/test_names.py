"""The names of layers, of their weights and of nets."""

from __future__ import annotations

import pytest
import torch

import netdsl
from netdsl.backends.torch.names import TAKEN
from netdsl.verify import verify_graph
from tests.support.back_ends import assert_back_ends_agree
from tests.support.bodies import keys, names, net

# ---- names


NAMES = {
    "positions": ("conv(4, 1) -> relu -> conv(4, 1)", ["0", "1", "2"]),
    "labels take a position": (
        "a: conv(4, 1)\nrelu\nb: conv(4, 1)\nconv(4, 1)",
        ["a", "1", "b", "3"],
    ),
    "labelled group": (
        "f: { conv(4, 1) -> relu\n conv(4, 1) }\nconv(4, 1)",
        ["f.0", "f.1", "f.2", "1"],
    ),
    "unlabelled group": ("{ conv(4, 1) -> relu }\nconv(4, 1)", ["0", "1", "2"]),
    "repeat": ("f: { repeat 2 { conv(4, 1) -> relu } }", ["f.0", "f.1", "f.2", "f.3"]),
    "if": ("if true { conv(4, 1) } else { relu }\nconv(4, 1)", ["0", "1"]),
    "for": ("for w in [4, 5] { conv(w, 1) }", ["0", "1"]),
    "arms": ("add { | conv(4, 1) | conv(4, 1) -> relu }", ["0", "1", "2", "3"]),
    "labelled join": ("j: add { | conv(4, 1) | b: conv(4, 1) }", ["j.0", "j.b", "j"]),
    "residual": ("residual { a: conv(4, 1) }\nconv(4, 1)", ["a", "1", "2"]),
    "computed": (
        "for (i, w) in enumerate([4, 5], start = 1) { layer{i}: { c{i + 1}x: conv(w, 1) } }",
        ["layer1.c2x", "layer2.c3x"],
    ),
    "reference": ("a: conv(4, 1)\nskip: @x -> conv(5, 1) -> relu", ["a", "1", "skip"]),
    "output": ("output logits: conv(4, 1) -> relu", ["0", "logits"]),
    "output with label": ("output logits: fc: conv(4, 1)", ["fc"]),
    "output of a reference with label": (
        "a: conv(4, 1)\noutput logits: fc: @a -> relu -> conv(4, 1)",
        ["a", "1", "fc"],
    ),
    "identity": ("identity -> conv(4, 1)\noutput y: identity", ["0"]),
    "nested groups": ("a: { b: { conv(4, 1) }\n conv(4, 1) }", ["a.b.0", "a.1"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    """Layers have labels or positions as names, as in `nn.Sequential`.

    Control structures are transparent.
    """
    body, expected = NAMES[case]
    assert expected == names(net(body))


def test_block_names() -> None:
    """A block call is a scope whose name is its label or position.

    The weights therefore have the names of published checkpoints, in PyTorch and ONNX.
    """
    block = "block B(w) { conv1: conv(w, 1) -> bn1: bn -> relu }"
    compiled = net("layer1: { repeat 2 { B(4) } }\nstem: B(6)\nB(5)", block)
    assert [
        "layer1.0.conv1",
        "layer1.0.bn1",
        "layer1.1.conv1",
        "layer1.1.bn1",
        "stem.conv1",
        "stem.bn1",
        "2.conv1",
        "2.bn1",
    ] == keys(compiled)
    assert "layer1.0.conv1.weight" in compiled.torch().state_dict()
    assert {i.name for i in compiled.onnx().graph.initializer} == {
        k for k in compiled.torch().state_dict() if not k.endswith("num_batches_tracked")
    }


def test_published_names() -> None:
    """The weights have the names of torchvision's checkpoints."""
    resnet = netdsl.load("resnet:ResNet18").torch().state_dict()
    assert {
        "conv1.weight",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.1.running_var",
        "layer4.1.bn2.bias",
        "fc.weight",
    } <= set(resnet)
    stages = (
        "for n in [1, 2] { repeat n { conv(4, 3, pad = 1) -> if norm { bn } -> relu }\nmaxpool(2) }"
    )
    vgg = (
        f"features: {{ {stages} }}\nflatten\nclassifier: {{ repeat 2 {{ dense(9) -> relu -> dropout"
        " } -> dense(2) }"
    )
    assert [
        "features.0",
        "features.3",
        "features.5",
        "classifier.0",
        "classifier.3",
        "classifier.6",
    ] == keys(net(vgg, header="VGG(norm = false)"))
    assert [
        "features.0",
        "features.1",
        "features.4",
        "features.5",
        "features.7",
        "features.8",
    ] == keys(net(vgg, header="VGG(norm = true)"))[:6]


# ---- heads, inputs, outputs


AWKWARD = {
    "output named as its layer": "a: conv(4, 1)\nrelu\noutput a: @a\noutput output: tanh",
    "layers named as Python words": (
        "class: conv(4, 1) -> self: conv(4, 1) -> torch: conv(4, 1) -> forward: conv(4, 1)"
    ),
    "layers named as methods": (
        "parameters: conv(4, 1)\neval: relu -> train: conv(4, 1)\nto: { type: conv(4, 1) }\nhalf:"
        " conv(4, 1)"
    ),
    "input named as Python words": "input class: 4x8x8\ninput self: 4x8x8\nadd(@class)",
    "group named as a module": "nn: { conv(4, 1) }\nF: conv(4, 1)\npad(1)",
    "layers named as parts of modules": (
        "_modules: conv(4, 1) -> frozen\n__init__: { conv(4, 1, init = he_normal) }\nrelu"
    ),
    "shared layers named as methods": (
        "to: { type: conv(4, 1) -> relu } -> to -> double: conv(4, 1)"
    ),
    "tensors named as methods": (
        "half: param(1x1x1)\ntrain: {\n float: param(value = [[[2]]])\n compile: const([[[3]]])\n"
        " to: @x -> conv(4, 1)\n (@ * @half + @float * @compile)\n}\n"
        "cpu: conv(4, 1, weight = @train.to.weight)"
    ),
    "labelled join": "j: add { | conv(4, 1) | b: conv(4, 1) -> relu }\nconv(3, 1)",
    "group named as the functional module": "f: { a: conv(4, 1)\ntanh\nadd(@a) }\npad(1)",
    "letters beyond ASCII": "größe: conv(4, 1)\noutput übrig: relu",
    "two groups with outputs": "g: { a: conv(4, 1) -> relu\n b: conv(4, 1) }\nconcat(@g.a, @x, @g)",
    "reference out of a group into itself": "g: { a: conv(4, 1)\n tanh\n add(@a, @x) }",
}


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_names(case: str) -> None:
    """Names that Python, PyTorch or other parts of the net also use cause no clash."""
    compiled = net(AWKWARD[case])
    assert_back_ends_agree(compiled)
    assert verify_graph(compiled.graph, threads=1).ok


def test_names_of_every_module() -> None:
    """`TAKEN` contains every public name of a module of the installed PyTorch."""
    assert {
        n for n in {*dir(torch.nn.Module), *vars(torch.nn.Module())} if not n.startswith("_")
    } <= TAKEN


@pytest.mark.parametrize("name", ["RBF", "F", "nn", "torch", "OrderedDict", "Learned", "None"])
def test_awkward_net_names(name: str) -> None:
    """A net can have a name that its PyTorch source uses for something else."""
    compiled = netdsl.loads(f"net {name} {{\ninput x: 4\nf: {{ rbf(3) -> p: param(3) }}\n}}")
    assert_back_ends_agree(compiled)
    exec(compile(compiled.pytorch_source(), "standalone.py", "exec"), {"__name__": "standalone"})
