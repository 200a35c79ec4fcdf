"""The picture as DOT text and its SVG: contents, user text that stays text, and errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from shutil import which
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw.dot import emit_dot, svg_text
from netdsl.draw.formats import SUFFIXES, draw
from netdsl.draw.options import THEMES, DrawOptions
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
    """The labels of all boxes and scopes in a DOT text: the words of each line, without markup."""
    found = re.findall(r"label=<((?:[^<>]|<[^<>]*>)*)>[],]", text)
    return ["\\n".join(_words(line) for line in re.split(r"<BR[^>]*/>", t)) for t in found]


def _words(line: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", line))


def test_boxes_have_kind_and_main_arguments() -> None:
    texts = labels(emit_dot(netdsl.loads(SMALL).graph))
    assert "conv 3x3, 4, stride 2\\nbn · relu\\n4x4x4" in texts
    assert "first\\nconv 3x3, 4\\nrelu\\n4x4x4" in texts
    assert "logits\\ndense 2\\n2" in texts
    assert "stem" in texts
    assert [f"body.{n}: Two" for n in (0, 1)] == sorted(t for t in texts if "Two" in t)
    assert "side:\\nauxiliary head, weight 0.3\\n" in texts


def test_numbers_are_not_shown_as_names() -> None:
    """A layer without a label has no name in its box."""
    assert not [
        text for text in labels(emit_dot(netdsl.loads(SMALL).graph)) if re.match(r"\d+\\n", text)
    ]


def test_a_shape_is_shown_once_after_a_run_that_keeps_it() -> None:
    """The shape of `conv -> tanh` is shown once, after `tanh`."""
    texts = labels(emit_dot(netdsl.load("lenet5").graph))
    last = [text.rpartition("\\n")[2] for text in texts]
    shapes = [text for text in last if re.fullmatch(r"[\dx]+", text)]
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
    boxes = set(re.findall(r"^\s+([ne]\d+) \[", text, re.MULTILINE))
    ends = {end for pair in re.findall(r"([ne]\d+) -> ([ne]\d+)", text) for end in pair}
    assert ends == boxes


def test_auxiliary_heads_are_dashed() -> None:
    text = emit_dot(netdsl.loads(SMALL).graph)
    assert "loss × 0.3" in text
    assert len(re.findall(r"-> n\d+ \[[^]]*style=dashed", text)) >= 4


def test_depth_folds_scopes_into_boxes() -> None:
    graph = netdsl.load("senet:SEResNet50").graph
    texts = labels(emit_dot(graph, DrawOptions(1)))
    assert "layer3\\n6 × bottleneck\\n98 layers, 7,891,328 parameters\\n1024x⌈H/16⌉x⌈W/16⌉" in texts
    assert emit_dot(graph, DrawOptions(1)).count("subgraph") == 1
    (whole,) = [text for text in labels(emit_dot(graph, DrawOptions(0))) if "layers" in text]
    assert whole.startswith("SEResNet50\\n271 layers, 28,088,024 parameters")


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
    allowed = {"svg", "g", "a", "title", "polygon", "path", "text", "ellipse", "polyline"}
    assert allowed >= {e.tag.rpartition("}")[2] for e in root.iter()}
    for link in (e.attrib["href"] for e in root.iter() if e.tag.endswith("}a")):
        assert re.fullmatch(r"[\w%.-]*#L\d+", link)
    shown = [e.text for e in root.iter() if e.tag.endswith("text")]
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text)
    assert shown.count(clean) == 3  # with the title


def test_long_names_are_shortened() -> None:
    graph = netdsl.loads(SMALL).graph
    graph.outputs[0].name = "a" * 100
    assert f"{'a' * 35}…{'a' * 12}" in labels(emit_dot(graph))


def test_a_value_enters_a_scope_once() -> None:
    """The skip of a block begins at a point inside the block; only one line crosses its border."""
    text = emit_dot(netdsl.loads(SMALL).graph)
    points = re.findall(r"^\s+(e\d+) \[shape=point", text, re.MULTILINE)
    assert len(points) == 2  # in each call of `Two`
    for point in points:
        block = re.search(rf"label=<[^\n]*Two[^\n]*\n(?:\s+n[^\n]*\n)*\s+{point} ", text)
        assert block
        assert len(re.findall(rf"-> {point} \[[^]]*arrowhead=none", text)) == 1
        assert len(re.findall(rf"  {point} ->", text)) == 2


def test_parts_have_stable_names_tips_and_links(tmp_path: Path) -> None:
    """The elements of an SVG are named after layers and scopes, and lead to their lines."""
    path = tmp_path / "net.svg"
    assert run(["draw", "resnet:ResNet18", "-o", str(path), "--depth", "9"]) == 0
    svg = path.read_text(encoding="utf-8")
    names = re.findall(r' id="([^"]*)"', svg)
    assert len(names) == len(set(names))
    assert {"layer1.0.", "layer1.0.conv1", "layer2.0.downsample.", "input.image"} <= set(names)
    part = svg[svg.index('id="layer1.0.conv1"') :].split("</g>")[0]
    line = netdsl.load("resnet:ResNet18").layers["layer1.0.conv1"].line
    assert re.search(rf'href="[\w.]+#L{line}"', part)
    assert "layer1.0.conv1: conv\noutput 64x⌈H/4⌉x⌈W/4⌉\n36,864 parameters" in unescape(part)
    assert "receptive field 19x19" in part


@pytest.mark.parametrize("name", ["resnet:ResNet50", "resnet:ResNet18", "lenet5"])
def test_large_nets_are_folded(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Above 60 layers, blocks are folded, and the command and the picture say so."""
    path = str(tmp_path / "net.dot")
    assert run(["draw", name, "-o", path]) == 0
    folded = name == "resnet:ResNet50"
    assert ("large nets are folded" in capsys.readouterr().err) == folded
    text = (tmp_path / "net.dot").read_text(encoding="utf-8")
    assert ("folded to depth 2" in text) == folded
    assert ("layer1.0\\nbottleneck\\n12 layers" in "".join(labels(text))) == folded
    assert run(["draw", name, "-o", path, "--depth", "9"]) == 0
    assert "folded" not in capsys.readouterr().err


