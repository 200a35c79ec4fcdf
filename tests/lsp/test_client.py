"""The language server through the client of pygls, which checks the type of each answer."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from netdsl.library import library_names, open_source
from netdsl.lsp.document import Document
from netdsl.lsp.place import word_at
from netdsl.source import SourceFile
from tests.support.editor import Editor, edited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = ("lenet5", "gpt", "captioning")
PARTS = "# Two layers.\nblock pair(n) { conv(n, 3, pad = 1) -> relu }\nlet width = 8\n"
NET = """import "parts.net"
import resnet

net Twice = ResNet(basicblock, [1, 1, 1, 1])
net A {
    input x: 3x8x8
    pair(width)
    C: conv(4, 3)
    pair(2 * width)
    output y: @C -> flatten -> dense(10)
}
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Editor]:
    """One server for the tests that need no folder."""
    editor = Editor()
    yield editor
    editor.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Editor, str, str]]:
    """A server in a folder with two files, the second of which imports the first; both open."""
    (tmp_path / "parts.net").write_text(PARTS)
    (tmp_path / "a.net").write_text(NET)
    (tmp_path / "b.net").write_text(NET.replace("net A", "net B"))
    editor = Editor(tmp_path.as_uri())
    addresses = [(tmp_path / name).as_uri() for name in ("parts.net", "a.net")]
    editor.open(addresses[0], PARTS)
    editor.open(addresses[1], NET)
    yield editor, addresses[0], addresses[1]
    editor.close()


# ---- every feature on every file


def check_library_file(editor: Editor, name: str) -> None:
    """Ask every question about a file of the library; its words are those of ten places."""
    source = open_source(name)
    assert source.path is not None
    address, text = f"untitled:{name}.net", source.text
    editor.open(address, text)
    assert not [d for d in editor.found(address) if d.severity == types.DiagnosticSeverity.Error]
    hints = editor.hints(address)
    assert len(hints) >= 2
    assert all(hint.label for hint in hints)
    for method in (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.TEXT_DOCUMENT_FOLDING_RANGE):
        assert editor.about(method, address)
    check_outline(editor.about(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, address))
    linked = editor.about(types.TEXT_DOCUMENT_DOCUMENT_LINK, address)
    assert len(linked) == len(re.findall(r"^import", text, re.MULTILINE))
    options = types.FormattingOptions(4, insert_spaces=True)
    assert editor.about(types.TEXT_DOCUMENT_FORMATTING, address, options=options) == ()
    whole = editor.about(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, address)
    ranged = editor.about(
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, address, stretch=editor.whole(address)
    )
    assert list(whole.data) == list(ranged.data)
    lines = editor.actions(address, text.index("}"), text.index("}"))
    assert isinstance(lines, list)
    words = [match.start() for match in re.finditer(r"[A-Za-z_]\w+", text)]
    for offset in random.Random(name).sample(words, 10):
        check_word(editor, address, offset)
    editor.shut(address)


def check_outline(symbols: Any) -> None:
    """The name of each symbol is inside it, as the protocol asks; what is in it too."""
    for symbol in symbols:
        inner = [symbol.selection_range, *(child.range for child in symbol.children)]
        assert all(symbol.range.start <= part.start for part in inner), symbol.name
        assert all(part.end <= symbol.range.end for part in inner), symbol.name
        check_outline(symbol.children)


def check_word(editor: Editor, address: str, offset: int) -> None:
    """Ask every question about a word."""
    start, end = word_at(editor.texts[address], offset)
    made = editor.about(types.TEXT_DOCUMENT_COMPLETION, address, offset=start + 1)
    assert isinstance(made, types.CompletionList)
    shown = editor.about(types.TEXT_DOCUMENT_HOVER, address, offset=offset)
    assert shown is None or shown.contents.value
    editor.about(types.TEXT_DOCUMENT_SIGNATURE_HELP, address, offset=end)
    place = editor.about(types.TEXT_DOCUMENT_DEFINITION, address, offset=offset)
    context = types.ReferenceContext(include_declaration=True)
    uses = editor.about(types.TEXT_DOCUMENT_REFERENCES, address, offset=offset, context=context)
    if place is not None and place.uri == address:
        assert place in uses
    assert editor.actions(address, start, end, "refactor.extract")


