"""The picture as Mermaid text and as a page: the same boxes and arrows as DOT, true figures, and user text that stays text."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from shutil import which
from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw import picture as picture_module
from netdsl.draw.dot import emit_dot
from netdsl.draw.html import emit_page
from netdsl.draw.mermaid import emit_mermaid, is_large
from netdsl.draw.picture import COLOURS, FOLDED, Picture
from netdsl.ops import base

if TYPE_CHECKING:
    from pathlib import Path

needs_dot = pytest.mark.skipif(which("dot") is None, reason="Graphviz is not installed")
NETS = ["lenet5", "googlenet:GoogLeNet", "resnet:ResNet18", "fcn:FCN8s"]
ENTITY = r"(?:#(?:quot|amp|lt|gt|\d+);)"
LABEL = rf'"(?:[\w ,.()/=:×−…⌊⌋⌈⌉°¶\ufffd\'?^-]|{ENTITY}|<br/>)*"'
BOX = re.compile(rf"\s+(n\d+)(\(\[|\(\(|\(|\[){LABEL}(\]\)|\)\)|\)|\]):::(\w+)")
ARROW = re.compile(rf"  (n\d+) (-->|-\.->)(?:\|{LABEL}\|)? (n\d+)")
HOSTILE = [
    '"]; x[click', "<b>bold</b><img src=x onerror=alert(1)>", "\\n \\N", "#quot; &lt;script&gt;", '%%{init: {"theme": "forest"}}%%', "`**b** __init__ _x_`",
    "1. list", "- item", "$$x^2$$", "fa:fa-car", "end", "style a:#x;", "ﬂ°°60¶ß", "[a](javascript:1)", "--> n1", "a|b", "{x}@{shape: circle}", "a\nb\x00\u202e", "--><script>",
    "</code></style></svg>", "' onload='x",
]  # fmt: skip


# ---- Mermaid


def parsed(text: str) -> tuple[list[str], list[tuple[str, str]], int]:
    """The boxes, arrows and count of subgraphs of a text, every line of which must be of a form that Mermaid knows."""
    fence, title, again, head, *lines = text.splitlines()
    assert (fence, again, head) == ("---", "---", "flowchart TB")
    assert json.loads(title.removeprefix("title: "))
    boxes, arrows, names, classes, styled, open_, = [], [], [], set(), set(), 0
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
def test_mermaid_has_the_boxes_and_arrows_of_dot(name: str, depth: int | None) -> None:
    """Each box, arrow and scope of the DOT picture stands in the Mermaid one, the shapes on the arrows."""
    graph = netdsl.load(name).graph
    boxes, arrows, scopes = parsed(emit_mermaid(graph, depth))
    dot = emit_dot(graph, depth)
    drawn = re.findall(r"^\s+(n\d+) \[(.*)", dot, re.MULTILINE)
    assert sorted(boxes) == sorted(n for n, rest in drawn if "shape=plaintext" not in rest)
    assert len(arrows) == len([line for line in dot.splitlines() if " -> " in line and "arrowhead=none" not in line])
    assert scopes == dot.count("subgraph cluster_")
    assert emit_mermaid(netdsl.load(name).graph, depth) == emit_mermaid(graph, depth)


def test_mermaid_tells_kinds_shapes_and_auxiliary_heads() -> None:
    """What a box and an arrow say, with dashes where a head stands in training only."""
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
    """Every family of the registry has a colour, and both forms show it."""
    assert {op.family for op in base.LAYERS.values()} <= set(COLOURS)
    graph = netdsl.load("resnet:ResNet18").graph
    for fill, border in [COLOURS["convolution"], COLOURS["join"]]:
        assert f"fill:{fill},stroke:{border}" in emit_mermaid(graph)
        assert f'fillcolor="{fill}", color="{border}"' in emit_dot(graph)


@pytest.mark.parametrize("text", HOSTILE)
def test_mermaid_takes_user_text_as_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name, label or title opens a line, an entity, Markdown, a formula, an icon or a directive."""
    graph = netdsl.load("lenet5").graph
    plain = parsed(emit_mermaid(graph))
    graph.name = graph.inputs[0].name = graph.outputs[0].name = text
    monkeypatch.setattr(picture_module, "describe", lambda _op, _axes: text)
    made = emit_mermaid(graph)
    assert parsed(made) == plain
    body = re.sub(r"#8288;", "\u2060", made.split("---\n", 2)[2])
    shown = re.findall(r'"((?:[^"])*)"', body)
    assert not any(re.search(r"[&`\\%$*\[\]{}|ﬂ]|<(?!br/>)|(?<!br/)>|fa:fa|^[-+]|(?<![A-Za-z0-9])_", s) for s in shown)


