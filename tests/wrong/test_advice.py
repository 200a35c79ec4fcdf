"""The help of an error works: a text that is changed as the help proposes has no error."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.images import check_outputs, check_shape
from netdsl.elaborate.suggested_calls import completed, sample
from netdsl.errors import SettingError
from netdsl.ops import LAYERS

TOKENS = "input tokens: T int64\nemb: embedding(500, 32)\ndense(32) -> relu\n"

# The wrong text, a part of the help, and the text corrected as the help proposes.
CORRECTED = {
    "a label is used as a layer where its value is meant": (
        TOKENS + "output logits: emb",
        "`emb` applies that layer again; write `@emb` for its value",
        TOKENS + "output logits: @emb",
    ),
    "a shared layer that does not fit": (
        "input a: 4\nfc: dense(3)\nfc",
        "write `@fc` for its value",
        "input a: 4\nfc: dense(3)\n@fc",
    ),
    "embedding of an input of floats": (
        "input words: T\nembedding(500, 32)",
        "declare it: `input words: T int64`",
        "input words: T int64\nembedding(500, 32)",
    ),
    "embedding of floats that are moved": (
        "input words: 6\nreshape(2x3) -> embedding(500, 32)",
        "declare it: `input words: 6 int64`",
        "input words: 6 int64\nreshape(2x3) -> embedding(500, 32)",
    ),
    "embedding of what a layer computes": (
        "input words: 8\ndense(4) -> embedding(500, 32)",
        "integers come from an input",
        "input words: T int64\nembedding(500, 32)",
    ),
    "integers that are moved": (
        "input x: 8 int64\nreshape(2x4) -> dense(3)",
        "declare input `x` without a type",
        "input x: 8\nreshape(2x4) -> dense(3)",
    ),
    "16 bits": ("input x: 8 float16\ndense(3)", "`netdsl export --fp16`", "input x: 8\ndense(3)"),
    "a reference of integers": (
        "input x: 8\ninput y: 8 int64\nz: @x -> add(@y)",
        "declare input `y` without a type",
        "input x: 8\ninput y: 8\nz: @x -> add(@y)",
    ),
    "dense of open maps": (
        "input x: 3xHxW\nflatten -> dense(4)",
        "for H and W in the `input`, or pool to a fixed size first: `gap -> flatten`",
        "input x: 3xHxW\ngap -> flatten -> dense(4)",
    ),
    "dense of an open vector": (
        "input x: D\ndense(4)",
        "write a number for D in the `input`",
        "input x: 7\ndense(4)",
    ),
    "upsample to nothing": (
        "input x: 3xHxW\nmaxpool(2, ceil = true) -> upsample",
        "`upsample(@label)`",
        "input x: 3xHxW\nmaxpool(2, ceil = true) -> upsample(@x)",
    ),
    "vectors that are added": (
        "input x: 8\nadd { | dense(64) | dense(32) }",
        "end the second arm with `-> dense(64)`",
        "input x: 8\nadd { | dense(64) | dense(32) -> dense(64) }",
    ),
    "sequences that are added": (
        "input x: 5x8\nadd { | dense(64) | identity }",
        "end the second arm with `-> dense(64)`",
        "input x: 5x8\nadd { | dense(64) | identity -> dense(64) }",
    ),
    "sequences joined side by side": (
        "input x: 5x8\nconcat { | dense(4) | identity }",
        "write `concat(axis = 2) {`",
        "input x: 5x8\nconcat(axis = 2) { | dense(4) | identity }",
    ),
    "maps that are added to a reference": (
        "input x: 8x8x8\nconv(16, 3, stride = 2, pad = 1) -> add(@x)",
        "write `add { | identity | @x -> conv(16, 1, stride = 2) }`",
        (
            "input x: 8x8x8\nconv(16, 3, stride = 2, pad = 1)"
            " -> add { | identity | @x -> conv(16, 1, stride = 2) }"
        ),
    ),
    "two deconv layers that each lose a pixel": (
        (
            "input x: 1x28x28\nconv(8, 3, stride = 2, pad = 1) -> conv(8, 3, stride = 2, pad = 1)\n"
            "deconv(8, 3, stride = 2, pad = 1) -> deconv(1, 3, stride = 2, pad = 1) -> sub(@x)"
        ),
        "`deconv(1, 3, stride = 2, pad = 1, output_pad = 1)`: each map is then 2 times as large",
        (
            "input x: 1x28x28\nconv(8, 3, stride = 2, pad = 1) -> conv(8, 3, stride = 2, pad = 1)\n"
            "deconv(8, 3, stride = 2, pad = 1, output_pad = 1)\n"
            "deconv(1, 3, stride = 2, pad = 1, output_pad = 1) -> sub(@x)"
        ),
    ),
    "a deconv without a stride": (
        "input x: 8x8x8\nmaxpool(2) -> deconv(8, 4) -> concat(@x)",
        "write `deconv(8, 4, stride = 2, pad = 1)`",
        "input x: 8x8x8\nmaxpool(2) -> deconv(8, 4, stride = 2, pad = 1) -> concat(@x)",
    ),
    "a map times a vector": (
        "input x: 8x8x8\nmul { | identity | gap -> flatten -> dense(8) }",
        "end the second arm with `-> reshape(8x1x1)`",
        "input x: 8x8x8\nmul { | identity | gap -> flatten -> dense(8) -> reshape(8x1x1) }",
    ),
    "a vector added to a map": (
        "input x: 8x8x8\nadd { | gap -> flatten | conv(16, 1) }",
        "end the second arm with `-> gap -> flatten -> dense(8)`",
        "input x: 8x8x8\nadd { | gap -> flatten | conv(16, 1) -> gap -> flatten -> dense(8) }",
    ),
    "more channels in the first arm": (
        "input x: 8x8x8\nadd { | conv(8, 1) | conv(16, 1) }",
        "end the first arm with `-> conv(16, 1)`",
        "input x: 8x8x8\nadd { | conv(8, 1) -> conv(16, 1) | conv(16, 1) }",
    ),
    "a vector where a map is needed": (
        "input x: 3x8x8\nflatten -> maxpool(2)",
        "put `maxpool(2)` before it, or leave `flatten` out",
        "input x: 3x8x8\nmaxpool(2)",
    ),
    "a map where a vector is needed": (
        "input x: 3x8x8\ngap -> dense(5)",
        "write `flatten -> dense(5)`",
        "input x: 3x8x8\ngap -> flatten -> dense(5)",
    ),
    "a map where a sequence is needed": (
        "input x: 3x8x8\nflatten -> lstm(5)",
        "write `tokens -> lstm(5)` in place of `flatten`",
        "input x: 3x8x8\ntokens -> lstm(5)",
    ),
    "a picture as a vector": (
        "input x: 784\nconv(8, 3)",
        "declare the input with its axes: `input x: 1x28x28`",
        "input x: 1x28x28\nconv(8, 3)",
    ),
    "a map that has become too small": (
        "input x: 3x8x8\nmaxpool(4) -> conv(8, 3)",
        "the map shrinks before it, from 8x8: maxpool 2x2: leave out one of these",
        "input x: 3x8x8\nconv(8, 3)",
    ),
    "a kernel without its size": (
        "input x: 3x8x8\nconv(16)",
        "for example, write `conv(16, 3)`",
        "input x: 3x8x8\nconv(16, 3)",
    ),
    "a pool without its window": (
        "input x: 3x8x8\navgpool",
        "for example, write `avgpool(2)`, or `gap`",
        "input x: 3x8x8\navgpool(2)",
    ),
    "sizes as several arguments": (
        "input x: 4x3x8\nreshape(12, 8)",
        "write one list: `reshape([12, 8])`",
        "input x: 4x3x8\nreshape([12, 8])",
    ),
    "an activation with a limit": (
        "input x: 8\nrelu(6)",
        "or `relu6` to cut values off at 6",
        "input x: 8\nrelu6",
    ),
    "a kernel between two numbers": (
        "input x: 3x8x8\nconv(8, 2.5)",
        "write `2` or `3`: it is the window size",
        "input x: 3x8x8\nconv(8, 2)",
    ),
    "depthwise with its channels": (
        "input x: 16x8x8\ndepthwise(16, 3)",
        "the 16 channels are known: leave them out, and write `depthwise(3)`",
        "input x: 16x8x8\ndepthwise(3)",
    ),
    "a value further down": (
        "input x: 8\ndense(n)\nlet n = 4",
        "`n` gets its value further down",
        "input x: 8\nlet n = 4\ndense(n)",
    ),
    "a label in a loop": (
        "input x: 8\nrepeat 2 { d: dense(8) }",
        "number it: write `d{i}` in `repeat 2 as i`",
        "input x: 8\nrepeat 2 as i { d{i}: dense(8) }",
    ),
    "a sequence and its body": (
        "input x: 5x8\nresidual { dense(64) }",
        "end the body with `dense(8)`",
        "input x: 5x8\nresidual { dense(64) -> dense(8) }",
    ),
    "one arm": (
        "input x: 3x8x8\nadd { | conv(3, 1) }",
        "`add { | ... | identity }`",
        "input x: 3x8x8\nadd { | conv(3, 1) | identity }",
    ),
    "elements that do not divide": (
        "input x: 24\nreshape([5, -1])",
        "24 is divisible by 1, 2, 3, 4, 6",
        "input x: 24\nreshape([6, -1])",
    ),
    "too few elements": (
        "input x: 24\nreshape(5x4)",
        "`reshape([-1, 4])`",
        "input x: 24\nreshape([-1, 4])",
    ),
    "a single value in each group": (
        "input x: 4x1\ngroupnorm(4)",
        "use fewer groups; `bn` normalises each channel over the batch",
        "input x: 4x1\ngroupnorm(2)",
    ),
    "a single value in each channel": (
        "input x: 4x1\ninstancenorm",
        "`bn` normalises",
        "input x: 4x1\nbn",
    ),
    "edges of a formula": (
        "input x: 5xT\ninput e: TxT\ny: @x -> pad(1) -> permute([2, 1]) -> gcn(4, @e)",
        "`input edges: [T + 2, T + 2]`",
        (
            "input x: 5xT\ninput edges: [T + 2, T + 2]\ny: @x -> pad(1) -> permute([2, 1]) ->"
            " gcn(4, @edges)"
        ),
    ),
    "a label inside a group": (
        "input x: 3x8x8\ng: { c: relu }\nadd(@c)",
        "did you mean `@g.c`?",
        "input x: 3x8x8\ng: { c: relu }\nadd(@g.c)",
    ),
    "a label inside a group, misspelt": (
        "input x: 3x8x8\nouter: { inner: { conv1: relu } }\nadd(@conv2)",
        "did you mean `@outer.inner.conv1`?",
        "input x: 3x8x8\nouter: { inner: { conv1: relu } }\nadd(@outer.inner.conv1)",
    ),
    "a label inside a group that lies beside that of the reference": (
        "input x: 3x8x8\ng: { c: relu }\nh: { relu -> add(@c) }",
        "did you mean `@g.c`?",
        "input x: 3x8x8\ng: { c: relu }\nh: { relu -> add(@g.c) }",
    ),
    "a label inside a join": (
        "input x: 3x8x8\nm: add { | a: relu | identity }\nadd(@a)",
        "did you mean `@m.a`?",
        "input x: 3x8x8\nm: add { | a: relu | identity }\nadd(@m.a)",
    ),
    "a label inside a block of the library": (
        "input x: 8x8x8\ns: basicblock(8)\nadd(@conv2)",
        "did you mean `@s.conv2`?",
        "input x: 8x8x8\ns: basicblock(8)\nadd(@s.conv2)",
    ),
    "a path that begins too far out": (
        "input x: 3x8x8\nc: relu\nadd(@g.c)",
        "did you mean `@c`?",
        "input x: 3x8x8\nc: relu\nadd(@c)",
    ),
    "a path that leads further down": (
        "input x: 3x8x8\nadd(@g.c)\ng: { c: relu }",
        "`g` is defined further down",
        "input x: 3x8x8\ng: { c: relu }\nadd(@g.c)",
    ),
    "a label inside a group in an expression": (
        "input x: 3x8x8\ng: { c: relu }\nconv(c.channels, 1)",
        "write `shape(@g.c)[0]`",
        "input x: 3x8x8\ng: { c: relu }\nconv(shape(@g.c)[0], 1)",
    ),
    "a misspelt label in an expression": (
        "input x: 3x8x8\ntower: relu\nadd(towr)",
        "did you mean `@tower`?",
        "input x: 3x8x8\ntower: relu\nadd(@tower)",
    ),
    "a label inside a group as a layer": (
        "input x: 3x8x8\ng: { c: relu }\nc",
        "write `@g.c` for the value at that label",
        "input x: 3x8x8\ng: { c: relu }\n@g.c",
    ),
    "a misspelt label as a layer": (
        "input x: 3x8x8\ntower: conv(3, 1)\ntowr",
        "did you mean `tower`?",
        "input x: 3x8x8\ntower: conv(3, 1)\ntower",
    ),
    "two outputs of one name": (
        "input x: 8\noutput y: dense(4)\noutput y: dense(3)",
        "give each output a name of its own",
        "input x: 8\noutput y: dense(4)\noutput boxes: dense(3)",
    ),
}


@pytest.mark.parametrize("case", CORRECTED)
def test_help_can_be_followed(case: str) -> None:
    """The wrong text has one error with that help, and the corrected text has none."""
    wrong, help_, corrected = CORRECTED[case]
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"net N {{\n{wrong}\n}}")
    (diagnostic,) = caught.value.diagnostics
    assert help_ in (diagnostic.help or "")
    netdsl.loads(f"net N {{\n{corrected}\n}}")


BLOCKS = {  # like `CORRECTED`, but with a block
    "a parameter without a value": (
        "block B(width, step) { conv(width, 3, stride = step) }\n",
        "B(8)",
        "for example, write `B(8, 1)`; it is declared as `B(width, step)`",
        "B(8, 1)",
    ),
    "a label inside a block": (
        "block B() { inner: relu }\n",
        "B()\nadd(@inner)",
        "write `@first.inner`",
        "first: B()\nadd(@first.inner)",
    ),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_help_about_blocks_can_be_followed(case: str) -> None:
    """The wrong call has one error with that help, and the corrected call has none."""
    block, wrong, help_, corrected = BLOCKS[case]
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"{block}net N {{\ninput x: 8x8x8\n{wrong}\n}}")
    (diagnostic,) = caught.value.diagnostics
    assert help_ in (diagnostic.help or "")
    netdsl.loads(f"{block}net N {{\ninput x: 8x8x8\n{corrected}\n}}")


def test_a_block_that_needs_a_value_of_its_caller() -> None:
    """The help about a label outside of a block can be followed in both places."""
    net = "net N {{\ninput x: 8x8x8\nouter: relu\n{call}\n}}"
    block = "block B({parameters}) {{ conv(n, 1) -> add(@outer) }}\n"
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(block.format(parameters="n") + net.format(call="B(8)"))
    (diagnostic,) = caught.value.diagnostics
    assert "`block B(n, outer)`" in (diagnostic.help or "")
    assert "`B(8, outer = @outer)`" in (diagnostic.help or "")
    call = "B(8, outer = @outer)"
    netdsl.loads(block.format(parameters="n, outer") + net.format(call=call))


@pytest.mark.parametrize("kind", [k for k, cls in LAYERS.items() if cls.args and k.isidentifier()])
def test_the_sample_of_an_argument(kind: str) -> None:
    """The value that help shows for an argument is one that the argument takes."""
    cls = LAYERS[kind]
    required = [declared for declared in cls.args if declared.required]
    for declared in required:
        assert sample(cls, declared) != declared.name
    call = completed(cls, [], required)
    assert any(example.startswith(call.removesuffix(")")) for _, example in cls.examples)


def test_an_error_without_help() -> None:
    """Arms whose shapes no convolution can make equal get no advice to add one."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads("net N {\ninput a: 2x3x4x5x6\ninput b: 3x3x4x5x6\nx: @a -> add(@b)\n}")
    assert caught.value.diagnostics[0].help is None


