"""The formulas of open sizes: how they are printed, and their bounds."""

from __future__ import annotations

from itertools import product
from operator import add, mul, sub
from typing import Any

import pytest

import netdsl
from netdsl.ir.signs import differ
from netdsl.ir.types import FormulaTooLong, Sym, compact, shape_text, subs

T, H, W = (Sym.var(s) for s in "THW")

FORMULAS: list[tuple[Any, str, str]] = [
    (T, "T", "T"),
    (-T, "-T", "-T"),
    (T - 4, "T - 4", "T - 4"),
    (4 - T, "-T + 4", "-T + 4"),
    (-T - 4, "-T - 4", "-T - 4"),
    (2 * T, "2 * T", "2 T"),
    (-2 * T + 3, "-2 * T + 3", "-2 T + 3"),
    (1000 * T, "1000 * T", "1,000 T"),
    (1234567 * T + 1000, "1234567 * T + 1000", "1,234,567 T + 1,000"),
    (H * W, "H * W", "H W"),
    (3 * H * W, "3 * H * W", "3 H W"),
    (H * W * T, "H * T * W", "H T W"),
    (H * H, "H * H", "H²"),
    (H * H * W * 3, "3 * H * H * W", "3 H² W"),
    (H // 2, "floor(H / 2)", "⌊H/2⌋"),
    ((H + 1) // 2, "floor((H + 1) / 2)", "⌈H/2⌉"),
    ((H - 1) // 2, "floor((H - 1) / 2)", "⌊(H-1)/2⌋"),
    ((H - 3) // 2, "floor((H - 3) / 2)", "⌊(H-3)/2⌋"),
    ((H + 1) // 3, "floor((H + 1) / 3)", "⌊(H+1)/3⌋"),
    ((H + 2) // 3, "floor((H + 2) / 3)", "⌈H/3⌉"),
    ((H - 2) // 3, "floor((H - 2) / 3)", "⌊(H-2)/3⌋"),
    (2 * ((H + 1) // 2), "2 * floor((H + 1) / 2)", "2⌈H/2⌉"),
    (3 * (H // 2), "3 * floor(H / 2)", "3⌊H/2⌋"),
    (5 * (H // 2) - 2, "5 * floor(H / 2) - 2", "5⌊H/2⌋ - 2"),
    ((H // 2) + 3, "floor((H + 6) / 2)", "⌊(H+6)/2⌋"),
    (H // 2 - 1, "floor((H - 2) / 2)", "⌊(H-2)/2⌋"),
    ((2 * H) // 3, "floor((2 * H) / 3)", "⌊2H/3⌋"),
    ((2 * H + 2) // 3, "floor((2 * H + 2) / 3)", "⌈2H/3⌉"),
    ((2 * H + 1) // 3, "floor((2 * H + 1) / 3)", "⌊(2H+1)/3⌋"),
    ((H + W) // 2, "floor((H + W) / 2)", "⌊(H+W)/2⌋"),
    ((H + W + 1) // 2, "floor((H + W + 1) / 2)", "⌈(H+W)/2⌉"),
    ((H * W) // 4, "floor((H * W) / 4)", "⌊HW/4⌋"),
    ((H * W + 3) // 4, "floor((H * W + 3) / 4)", "⌈HW/4⌉"),
    ((3 * H * W) // 4, "floor((3 * H * W) / 4)", "⌊3HW/4⌋"),
    (((H + 1) // 2) * ((W + 1) // 2), "floor((H + 1) / 2) * floor((W + 1) / 2)", "⌈H/2⌉⌈W/2⌉"),
    (
        64 * ((H + 1) // 2) * ((W + 1) // 2),
        "64 * floor((H + 1) / 2) * floor((W + 1) / 2)",
        "64⌈H/2⌉⌈W/2⌉",
    ),
    (((H + 1) // 2) * ((H + 1) // 2), "floor((H + 1) / 2) * floor((H + 1) / 2)", "⌈H/2⌉²"),
    (3 * ((H // 2) * (H // 2)) * H, "3 * H * floor(H / 2) * floor(H / 2)", "3 H⌊H/2⌋²"),
    (H // 2 + W // 2, "floor(H / 2) + floor(W / 2)", "⌊H/2⌋ + ⌊W/2⌋"),
    (H - W, "H - W", "H - W"),
    (H - H // 2, "H - floor(H / 2)", "H - ⌊H/2⌋"),
    (H // 2 - W // 3 + 1, "floor(H / 2) - floor(W / 3) + 1", "⌊H/2⌋ - ⌊W/3⌋ + 1"),
    ((H // 2 + W) // 3, "floor((W + floor(H / 2)) / 3)", "⌊(W+⌊H/2⌋)/3⌋"),
    ((2 * (H // 2) + 1) // 3, "floor((2 * floor(H / 2) + 1) / 3)", "⌊(2⌊H/2⌋+1)/3⌋"),
    ((3 * (H // 2) + 2) // 5, "floor((3 * floor(H / 2) + 2) / 5)", "⌊(3⌊H/2⌋+2)/5⌋"),
    ((H // 2) // 2, "floor(H / 4)", "⌊H/4⌋"),
    ((H // 2 + 1) // 2, "floor((H + 2) / 4)", "⌊(H+2)/4⌋"),
    ((H // 2 + 3) // 4, "floor((H + 6) / 8)", "⌊(H+6)/8⌋"),
    ((H // 4 * 2) // 3, "floor((2 * floor(H / 4)) / 3)", "⌊2⌊H/4⌋/3⌋"),
    ((6 * H + 4) // 4, "H + floor(H / 2) + 1", "H + ⌊H/2⌋ + 1"),
    ((6 * H + 3) // 4, "H + floor((H + 1) / 2)", "H + ⌈H/2⌉"),
    ((4 * H + 3) // 2, "2 * H + 1", "2 H + 1"),
    ((4 * H * W + 2 * H + 5) // 6, "floor((2 * H * W + H + 2) / 3)", "⌈(2HW+H)/3⌉"),
    ((H - 5) // 1, "H - 5", "H - 5"),
    ((7 * H) // 7, "H", "H"),
    ((H * (W // 2)) // 2, "floor((H * floor(W / 2)) / 2)", "⌊H⌊W/2⌋/2⌋"),
    ((H * (H // 3) + 1) // 2, "floor((H * floor(H / 3) + 1) / 2)", "⌈H⌊H/3⌋/2⌉"),
    (-(H // 2), "-floor(H / 2)", "-⌊H/2⌋"),
    (T // 1000, "floor(T / 1000)", "⌊T/1000⌋"),
    ((T + 999) // 1000, "floor((T + 999) / 1000)", "⌈T/1000⌉"),
    ((T + 1000) // 1001, "floor((T + 1000) / 1001)", "⌈T/1001⌉"),
    (H % 2, "H - 2 * floor(H / 2)", "H - 2⌊H/2⌋"),
    ((H + 3) % 4, "H - 4 * floor((H + 3) / 4) + 3", "H - 4⌈H/4⌉ + 3"),
    ((H // 2) * W - 3, "W * floor(H / 2) - 3", "W⌊H/2⌋ - 3"),
    (12 * H * (W // 2) + 7 * T, "12 * H * floor(W / 2) + 7 * T", "12 H⌊W/2⌋ + 7 T"),
    (H * W // 2 * 3, "3 * floor((H * W) / 2)", "3⌊HW/2⌋"),
    (H * 0 + 5, "5", "5"),
    ((H // 2) * (W // 2) + 1, "floor(H / 2) * floor(W / 2) + 1", "⌊H/2⌋⌊W/2⌋ + 1"),
    (2 * (H // 2) + 3, "2 * floor(H / 2) + 3", "2⌊H/2⌋ + 3"),
    (H // 2 + H // 3 + 2, "floor(H / 2) + floor(H / 3) + 2", "⌊H/2⌋ + ⌊H/3⌋ + 2"),
    ((H - 1 - 1) // 2 + 2 * W, "2 * W + floor(H / 2) - 1", "2 W + ⌊H/2⌋ - 1"),
]


@pytest.mark.parametrize(("value", "text", "short"), FORMULAS)
def test_formulas(value: Any, text: str, short: str) -> None:
    """Both printed forms are correct; the long form, read as Python, has the formula's value."""
    assert (str(value), compact(value)) == (text, short)
    for h, w, t in product((1, 2, 7, 12, 30), (1, 5, 6), (1, 3, 9, 16)):
        at = {"H": h, "W": w, "T": t}
        assert subs(value, at) == eval(text.replace(" / ", " // "), at | {"floor": int})


def test_sizes_in_a_shape() -> None:
    """In a shape, a sum is in parentheses, and there are no blanks and no thousands separators."""
    sizes = (
        3,
        H - 1,
        H + 1,
        2 * H,
        H * W,
        (H + 1) // 2,
        (H - 1) // 2,
        2 * (H // 2) + 1,
        4 * (H // 3),
        12_345,
    )
    assert shape_text(sizes) == "3x(H-1)x(H+1)x2HxHWx⌈H/2⌉x⌊(H-1)/2⌋x(2⌊H/2⌋+1)x4⌊H/3⌋x12345"
    assert (compact(12_345), str(3 * T), compact(-2_000 * T)) == ("12,345", "3 * T", "-2,000 T")


def test_properties_of_formulas() -> None:
    """The symbols of formulas, the period of their floors, their length, and substitution.

    A formula with too many terms is refused.
    """
    formulas: list[Any] = [
        T,
        3 * T + 1,
        T // 4,
        (T // 2 + 1) // 3,
        (T // 4 * 3 + T) // 6,
        T // 4 + H // 6,
        (T // 2) * (W // 5),
        T * T // 9,
    ]
    assert [v.period() for v in formulas] == [1, 1, 4, 6, 24, 12, 10, 9]
    assert [v.length for v in formulas] == [1, 1, 2, 2, 4, 4, 4, 3]
    assert [v.symbols() for v in formulas] == [
        {"T"},
        {"T"},
        {"T"},
        {"T"},
        {"T"},
        {"T", "H"},
        {"T", "W"},
        {"T"},
    ]
    for value in formulas:
        for n in (1, 5, 23, 48):
            at = {"T": n, "H": n + 1, "W": n + 2}
            assert value.at(at) == subs(value, at) == subs(subs(value, {"T": n}), at)
    assert subs(T // 4 * 5 + T, {"T": 2 * H}) == 5 * (H // 2) + 2 * H
    assert subs(7, {"T": 3}) == 7
    wide: Any = sum((Sym.var(f"A{i}") for i in range(100)), start=T * 0)
    assert len((wide * wide).terms) == 5050
    with pytest.raises(FormulaTooLong):
        (wide + H) * wide


def test_powers_of_open_sizes() -> None:
    """An open size can have an integer power, but cannot be combined with a float."""
    net = netdsl.loads(
        "net N {\n input x: H\n input y: W\n input z: [H ** 2, (H + W) ** 2 * W ** 0]\n @z ->"
        " relu\n}"
    )
    assert net.graph.inputs[2].type.shape == (H * H, H * H + 2 * H * W + W * W)
    size: Any = H
    for operator in (add, sub, mul):
        for pair in ((size, 0.5), (0.5, size)):
            with pytest.raises(TypeError):
                operator(*pair)


def test_products_with_many_factors_are_refused() -> None:
    """A product of too many symbols is refused, even if it has only one term."""
    power: Any = H
    for _ in range(15):
        power = power * power
    assert power.length == 2**15
    with pytest.raises(FormulaTooLong):
        power * power


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (84 * (H // 8) * (W // 8), 85 * ((H + 7) // 8) * ((W + 7) // 8), True),
        (85 * ((H + 7) // 8) * ((W + 7) // 8), 84 * (W // 8) * (H // 8), True),
        (3 * H * (W // 2), 4 * H * ((W + 1) // 2), True),
        (86 * (H // 8), 85 * ((H + 7) // 8), False),
        (84 * (H // 8), 85 * (H // 8), False),
        (H // 8, (H + 7) // 8, False),
        (3 * (H // 2), 4 * ((H + 2) // 3), False),
        (3 * H, 4 * W, False),
    ],
)
def test_products_that_differ(a: Sym, b: Sym, expected: bool) -> None:
    """A proof that two products differ is right: no sizes make them equal."""
    assert differ(a, b) is expected
    if expected:
        sizes = product(range(1, 40), repeat=2)
        assert all(a.at({"H": h, "W": w}) != b.at({"H": h, "W": w}) for h, w in sizes)