def test_a_large_mermaid_text_gets_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture that viewers refuse says how to fold it; one that they take says nothing."""
    assert run(["draw", "resnet:CifarResNet1202", "-o", str(tmp_path / "big.mmd")]) == 0
    assert "--depth" in capsys.readouterr().err
    assert run(["draw", "resnet:CifarResNet1202", "--depth", "1", "-o", str(tmp_path / "small.mmd")]) == 0
    assert not capsys.readouterr().err
    assert is_large("  n1 --> n2\n" * 501)
    assert not is_large("  n1 --> n2\n" * 500)
    assert is_large("x" * 50_001)
    assert not is_large("x" * 50_000)


def test_a_folded_mermaid_box_has_the_colours_of_dot() -> None:
    """Its fill and its border are those of the DOT picture; letters of any language stand in the title as they are."""
    graph = netdsl.loads("net Größe {\n input x: 4\n g: { dense(3) }\n output y: dense(2)\n}").graph
    text = emit_mermaid(graph, 1)
    assert text.splitlines()[1] == 'title: "Größe: 23 parameters"'
    assert f"  classDef folded fill:{FOLDED[0]},stroke:{FOLDED[1]},stroke-width:2px,color:#202020" in text.splitlines()
    assert f'fillcolor="{FOLDED[0]}", color="{FOLDED[1]}"' in emit_dot(graph, 1)


# ---- the page


class Page(HTMLParser):
    """What stands in a page: tags with their attributes, texts by the tag that holds them, rows of the table."""

    VOID = ("meta", "br", "polygon", "path", "ellipse", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    def within(self, tag: str) -> list[str]:
        """The texts that stand right in a tag."""
        return [text for holder, text in self.texts if holder == tag]


def assert_is_closed(page: Page, text: str) -> None:
    """No script, no request, no handler; the policy allows the page's own style alone."""
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "div", "h1", "h2", "p", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr",
               "th", "td", "span", "a", "ol", "li", "code", "svg", "g", "polygon", "path", "ellipse", "polyline", "text"}  # fmt: skip
    assert {tag for tag, _ in page.tags} <= allowed
    assert page.open == []
    for _, attributes in page.tags:
        assert not {k for k in attributes if k in ("src", "style", "action") or k.startswith("on")}
        assert all(v.startswith("#L") for k, v in attributes.items() if k.endswith("href"))
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    assert policy.startswith("default-src 'none'; ")
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"url\(|@import", style)


