"""A name can change everywhere, and nothing else changes."""

from __future__ import annotations

import re

import pytest

from netdsl.library import library_names, open_source
from netdsl.lsp.document import Document
from netdsl.lsp.names import home_at, uses_of
from netdsl.lsp.symbols import Symbol, symbols
from netdsl.lsp.workspace import Workspace
from netdsl.source import SourceFile

NEW = "another_name"
ADDRESS = "untitled:names.net"


def renamed(text: str, place: int) -> str:
    """A text with a new name for what is defined at an offset."""
    workspace = Workspace()
    document = workspace.take(ADDRESS, text)
    home = home_at(document, place)
    assert home is not None
    assert home.place.start == place
    for _, span in reversed(uses_of(workspace, ADDRESS, home)):
        assert span.text == home.name
        text = text[: span.start] + NEW + text[span.end :]
    return text


def names(text: str) -> list[Symbol]:
    """The names that a text defines and their labels, without those of `train` sections."""
    found = [s for s in symbols(Document(SourceFile("a.net", text))) if s.kind != "train"]
    labels = [label for symbol in found for label in symbol.inside]
    return [*found, *(label for label in labels if label.place.text.isidentifier())]


def result(text: str, net: str) -> tuple[object, ...]:
    """The errors of a net, and what its layers compute."""
    document = Document(SourceFile("a.net", text))
    errors = [(d.code, d.message) for d in document.diagnostics(net) if d.severity == "error"]
    checked = document.checked(net)
    assert checked is not None, (net, errors)
    assert checked.compiled is not None
    graph = checked.compiled.graph
    return (
        errors,
        checked.compiled.costs.totals(),
        [(node.op.kind, str(node.output.type)) for node in graph.nodes],
    )


def check_names(name: str) -> None:
    """Rename what a file of the library defines, and compare its quickest net."""
    text = open_source(name).text
    document = Document(SourceFile("a.net", text))
    document.diagnostics()
    net = min(document.names, key=document.seconds_of)
    wanted = result(text, net)
    for symbol in names(text):
        new = renamed(text, symbol.place.start)
        assert len(new) > len(text) or len(symbol.name) >= len(NEW)
        assert result(new, NEW if symbol.name == net else net) == wanted, (symbol.name, new)


@pytest.mark.parametrize("name", ["lenet5", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_names_of_a_file(name: str) -> None:
    """Each block, net, `let` and label gets another name, and the net stays the same."""
    check_names(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", library_names())
def test_names_of_the_library(name: str) -> None:
    """The same for every file."""
    check_names(name)


def test_other_meanings_of_a_name() -> None:
    """A parameter, an argument, a word in a string and a comment with the name stay."""
    text = (
        "let k = 3  # k\n"
        "block b(k) { conv(8, k) }\n"
        "net A {\n    input x: 3x9x9\n    conv(4, k = k)\n    b(k)\n    upsample(size = kx4)\n}\n"
    ).replace("size = kx4", "size = 1xk")
    assert renamed(text, text.index("k")) == (
        "let another_name = 3  # k\n"
        "block b(k) { conv(8, k) }\n"
        "net A {\n    input x: 3x9x9\n    conv(4, k = another_name)\n    b(another_name)\n"
        "    upsample(size = 1xanother_name)\n}\n"
    )
    label = "net A {\n    input x: 3x9x9\n    b: conv(3, 1)\n    add(@b)\n    expect shape(b)\n}\n"
    assert re.findall(NEW, renamed(label, label.index("b:"))) == [NEW] * 3
