"""A document that uses the results of its previous version is the same as one that does not."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from netdsl.library import library_names, open_source, read
from netdsl.lsp.document import Document
from netdsl.render import as_json
from netdsl.source import SourceFile
from tests.wrong.catalogue import load, written

INSERTED = ("\n", " ", "3", "relu -> ", "conv(8, 3) -> ", "}", "# allow: unused-let\n", "x")
REPLACED = ("1", "7", "64", "relu", "x", "@in")


def found(document: Document) -> list[object]:
    """The diagnostics as data."""
    return [as_json(diagnostic) for diagnostic in document.diagnostics()]


def edited(text: str, random: random.Random) -> str:
    """The text with a random edit."""
    place = random.randrange(len(text) + 1)
    kind = random.random()
    if kind < 0.3:
        return text[:place] + random.choice(INSERTED) + text[place:]
    if kind < 0.6:
        return text[:place] + text[place + random.randrange(1, 4) :]
    match = random.choice(list(re.finditer(r"\d+|\b[a-z_]+\b", text)))
    return text[: match.start()] + random.choice(REPLACED) + text[match.end() :]


def check_edits(name: str, count: int, seed: int) -> None:
    """Edit a file of the library, and compare each version with one that is built alone."""
    chance = random.Random(f"{name} {seed}")
    source = open_source(name)
    document = Document(source)
    document.diagnostics()
    for _ in range(count):
        text = edited(document.source.text, chance)
        version = SourceFile(source.name, text, source.path)
        new, alone = Document(version, document), Document(version)
        assert found(new) == found(alone), text
        if new.program is None:
            continue
        for net in new.names:
            one, other = new.checked(net), alone.checked(net)
            assert (one is None) == (other is None), text
            if one is not None and other is not None:
                assert one.summary is not None
                assert other.summary is not None
                assert one.summary.as_json() == other.summary.as_json(), text
        document = new


@pytest.mark.parametrize(
    "name", ["lenet5", pytest.param("resnet", marks=pytest.mark.slow), "unet", "mobilenet"]
)
def test_random_edits(name: str) -> None:
    """After each of some random edits, nothing of an older version is left."""
    check_edits(name, 8, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", library_names())
def test_many_random_edits(name: str) -> None:
    """The same with more edits, for every file of the library."""
    check_edits(name, 20, 1)


def test_an_edit_builds_only_the_nets_it_touches() -> None:
    """A net that uses nothing of what was edited keeps its results, wherever it is now."""
    source = open_source("resnet")
    first = Document(source)
    first.diagnostics()
    assert set(first.rebuilt) == set(first.names)
    text = source.text.replace("net ResNet18 =", "# a remark\nnet ResNet18 =")
    text = text.replace("ResNet(basicblock, [3, 4, 6, 3])", "ResNet(basicblock, [3, 4, 7, 3])")
    second = Document(SourceFile(source.name, text, source.path), first)
    diagnostics = second.diagnostics()
    assert "ResNet34" in second.rebuilt
    assert not {"ResNet50", "ResNet101", "Plain18"} & set(second.rebuilt)
    assert {d.code for d in diagnostics} == {"expect-failed"}
    assert all(d.span is not None and "expect" in d.span.text for d in diagnostics)


def test_same_as_check(tmp_path: Path) -> None:
    """A document has the diagnostics that `netdsl check` reports about the same text."""
    wrong = load()
    assert len(wrong) > 1000
    for case in wrong[:: len(wrong) // 60]:
        source = read(written(case, tmp_path))
        found = [(d.line, d.column, d.code) for d in Document(source).diagnostics()]
        wanted = [(finding.line, finding.column, finding.code) for finding in case.wanted]
        assert sorted(map(str, found)) == sorted(map(str, wanted)), source.text


def test_nets_of_an_older_version_stay_while_the_text_cannot_be_read() -> None:
    """With a syntax error, the figures are those of the last version without."""
    first = Document(SourceFile("a.net", "net A {\n input x: 3x8x8\n output y: conv(2, 3)\n}\n"))
    first.diagnostics()
    broken = Document(
        SourceFile("a.net", "net A {\n input x: 3x8x8\n output y: conv(2, \n}\n"), first
    )
    assert broken.program is None
    assert [d.severity for d in broken.diagnostics()] == ["error"]
    checked = broken.checked("A")
    assert checked is not None
    assert checked.summary is not None
    assert checked.summary.totals.params == 3 * 9 * 2 + 2
