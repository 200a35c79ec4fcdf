"""Numbers and their nouns agree in messages."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.driver import compile_net, program_of
from netdsl.errors import NetdslError
from netdsl.source import SourceFile
from netdsl.words import counted


def test_counted() -> None:
    """The noun is singular for 1 and plural for every other number, which has separators."""
    nouns = {"size": "sizes", "spatial axis": "spatial axes", "class": "classes"}
    for noun, nouns_ in nouns.items():
        assert [counted(n, noun) for n in (0, 1, 2_000)] == [
            f"0 {nouns_}",
            f"1 {noun}",
            f"2,000 {nouns_}",
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "input x: 1x8x8\nconv(2, 3, groups = 2)",
            "1 input channel cannot be divided into 2 equal groups",
        ),
        (
            "input x: 2x8x8\nconv(1, 3, groups = 2)",
            "1 output channel cannot be divided into 2 equal groups",
        ),
        ("input x: 3x8x8\ngroupnorm(2)", "3 channels cannot be divided into 2 equal groups"),
        ("input x: 1x8x8\ngroupnorm(2)", "1 channel cannot be divided into 2 equal groups"),
        ("input x: 1x8x8\nchannel_shuffle(2)", "1 channel cannot be divided into 2 equal groups"),
        (
            "input x: 1x8x8\nsplit(2, 0, axis = 1)",
            "1 element cannot be divided into 2 equal pieces",
        ),
        ("input x: 1x8x8\npixel_shuffle(2)", "1 channel is not divisible by 2 x 2"),
    ],
)
def test_channels(text: str, expected: str) -> None:
    """A single channel is not called channels."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"net N {{\n{text}\n}}")
    assert expected in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("sizes", "given", "expected"),
    [
        ("3xHxW", (8,), "has 3 sizes (3xHxW), but 1 is given"),
        ("T", (3, 8), "has 1 size (T), but 2 are given"),
    ],
)
def test_sizes(sizes: str, given: tuple[int, ...], expected: str) -> None:
    """Messages use `1 is given` and `2 are given`."""
    text = f"net N {{\n input x: {sizes}\n relu\n}}"
    program = program_of(SourceFile("n.net", text), {})
    with pytest.raises(NetdslError) as caught:
        compile_net(program, "N", {"": given})
    assert expected in caught.value.diagnostics[0].message
