"""What names refer to if files import others, or if a label has the name of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.cli import run
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from pathlib import Path


def write_files(tmp_path: Path, **texts: str) -> str:
    """Write a file for each keyword, and return the path of `n.net`."""
    for name, text in texts.items():
        (tmp_path / f"{name}.net").write_text(text)
    return str(tmp_path / "n.net")


def test_estimate_of_an_imported_block(tmp_path: Path) -> None:
    """The number of layers of a block is estimated with the blocks of its own file.

    Blocks of the same name in the file of the caller do not matter.
    """
    lib = "block foo() { relu }\nblock B() { foo }"
    path = write_files(
        tmp_path,
        lib=lib,
        n=(
            'import "lib.net"\nblock foo() { repeat 60_000 { relu } }\nnet N {\ninput x: 3\nrepeat'
            " 2 { B }\n}"
        ),
    )
    assert ["relu", "relu"] == [n.op.kind for n in netdsl.load(path).graph.nodes]


def kinds(path: str, net: str = "N") -> list[str]:
    return [n.op.kind for n in netdsl.load(f"{path}:{net}").graph.nodes]


ONE = "let k = 3\nblock act() { relu }\nblock one() { act -> dense(k) }"
TWO = "let k = 5\nblock act() { gelu }\nblock two() { act -> dense(k) }"
BOTH = 'import "one.net"\nimport "two.net"\n'


def test_names_that_clash_and_are_not_used(tmp_path: Path) -> None:
    """Two imported files can define the same name; each file's blocks use its own definition."""
    net = netdsl.load(
        write_files(tmp_path, one=ONE, two=TWO, n=BOTH + "net N {\ninput x: 4\none -> two\n}")
    )
    assert ["relu", "dense", "gelu", "dense"] == [n.op.kind for n in net.graph.nodes]
    assert [(4,), (3,), (3,), (5,)] == [n.type.shape for n in net.graph.nodes]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_own_names_win(order: tuple[str, str], tmp_path: Path) -> None:
    """A file's own `let`s, blocks and nets take precedence over imported ones.

    This is also true if two imports define the name, and does not depend on the order of the text.
    """
    imports = "".join(f'import "{name}.net"\n' for name in order)
    path = write_files(
        tmp_path,
        one=ONE,
        two=TWO,
        n=imports
        + "let double = k\nnet N {\ninput x: 4\nact -> dense(double)\n}\nblock act() { tanh }",
    )
    (tmp_path / "n.net").write_text(
        (tmp_path / "n.net").read_text().replace("let double", "let k = 7\nlet double")
    )
    net = netdsl.load(path)
    assert ["tanh", "dense"] == [n.op.kind for n in net.graph.nodes]
    assert (7,) == net.outputs[0].value.type.shape


def test_one_definition_by_two_ways(tmp_path: Path) -> None:
    """It is no clash if a file is imported directly and through two others."""
    path = write_files(
        tmp_path,
        base=ONE,
        a='import "base.net"',
        b='import "base.net"',
        n=(
            'import "a.net"\nimport "b.net"\nimport "base.net"\nnet N {\ninput x: 4\nact ->'
            " dense(k)\n}"
        ),
    )
    assert ["relu", "dense"] == kinds(path)


def test_clash_further_up(tmp_path: Path) -> None:
    """If two imports define a name, using it is an error, also in a file that imports these files.

    A file that defines the name itself can use it.
    """
    path = write_files(
        tmp_path,
        one=ONE,
        two=TWO,
        both=BOTH,
        n='import "both.net"\nnet N {\ninput x: 4\nact\n}',
        o='import "one.net"\nimport "both.net"\nblock act() { tanh }\nnet N {\ninput x: 4\nact\n}',
    )
    with pytest.raises(
        netdsl.CompileError, match=r"`act` is imported from `.*one\.net` and from `.*two\.net`"
    ):
        netdsl.load(path)
    assert ["tanh"] == kinds(str(tmp_path / "o.net"))