def test_the_padding_of_a_dataset() -> None:
    """The help for images that are too small is right, also for a dataset with padding."""
    dataset = open_dataset(SettingCall("fashion_mnist_sample", (), {"pad": 1}))
    with pytest.raises(SettingError) as caught:
        check_shape(dataset, (1, 32, 32))
    assert caught.value.help == "pad the images: `data = fashion_mnist_sample(pad = 2)`"
    check_shape(open_dataset(SettingCall("fashion_mnist_sample", (), {"pad": 2})), (1, 32, 32))


@pytest.mark.parametrize(
    ("outputs", "layers"),
    [
        ((12,), "`dense(10)`"),
        ((12, 4, 4), "`flatten -> dense(10)`"),
        ((10, 4, 4), "`gap -> flatten`"),
    ],
)
def test_the_classes_of_a_dataset(outputs: tuple[int, ...], layers: str) -> None:
    """The help for wrong outputs names the layers that give one number for each class."""
    dataset = open_dataset(SettingCall("fashion_mnist_sample", (), {}))
    with pytest.raises(SettingError) as caught:
        check_outputs(dataset, outputs, "label")
    assert layers in (caught.value.help or "")


def test_a_permute_of_another_rank_is_not_undone() -> None:
    """A body that exchanges three axes and then loses one gets no advice about two axes."""
    body = "reshape([1, 3, 4]) -> permute([3, 2, 1]) -> reduce_sum(axis = 3)"
    with pytest.raises(netdsl.CompileError, match="cannot add its body"):
        netdsl.loads(f"net N {{\n input x: 3x4\n residual {{ {body} }}\n}}")
