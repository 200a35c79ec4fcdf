"""The picture as DOT text and its SVG: contents, user text that stays text, and errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from shutil import which
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw.dot import _quote, emit_dot, svg_text
from netdsl.draw.formats import SUFFIXES, draw
from tests.support.drawing import remove_programs

if TYPE_CHECKING:
    from pathlib import Path

needs_dot = pytest.mark.skipif(which("dot") is None, reason="Graphviz is not installed")
SMALL = """
block Two(c) { residual { | first: conv(c, 3, pad = 1) -> relu | conv(c, 1) } }
net Small {
    input image: 3x8x8
    stem: { conv(4, 3, stride = 2, pad = 1, groups = 1, bias = false) -> bn -> relu }
    aux side(weight = 0.3) { gap -> flatten -> dense(2) }
    body: { Two(4)
            Two(4) }
    gap -> flatten
    output logits: dense(2)
}
"""


def labels(text: str) -> list[str]:
    """The labels of all boxes, arrows and scopes in a DOT text."""
    return re.findall(r'label="((?:[^"\\]|\\.)*)"', text)


def test_boxes_have_kind_and_main_arguments() -> None:
    texts = labels(emit_dot(netdsl.loads(SMALL).graph))
    assert "conv 3x3, 4, stride 2" in texts
    assert "first\\nconv 3x3, 4" in texts
    assert "logits\\ndense 2" in texts
    assert "stem" in texts
    assert texts.count("Two") == 2
    assert "side: auxiliary head, weight 0.3" in texts


def test_numbers_are_not_shown_as_names() -> None:
    """A layer without a label has no name in its box."""
    assert not [
        text for text in labels(emit_dot(netdsl.loads(SMALL).graph)) if re.match(r"\d+\\n", text)
    ]


def test_a_shape_is_shown_once_after_a_run_that_keeps_it() -> None:
    """The shape of `conv -> tanh` is shown once, after `tanh`."""
    texts = labels(emit_dot(netdsl.load("lenet5").graph))
    shapes = [text for text in texts if re.fullmatch(r"[\dx]+", text)]
    assert shapes == [
        "1x32x32",
        "6x28x28",
        "6x14x14",
        "16x10x10",
        "16x5x5",
        "120x1x1",
        "120",
        "84",
        "10",
    ]


def test_every_arrow_joins_two_boxes() -> None:
    text = emit_dot(netdsl.load("googlenet:GoogLeNet").graph)
    boxes = set(re.findall(r"^\s+(n\d+) \[", text, re.MULTILINE))
    ends = {end for pair in re.findall(r"(n\d+) -> (n\d+)", text) for end in pair}
    assert ends == boxes


def test_auxiliary_heads_are_dashed() -> None:
    text = emit_dot(netdsl.loads(SMALL).graph)
    assert "loss × 0.3" in text
    assert text.count("style=dashed]") >= 4


def test_depth_folds_scopes_into_boxes() -> None:
    graph = netdsl.load("senet:SEResNet50").graph
    texts = labels(emit_dot(graph, depth=1))
    assert "layer3\\n6 × bottleneck\\n98 layers, 7,891,328 parameters" in texts
    assert "cluster" not in emit_dot(graph, depth=1)
    assert "SEResNet50\\n271 layers, 28,088,024 parameters" in labels(emit_dot(graph, depth=0))
    assert emit_dot(graph, depth=9) == emit_dot(graph)


def test_the_same_net_gives_the_same_text() -> None:
    assert emit_dot(netdsl.load("googlenet:GoogLeNet").graph) == emit_dot(
        netdsl.load("googlenet:GoogLeNet").graph
    )


@pytest.mark.parametrize(
    "text",
    [
        '"]; x [URL="javascript:1',
        "<b>bold</b>",
        "\\",
        "\\N \\G",
        "&lt;script&gt;",
        "a\nb\x00\u202e",
        "]]>--><script>",
    ],
)
def test_user_text_is_text(text: str) -> None:
    """Names with markup are shown as they are, and add no elements to the SVG."""
    graph = netdsl.loads(SMALL).graph
    graph.name = text
    graph.outputs[0].name = text
    graph.inputs[0].name = text
    svg = svg_text(graph)
    root = ET.fromstring(svg.replace("xlink:", ""))
    assert not [
        e
        for e in root.iter()
        if e.tag.rpartition("}")[2]
        not in {"svg", "g", "title", "polygon", "path", "text", "ellipse", "polyline"}
    ]
    shown = [e.text for e in root.iter() if e.tag.endswith("text")]
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text)
    assert shown.count(clean) == 2


def test_long_names_are_shortened() -> None:
    assert _quote(["a" * 100]) == f'"{"a" * 35}…{"a" * 12}"'


STARTS = {
    ".svg": b"<?xml",
    ".png": b"\x89PNG",
    ".pdf": b"%PDF",
    ".dot": b"digraph",
    ".gv": b"digraph",
    ".mmd": b"---\ntitle: ",
    ".html": b"<!DOCTYPE html>",
}


@pytest.mark.parametrize(
    "suffix", [pytest.param(s, marks=[needs_dot] if s == ".pdf" else []) for s in SUFFIXES]
)
def test_the_suffix_is_the_format(tmp_path: Path, suffix: str) -> None:
    """Each file begins as files of its format do, and has the same bytes if it is drawn again."""
    path = tmp_path / f"net{suffix}"
    assert run(["draw", "lenet5", "-o", str(path)]) == 0
    first = path.read_bytes()
    assert first.startswith(STARTS[suffix])
    assert run(["draw", "lenet5", "-o", str(path)]) == 0
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_an_unknown_suffix_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["draw", "lenet5", "-o", str(tmp_path / "net.bmp")]) == 2
    assert f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}" in capsys.readouterr().err
    assert run(["draw", "lenet5", "-o", str(tmp_path / "net.dot"), "--depth", "-1"]) == 2
    with pytest.raises(ValueError, match=r"\.svg"):
        draw(netdsl.load("lenet5").graph, tmp_path / "net.bmp")


@pytest.mark.parametrize(
    ("suffix", "advice"),
    [
        (".svg", ["pip install graphviz-pure", "--program dot"]),
        (".pdf", ["apt install graphviz", "brew install graphviz"]),
    ],
)
def test_without_the_programs(
    suffix: str,
    advice: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the program, the error explains how to install it; DOT files are still written."""
    remove_programs(monkeypatch)
    assert run(["draw", "lenet5", "-o", str(tmp_path / f"net{suffix}")]) == 1
    err = capsys.readouterr().err
    assert "graphviz-missing" in err
    assert all(text in err for text in advice)
    assert run(["draw", "lenet5", "-o", str(tmp_path / "net.dot")]) == 0
    assert not (tmp_path / f"net{suffix}").exists()


