"""The picture as TikZ: the shapes of the SVG picture, in LaTeX that runs nothing of the user's."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw import picture as picture_module
from netdsl.draw.dot import svg_text
from netdsl.draw.tikz import emit_tikz
from tests.support.markup import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = r"-?\d+\.\d\d"
PLACE = rf"\({NUMBER}, {NUMBER}\)"
COLOUR = r"(?:black|\{rgb,255:red,\d+;green,\d+;blue,\d+\})"
LINE = rf"draw={COLOUR}, line width=[\d.]+bp(, dash pattern=on [\d.]+bp off [\d.]+bp)?"
INK = rf"\[(fill={COLOUR}|{LINE}|fill={COLOUR}, {LINE})\]"
CURVE = rf"( \.\. controls {PLACE} and {PLACE} \.\. {PLACE})+"
ROUND = r" circle \[x radius=[\d.]+bp, y radius=[\d.]+bp\]"
SHAPE = re.compile(
    rf"\\path{INK} {PLACE}((?: -- {PLACE})+(?: -- cycle)?| rectangle {PLACE}|{CURVE}|{ROUND});"
)
# Between the braces are letters, signs, and the commands that stand for a sign.
COMMAND = r"\\(?:text(?:backslash|asciitilde|asciicircum|less|greater)|dots)\{\}|\\[{}$&#_%]"
MATHS = r"\$(?:\\times|\\[lr]floor|\\[lr]ceil|\\to|-|\\cdot|\^2)\$"
FONT = r"\\sffamily(?:\\bfseries)?\\fontsize\{[\d.]+\}\{[\d.]+\}\\selectfont"
WORDS = re.compile(
    rf"\\node\[anchor=base(?: west| east)?, text={COLOUR}, font={FONT}\] at {PLACE}"
    rf" \{{((?:[^\\{{}}$&#_%^<>]|{COMMAND}|{MATHS})*)\}};"
)
PICTURES = [
    ("lenet5", []),
    ("lenet5", ["--style", "volumes", "--field", "C3:5,5"]),
    ("perceptron:Perceptron", ["--style", "neurons", "--theme", "dark"]),
    ("resnet:ResNet18", ["--style", "blocks", "--direction", "right"]),
    ("googlenet:GoogLeNet", ["--theme", "print"]),
]


def parsed(text: str) -> tuple[int, list[str]]:
    """The number of shapes, and the words; every line must have a form that netdsl writes."""
    head, begin, body = text.partition("\\begin{tikzpicture}[")
    assert head.startswith("% ")
    assert head.endswith("\\fi\n")
    assert begin
    _, *lines, end, last = body.splitlines()
    assert (end, last) == ("\\end{tikzpicture}%", "\\netdslend")
    found = [WORDS.fullmatch(line) for line in lines]
    others = [line for line, match in zip(lines, found, strict=True) if match is None]
    assert [line for line in others if not SHAPE.fullmatch(line)] == []
    return len(others), [match[1] for match in found if match]


@pytest.mark.parametrize(("net", "options"), PICTURES)
def test_the_shapes_are_those_of_the_svg(tmp_path: Path, net: str, options: list[str]) -> None:
    for suffix in ("svg", "tex"):
        assert run(["draw", net, "-o", str(tmp_path / f"net.{suffix}"), *options]) == 0
    tags = [e.tag.rpartition("}")[2] for e in ET.parse(tmp_path / "net.svg").iter()]
    shapes, words = parsed((tmp_path / "net.tex").read_text(encoding="utf-8"))
    assert shapes == sum(
        tags.count(tag) for tag in ("polygon", "polyline", "path", "ellipse", "rect")
    )
    assert len(words) == tags.count("text")
    assert shapes > 5


def test_places_are_moved_with_their_group() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><g transform="scale(1 1) translate(10 20.5)">'
        '<polyline points="1,-2 3,4" fill="none" stroke="#010203" stroke-width="0.5"/>'
        '<text x="1" y="2" font-size="9">a_1</text></g></svg>'
    )
    line, words = emit_tikz(svg, "A").splitlines()[-4:-2]
    ink = "draw={rgb,255:red,1;green,2;blue,3}, line width=0.5bp"
    assert line == f"\\path[{ink}] (11.00, 18.50) -- (13.00, 24.50);"
    assert words.endswith(" at (11.00, 22.50) {a\\_1};")


@pytest.mark.parametrize("name", HOSTILE)
def test_labels_stay_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label cannot begin a command, a comment or a formula."""
    graph = netdsl.load("lenet5").graph
    svg = svg_text(graph)
    shapes, words = parsed(emit_tikz(svg, graph.name))
    graph.name = graph.inputs[0].name = graph.outputs[0].name = name
    monkeypatch.setattr(picture_module, "describe", lambda _op, _axes: name)
    hostile = parsed(emit_tikz(svg_text(graph), name))
    assert (hostile[0], len(hostile[1])) == (shapes, len(words))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("name", ["paper", "net"])
def test_latex_reads_the_picture(tmp_path: Path, name: str) -> None:
    """In a paper, and as a document of its own, which needs the class `standalone`."""
    netdsl.load("lenet5").draw(tmp_path / "net.tex")
    picture = "\\resizebox{3cm}{!}{\\input{net.tex}}"
    document = (
        "\\documentclass{article}\\usepackage{tikz}\\begin{document}"
        f"\\input{{net.tex}} {picture}\\end{{document}}"
    )
    (tmp_path / "paper.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout[-2000:]
    assert (tmp_path / f"{name}.pdf").exists()