@pytest.mark.parametrize("name", QUICK)
def test_every_feature(shared: Editor, name: str) -> None:
    """Every question about some files of the library has an answer of the right type."""
    check_library_file(shared, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", library_names())
def test_every_feature_on_every_file(shared: Editor, name: str) -> None:
    """The same for all files."""
    check_library_file(shared, name)


# ---- edits


INSERTED = ("", "x", "\n", "}", "relu ", "3", " -> ", "# \U0001f600\n", "@", "(", "conv(8, 3)\n")


def answers(editor: Editor, address: str, offset: int) -> list[Any]:
    """What a server says about a text, with its words at one place."""
    found = sorted(editor.found(address), key=lambda d: (d.range.start.line, d.message))
    told = [(d.range, d.severity, d.code, d.message) for d in found]
    text = editor.texts[address]
    if Document(SourceFile("a.net", text)).program is None:
        return told  # completion and colours then come from the last version that could be read
    about = editor.about
    tokens = about(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, address)
    context = types.ReferenceContext(include_declaration=True)
    uses = about(types.TEXT_DOCUMENT_REFERENCES, address, offset=offset, context=context)
    return [
        told,
        editor.hints(address),
        tokens.data,
        [use.range for use in uses],
        about(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, address),
        about(types.TEXT_DOCUMENT_FOLDING_RANGE, address),
        about(types.TEXT_DOCUMENT_COMPLETION, address, offset=offset),
        about(types.TEXT_DOCUMENT_SIGNATURE_HELP, address, offset=offset),
        about(types.TEXT_DOCUMENT_HOVER, address, offset=offset),
    ]


def check_edits(name: str, count: int, seed: int) -> None:
    """Edit a text at random; after each edit, compare a server with one that sees only the result.

    The second server has the text under a new address each time. Some texts are put back as they
    were, so that they do not stay invalid.
    """
    chance = random.Random(f"{name} {seed}")
    editor, fresh = Editor(refreshes=False), Editor(refreshes=False)
    address, original = "untitled:edited.net", open_source(name).text
    editor.open(address, original)
    valid = 0
    for number in range(count):
        text = editor.texts[address]
        if chance.random() < 0.3:
            editor.rewrite(address, original)
        else:
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice((0, 0, 0, 1, 2, 9)))
            editor.replace(address, start, end, chance.choice(INSERTED))
        text = editor.texts[address]
        if chance.random() < 0.3:
            continue  # the next edit comes before the server has answered this one
        offset = chance.randrange(len(text) + 1)
        other = f"untitled:{number}.net"
        fresh.open(other, text)
        wanted = answers(fresh, other, offset)
        for one, two in zip(answers(editor, address, offset), wanted, strict=True):
            assert one == two, text
        valid += len(wanted) == 9
        fresh.shut(other)
    assert valid > count // 6
    editor.close()
    fresh.close()


def test_random_edits() -> None:
    """After each of 50 edits, no answer is one about an older text."""
    check_edits("lenet5", 50, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "resnet", "vgg", "unet", "bert"])
def test_many_random_edits(name: str) -> None:
    """The same for 1,000 edits in five files."""
    check_edits(name, 200, 1)


# ---- several files


def test_unsaved_texts_count(folder: tuple[Editor, str, str]) -> None:
    """A file that is imported counts as it is open, and as it is saved once it is closed."""
    editor, parts, net = folder
    assert editor.found(net) == []
    editor.replace(parts, PARTS.index("pair"), PARTS.index("pair") + 4, "two")
    assert [d.code for d in editor.found(net)] == ["unknown-layer", "unknown-layer"]
    editor.shut(parts)
    assert editor.found(net) == []