@needs_dot
@pytest.mark.parametrize("name", NETS)
def test_the_table_of_the_page_is_true(name: str) -> None:
    """Every layer stands in the table with its figures, and they add up to the totals; each line number leads to its line."""
    net = netdsl.load(name)
    text = emit_page(net.graph)
    page = Page(text)
    assert_is_closed(page, text)
    head, *rows, total = page.rows
    assert head == ["layer", "kind", "output", "params", "MACs", "receptive field", "line"]
    assert [r[:2] for r in rows] == [[r.name, r.kind] for r in net.layers]
    assert [r[3] for r in rows] == [f"{r.params:,}" if r.params else "-" for r in net.layers]
    kept = [int(cells[3].replace(",", "")) for cells, r in zip(rows, net.layers, strict=True) if r.params and not r.aux]
    assert sum(kept) == net.params == int(total[3].replace(",", ""))
    if isinstance(net.macs, int):
        assert sum(int(c[4].replace(",", "")) for c, r in zip(rows, net.layers, strict=True) if r.macs and not r.aux) == net.macs == int(total[4].replace(",", ""))
    places = {a["id"] for _, a in page.tags if "id" in a}
    targets = [a["href"][1:] for t, a in page.tags if t == "a"]
    assert targets
    assert set(targets) <= places
    lines = net.graph.site.span.file.text.rstrip().split("\n")
    assert len([t for t, _ in page.tags if t == "code"]) == len(lines)


@needs_dot
def test_the_page_says_what_readers_need() -> None:
    """Language, one title, headings in order, a caption, heads of rows and columns, a name for the picture; regions that keys reach."""
    net = netdsl.load("fcn:FCN8s")
    page = Page(emit_page(net.graph, depth=1))
    assert ("html", {"lang": "en"}) in page.tags
    assert page.within("title") == page.within("h1") == ["FCN8s"]
    assert page.within("h2") == ["Figures", "Picture", "Layers", "Text"]
    assert len([a for t, a in page.tags if t == "th" and a.get("scope") == "row"]) == len(net.layers) + 1
    assert len([a for t, a in page.tags if t == "th" and a.get("scope") == "col"]) == 7
    svg = next(a for t, a in page.tags if t == "svg")
    assert svg["role"] == "img"
    assert "FCN8s" in svg["aria-label"]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(set(ids)) == len(ids)
    for _, attributes in page.tags:
        assert attributes.get("role") != "region" or (attributes["tabindex"] == "0" and attributes["aria-labelledby"] in ids)
    assert "valid for" in page.within("dt")
    assert "H >= 1, W >= 1" in page.within("dd")
    assert next(r for r in page.rows if r[0] == "vgg.conv1_1")[5] == "3x3"


@needs_dot
@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_takes_user_text_as_text(text: str) -> None:
    """A hostile name comes through in the title, the table, the picture and the text as what it is."""
    net = netdsl.loads("# <script>alert(1)</script>\nnet T {\n input image: 4\n output y: dense(2)   # </code><b>\n}")
    plain = Page(emit_page(net.graph))
    graph = net.graph
    graph.name = graph.doc = graph.nodes[0].name = graph.inputs[0].name = text
    made = emit_page(graph)
    page = Page(made)
    assert_is_closed(page, made)
    assert [t for t, _ in page.tags if t not in ("p", "path", "polyline", "polygon")][:20] == [t for t, _ in plain.tags if t not in ("p", "path", "polyline", "polygon")][:20]
    clean = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    assert page.within("h1") == [clean]
    assert page.rows[1][0] == clean
    assert "".join(page.within("code")).startswith("# <script>alert(1)</script>")


@needs_dot
def test_the_page_is_the_same_again() -> None:
    """The same net gives the same page."""
    assert emit_page(netdsl.load("lenet5").graph) == emit_page(netdsl.load("lenet5").graph)


def test_a_deep_picture_is_built_in_step_with_its_size() -> None:
    """Twice the layers are twice the boxes and arrows: nothing is drawn twice."""
    made = []
    for count in (100, 200):
        picture = Picture(netdsl.loads(f"net T {{\n input x: 4\n repeat({count}) {{ residual {{ | dense(4) }} }}\n output y: dense(2)\n}}").graph)
        made.append((len(picture.boxes()), sum(len(f.targets) for f in picture.flows)))
    assert made[1][0] - 3 == 2 * (made[0][0] - 3)
    assert made[1][1] - 2 == 2 * (made[0][1] - 2)
