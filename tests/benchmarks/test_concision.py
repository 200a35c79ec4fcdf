"""The library's texts are shorter than what others publish of the same nets, counted by the rule
that the benchmark states.
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
    """The benchmark, as a module."""
    spec = importlib.util.spec_from_file_location("concision", PATH)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_ours_is_shorter(concision: Any) -> None:
    """Each net is shorter than Caffe's and Darknet's, the blocks of the library counted."""
    if not concision.CORPORA.is_dir():
        pytest.skip("the published descriptions are not beside the repository")
    rows = concision.rows(concision.CORPORA, None)
    assert {row.peer for row in rows} == {"Caffe", "Darknet"}
    assert [row.net for row in rows if not row.shorter] == []
    assert len(rows) == len(concision.CAFFE) + len(concision.DARKNET)


def test_what_counts_as_ours(concision: Any) -> None:
    """The family, the blocks and lists that a net uses, imports and shipped blocks; `expect` lines,
    comments and other nets not.
    """
    vgg = concision.Ours("vgg:VGG16")
    assert {name for _, name in vgg.own} == {"VGG16", "VGG", "D"}
    assert not vgg.shipped
    senet = concision.Ours("senet:SEResNet50")
    assert {name for _, name in senet.own} == {"SEResNet50", "ResNet", "SEBottleneck", "resnet"}
    assert {name for _, name in senet.shipped} == {"se"}
    assert senet.size().characters > senet.size(shipped=False).characters
    text = "\n".join(concision.Ours("resnet:ResNet50").own.values())
    assert "expect" not in text
    assert "#" not in text
    assert "net ResNet50 = ResNet(bottleneck, [3, 4, 6, 3])\n" in text.replace(" \n", "\n")


def test_sizes(concision: Any, tmp_path: Path) -> None:
    """Blanks, empty lines and comments do not count; of the peers', neither does what is no part of
    the net.
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


def test_longer_is_said(concision: Any) -> None:
    """A net that is longer, in characters or in lines, fails; HNDL's built-in blocks are held
    against ours without the library's.
    """
    size, row = concision.Size, concision.Row
    assert row("n", "Caffe", size(9, 2), size(5, 1), size(10, 3)).shorter
    assert not row("n", "Caffe", size(10, 2), size(5, 1), size(10, 3)).shorter
    assert not row("n", "Darknet", size(9, 3), size(5, 1), size(10, 3)).shorter
    assert row("n", "HNDL", size(11, 4), size(5, 1), size(10, 3)).shorter


def test_missing_texts_are_said(
    concision: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the peers' texts the benchmark says so, and does not succeed."""
    monkeypatch.delenv("HNDL_SOURCE", raising=False)
    monkeypatch.setattr(sys, "argv", ["concision.py", "--corpora", str(tmp_path / "nothing")])
    assert concision.main() == 1
    out = capsys.readouterr().out
    assert f"there is no folder {tmp_path / 'nothing'}" in out
    assert "HNDL is left out" in out