def test_place_of_an_imported_library_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message gives the path of a library file in the package, after the place of the call."""
    path = write_files(
        tmp_path,
        n="import se\nimport resnet\nnet N {\ninput x: 3x8x8\nse(ratio = -1)\n}\nnet M = ResNet()",
    )
    assert run(["check", path]) == 1
    err = capsys.readouterr().err
    assert f" --> {path}:5:4" in err
    assert " --> nets/lib/se.net:6:" in err
    assert " --> nets/resnet.net:" in err


def test_folder_called_as_a_net_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file takes precedence over a net of the library with the same name; a folder does not.

    A folder with another name is checked; it must have nets.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet5").mkdir()
    (tmp_path / "mine").mkdir()
    assert run(["check", "lenet5"]) == 0
    assert run(["check", "lenet5:LeNet5"]) == 0
    assert run(["check", "mine"]) == 1
    assert "error[file-not-found]: there is no .net file in `mine`" in capsys.readouterr().err
    (tmp_path / "alexnet").write_text("net Own {\ninput x: 3\nrelu\n}")
    assert run(["check", "alexnet"]) == 0
    assert "Own" in capsys.readouterr().out


LABELS = {
    "tanh: conv(3, 1)\ntanh": ["conv", "tanh"],
    "own: conv(3, 1)\nown": ["conv", "relu"],
    "se: conv(3, 1) -> relu\nse(ratio = 1)": [
        "conv",
        "relu",
        "gap",
        "conv",
        "relu",
        "conv",
        "sigmoid",
        "mul",
    ],
    "added: conv(3, 1)\nadded": ["conv", "conv"],
    "free: conv(3, 1)\nfree": ["conv", "conv"],
    "relu -> added": ["relu", "relu"],
}


@pytest.mark.parametrize("body", LABELS)
def test_label_called_as_a_layer(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks and built-in kinds of layers take precedence over labels with the same name.

    Labels take precedence over kinds of installed packages, whether these are loaded or not.
    """
    monkeypatch.setitem(LAYERS, "added", LAYERS["relu"])
    assert LABELS[body] == kinds(
        write_files(tmp_path, n=f"block own() {{ relu }}\nnet N {{\ninput x: 3x8x8\n{body}\n}}")
    )


def test_broken_package_behind_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name in an argument can be a layer of an installed package.

    If a package cannot be imported, the error gives the reason.
    """
    path = write_files(tmp_path, n="block B(act) { act }\nnet N {\ninput x: 3\nB(theirs)\n}")

    def broken() -> frozenset[str]:
        raise ImportError("no module named theirs")

    monkeypatch.setattr("netdsl.elaborate.loader.load_plugins", broken)
    with pytest.raises(netdsl.CompileError, match=r"broken-plugin.*no module named theirs"):
        netdsl.load(path)


def test_layers_in_lets_of_a_file(tmp_path: Path) -> None:
    """A `let` at the top of a file can name layers and blocks, also with arguments."""
    lets = "let act = leaky_relu(0.2)\nlet Stem = stem(4)\nblock stem(c) { conv(c, 3) -> act }"
    body = "input x: 3x8x8\nStem -> norm -> last -> conv(4, 3, pad = border)"
    more = "let norms = [bn, identity]\nlet norm = norms[0]\nlet last = relu if true else gelu"
    path = write_files(
        tmp_path,
        one=lets,
        n=f'import "one.net"\n{more}\nlet border = same\nnet N {{\n{body}\n}}',
    )
    net = netdsl.load(path)
    assert ["conv", "leaky_relu", "bn", "relu", "conv"] == [n.op.kind for n in net.graph.nodes]
    assert [0.2] == [n.op.slope for n in net.graph.nodes if n.op.kind == "leaky_relu"]
    assert (4, 6, 6) == net.graph.nodes[-1].type.shape