def test_pictures_do_not_need_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SVG, PNG and pages are drawn with an empty PATH; `graphviz-pure` is beside Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for suffix in (".svg", ".png", ".html"):
        assert run(["draw", "lenet5", "-o", str(tmp_path / f"net{suffix}")]) == 0


def test_a_folder_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is an error if the path is a folder, or if a file is in the place of its folder."""
    (tmp_path / "file").write_text("")
    assert run(["draw", "lenet5", "-o", str(tmp_path / "file" / "net.dot")]) == 1
    (tmp_path / "net.dot").mkdir()
    assert run(["draw", "lenet5", "-o", str(tmp_path / "net.dot")]) == 1
    assert capsys.readouterr().err.count("cannot-write") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "net.dot"]


def test_drawing_needs_neither_torch_nor_onnxruntime(tmp_path: Path) -> None:
    code = (
        "import sys; from netdsl.cli import run; "
        f"run(['draw', 'lenet5', '-o', {str(tmp_path / 'net.dot')!r}]); "
        "sys.exit(bool({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode
        == 0
    )


@pytest.mark.parametrize(
    "name", ["lenet5", "googlenet:GoogLeNetBN", "resnet:ResNet50", "fcn:FCN8s"]
)
def test_dot_takes_the_nets_of_the_library(name: str) -> None:
    assert svg_text(netdsl.load(name).graph).startswith("<svg")


def test_shared_layers_name_the_layer_whose_weights_they_use() -> None:
    text = (
        "net T {\n input a: 4\n input b: 4\n tower: dense(3)\n other: @b -> tower\n sub(@tower)\n"
        " output y: dense(1)\n}"
    )
    texts = labels(emit_dot(netdsl.loads(text).graph))
    assert "tower@2\\ndense 3\\nweights of tower" in texts
    assert "−" in texts


def test_a_net_whose_output_is_its_input() -> None:
    graph = netdsl.loads("net Pair {\n input a: 4\n output y: dense(2, init = he_normal)\n}").graph
    graph.outputs[0].value = graph.inputs[0]
    assert "n0 -> " in emit_dot(graph)