def test_names_in_all_files(folder: tuple[Editor, str, str]) -> None:
    """A block that other files import is found and renamed in them, also in those not open."""
    editor, parts, net = folder
    place = editor.about(types.TEXT_DOCUMENT_DEFINITION, net, offset=NET.index("pair("))
    assert (place.uri, place.range.start) == (parts, types.Position(1, 6))
    context = types.ReferenceContext(include_declaration=True)
    uses = editor.about(
        types.TEXT_DOCUMENT_REFERENCES, parts, offset=PARTS.index("pair"), context=context
    )
    closed = net.replace("a.net", "b.net")
    assert [(use.uri, use.range.start.line) for use in uses] == [
        (parts, 1),
        *[(address, line) for address in (net, closed) for line in (6, 8)],
    ]
    rename = editor.about(
        types.TEXT_DOCUMENT_RENAME, net, offset=NET.index("pair("), new_name="two"
    )
    changes = rename.changes
    assert {address: len(edits) for address, edits in changes.items()} == {
        parts: 1,
        net: 2,
        closed: 2,
    }
    for address in (parts, net):
        editor.rewrite(address, edited(editor.texts[address], changes[address]))
    assert editor.found(net) == []
    assert "two(2 * width)" in editor.texts[net]


def test_names_that_cannot_change(folder: tuple[Editor, str, str]) -> None:
    """A name of the library, a word, and a name that is taken are refused with the reason."""
    editor, _, net = folder
    editor.replace(net, NET.index("pair("), NET.index("pair(") + 11, "basicblock(8)")
    text = editor.texts[net]
    for word, name, reason in (
        ("basicblock", "b", "outside the workspace"),
        ("pair", "conv", "a layer of the language"),
        ("pair", "net", "a word of the language"),
        ("pair", "width", "already defined"),
        ("dense", "d", "no name of this workspace"),
    ):
        with pytest.raises(JsonRpcException, match=reason):
            editor.about(
                types.TEXT_DOCUMENT_RENAME, net, offset=text.index(word + "("), new_name=name
            )


def test_a_label_that_other_blocks_reach(shared: Editor) -> None:
    """A label whose uses cannot all be found keeps its name; one of a net gets another."""
    address = "untitled:labels.net"
    text = (
        "block b { in1: conv(3, 1) -> relu }\nnet A {\n    input x: 3x9x9\n    down: b\n"
        "    add(@down.in1)\n}\n"
    ).replace("block b {", "block b() {")
    shared.open(address, text)
    assert not [d for d in shared.found(address) if d.severity == types.DiagnosticSeverity.Error]
    with pytest.raises(JsonRpcException, match="would"):
        shared.about(types.TEXT_DOCUMENT_RENAME, address, offset=text.index("in1"), new_name="c")
    rename = shared.about(
        types.TEXT_DOCUMENT_RENAME, address, offset=text.index("down"), new_name="up"
    )
    shared.rewrite(address, edited(text, rename.changes[address]))
    assert "up: b\n    add(@up.in1)" in shared.texts[address]
    shared.shut(address)


def test_symbols_and_links_of_a_folder(folder: tuple[Editor, str, str]) -> None:
    """Definitions of all files are found by a part of their names; imports lead to their files."""
    editor, parts, net = folder
    found = editor.ask(types.WORKSPACE_SYMBOL, types.WorkspaceSymbolParams("pr"))
    assert [(s.name, s.location.uri) for s in found] == [("pair", parts)]
    found = editor.ask(types.WORKSPACE_SYMBOL, types.WorkspaceSymbolParams(""))
    assert {s.name for s in found} == {"pair", "width", "Twice", "A", "B"}
    links = editor.about(types.TEXT_DOCUMENT_DOCUMENT_LINK, net)
    assert links[0].target == parts
    assert links[1].target.endswith("/nets/resnet.net")


def test_files_outside_a_workspace(shared: Editor, tmp_path: Path) -> None:
    """Without a workspace, a file sees those beside it."""
    (tmp_path / "parts.net").write_text(PARTS)
    (tmp_path / "a.net").write_text(NET)
    address = (tmp_path / "a.net").as_uri()
    shared.open(address, NET)
    assert shared.found(address) == []
    context = types.ReferenceContext(include_declaration=False)
    uses = shared.about(
        types.TEXT_DOCUMENT_REFERENCES, address, offset=NET.index("pair("), context=context
    )
    assert [(use.uri, use.range.start.line) for use in uses] == [(address, 6), (address, 8)]
    shared.shut(address)


