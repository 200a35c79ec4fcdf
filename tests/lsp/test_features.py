"""Completion, hover and the hints at the ends of lines."""

from __future__ import annotations

import pytest

from netdsl.library import library_names, open_source
from netdsl.lsp.completion import completions
from netdsl.lsp.document import Document
from netdsl.lsp.hints import hints
from netdsl.lsp.hover import hover
from netdsl.source import SourceFile

NET = """net A(classes = 10) {
    input x: 3x8x8
    C1: conv(8, 3) -> relu -> flatten
    output y: dense(classes)
}
"""
BODY = "net A {\n    input x: 3x8x8\n    C1: conv(8, 3)\n    "


def names(text: str) -> list[str]:
    """The names that complete a text at `|`."""
    before, _, after = text.partition("|")
    lines = before.rpartition("\n")[0]  # an earlier version, without the line that is written
    earlier = Document(SourceFile("a.net", lines + "\n}" * (lines.count("{") - lines.count("}"))))
    document = Document(SourceFile("a.net", before + after), earlier)
    return [item.label for item in completions(document, len(before))]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("im|", ["import"]),
        ("import resn|", ["resnet", "resnext"]),
        (BODY + "con|", ["conv", "concat", "const"]),
        (BODY + "exp|", ["exp", "expect"]),
        (BODY + "@|\n}", ["C1", "x"]),
        (BODY + "conv(8, 3, pad|", ["pad", "pad_mode"]),
        (BODY + "conv(8, 3, pad_mode = c|", ["circular"]),
        (BODY + "expect sha|", ["shape"]),
        (BODY + "bottlen|", ["bottleneck"]),
        (NET + "train A {\n    opt|", ["optimizer"]),
        (NET + "train A {\n    optimizer = ad|", ["adam", "adamw"]),
        (NET + "train A {\n    optimizer = sgd(mom|", ["momentum"]),
        (NET + "train A {\n    data = fash|", ["fashion_mnist", "fashion_mnist_sample"]),
        (NET + "train |", ["A"]),
        ("block twice(n) {\n    conv(n, 3)\n}\n" + BODY + "twi|", ["twice"]),
        ("block b {\n    conv(4, 1)\n    @|\n}", ["in"]),
    ],
)
def test_completion(text: str, first: list[str]) -> None:
    """The names that fit come first, and those that begin like the word before those with it."""
    found = names(text)
    assert set(first) <= set(found[: len(first) + 2]), found[:8]


@pytest.mark.parametrize("text", ["# conv|", BODY + 'conv(8, 3, init = "con|'])
def test_no_completion_in_texts(text: str) -> None:
    """In comments and strings there is nothing to complete."""
    assert names(text) == []


def test_arguments_that_a_call_has_are_left_out() -> None:
    """A call that has `stride` is not offered it again."""
    found = names(BODY + "conv(8, 3, stride = 2, |")
    assert "stride" not in found
    assert "groups" in found


def shown(text: str, word: str) -> str:
    """The paragraphs about a word of a text."""
    found = hover(Document(SourceFile("a.net", text)), text.index(word))
    assert found is not None
    assert text[found.start : found.end] == word.split("(", maxsplit=1)[0].rstrip(":= ")
    return "\n".join(found.paragraphs)


def test_hover() -> None:
    """A layer shows its figures and its reference, a label its figures, a net its head."""
    conv = shown(NET, "conv(")
    assert "output `8x6x6`, 224 params, 7,776 MACs, receptive field `3x3`" in conv
    assert "k = 3, stride = 1" in conv
    assert "out = (in + 2 pad - dilation (k - 1) - 1) // stride + 1" in conv
    assert "output `8x6x6`" in shown(NET, "C1:")
    assert "net A(classes = 10)" in shown(NET, "A(")
    assert "`pad` of `conv`: border around the input" in shown(
        NET.replace("3)", "3, pad = 1)"), "pad ="
    )
    assert hover(Document(SourceFile("a.net", NET)), NET.index("{")) is None


def test_hints() -> None:
    """A line shows the shape after its last layer, and the parameters of all of them."""
    source = open_source("lenet5")
    checked = Document(source).checked("LeNet5")
    assert checked is not None
    assert [(hint.line, hint.text) for hint in hints(checked, source)] == [
        (5, "6x14x14  156 params"),
        (6, "16x5x5  2,416 params"),
        (7, "120  48,120 params"),
        (8, "84  10,164 params"),
        (9, "10  850 params"),
    ]


def test_hints_of_calls_of_blocks() -> None:
    """A line that calls a block, or is in a loop, counts all layers that it makes."""
    source = open_source("resnet")
    checked = Document(source).checked("ResNet50")
    assert checked is not None
    texts = {hint.line: hint.text for hint in hints(checked, source)}
    assert texts[8] == "256x⌈H/4⌉x⌈W/4⌉, ...  23,498,496 params"


# Hovering over every word of these takes long.
LONG = {"convnext", "densenet", "resnet", "resnext", "senet", "swin"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in library_names()],
)
def test_every_word_of_the_library(name: str) -> None:
    """Completion and hover answer at every word of every file, also in the middle of it."""
    source = open_source(name)
    document = Document(source)
    places = range(0, len(source.text), 1 + len(source.text) // 40)
    for offset in places:
        completions(document, offset)
        hover(document, offset)
