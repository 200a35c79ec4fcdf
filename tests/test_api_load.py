"""`load` and `loads`: which net, which sizes, and what the parameters mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import netdsl
from tests.support.paths import ROOT

NETS = ROOT / "nets"
TWO = "net A { input x: 4\n dense(3) }\nnet B { input x: 4\n dense(5) }\n"


# ---- which net


@pytest.mark.parametrize("kind", [str, Path])
def test_paths(folder: Path, kind: Any) -> None:
    """A file may be a `str` or a `Path`, and its net may be named in both ways."""
    (folder / "two.net").write_text(TWO)
    assert netdsl.load(kind(folder / "two.net"), "B").params == 25
    assert netdsl.load(kind(f"{folder / 'two.net'}:B")).params == 25
    assert netdsl.load(kind(folder / "two.net"), net="B").params == 25
    with pytest.raises(netdsl.CompileError, match=r"has 2 nets"):
        netdsl.load(kind(folder / "two.net"))
    with pytest.raises(netdsl.CompileError, match=r"has no net `C`"):
        netdsl.load(kind(folder / "two.net"), "C")


def test_a_file_with_a_colon(folder: Path) -> None:
    """A file whose name has a colon can be loaded, and its net can be named."""
    (folder / "my:nets").write_text(TWO)
    (folder / "my:net").write_text("net A { input x: 4\n dense(3) }")
    assert netdsl.load("my:net").params == 15
    assert netdsl.load("my:nets", "B").params == 25
    assert netdsl.load("my:nets:B").params == 25


# ---- sizes


OPEN = "net T {\n input a: 3xHxW\n input b: 3xHxW\n add { | @a | @b } -> conv(4, 3) }"


def test_inputs_get_sizes() -> None:
    """Sizes may be a tuple, a list or, for one axis, a number."""
    net = netdsl.load("resnet", "ResNet18", inputs={"image": (3, 224, 224)})
    assert 1_814_073_344 == net.macs
    assert [(3, 224, 224)] == [port.shape for port in net.inputs]
    assert (3, 8, 9) == netdsl.loads(
        "net T { input a: 3xHxW\n relu }", inputs={"a": [3, 8, 9]}
    ).inputs[0].shape
    assert (7,) == netdsl.loads("net T { input a: D\n relu }", inputs={"a": 7}).inputs[0].shape
    both = netdsl.loads(OPEN, inputs={"a": (3, 8, 8), "b": (3, 8, 8)})
    assert 4 * 27 * 36 == both.macs


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"c": (3, 8, 8)}, "net `T` has no input `c`"),
        ({"a": (3, 8)}, "input `a` has 3 sizes (3xHxW), but 2 are given (3x8)"),
        ({"a": (1, 8, 8), "b": (3, 8, 8)}, "input `a` is 3xHxW"),
        ({"a": (3, 8, 8), "b": (3, 8, 9)}, "input `b` is 3xHxW"),
        ({"a": (3, 2, 8), "b": (3, 2, 8)}, "a kernel of 3 is larger than the input's 2"),
    ],
)
def test_sizes_that_do_not_fit(inputs: dict[str, tuple[int, ...]], message: str) -> None:
    """Sizes for which the net is not valid are errors in its text."""
    with pytest.raises(netdsl.CompileError, match=re.escape(message)):
        netdsl.loads(OPEN, inputs=inputs)


def test_advice_names_the_argument() -> None:
    """An input that shares sizes with another needs both, and the help says how to give them."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(OPEN, inputs={"b": (3, 8, 8)})
    assert caught.value.code == "open-size"
    assert '`inputs={"a": ...}`' in (caught.value.help or "")


@pytest.mark.parametrize(("name", "what"), [("image", "an input"), ("H", "a size of the input")])
def test_sizes_given_as_parameters(name: str, what: str) -> None:
    """The help explains how to give the sizes of an input."""
    with pytest.raises(netdsl.CompileError, match=f"has no parameter `{name}`") as caught:
        netdsl.load("resnet:ResNet18", **{name: 224})  # type: ignore[arg-type]
    help_ = caught.value.help or ""
    assert f"`{name}` is {what}" in help_
    assert '(in Python `inputs={"image": ...}`)' in help_


# ---- blocks and texts


PARAMETERS = """
block big(n) { conv(n, 3) -> relu }
block small(n) { conv(n, 1) }
net T(Block = small, mode = "add", Blocks = [big, small], act = relu) {
    input x: 3x9x9
    Block(4)
    for B in Blocks { B(2) }
    act
    if mode == "relu" { tanh }
    if Block == big { sigmoid }
}
net Given(Block) { input x: 3x9x9\n Block(4, 3) }
net Text(word) { input x: 3x9x9\n if word == "relu" { relu } else { tanh } }
"""