def test_related_places_in_another_file(folder: tuple[Editor, str, str]) -> None:
    """An error in an imported file is told at the text that imports it, with its place."""
    editor, parts, net = folder
    editor.replace(parts, PARTS.index("conv"), PARTS.index("conv") + 4, "cnov")
    [found] = editor.found(net)
    assert found.related_information is not None
    assert found.range == types.Range(types.Position(0, 0), types.Position(0, 0))
    assert parts in {place.location.uri for place in found.related_information}


# ---- changes


def apply(editor: Editor, address: str, action: types.CodeAction) -> str:
    """The text after a code action."""
    assert action.edit is not None
    assert action.edit.changes is not None
    return edited(editor.texts[address], action.edit.changes[address])


BLOCKS = """net A(n = 4) {
    input x: 3x8x8
    first: conv(n, 3, pad = 1)
    # the middle
    conv(2 * n, 3, pad = 1) -> bn
    repeat 2 { conv(n, 3, pad = 1) -> add(@first) }
    gap -> flatten
    output y: dense(10)
}
"""


def test_a_block_of_selected_layers(shared: Editor) -> None:
    """Statements become a block; what they read becomes its parameters, and the net is the same."""
    address = "untitled:blocks.net"
    shared.open(address, BLOCKS)
    start, end = BLOCKS.index("    conv(2"), BLOCKS.index("    gap")
    [action] = shared.actions(address, start, end, "refactor.extract")
    shared.rewrite(address, apply(shared, address, action))
    text = shared.texts[address]
    assert text.startswith(
        "block part(n, first) {\n    conv(2 * n, 3, pad = 1) -> bn\n"
        "    repeat 2 { conv(n, 3, pad = 1) -> add(first) }\n}\n\nnet A"
    )
    assert "    # the middle\n    part(n, @first)\n    gap" in text
    assert not [d for d in shared.found(address) if d.severity == types.DiagnosticSeverity.Error]


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("conv(2", "bn", "is not whole statements"),
        ("bn", "gap", "is not whole statements"),
        ("input", "first", "cannot have the line with `input`"),
        ("first", "# the", "would"),  # a label that the rest of the net uses
        ("net", "}", "is not whole statements"),
    ],
)
def test_what_no_block_can_be(shared: Editor, first: str, last: str, reason: str) -> None:
    """A selection that is not whole layers, or that the rest depends on, is refused with why."""
    address = "untitled:blocks.net"
    shared.open(address, BLOCKS)
    [action] = shared.actions(address, BLOCKS.index(first), BLOCKS.index(last), "refactor.extract")
    assert action.edit is None
    assert action.disabled is not None
    assert reason in action.disabled.reason


def test_expect_lines(shared: Editor) -> None:
    """The figures of a net become `expect` lines that hold; a false one gets its figure."""
    address = "untitled:figures.net"
    shared.open(address, BLOCKS)
    place = BLOCKS.index("gap")
    [action] = shared.actions(address, place, place, "refactor.rewrite")
    shared.rewrite(address, apply(shared, address, action))
    text = shared.texts[address]
    assert "    expect params == " in text
    assert "    expect macs == " in text
    assert "    expect shape(y) == [10]\n}" in text
    assert shared.found(address) == []
    assert shared.actions(address, place, place, "refactor.rewrite") == []
    number = re.search(r"params == ([\d_]+)", text)
    assert number is not None
    shared.replace(address, *number.span(1), "12")
    assert [d.code for d in shared.found(address)] == ["expect-failed"]
    [*_, action] = shared.actions(address, number.start(), number.start(), "quickfix")
    assert action.title == f"Expect the current figure {number[1]}"
    assert apply(shared, address, action) == text


def test_layout_of_a_range(shared: Editor) -> None:
    """Only the lines of the range are laid out."""
    address = "untitled:layout.net"
    text = BLOCKS.replace(" -> bn", "->bn").replace("gap -> flatten", "gap->flatten")
    shared.open(address, text)
    options = types.FormattingOptions(4, insert_spaces=True)
    line = text.index("gap")
    edits = shared.about(
        types.TEXT_DOCUMENT_RANGE_FORMATTING, address, stretch=(line, line + 3), options=options
    )
    assert edited(text, edits) == BLOCKS.replace(" -> bn", "->bn")


# ---- the connection


