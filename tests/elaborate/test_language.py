"""What the language means: names, values, structure, sharing, several inputs and outputs; numbers against both back ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import netdsl
from netdsl.backends.torch.source import TAKEN
from netdsl.cli import run
from tests.support.back_ends import assert_back_ends_agree, inputs_for, randomise, run_onnx, run_torch
from tests.support.small_nets import codes

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.ir.types import Sym


def net(body: str, before: str = "", header: str = "N") -> netdsl.Net:
    """A net of that body on an input `x` of 4x8x8, unless it declares its own."""
    inputs = "" if "input " in body else "input x: 4x8x8\n"
    return netdsl.loads(f"{before}\nnet {header} {{\n{inputs}{body}\n}}")


def names(made: netdsl.Net) -> list[str]:
    """The layers' names."""
    return [r.name for r in made.layers]


def kinds(made: netdsl.Net) -> list[str]:
    """The layers' kinds."""
    return [r.kind for r in made.layers]


def keys(made: netdsl.Net) -> list[str]:
    """The modules that hold weights, as the state dict names them."""
    return list(dict.fromkeys(k.rpartition(".")[0] for k in made.torch().state_dict()))


def shape(made: netdsl.Net) -> tuple[int | Sym, ...]:
    """The first output's shape."""
    return made.outputs[0].value.type.shape


# ---- names