def test_blocks_are_boxes() -> None:
    """The style `blocks` has one box for each call of a block."""
    texts = labels(emit_dot(netdsl.load("googlenet").graph, DrawOptions(style="blocks")))
    assert 9 == len([text for text in texts if text.startswith("inception")])


def test_themes_and_directions(tmp_path: Path) -> None:
    """Each theme has its own paper; to the right, the picture is wider than high."""
    papers = []
    for theme in THEMES:
        path = tmp_path / "net.svg"
        options = ["--theme", theme, "--direction", "right"]
        assert run(["draw", "lenet5", "-o", str(path), *options]) == 0
        svg = path.read_text(encoding="utf-8")
        papers.append(re.findall(r'<polygon fill="([^"]*)"', svg)[0])
        size = re.search(r'width="(\d+)pt" height="(\d+)pt"', svg)
        assert size
        assert int(size[1]) > 3 * int(size[2])
    assert papers == ["#ffffff", "#16191d", "#ffffff"]


STARTS = {
    ".svg": b"<?xml",
    ".png": b"\x89PNG",
    ".pdf": b"%PDF",
    ".dot": b"digraph",
    ".gv": b"digraph",
    ".mmd": b"---\ntitle: ",
    ".html": b"<!DOCTYPE html>",
    ".tex": b"% LeNet5: ",
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
    assert "tower@2\\ndense 3\\nweights of tower\\n3" in texts
    assert "−" in texts


def test_a_net_whose_output_is_its_input() -> None:
    graph = netdsl.loads("net Pair {\n input a: 4\n output y: dense(2, init = he_normal)\n}").graph
    graph.outputs[0].value = graph.inputs[0]
    assert "n0 -> " in emit_dot(graph)
