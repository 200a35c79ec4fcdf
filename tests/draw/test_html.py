"""The picture as an HTML page: correct figures, and user text that stays text."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

import netdsl
from netdsl.draw.html import emit_page
from netdsl.draw.options import DrawOptions
from tests.support.markup import HOSTILE

NETS = ["lenet5", "googlenet:GoogLeNet", "resnet:ResNet18", "fcn:FCN8s"]


class Page(HTMLParser):
    """The contents of a page: tags with their attributes, texts with their tags, and table rows."""

    VOID = ("meta", "br", "input", "polygon", "path", "ellipse", "polyline")

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
        """The texts directly inside the tags of this name."""
        return [text for parent, text in self.texts if parent == tag]


def assert_is_closed(page: Page, text: str) -> None:
    """Check that the page has no scripts, requests or event handlers.

    Its content security policy allows only its own style.
    """
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "div",
        "h1",
        "h2",
        "p",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "span",
        "a",
        "ol",
        "li",
        "code",
        "svg",
        "g",
        "polygon",
        "path",
        "ellipse",
        "polyline",
        "text",
        "button",
        "input",
        "output",
        "script",
    }
    assert {tag for tag, _ in page.tags} <= allowed
    assert page.open == []
    for _, attributes in page.tags:
        assert not {k for k in attributes if k in ("src", "style", "action") or k.startswith("on")}
        assert all(
            re.match(r"#(f\d+-)?L\d+$", v) for k, v in attributes.items() if k.endswith("href")
        )
    policy = next(
        a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    assert policy.startswith("default-src 'none'; ")
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"url\(|@import", style)


@pytest.mark.parametrize("name", NETS)
def test_the_table_of_the_page_is_correct(name: str) -> None:
    """Every layer is in the table with its figures, and they add up to the totals.

    Each line number is a link to its line.
    """
    net = netdsl.load(name)
    text = emit_page(net.graph)
    page = Page(text)
    assert_is_closed(page, text)
    head, *rows, total = page.rows
    assert head == [
        *("layer", "kind", "window", "output"),
        *("params", "MACs", "receptive field", "from", "line"),
    ]
    assert [r[:3] for r in rows] == [[r.name, r.kind, r.window] for r in net.layers]
    assert [r[4] for r in rows] == [f"{r.params:,}" if r.params else "-" for r in net.layers]
    kept = [
        int(cells[4].replace(",", ""))
        for cells, r in zip(rows, net.layers, strict=True)
        if r.params and not r.aux
    ]
    assert sum(kept) == net.params == int(total[4].replace(",", ""))
    if isinstance(net.macs, int):
        assert (
            sum(
                int(c[5].replace(",", ""))
                for c, r in zip(rows, net.layers, strict=True)
                if r.macs and not r.aux
            )
            == net.macs
            == int(total[5].replace(",", ""))
        )
    places = {a["id"] for _, a in page.tags if "id" in a}
    targets = [a["href"][1:] for t, a in page.tags if t == "a" and "href" in a]
    assert targets
    assert set(targets) <= places
    files = dict.fromkeys([net.graph.site.span.file, *(n.span.file for n in net.graph.nodes)])
    lines = [line for file in files for line in file.text.rstrip().split("\n")]
    assert len([t for t, _ in page.tags if t == "code"]) == len(lines)


def test_the_page_is_accessible() -> None:
    """The page can be read with a screen reader and a keyboard.

    It has a language, one title, headings in order, headers of rows and columns, and a name for the
    picture. The keyboard can reach its regions.
    """
    net = netdsl.load("fcn:FCN8s")
    page = Page(emit_page(net.graph, DrawOptions(depth=1)))
    assert ("html", {"lang": "en"}) in page.tags
    assert page.within("title")[:1] == page.within("h1") == ["FCN8s"]
    assert page.within("h2") == ["Figures", "Picture", "Layers", "Text"]
    assert (
        len([a for t, a in page.tags if t == "th" and a.get("scope") == "row"])
        == len(net.layers) + 1
    )
    assert len([a for t, a in page.tags if t == "th" and a.get("scope") == "col"]) == 9
    svg = next(a for t, a in page.tags if t == "svg")
    assert svg["role"] == "img"
    assert "FCN8s" in svg["aria-label"]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(set(ids)) == len(ids)
    for _, attributes in page.tags:
        assert attributes.get("role") != "region" or (
            attributes["tabindex"] == "0"
            and ("aria-label" in attributes or attributes["aria-labelledby"] in ids)
        )
    assert "valid for" in page.within("dt")
    assert "H >= 1, W >= 1" in page.within("dd")
    assert next(r for r in page.rows if r[0] == "vgg.conv1_1")[6] == "3x3"


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_takes_user_text_as_text(text: str) -> None:
    """Markup in a name is shown as text in the title, the table, the picture and the text."""
    net = netdsl.loads(
        "# <script>alert(1)</script>\nnet T {\n input image: 4\n output y: dense(2)   #"
        " </code><b>\n}"
    )
    plain = Page(emit_page(net.graph))
    graph = net.graph
    graph.name = graph.doc = graph.nodes[0].name = graph.inputs[0].name = text
    html = emit_page(graph)
    page = Page(html)
    assert_is_closed(page, html)
    assert [t for t, _ in page.tags if t not in ("p", "path", "polyline", "polygon")][:20] == [
        t for t, _ in plain.tags if t not in ("p", "path", "polyline", "polygon")
    ][:20]
    clean = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    assert page.within("h1") == [clean]
    assert page.rows[1][0] == clean
    assert "".join(page.within("code")).startswith("# <script>alert(1)</script>")


def test_the_page_is_the_same_again() -> None:
    """The same net gives the same page."""
    assert emit_page(netdsl.load("lenet5").graph) == emit_page(netdsl.load("lenet5").graph)


def test_names_of_layers_are_not_those_of_the_page() -> None:
    """A layer called `text` does not take the place of the part of the page with that name."""
    net = netdsl.loads("net N {\n input layers: 4\n text: dense(3)\n output picture: dense(2)\n}")
    for style in ("layers", "volumes"):
        page = Page(emit_page(net.graph, DrawOptions(style=style)))
        names = [a["id"] for _, a in page.tags if "id" in a]
        assert len(names) == len(set(names))
        assert "net.text" in names


def test_the_page_shows_the_files_of_the_library() -> None:
    """The rows of a block of the library lead to its file, which the page shows."""
    text = emit_page(netdsl.load("resnet:ResNet50").graph)
    page = Page(text)
    names = {a["id"] for _, a in page.tags if "id" in a}
    links = {v[1:] for _, a in page.tags for k, v in a.items() if k.endswith("href")}
    assert links <= names
    assert any(link.startswith("f1-L") for link in links)
    labels = [a.get("aria-label") for t, a in page.tags if t == "div"]
    assert {"resnet.net", "bottleneck.net"} <= set(labels)
    row = next(cells for cells in page.rows if cells[0] == "layer1.0.conv1")
    assert re.fullmatch(r"bottleneck\.net:\d+", row[-1])
