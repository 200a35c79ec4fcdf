"""The sizes for which a net is valid, compared with compiling the net at each size."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdsl
from netdsl.analysis.conditions import conditions
from netdsl.analysis.valid import valid_for
from tests.support.phrases import says
from tests.support.small_nets import codes

CHAINS = st.lists(
    st.sampled_from(
        [
            "conv(2, 3)",
            "conv(2, 5, stride = 2)",
            "conv(2, 3, pad = 1)",
            "maxpool(2)",
            "maxpool(3, stride = 2)",
            "maxpool(3, stride = 2, ceil = true)",
            "avgpool(2, stride = 1)",
            "upsample(2)",
            "pad(1)",
            "deconv(2, 4, stride = 2)",
            "crop(3)",
            "pad(2, mode = reflect)",
            "residual { maxpool(2) -> upsample(2) }",
            "residual { conv(2, 3, stride = 2, pad = 1) -> upsample(2) }",
            "concat { | maxpool(2) | conv(2, 2, stride = 2) }",
            "reshape([8, -1]) -> reshape([2, -1])",
        ]
    ),
    min_size=1,
    max_size=5,
)


def accepts(layers: list[str], size: int) -> bool:
    """Whether the net compiles at that size.

    A net does not count if a join repeats an axis only because its size happens to be 1.
    """
    try:
        net = netdsl.loads(_text(layers, str(size)))
    except netdsl.CompileError:
        return False
    return all(len({t.spatial for t in n.types}) == 1 for n in net.graph.nodes)


def _text(layers: list[str], size: str) -> str:
    body = "\n".join(layers)
    return f"net N {{\n input image: 2x{size}\n{body}\n}}"


@settings(max_examples=80)
@given(CHAINS)
def test_valid_sizes(layers: list[str]) -> None:
    """The net compiles with a number in place of T exactly for the sizes of `valid_for`."""
    try:
        net = netdsl.loads(_text(layers, "T"))
    except netdsl.CompileError as error:
        assert {d.code for d in error.diagnostics} <= {
            "open-size",
            "shape-mismatch",
            "wrong-rank",
            "window-too-large",
            "bad-padding",
        }
        return
    phrase, rules = valid_for(net.graph), conditions(net.graph)
    for size in (*range(1, 20), 31, 32, 64, 97):
        accepted = accepts(layers, size)
        assert accepted == all(c.holds({"T": size}) for c in rules)
        assert accepted == says(phrase, size), phrase


@pytest.mark.parametrize(
    ("layers", "phrase"),
    [
        (["relu"], "T >= 1"),
        (["conv(2, 3)"], "T >= 3"),
        (["maxpool(2)", "maxpool(2)"], "T >= 4"),
        (["residual { maxpool(2) -> upsample(2) }"], "T >= 2, T divisible by 2"),
        (["crop(3)"], "T >= 3"),
    ],
)
def test_valid_phrases(layers: list[str], phrase: str) -> None:
    """The text for common chains of layers."""
    assert phrase == valid_for(netdsl.loads(_text(layers, "T")).graph)


def test_valid_for_two_symbols() -> None:
    """Each symbol has its own part of the text; a condition on both symbols follows unchanged."""
    text = "net N {{ input image: 1xHxW\n maxpool(2)\n {} }}"
    assert "H >= 2, W >= 2" == valid_for(netdsl.loads(text.format("relu")).graph)
    assert "H >= 2, W >= 2, ⌊H/2⌋ == ⌊W/2⌋" == valid_for(
        netdsl.loads(text.format("add { | identity | permute([1, 3, 2]) }")).graph
    )


@pytest.mark.parametrize(
    "join", ["concat { | conv(2, 3) | conv(2, 1) }", "residual { conv(2, 3) }"]
)
def test_never_equal(join: str) -> None:
    """Joining open sizes that differ by a constant is an error: no input makes them equal."""
    assert ["shape-mismatch"] == codes(_text([join], "T"))


NEAREST = [
    ((3, 30, 30), "the nearest sizes are `3x28x28` and `3x32x32`"),
    ((3, 30, 32), "the nearest sizes are `3x28x32` and `3x32x32`"),
]


@pytest.mark.parametrize(("sizes", "help_"), NEAREST)
def test_sizes_that_are_given(sizes: tuple[int, ...], help_: str) -> None:
    """The error of a net with given sizes names the nearest sizes for which it is valid."""
    text = "net U { input image: 3xHxW \n maxpool(4) -> upsample(4) -> concat(@image) }"
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text, inputs={"image": sizes})
    advice = str(caught.value.diagnostics[0].help)
    assert advice.startswith("`U` is valid for H >= 4, H divisible by 4, W >= 4, W divisible by 4")
    assert advice.endswith(help_)
    for nearest in re.findall(r"`([\dx]+)`", help_):
        netdsl.loads(text, inputs={"image": tuple(map(int, nearest.split("x")))})


def test_sizes_that_are_not_the_reason() -> None:
    """The error of a fixed size, and of a net that is valid for no sizes, names no others."""
    open_net = "net U { input image: 3xHxW \n maxpool(4) }"
    wrong = "net U { input image: 3xHxW \n conv(4, 3) -> add(@image) }"
    for text, sizes in ((open_net, (1, 30, 30)), (wrong, (3, 30, 30))):
        with pytest.raises(netdsl.CompileError) as caught:
            netdsl.loads(text, inputs={"image": sizes})
        assert "is valid for" not in str(caught.value.diagnostics[0].help)
