"""The picture as Mermaid text: the same boxes and arrows as DOT, and user text that stays text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw import picture as picture_module
from netdsl.draw.dot import emit_dot
from netdsl.draw.mermaid import emit_mermaid, is_large
from netdsl.draw.options import DrawOptions
from netdsl.draw.picture import COLOURS, FOLDED, Picture
from netdsl.ops import LAYERS
from tests.support.markup import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

NETS = ["lenet5", "googlenet:GoogLeNet", "resnet:ResNet18", "fcn:FCN8s"]
ENTITY = r"(?:#(?:quot|amp|lt|gt|\d+);)"
LABEL = rf'"(?:[\w ,.()/=:×−…⌊⌋⌈⌉°¶\ufffd\'?^-]|{ENTITY}|<br/>)*"'
BOX = re.compile(rf"\s+(n\d+)(\(\[|\(\(|\(|\[){LABEL}(\]\)|\)\)|\)|\]):::(\w+)")
ARROW = re.compile(rf"  (n\d+) (-->|-\.->)(?:\|{LABEL}\|)? (n\d+)")


def parsed(text: str) -> tuple[list[str], list[tuple[str, str]], int]:
    """The boxes, the arrows, and the number of subgraphs in a Mermaid text.

    Every line must have one of the forms that netdsl writes.
    """
    fence, title, again, head, *lines = text.splitlines()
    assert (fence, again, head) == ("---", "---", "flowchart TB")
    assert json.loads(title.removeprefix("title: "))
    (
        boxes,
        arrows,
        names,
        classes,
        styled,
        open_,
    ) = (
        [],
        [],
        [],
        set(),
        set(),
        0,
    )
    for line in lines:
        if box := BOX.fullmatch(line):
            assert (box[2], box[3]) in {("([", "])"), ("((", "))"), ("(", ")"), ("[", "]")}
            boxes.append(box[1])
            classes.add(box[4])
        elif arrow := ARROW.fullmatch(line):
            arrows.append((arrow[1], arrow[3]))
        elif sub := re.fullmatch(rf"\s+subgraph (s\d+)\[{LABEL}\]", line):
            names.append(sub[1])
            open_ += 1
        elif line.strip() == "end":
            open_ -= 1
            assert open_ >= 0
        elif style := re.fullmatch(r"\s+(style|classDef) (\w+) [\w:#,\- .]+", line):
            assert style[1] == "classDef" or style[2] in names
            styled.add(style[2])
        else:
            dashed = re.fullmatch(r"  class (n\d+(?:,n\d+)*) dashed", line)
            assert dashed, line
            assert set(dashed[1].split(",")) <= set(boxes)
    assert open_ == 0
    assert len(set(names)) == len(names)
    assert len(set(boxes)) == len(boxes)
    assert classes <= styled
    assert {end for arrow in arrows for end in arrow} <= set(boxes)
    return boxes, arrows, len(names)


@pytest.mark.parametrize("depth", [None, 0, 1, 2])
@pytest.mark.parametrize("name", NETS)
def test_mermaid_has_the_boxes_and_arrows_of_the_picture(name: str, depth: int | None) -> None:
    """Each box, arrow and scope of the picture is in the Mermaid text.

    Shapes are on the arrows there. The same net gives the same text.
    """
    graph = netdsl.load(name).graph
    boxes, arrows, scopes = parsed(emit_mermaid(graph, depth))
    picture = Picture(graph, depth)
    assert sorted(boxes) == sorted(box.id for box in picture.boxes())
    assert len(arrows) == sum(len(flow.targets) for flow in picture.flows)
    assert scopes == len(list(picture.root.walk())) - 1
    assert emit_mermaid(netdsl.load(name).graph, depth) == emit_mermaid(graph, depth)


def test_mermaid_shows_kinds_shapes_and_auxiliary_heads() -> None:
    """Boxes have kinds and arguments, arrows have shapes, and auxiliary heads are dashed."""
    text = emit_mermaid(netdsl.load("lenet5").graph)
    assert 'n1("C1<br/>conv 5x5, 6"):::convolutionLayer' in text
    assert 'n2 -->|"6x28x28"| n3' in text
    assert '"auxiliary' not in text
    google = emit_mermaid(netdsl.load("googlenet:GoogLeNet").graph)
    assert 'auxiliary head, weight 0.3"]' in google
    assert "loss × 0.3" in google
    assert re.search(r"^  n\d+ -\.->", google, re.MULTILINE)
    assert re.search(r"^  class n\d.* dashed$", google, re.MULTILINE)
    assert '(("#43;")):::joinLayer' in emit_mermaid(netdsl.load("resnet:ResNet18").graph)


def test_mermaid_and_dot_share_their_colours() -> None:
    """Every family of layers has a colour, which both formats use."""
    assert {op.family for op in LAYERS.values()} <= set(COLOURS)
    graph = netdsl.load("resnet:ResNet18").graph
    for fill, border in [COLOURS["convolution"], COLOURS["join"]]:
        assert f"fill:{fill},stroke:{border}" in emit_mermaid(graph)
        assert f'fillcolor="{fill}", color="{border}"' in emit_dot(graph)


@pytest.mark.parametrize("text", HOSTILE)
def test_mermaid_takes_user_text_as_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name, label or title begins a new line or has any special meaning.

    Mermaid would interpret entities, Markdown, formulas, icons and directives.
    """
    graph = netdsl.load("lenet5").graph
    plain = parsed(emit_mermaid(graph))
    graph.name = graph.inputs[0].name = graph.outputs[0].name = text
    monkeypatch.setattr(picture_module, "describe", lambda _op, _axes: text)
    mermaid = emit_mermaid(graph)
    assert parsed(mermaid) == plain
    body = re.sub(r"#8288;", "\u2060", mermaid.split("---\n", 2)[2])
    shown = re.findall(r'"((?:[^"])*)"', body)
    assert not any(
        re.search(r"[&`\\%$*\[\]{}|ﬂ]|<(?!br/>)|(?<!br/)>|fa:fa|^[-+]|(?<![A-Za-z0-9])_", s)
        for s in shown
    )


def test_a_large_mermaid_text_gets_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If a picture is too large for viewers, a note explains how to fold it."""
    assert run(["draw", "resnet:CifarResNet1202", "-o", str(tmp_path / "big.mmd")]) == 0
    assert "--depth" in capsys.readouterr().err
    assert (
        run(["draw", "resnet:CifarResNet1202", "--depth", "1", "-o", str(tmp_path / "small.mmd")])
        == 0
    )
    assert not capsys.readouterr().err
    assert is_large("  n1 --> n2\n" * 501)
    assert not is_large("  n1 --> n2\n" * 500)
    assert is_large("x" * 50_001)
    assert not is_large("x" * 50_000)


def test_a_folded_mermaid_box_has_the_colours_of_dot() -> None:
    """A folded box has the fill and border of the DOT picture.

    Letters of any language are written unchanged in the title.
    """
    graph = netdsl.loads("net Größe {\n input x: 4\n g: { dense(3) }\n output y: dense(2)\n}").graph
    text = emit_mermaid(graph, 1)
    assert text.splitlines()[1] == 'title: "Größe: 23 parameters"'
    assert (
        f"  classDef folded fill:{FOLDED[0]},stroke:{FOLDED[1]},stroke-width:2px,color:#202020"
        in text.splitlines()
    )
    assert f'fillcolor="{FOLDED[0]}", color="{FOLDED[1]}"' in emit_dot(graph, DrawOptions(1))
