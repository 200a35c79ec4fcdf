"""The sizes for which a net is valid, compared with compiling the net at each size."""

from __future__ import annotations

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