NAMES = {
    "positions": ("conv(4, 1) -> relu -> conv(4, 1)", ["0", "1", "2"]),
    "labels take a position": ("a: conv(4, 1)\nrelu\nb: conv(4, 1)\nconv(4, 1)", ["a", "1", "b", "3"]),
    "labelled group": ("f: { conv(4, 1) -> relu\n conv(4, 1) }\nconv(4, 1)", ["f.0", "f.1", "f.2", "1"]),
    "unlabelled group": ("{ conv(4, 1) -> relu }\nconv(4, 1)", ["0", "1", "2"]),
    "repeat": ("f: { repeat 2 { conv(4, 1) -> relu } }", ["f.0", "f.1", "f.2", "f.3"]),
    "if": ("if true { conv(4, 1) } else { relu }\nconv(4, 1)", ["0", "1"]),
    "for": ("for w in [4, 5] { conv(w, 1) }", ["0", "1"]),
    "arms": ("add { | conv(4, 1) | conv(4, 1) -> relu }", ["0", "1", "2", "3"]),
    "labelled join": ("j: add { | conv(4, 1) | b: conv(4, 1) }", ["j.0", "j.b", "j"]),
    "residual": ("residual { a: conv(4, 1) }\nconv(4, 1)", ["a", "1", "2"]),
    "computed": ("for (i, w) in enumerate([4, 5], start = 1) { layer{i}: { c{i + 1}x: conv(w, 1) } }", ["layer1.c2x", "layer2.c3x"]),
    "reference": ("a: conv(4, 1)\nskip: @x -> conv(5, 1) -> relu", ["a", "1", "skip"]),
    "output": ("output logits: conv(4, 1) -> relu", ["0", "logits"]),
    "output with label": ("output logits: fc: conv(4, 1)", ["fc"]),
    "identity": ("identity -> conv(4, 1)\noutput y: identity", ["0"]),
    "nested groups": ("a: { b: { conv(4, 1) }\n conv(4, 1) }", ["a.b.0", "a.1"]),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    """Labels and positions name layers as `nn.Sequential` does; control structures are transparent."""
    body, wanted = NAMES[case]
    assert wanted == names(net(body))


def test_block_names() -> None:
    """A block call is a scope under its label or position; so weights have the names of checkpoints."""
    block = "block B(w) { conv1: conv(w, 1) -> bn1: bn -> relu }"
    made = net("layer1: { repeat 2 { B(4) } }\nstem: B(6)\nB(5)", block)
    assert ["layer1.0.conv1", "layer1.0.bn1", "layer1.1.conv1", "layer1.1.bn1", "stem.conv1", "stem.bn1", "2.conv1", "2.bn1"] == keys(made)
    assert "layer1.0.conv1.weight" in made.torch().state_dict()
    assert {i.name for i in made.onnx().graph.initializer} == {k for k in made.torch().state_dict() if not k.endswith("num_batches_tracked")}


def test_published_names() -> None:
    """The keys of torchvision's checkpoints."""
    resnet = netdsl.load("resnet:ResNet18").torch().state_dict()
    assert {"conv1.weight", "layer1.0.conv1.weight", "layer2.0.downsample.1.running_var", "layer4.1.bn2.bias", "fc.weight"} <= set(resnet)
    stages = "for n in [1, 2] { repeat n { conv(4, 3, pad = 1) -> if norm { bn } -> relu }\nmaxpool(2) }"
    vgg = f"features: {{ {stages} }}\nflatten\nclassifier: {{ repeat 2 {{ dense(9) -> relu -> dropout }} -> dense(2) }}"
    assert ["features.0", "features.3", "features.5", "classifier.0", "classifier.3", "classifier.6"] == keys(net(vgg, header="VGG(norm = false)"))
    assert ["features.0", "features.1", "features.4", "features.5", "features.7", "features.8"] == keys(net(vgg, header="VGG(norm = true)"))[:6]


# ---- values


VALUES = {
    "1 + 2 * 3 - 4": 3, "7 // 2 * 2": 6, "-7 // 2": -4, "-7 % 3": 2, "-2 ** 2": -4, "2 ** 3 ** 2": 512, "2 ** -1": 0.5, "1 ** 200": 1, "0.5 ** 200": 0.5**200, "2 ** 62": 2**62, "8 / 2": 4, "9 / 2": 4.5,
    "61_706": 61706, "1e-3": 0.001, "5e2": 500.0, "(1 + 2) * 3": 9, "[1, 2] + [3]": (1, 2, 3), "2 * [64]": (64, 64), "[64] * 2": (64, 64), "[1, [2, 3]][1][0]": 2,
    "(1, 2)[-1]": 2, "3x224x224": (3, 224, 224), "1x7": (1, 7), "len([1, 2, 3])": 3, "min(3, 2)": 2, "max([1, 5, 2])": 5, "ceil(7 / 2)": 4, "floor(7 / 2)": 3,
    "round(2.567, 1)": 2.6, "sum([1, 2, 3])": 6, "range(3)": (0, 1, 2), "range(1, 6, 2)": (1, 3, 5), "enumerate([5, 6], start = 1)": ((1, 5), (2, 6)), "abs(-3)": 3,
    "1 if true else 2": 1, "1 if false else 2 if false else 3": 3, "1 < 2": True, "1 == 1.0": True, "[1, 2] == [1, 2]": True, "3 != 3": False,
    "true and false": False, "true or false": True, "not true": False, "not false and true": True, "not (1 == 2)": True, "not not true": True,
    "false and 1 // 0 == 1": False, "true or 1 // 0 == 1": True, '"a" + "b" == "ab"': True,
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_values(text: str) -> None:
    """Expressions have Python's values and precedence."""
    made = net("relu", header=f"N(v = {text})")
    assert VALUES[text] == made.graph.arguments["v"]
    assert type(VALUES[text]) is type(made.graph.arguments["v"])


def test_let() -> None:
    """`let` names a value, for the file, a body, or a turn of a loop; an inner one starts from the outer."""
    made = net("let a = w + 1\nconv(a, 1)\nrepeat 2 as i { let b = a + i\n conv(b, 1) }\nrepeat 2 { let a = a + 3\n conv(a, 1) }\nconv(a, 1)", "let w = 4")
    assert [5, 5, 6, 8, 8, 5] == [r.shape[0] for r in made.layers]


def test_parameters() -> None:
    """Arguments by position and by name; a default may use the parameters before it."""
    block = "block B(n, m = 2 * n, k = 1) { conv(m, k) }"
    assert [6, 5, 7, 2] == [r.shape[0] for r in net("B(3)\nB(3, 5)\nB(m = 7, n = 1)\nB(1, k = 3)", block).layers]
    assert (2, 8, 8) == shape(netdsl.loads("net N(a, b = a + 1) {\ninput x: 4x8x8\nconv(b, 1)\n}", None, a=1))


def test_block_as_argument() -> None:
    """Blocks and kinds are values."""
    blocks = "block R(Act, n = 1) { repeat n { conv(4, 1) -> Act } }\nblock Two() { relu -> tanh }"
    assert ["conv", "relu", "conv", "relu", "conv", "relu", "tanh", "conv", "gelu"] == kinds(net("R(relu, 2)\nR(Two)\nR(Act = gelu)", blocks))


def test_input_of_block() -> None:
    """`in` is the input of the enclosing block, or of the net."""
    made = net("conv(6, 3, stride = 2)\nB\nconv(in.channels, 1)", "block B() { relu -> conv(2 * in.channels, 1)\n dense_like }\nblock dense_like() { reshape([in.channels, in.height * in.width, 1]) }")
    assert [(6, 3, 3), (6, 3, 3), (12, 3, 3), (12, 9, 1), (4, 9, 1)] == [r.shape for r in made.layers]


def test_if() -> None:
    """The first branch that holds; none leaves the value as it is."""
    body = "if x == 1 { relu } else if x == 2 { tanh } else { gelu }\nif x == 3 { selu }"
    assert [["relu"], ["tanh"], ["gelu", "selu"]] == [kinds(net("let x = " + n + "\n" + body)) for n in "123"]
    assert ["relu", "silu"] == kinds(net("if false { tanh }\nelse if true { relu }\nelse { gelu }\nsilu"))


def test_repeat_and_for() -> None:
    """Counts from 0; lists of pairs spread over names; zero times is nothing."""
    made = net("repeat 3 as i { conv(i + 1, 1) }\nfor (w, k) in [(4, 1), (5, 3)] { conv(w, k) }\nrepeat 0 { relu }\nfor i in [] { relu }")
    assert [(1, 8, 8), (2, 8, 8), (3, 8, 8), (4, 8, 8), (5, 6, 6)] == [r.shape for r in made.layers]


def test_layout() -> None:
    """Chains go on over lines, lists and calls break anywhere inside brackets, comments stand anywhere."""
    one = net("conv(4, 1) -> relu -> conv(5, 3)")
    other = net("conv(  # first\n    4,\n    1,\n)\n    # between\n\n    -> relu   # after\n    -> conv(5,\n 3)  # end")
    assert names(one) == names(other)
    assert [r.shape for r in one.layers] == [r.shape for r in other.layers]


# ---- references, joins, sharing


def test_label_before_reference() -> None:
    """A label before `@ref` names the chain's last layer; references see groups' members by dotted names."""
    made = net("p: conv(4, 1)\ng: { c: conv(5, 1) -> relu }\nskip: @p -> conv(6, 1) -> relu\n@g.c -> conv(7, 1)\nconcat(@skip, @g, @p)")
    assert ["p", "g.c", "g.1", "2", "skip", "4", "5"] == names(made)
    assert (7 + 6 + 5 + 4, 8, 8) == shape(made)


def test_skip_is_taken_where_it_stands() -> None:
    """`@a` of a chain `a: conv -> relu` is the convolution's value, and of a group its last."""
    made = net("a: conv(4, 1) -> relu\ng: { conv(4, 1) -> tanh }\nx1: add(@a)\nx2: sub(@g)")
    left, right = (n.inputs[1].producer for n in made.graph.nodes[-2:])
    assert left is not None
    assert right is not None
    assert ("conv", "tanh") == (left.op.kind, right.op.kind)


def test_residual() -> None:
    """`residual { F }` adds its input; arms may give the shortcut."""
    assert_back_ends_agree(net("residual { conv(4, 3, pad = 1) -> relu }\nresidual { | conv(8, 1) | conv(8, 1) -> tanh }\nrelu"))
    module = net("residual { tanh }").torch().eval()
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(module(x), x.tanh() + x)


SIAMESE = "input a: 4\ninput b: 4\n@a -> t: { d: dense(6) -> bn -> relu\n dense(3) }\nu: @b -> t\nsub(@t)"


def test_weight_sharing() -> None:
    """A label used as a layer is the same module: its weights count once, its MACs twice, and both back ends share it."""
    made = net(SIAMESE)
    assert 4 * 6 + 6 + 12 + 6 * 3 + 3 == made.params
    assert 2 * (4 * 6 + 6 * 3) == made.macs
    assert ["t.d", "t.1", "t.3"] == keys(made)
    module = randomise(made.torch())
    a, b = inputs_for(made)
    state = module.state_dict()
    one, two = (torch.nn.functional.linear(x, state["t.d.weight"], state["t.d.bias"]) for x in (a, b))
    bn = [state[f"t.1.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
    one, two = (torch.nn.functional.linear(torch.nn.functional.batch_norm(x, *bn).relu(), state["t.3.weight"], state["t.3.bias"]) for x in (one, two))
    torch.testing.assert_close(module(a, b), two - one)
    assert 8 == len(made.onnx().graph.initializer)
    assert_back_ends_agree(made)


@pytest.mark.parametrize("body", [
    "d: dense(4) -> relu -> d -> relu -> d", "g: { dense(4) -> relu } -> g -> h: dense(4) -> g", "b: B(4)\nb\nB(4)",
])  # fmt: skip
def test_sharing_along_a_chain(body: str) -> None:
    """Recurrent use: one module several times in a row."""
    made = net("input x: 4\n" + body, "block B(n) { fc: dense(n) -> e: dense(4) -> relu }")
    assert made.params == sum(p.numel() for p in made.torch().parameters())
    assert made.params < made.macs * 20 // 16
    assert_back_ends_agree(made)


def test_frozen() -> None:
    """`frozen` holds what stands before it fixed: a layer, a block or a group; the count of trainable numbers says so."""
    made = net("input x: 4\na: dense(3) -> frozen -> dense(2)\ng: { dense(3) -> dense(3) } -> frozen\nb: dense(1)")
    assert {"a": False, "1": True, "g.0": False, "g.1": False, "b": True} == {n.rpartition(".")[0]: p.requires_grad for n, p in made.torch().named_parameters()}
    assert (15 + 8 + 9 + 12 + 4, 8 + 4) == (made.params, made._summary.totals.trainable)


def test_literal_weights() -> None:
    """A literal kernel is what the filter computes with."""
    made = net("input x: 1x5x5\nconv(1, 3, bias = false, weight = [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]) -> frozen")
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    wanted = -np.ones((3, 3), np.float32)
    wanted[1, 1] = 8
    np.testing.assert_array_equal(made.torch()(x).detach().numpy()[0, 0], wanted)
    np.testing.assert_array_equal(run_onnx(made.onnx(), [x])[0][0, 0], wanted)


@pytest.mark.parametrize("pool", ["maxpool(3)", "avgpool(3)", "avgpool(3, stride = 2, pad = 1, ceil = true)", "conv(4, 3, pad = 1)", "lrn(3) -> maxpool(2)"])
@pytest.mark.parametrize("border", ["pad(1)", "pad(3)", "pad(1, value = -9)", "pad([(0, 1), (2, 0)])", "pad(1, mode = edge)"])
def test_border_before_a_window(border: str, pool: str) -> None:
    """A border is not the padding of the layer that follows: onnxruntime would make it so, and maxima do not see padding."""
    assert_back_ends_agree(net(f"conv(4, 1)\n{border} -> {pool}"))


# ---- heads, inputs, outputs


AUX = "a: conv(6, 3) -> relu\naux h1(weight = 0.3) { gap -> flatten -> dense(2) }\nconv(6, 3) -> relu\naux h2 { gap -> flatten -> dense(2) }\ngap -> flatten\noutput logits: fc: dense(2)"


def test_aux() -> None:
    """Auxiliary heads return their values in training alone, and are neither in the totals nor in the exported graph."""
    made, plain = net(AUX), net("\n".join(line for line in AUX.splitlines() if not line.startswith("aux")))
    module = made.torch()
    (x,) = inputs_for(made)
    assert [(2, 2)] * 3 == [tuple(t.shape) for t in module.train()(x)]
    assert (2, 2) == tuple(module.eval()(x).shape)
    assert [0.3, 1.0] == module.aux_weights
    assert {"h1.2.weight", "h2.2.bias", "fc.weight"} <= set(module.state_dict())
    assert (plain.params, plain.macs) == (made.params, made.macs)
    assert not [i.name for i in made.onnx().graph.initializer if i.name.startswith("h")]
    assert_back_ends_agree(made)


def test_several_inputs_and_outputs() -> None:
    """Inputs by name and type, in order; outputs by name, in order; one value may go out twice, an input too."""
    made = net("input a: 3\ninput t: T int64\ninput b: 3\n@t -> e: embedding(5, 3)\noutput first: @a -> d: dense(2)\noutput again: @d\noutput words: @e\noutput same: @b\noutput tokens: @t")
    assert [("a", "float32"), ("t", "int64"), ("b", "float32")] == [(v.name, v.type.dtype) for v in made.graph.inputs]
    assert ["first", "again", "words", "same", "tokens"] == [o.name for o in made.outputs]
    model = made.onnx()
    assert ["a", "t", "b"] == [i.name for i in model.graph.input]
    assert ["first", "again", "words", "same", "tokens"] == [o.name for o in model.graph.output]
    results = assert_back_ends_agree(made, {"T": 7})
    assert [(2, 2), (2, 2), (2, 7, 3), (2, 3), (2, 7)] == [r.shape for r in results]


AWKWARD = {
    "output named as its layer": "a: conv(4, 1)\nrelu\noutput a: @a\noutput output: tanh",
    "layers named as Python words": "class: conv(4, 1) -> self: conv(4, 1) -> torch: conv(4, 1) -> forward: conv(4, 1)",
    "layers named as methods": "parameters: conv(4, 1)\neval: relu -> train: conv(4, 1)\nto: { type: conv(4, 1) }\nhalf: conv(4, 1)",
    "input named as Python words": "input class: 4x8x8\ninput self: 4x8x8\nadd(@class)",
    "group named as a module": "nn: { conv(4, 1) }\nF: conv(4, 1)\npad(1)",
    "layers named as parts of modules": "_modules: conv(4, 1) -> frozen\n__init__: { conv(4, 1, init = he_normal) }\nrelu",
    "shared layers named as methods": "to: { type: conv(4, 1) -> relu } -> to -> double: conv(4, 1)",
    "labelled join": "j: add { | conv(4, 1) | b: conv(4, 1) -> relu }\nconv(3, 1)",
    "group named as the functional module": "f: { a: conv(4, 1)\ntanh\nadd(@a) }\npad(1)",
    "letters": "größe: conv(4, 1)\noutput übrig: relu",
    "two groups with outputs": "g: { a: conv(4, 1) -> relu\n b: conv(4, 1) }\nconcat(@g.a, @x, @g)",
    "reference out of a group into itself": "g: { a: conv(4, 1)\n tanh\n add(@a, @x) }",
}  # fmt: skip


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_names(case: str) -> None:
    """Names that could clash with others, with Python's or with PyTorch's do not."""
    body = AWKWARD[case]
    assert_back_ends_agree(net(body))


def test_names_of_every_module() -> None:
    """The list of names that every PyTorch module has is complete for this PyTorch."""
    assert {n for n in {*dir(torch.nn.Module), *vars(torch.nn.Module())} if not n.startswith("_")} <= TAKEN


@pytest.mark.parametrize("name", ["RBF", "F", "nn", "torch", "OrderedDict", "Learned", "None"])
def test_awkward_net_names(name: str) -> None:
    """A net may be called as what its source needs."""
    made = netdsl.loads(f"net {name} {{\ninput x: 4\nf: {{ rbf(3) -> p: param(3) }}\n}}")
    assert_back_ends_agree(made)
    exec(compile(made.pytorch_source(), "standalone.py", "exec"), {"__name__": "standalone"})


@pytest.mark.parametrize("line", ["output x: @a", "output b: @a", "output x: dense(3)"])
def test_output_named_as_another_value(line: str) -> None:
    """Values have one name space, as in ONNX: an output cannot have the name of an input or of another layer."""
    assert ["duplicate-label"] == codes(f"net N {{\ninput x: 4\na: dense(3)\nb: dense(3)\n{line}\n}}")


# ---- files


def test_imports(tmp_path: Path) -> None:
    """Blocks, nets and values of another file, each seeing its own file's names; the library by name."""
    (tmp_path / "parts.net").write_text("let width = 5\nblock inner() { conv(width, 1) }\nblock Stem() { inner -> relu }\nnet Base(n) { input x: 3x8x8\n Stem -> conv(n, 1) }")
    main = tmp_path / "main.net"
    main.write_text('import "parts.net"\nimport resnet\nblock inner() { tanh }\nnet A { input x: 3x8x8\n inner -> Stem -> conv(width, 1) }\nnet B = Base(7)\nnet C = ResNet(basicblock, [1, 1, 1, 1], classes = 3)')
    assert ["tanh", "conv", "relu", "conv"] == kinds(netdsl.load(f"{main}:A"))
    assert (7, 8, 8) == shape(netdsl.load(f"{main}:B"))
    assert (3,) == shape(netdsl.load(f"{main}:C"))


def test_alias() -> None:
    """`net A = B(...)` is B with those arguments; its `expect` lines are checked on it."""
    text = "net B(n, k = 1) {\ninput x: 4x8x8\nconv(n, k)\n}\nnet A = B(5)\nnet C = B(k = 3, n = 2) {\nexpect params == 74\n}"
    assert [(5, 8, 8), (2, 6, 6)] == [shape(netdsl.loads(text, n)) for n in ("A", "C")]
    assert ["which-net"] == codes(text)
    assert ["missing-argument"] == codes(text, "B")
    assert ["unknown-net"] == codes(text, "D")


def test_define_and_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-D` sets a parameter, `--input` the sizes; without them the file's own hold."""
    path = tmp_path / "n.net"
    path.write_text("net N(n = 5, B = relu) {\ninput x: 4xHxW\nconv(n, 3) -> B\n}")
    made = netdsl.load(str(path), n=9)
    assert "9x(H-2)x(W-2)" == str(made.outputs[0].value.type)
    assert run(["check", str(path), "-D", "n = 3 * 4", "-D", "B = tanh", "--input", "4x10x12"]) == 0
    printed = capsys.readouterr().out
    assert "12x8x10" in printed
    assert "tanh" in printed
    assert run(["check", str(path), "--input", "y=4x10x12"]) == 1
    assert "has no input `y`" in capsys.readouterr().err


@pytest.mark.parametrize("value", [[1, 2, 3, 4, 5, 6, 7, 8], [[64, 64], [128] * 9], "tanh", True, 0.5])
def test_parameters_from_python(value: object) -> None:
    """Python values reach a net as they are."""
    made = netdsl.loads("net N(v) {\ninput x: 4\nrelu\n}", None, v=value)
    assert str(value).replace("[", "(").replace("]", ")") == str(made.graph.arguments["v"])


EXPECTS = {
    "params == 74": 0, "params == 75": 1, "params(c) == 74 and shape(c) == 2x6x6": 0, "macs == 72 * 36": 0, "weights(c) == 72": 0, "units(c) == 72": 0,
    "depth == 1": 0, "params < 74": 1, "not (params < 74)": 0, "round(params / 100, 1) == 0.7": 0,
}  # fmt: skip


@pytest.mark.parametrize("line", EXPECTS)
def test_expect(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`expect` holds the paper's numbers against the net, at the net's size or at another."""
    path = tmp_path / "n.net"
    path.write_text(f"net N {{\ninput x: 4x8x8\nc: conv(2, 3)\nexpect {line}\n}}")
    assert EXPECTS[line] == run(["check", str(path)])
    assert ("expect-failed" in capsys.readouterr().err) == bool(EXPECTS[line])


def test_expect_with_open_sizes(tmp_path: Path) -> None:
    """Formulas of the open sizes can be expected too, shapes by block, and figures of one size."""
    path = tmp_path / "n.net"
    path.write_text("block B() {\na: conv(2, 3)\nexpect params(a) == 74\n}\nnet N {\ninput x: 4xHxW\nb: B\nexpect shape(b) == (2, H - 2, W - 2)\nexpect shape(b.a) == shape(b)\nexpect macs == 72 * (H - 2) * (W - 2)\nexpect macs == 72 * 4 at 4x4x4\n}")
    assert run(["check", str(path)]) == 0
    path.write_text("net N {\ninput x: 4xHxW\nconv(2, 3)\nexpect macs == 72 * 5 at 4x4x4\n}")
    assert run(["check", str(path)]) == 1


WHOLE = {"lenet5:LeNet5": {}, "resnet:ResNet18": {"H": 64, "W": 96}, "senet:SEResNet50": {"H": 64, "W": 64}}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_nets(name: str) -> None:
    """Nets of the library compute the same in both back ends, at sizes that they leave open."""
    made = netdsl.load(name)
    module, sizes = made.torch().eval(), WHOLE[name]
    inputs = inputs_for(made, 1, sizes)
    np.testing.assert_allclose(run_onnx(made.onnx(weights=module.state_dict()), inputs)[0], run_torch(module, inputs)[0], rtol=1e-3, atol=1e-4)
    assert made.params == sum(p.numel() for p in module.parameters())