def kinds(net: str, **parameters: Any) -> list[str]:
    """The kinds of the layers of a net of `PARAMETERS`."""
    return [row.kind for row in netdsl.loads(PARAMETERS, net, **parameters).layers]


def test_a_text_is_a_block_where_it_is_called() -> None:
    """The name of a block of the file, of the library, or of a layer can be given as a text."""
    assert ["conv", "relu", "relu", "sigmoid"] == kinds("T", Block="big", Blocks=[])
    assert ["conv", "conv", "relu"] == kinds("T", Blocks=("small",))
    assert ["conv", "tanh"] == kinds("T", Blocks=[], act="tanh")
    assert ["conv"] == kinds("Given", Block="conv")
    given = netdsl.load("resnet", "ResNet", Block="bottleneck", layers=[3, 4, 6, 3])
    assert netdsl.load("resnet:ResNet50").params == given.params


def test_a_text_stays_a_text() -> None:
    """A text that happens to be the name of a layer can be compared with texts."""
    assert ["conv", "relu", "tanh"] == kinds("T", Blocks=[], mode="relu")
    assert ["relu"] == kinds("Text", word="relu")
    assert ["tanh"] == kinds("Text", word="nothing")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("bigg", '`Block` is "bigg", not a layer or block'),
        (3, "`Block` is 3, not a layer or block"),
    ],
)
def test_a_text_that_names_nothing(block: object, message: str) -> None:
    """The error is at the call, and suggests a name if one is close."""
    with pytest.raises(netdsl.CompileError, match=re.escape(message)) as caught:
        netdsl.loads(PARAMETERS, "Given", Block=block)
    assert "Block(4, 3)" in str(caught.value)
    if block == "bigg":
        assert "`big`" in (caught.value.help or "")


def test_names_of_files_in_nets() -> None:
    """A path of the checkout and the name of the library give the same net."""
    by_path = netdsl.load(NETS / "lenet5.net")
    assert by_path.params == netdsl.load("lenet5").params


# ---- the places of errors


def test_errors_have_a_line(folder: Path) -> None:
    """Errors and warnings have a file, a line and a column; those about no line have None."""
    (folder / "a.net").write_text("net A {\n input x: 4\n dense(3) -> relu -> relu\n}\n")
    (warning,) = netdsl.load("a.net").warnings
    assert ("a.net", 3, 22) == (warning.file, warning.line, warning.column)
    (folder / "a.net").write_text("net A {\n input x: 4\n reluu\n}\n")
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load("a.net")
    (diagnostic,) = caught.value.diagnostics
    assert ("a.net", 3, 2) == (diagnostic.file, diagnostic.line, diagnostic.column)
    assert ("a.net", 3, 2) == (caught.value.file, caught.value.line, caught.value.column)
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load("b.net")
    assert [None] * 3 == [caught.value.file, caught.value.line, caught.value.column]


def test_errors_about_sizes_show_them_in_python() -> None:
    """Too few sizes give an example of the right number, and the error names the net loaded."""
    with pytest.raises(netdsl.CompileError, match="has 3 sizes") as caught:
        netdsl.load("resnet:ResNet50", inputs={"image": (3, 224)})
    assert "(in Python `(3, 224, 224)`)" in (caught.value.help or "")
    with pytest.raises(netdsl.CompileError, match="net `ResNet50` has no input `imag`"):
        netdsl.load("resnet:ResNet50", inputs={"imag": (3, 224, 224)})
    with pytest.raises(netdsl.CompileError, match="net `ResNet50` has no parameter `foo`"):
        netdsl.load("resnet:ResNet50", foo=3)


def test_the_net_with_the_name_of_the_file(folder: Path) -> None:
    """Of several nets, the one with the name of the file is loaded, whatever its capitals."""
    (folder / "b.net").write_text(TWO)
    assert "B" == netdsl.load("b.net").name
    assert "LeNet5" == netdsl.load("lenet5").name


def test_a_file_that_the_library_may_have(folder: Path) -> None:
    """A missing file is compared with those of the library if no file beside it is like it."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load("lenet.net")
    assert caught.value.help is not None
    assert caught.value.help.startswith("the library may have it: did you mean `lenet5`")
    (folder / "lenet1.net").write_text("")
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load("lenet.net")
    assert caught.value.help == "did you mean `lenet1.net`?"
