"""The text that `valid_for` gives, compared with results found by hand or by trying sizes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdsl
from netdsl.analysis.conditions import conditions
from netdsl.analysis.valid import valid_for
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, TensorType
from tests.support.phrases import says

T, H, W = (Sym.var(s) for s in "THW")
Pairs = list[tuple[Any, Any]]


def graph_of(
    sizes: list[Any], equal: Pairs | None = None, rooms: list[Any] | None = None, symbols: str = "T"
) -> Any:
    """An object with the parts of a graph that `valid_for` reads.

    These are the sizes of values, pairs of sizes that must be equal, and `rooms`: the sizes that
    windows leave over, which must not be negative.
    """
    shape = tuple(sizes)
    node = SimpleNamespace(op="pool", types=(), type=TensorType(shape), span="elsewhere")
    site = SimpleNamespace(span=None)
    return SimpleNamespace(
        name="G",
        site=site,
        inputs=[],
        nodes=[node, node],
        equalities=[(a, b, site) for a, b in equal or []],
        nonnegative={("pool", ()): rooms or []},
        symbols=list(symbols),
    )


FEW = [
    ("T >= 1", [T], []),
    ("T >= 1", [], []),
    ("T >= 1", [T + 70_000, T * T + 70_000 * T], []),
    ("T >= 4", [T - 3], []),
    ("T >= 3", [(T - 3) // 2 + 1], []),
    ("T >= 2, T divisible by 2", [T // 2], [(2 * (T // 2), T)]),
    ("T >= 4, T divisible by 2", [T // 4], [(2 * (T // 2), T)]),
    ("T >= 1, T % 2 == 1", [], [(2 * (T // 2) + 1, T)]),
    ("T >= 3, T % 4 == 3", [], [(4 * (T // 4) + 3, T)]),
    ("T >= 12, T divisible by 12", [], [(4 * (T // 4), T), (T, 6 * (T // 6))]),
    ("T >= 1, T % 4 in 0 to 2", [], [((T + 1) // 4, T // 4)]),
    ("T >= 3, T % 8 in 0, 3 to 7", [(T - 3) // 8 + 1], [((T + 5) // 8, (T + 7) // 8)]),
    (
        "T >= 2, T % 20 in 0, 2, 4, 6, 8, 10, 12, 14",
        [],
        [(2 * (T // 2), T), ((T + 5) // 20, T // 20)],
    ),
    (
        "T >= 2, T % 20 in 0, 2, 4, 6, 8, 10, 12, 14, ...",
        [],
        [(2 * (T // 2), T), ((T + 3) // 20, T // 20)],
    ),
    ("T in 1, 2, 4, 5, 8", [], [(T // 3, T // 4)]),
    ("T in 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12", [], [(T // 13, 0)]),
    ("T from 1 to 13, 13 sizes", [], [(T // 14, 0)]),
    ("T == 7", [], [(T, 7)]),
    ("T from 1 to 63, 63 sizes", [64 - T], []),
    ("T from 1 to 64, 64 sizes", [65 - T], []),
    ("T in 50, 51, 52, 53, 54, 55, 56, 57, 58", [T - 49, 59 - T, T // 8], []),
    ("T >= 6", [(T - 3) * (T - 6) + 1, T - 2], []),  # T = 3 is valid too, but is not listed
    ("T >= 4, T divisible by 2", [T // 2], [((2 * (T // 2) - T) * (T - 3), 0)]),
    ("T >= 19997", [T - 19_996], []),
    ("T - 19,998 >= 0", [T - 19_997], []),
    ("T >= 4", [T * T - T - 6], []),
    ("T in 1, 2", [7 - T * T], []),
    ("T in 2, 3", [], [((T - 2) * (T - 3), 0)]),
    ("T in 2, 3, 4", [], [((T - 2) * (T - 3) * (T - 4), 0)]),
    ("T >= 5", [(T - 2) * (T - 3) * (T - 4)], []),
    ("T >= 142", [T * T - 19_994], []),
    ("T² - 19,996 >= 0", [T * T - 19_995], []),
    ("T >= 5000, T divisible by 5000", [], [(5_000 * (T // 5_000), T)]),
    ("T - 5,001⌊T/5001⌋ == 0", [], [(5_001 * (T // 5_001), T)]),
    ("⌊(T-5,000)/5000⌋ >= 0; T - 5,000⌊T/5000⌋ == 0", [T // 5_000], [(5_000 * (T // 5_000), T)]),
]


@pytest.mark.parametrize(("phrase", "sizes", "equal"), FEW)
def test_phrases(phrase: str, sizes: list[Any], equal: Pairs) -> None:
    """The text for one open size, found by hand.

    If trying sizes would take too long, the text is the condition itself.
    """
    assert valid_for(graph_of([3, *sizes], equal)) == phrase
    assert valid_for(graph_of([3, *sizes], [(b, a) for a, b in equal])) == phrase


TWO = [
    ("H >= 1, H == W", [H, W], [(H, W)]),
    ("H >= 1, H == W", [H, W], [(W, H), (H, W), (2, 2)]),
    ("H >= 2, W >= 2, ⌊H/2⌋ == ⌊W/2⌋", [H // 2, W // 2], [(H // 2, W // 2)]),
    ("W >= 1, H == 3 W + 2", [H, W], [(H, 3 * W + 2)]),
    ("H >= 1, W >= 1, H + W == 7", [H, W], [(H + W, 7)]),
    ("H >= 1, W >= 1, H + W == 0", [H, W], [(H + W, 0)]),
    ("H >= 1, W >= 1, H + W + 2 == 0", [H, W], [(H + W + 2, 0)]),
    ("H >= 1, W >= 1, H W - 5 >= 1", [H, W, H * W - 5], []),
    ("H >= 1, W >= 1, H + 2 >= W", [H, W, H - W + 3], []),
]


@pytest.mark.parametrize(("phrase", "sizes", "equal"), TWO)
def test_phrases_of_two(phrase: str, sizes: list[Any], equal: Pairs) -> None:
    """The text has the sizes that no equation bounds, followed by the conditions on both.

    No condition occurs twice, and an equation has only sums, no negative terms.
    """
    assert valid_for(graph_of(sizes, equal, symbols="HW")) == phrase


def test_no_size_at_all() -> None:
    """The error names the conditions that exclude each other: one, two of several, or all."""
    for sizes, equal, clash in (
        ([], [(2 * ((T + 1) // 2) - 2, T)], "T + 2 == 2⌈T/2⌉"),
        ([T - 3], [(T, 9), (T, 4), (T, 9)], "T == 9 and T == 4"),
        ([T - 8], [(T, 5)], "T - 8 >= 1 and T == 5"),
        (
            [],
            [(2 * (T // 2), T), (3 * (T // 3), T), ((T + 3) // 6, T // 6 + 1)],
            "T == 2⌊T/2⌋ and T == 3⌊T/3⌋ and ⌊(T+6)/6⌋ == ⌊(T+3)/6⌋",
        ),
    ):
        with pytest.raises(NetdslError) as caught:
            valid_for(graph_of(sizes, equal))
        both = "both " * (clash.count(" and ") == 1)
        assert (caught.value.diagnostic.code, caught.value.diagnostic.message) == (
            "no-valid-size",
            f"`G` is not valid for any T: it needs {both}{clash}",
        )


def test_place_of_sizes_that_exclude_each_other() -> None:
    """If there is no join to point at, the place is the first input that has the symbol."""
    graph = graph_of([5 - T, T - 8])
    graph.inputs = [
        SimpleNamespace(type=TensorType(shape), site=SimpleNamespace(span=str(shape)))
        for shape in ((3, 4), (W,), (T, W), (T,))
    ]
    with pytest.raises(NetdslError) as caught:
        valid_for(graph)
    assert caught.value.message == "`G` is not valid for any T: it needs both 4 >= T and T - 8 >= 1"
    place: object = caught.value.diagnostic.span
    assert str((T, W)) == place


def test_room_of_windows() -> None:
    """The room of a window can be 0, but a size cannot. Fixed sizes give no conditions."""
    assert valid_for(graph_of([5], rooms=[T - 4])) == "T >= 4"
    assert valid_for(graph_of([T - 4])) == "T >= 5"
    assert valid_for(graph_of([5], rooms=[H - W], symbols="HW")) == "H >= 1, W >= 1, H >= W"
    assert valid_for(graph_of([5], [(H, W), (T, 4)], symbols="")) == ""
    assert [
        (str(c.value), c.equal)
        for c in conditions(graph_of([T, T - 1, 3], [(T, 6), (W, H)], [T - 9]))
    ] == [
        ("T - 1", False),
        ("T - 2", False),
        ("T - 9", False),
        ("T - 6", True),
        ("H - W", True),
    ]


def test_products_of_sizes_need_no_conditions() -> None:
    """The size of a flattened image is positive if its sides are, so it needs no condition.

    A size such as H W - 4 can be 0 or negative, so it needs one.
    """
    net = netdsl.loads(
        "net A {\n input image: 3xHxW\n conv(6, 5) -> maxpool(2)\n output y: flatten\n}\n"
    )
    assert valid_for(net.graph) == "H >= 6, W >= 6"
    assert not [c for c in conditions(net.graph) if len(c.value.symbols()) > 1]
    assert valid_for(graph_of([H * W - 4], symbols="HW")) == "H >= 1, W >= 1, H W - 4 >= 1"


STEPS = st.builds(
    lambda a, c, k: a * ((T + c) // k), st.integers(-6, 6), st.integers(-9, 9), st.integers(1, 8)
)
VALUES = st.builds(
    lambda parts, n: sum(parts, start=n),
    st.lists(STEPS, min_size=1, max_size=3),
    st.integers(-150, 150),
).filter(lambda v: isinstance(v, Sym))


@settings(max_examples=150)
@given(st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=2))
def test_phrases_are_true(rules: list[tuple[Any, bool]]) -> None:
    """For random conditions with floors, the phrase describes exactly the sizes that satisfy them.

    Below the minimum that the phrase gives, further sizes can be valid.
    """
    graph = graph_of(
        [v for v, equal in rules if not equal], [(v, 0) for v, equal in rules if equal]
    )
    try:
        phrase = valid_for(graph)
    except NetdslError as error:
        assert error.diagnostic.code == "no-valid-size"
        phrase = "none"
    if phrase.endswith((" >= 0", " == 0", "...")):
        return
    least = int(phrase.partition(",")[0].removeprefix("T >= ")) if phrase.startswith("T >= ") else 1
    for size in range(1, 900):
        values = [(v.at({"T": size}), equal) for v, equal in rules]
        good = all(v == 0 if equal else v >= 1 for v, equal in values)
        described = phrase != "none" and says(phrase, size)
        if " from " in phrase:
            assert described or not good
        elif size >= least:
            assert described == good, (phrase, size)
        else:
            assert not described


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        ("maxpool(2) -> pad(50) -> crop(@x)", "T from 2 to 200, 199 sizes"),
        ("maxpool(8) -> pad(100) -> crop(@x)", "T from 8 to 228, 221 sizes"),
        ("conv(2, 15_000)", "T >= 15000"),
    ],
)
def test_far_bounds(body: str, phrase: str) -> None:
    """The phrase gives the exact bound: the largest size compiles, and the next one does not."""
    text = "net N {{ input x: 2x{}\n {} }}"
    assert valid_for(netdsl.loads(text.format("T", body)).graph) == phrase
    if phrase.startswith("T from"):
        high = int(phrase.partition(",")[0].partition(" to ")[2])
        assert netdsl.loads(text.format(high, body)).outputs[0].value.type.shape == (2, high)
        with pytest.raises(netdsl.CompileError):
            netdsl.loads(text.format(high + 1, body))


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        ("input h: H\ninput x: 6\n@x -> reshape([in.size, 1])", "H == 6"),
        ("input h: 3xH\nadaptive_avgpool(4) -> reshape([H, 2])", "H == 6"),
        ("input h: 3xH\ninput x: 3x4x5\n@x -> reshape([H, 5])", "H == 12"),
    ],
)
def test_open_sizes_in_arguments(body: str, phrase: str) -> None:
    """An open size in an argument is restricted by the fixed sizes that it must fit."""
    graph = netdsl.loads(f"net A {{\n{body}\n}}").graph
    assert valid_for(graph) == phrase


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("input x: 1xHxW\ncrop(3, offset = -1)", "from offset -1 does not fit into H"),
        ("input x: 8x3\ninput e: []\n@x -> gcn(2, @e)", "so its edges must be 8x8, found scalar"),
    ],
)
def test_errors_that_no_size_repairs(body: str, message: str) -> None:
    """An argument that fits no size of H, and an input of a wrong rank, are errors."""
    with pytest.raises(netdsl.CompileError, match=message):
        netdsl.loads(f"net A {{\n{body}\n}}")