def test_utf16(shared: Editor) -> None:
    """Places after characters that UTF-16 counts as two are right, in both directions."""
    address = "untitled:wide.net"
    text = 'let note = "\U0001f600\U0001f600" + " " + wrong\n' + BLOCKS
    shared.open(address, text)
    [found] = shared.found(address)
    line = "let note = ".encode("utf-16-le") + '"\U0001f600\U0001f600" + " " + '.encode("utf-16-le")
    assert found.range.start == types.Position(0, len(line) // 2)
    assert found.range.end == types.Position(0, len(line) // 2 + len("wrong"))
    start = text.index("wrong")
    shared.replace(address, start, start + 5, '"\U0001f600"')
    shared.replace(address, start + 1, start + 2, "right")
    shown = shared.about(types.TEXT_DOCUMENT_HOVER, address, offset=text.index("note"))
    assert '"\U0001f600\U0001f600" + " " + "right"' in shown.contents.value


def test_tokens(shared: Editor) -> None:
    """A layer is a function of its family; an edit sends only the numbers that differ."""
    address = "untitled:tokens.net"
    shared.open(address, BLOCKS)
    provider = shared.capabilities.semantic_tokens_provider
    assert provider is not None
    legend = provider.legend
    first = shared.about(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, address)
    named = dict(words_of(BLOCKS, first.data, legend))
    assert named["conv"] == ("function", {"defaultLibrary", "convolution"})
    assert named["gap"] == ("function", {"defaultLibrary", "pooling"})
    assert named["A"] == ("class", {"declaration"})
    assert named["n"] == ("parameter", set())
    assert named["pad"] == ("property", set())
    assert named["first"] == ("label", {"declaration"})
    assert named["@first"] == ("label", set())
    shared.replace(address, BLOCKS.index("conv(2"), BLOCKS.index("conv(2"), "relu -> ")
    changed = shared.about(
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL_DELTA,
        address,
        previous_result_id=first.result_id,
    )
    [edit] = changed.edits
    made = [*first.data]
    made[edit.start : edit.start + edit.delete_count] = edit.data or ()
    again = shared.about(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, address)
    assert made == list(again.data)
    assert len(edit.data) < 20


def words_of(
    text: str, data: Any, legend: types.SemanticTokensLegend
) -> Iterator[tuple[str, tuple[str, set[str]]]]:
    """Each word of a text with its kind and modifiers."""
    lines = text.split("\n")
    line = character = 0
    for i in range(0, len(data), 5):
        down, right, length, kind, bits = data[i : i + 5]
        character = right if down else character + right
        line += down
        modifiers = {name for n, name in enumerate(legend.token_modifiers) if bits >> n & 1}
        word = lines[line][character : character + length]
        yield word, (legend.token_types[kind], modifiers)


def test_cancellation(shared: Editor) -> None:
    """A request that is cancelled while the server is busy is answered with that."""
    address = "untitled:slow.net"
    text = open_source("vgg").text
    shared.open(address, text)
    document = types.TextDocumentIdentifier(address)
    place = types.Range(types.Position(0, 0), types.Position(0, 0))
    slow = types.CodeActionParams(document, place, types.CodeActionContext([]))
    question = types.HoverParams(document, types.Position(5, 5))
    error = shared.cancelled(
        (types.TEXT_DOCUMENT_CODE_ACTION, slow), types.TEXT_DOCUMENT_HOVER, question
    )
    assert isinstance(error, JsonRpcException)
    assert error.code == -32800
    assert shared.found(address) == []
    shared.shut(address)


def test_diagnostics_come_before_all_nets_are_built() -> None:
    """An error that all nets of a file have is told after the first; hints are then asked again."""
    editor = Editor(refreshes=True)
    address, text = "untitled:family.net", open_source("vgg").text
    editor.open(address, text)
    editor.wait(lambda: editor.refreshed == 1)
    before = editor.published
    start = text.index("maxpool(2)")
    editor.replace(address, start, start + 7, "maxpol")
    editor.wait(lambda: editor.published > before)
    assert {d.code for d in editor.diagnostics[address]} == {"unknown-layer"}
    editor.wait(lambda: editor.refreshed == 2)
    assert editor.published == before + 2
    editor.close()
