"""The nets of the library are shorter than the published descriptions of the same nets.

They are counted as the docstring of the benchmark explains.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from types import ModuleType

PATH = ROOT / "benchmarks" / "concision.py"


@pytest.fixture(scope="module")
def concision() -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("concision", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ours_is_shorter(concision: Any) -> None:
    """Each net is shorter than that of Caffe or Darknet, even with the library blocks it uses."""
    if not concision.CORPORA.is_dir():
        pytest.skip("the published descriptions are not beside the repository")
    rows = concision.rows(concision.CORPORA, None, None)
    assert {row.peer for row in rows} == {"Caffe", "Darknet"}
    assert [row.net for row in rows if not row.shorter] == []
    assert len(rows) == len(concision.CAFFE) + len(concision.DARKNET)


def test_the_parts_of_our_texts_that_count(concision: Any) -> None:
    """The family, imports, and the blocks, lists and shipped blocks that a net uses count.

    `expect` lines, comments and other nets do not.
    """
    vgg = concision.Ours("vgg:VGG16")
    assert {name for _, name in vgg.own} == {"VGG16", "VGG", "D"}
    assert not vgg.shipped
    senet = concision.Ours("senet:SEResNet50")
    assert {name for _, name in senet.own} == {"SEResNet50", "ResNet", "resnet"}
    assert {name for _, name in senet.shipped} == {"bottleneck", "se"}
    assert senet.size().characters > senet.size(shipped=False).characters
    text = "\n".join(concision.Ours("resnet:ResNet50").own.values())
    assert "expect" not in text
    assert "#" not in text
    assert "net ResNet50 = ResNet(bottleneck, [3, 4, 6, 3])\n" in text.replace(" \n", "\n")


def test_sizes(concision: Any, tmp_path: Path) -> None:
    """Blanks, empty lines and comments do not count.

    In texts for other programs, parts that do not describe the net do not count either.
    """
    assert concision.size_of("ab c\n\n  d\n") == (4, 2)
    caffe = tmp_path / "net.prototxt"
    caffe.write_text(
        'name: "n" # a comment\nlayer {\n  type: "Data"\n  name: "#x"\n}\nlayer {\n  type: "ReLU"\n'
        '  name: "#y"\n}\n'
    )
    assert concision.caffe_size(caffe) == concision.size_of(
        'name: "n"\nlayer {\n  type: "ReLU"\n  name: "#y"\n}\n'
    )
    darknet = tmp_path / "net.cfg"
    darknet.write_text(
        "[net]\nheight=32\nmomentum=0.9\n# angle=7\n\n[maxpool]\nsize=2\n[cost]\ntype=sse\n"
    )
    assert concision.darknet_size(darknet) == concision.size_of(
        "[net]\nheight=32\n[maxpool]\nsize=2\n"
    )
    hndl = tmp_path / "net.hndl"
    hndl.write_text("# a net\nlinear()\n")
    hndl.with_suffix(".json").write_text(
        json.dumps({"title": "a net", "input_shape": ["B", 2], "output_shape": ["B", 3]})
    )
    assert concision.hndl_size(hndl) == concision.size_of(
        "linear()\ninput_shape=['B', 2]\noutput_shape=['B', 3]"
    )


SOURCE = """
from torch import nn

class Unit(nn.Module):
    '''A unit.'''
    def __init__(self):
        super().__init__(a,
                         b)  # in two lines

class Unused(nn.Module): pass

class Net_Weights(WeightsEnum):
    DEFAULT = 1

sizes = [1, 2]

@register_model()
def net(weights: Net_Weights) -> Unit:
    '''Builds the net.'''
    return Unit(sizes)
"""


def test_what_counts_in_torchvision(concision: Any, tmp_path: Path) -> None:
    """A function and what it uses count, without imports, docstrings, comments, decorators and the
    tables of weights.
    """
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    assert concision.torchvision_size(path, "net") == concision.size_of(
        "def net(weights: Net_Weights) -> Unit:\n    return Unit(sizes)\nsizes = [1, 2]\n"
        "class Unit(nn.Module):\n    def __init__(self):\n        super().__init__(a, b)"
    )


def test_a_net_must_be_shorter_in_both_counts(concision: Any) -> None:
    """A net fails if it does not have fewer characters and fewer lines than the other text.

    HNDL, which has built-in blocks, is compared with our size without the shipped blocks.
    """
    size, row = concision.Size, concision.Row
    assert row("n", "Caffe", size(9, 2), size(5, 1), size(10, 3)).shorter
    assert not row("n", "Caffe", size(10, 2), size(5, 1), size(10, 3)).shorter
    assert not row("n", "Darknet", size(9, 3), size(5, 1), size(10, 3)).shorter
    assert row("n", "HNDL", size(11, 4), size(5, 1), size(10, 3)).shorter


def test_missing_texts_are_an_error(
    concision: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If the texts of other programs are missing, the benchmark prints this and exits with 1."""
    monkeypatch.delenv("HNDL_SOURCE", raising=False)
    monkeypatch.delenv("TORCHVISION_SOURCE", raising=False)
    monkeypatch.setattr(sys, "argv", ["concision.py", "--corpora", str(tmp_path / "nothing")])
    assert concision.main() == 1
    out = capsys.readouterr().out
    assert f"there is no folder {tmp_path / 'nothing'}" in out
    assert "HNDL is left out" in out
    assert "torchvision is left out" in out
