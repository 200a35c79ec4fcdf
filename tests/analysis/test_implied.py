"""Conditions that others imply are not printed, and all others are."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdsl
from netdsl.analysis.conditions import Condition, difference
from netdsl.analysis.implied import Domain, without_equal, without_implied
from netdsl.ir.types import Sym

H, W = Sym.var("H"), Sym.var("W")
Even = Domain(2, 2, frozenset({0}))


def kept(values: list[Any], domains: dict[str, Domain], *, equal: bool = False) -> list[Any]:
    """The values of the conditions that are left."""
    conditions = [Condition(value, equal) for value in values]
    return [c.value for c in without_implied(conditions, domains)]


IMPLIED = {
    "sum of products": (3 * ((H + 3) // 4) * ((W + 3) // 4) + 6 * ((H + 7) // 8) - 1, {}),
    "product of windows": ((H - 2) * (W - 2) - 1, {"H": Domain(3), "W": Domain(3)}),
    "product of floors": ((H - 3) // 2 * ((W - 1) // 3) - 1, {"H": Domain(5), "W": Domain(4)}),
    "ceilings above floors": (((H + 1) // 2) * ((W + 1) // 2) - (H // 2) * (W // 2), {}),
    "quarters below the whole": (H * W - 4 * (H // 2) * (W // 2), {}),
    "few sizes": (
        12 - H * W,
        {
            "H": Domain(few=(1, 3), remainders=frozenset()),
            "W": Domain(few=(2, 4), remainders=frozenset()),
        },
    ),
    "minimum and a difference": (H * W - H - W, {"H": Domain(2), "W": Domain(2)}),
}


@pytest.mark.parametrize("case", IMPLIED)
def test_implied(case: str) -> None:
    """A condition that the sizes of each symbol imply is left out."""
    value, domains = IMPLIED[case]
    assert kept([value], {"H": Domain(), "W": Domain(), **domains}) == []


NOT_IMPLIED = {
    "window of a product": (H * W - 5, {}),
    "difference": (H - W, {}),
    "minimum that is too small": ((H - 2) * (W - 2) - 1, {"H": Domain(2), "W": Domain(3)}),
    "few sizes": (
        11 - H * W,
        {
            "H": Domain(few=(1, 3), remainders=frozenset()),
            "W": Domain(few=(2, 4), remainders=frozenset()),
        },
    ),
}


@pytest.mark.parametrize("case", NOT_IMPLIED)
def test_not_implied(case: str) -> None:
    """A condition that some sizes break is kept."""
    value, domains = NOT_IMPLIED[case]
    assert kept([value], {"H": Domain(), "W": Domain(), **domains}) == [value]


def test_equations() -> None:
    """An equation is left out if the remainders of the sizes imply it."""
    value = H * W - 4 * (H // 2) * (W // 2)
    assert kept([value], {"H": Even, "W": Even}, equal=True) == []
    assert kept([value], {"H": Even, "W": Domain()}, equal=True) == [value]


def test_conditions_imply_each_other() -> None:
    """Of two conditions, the stronger one is left; of two equivalent ones, one is."""
    domains = {"H": Domain(), "W": Domain()}
    assert kept([H - W + 1, H - W - 2], domains) == [H - W - 2]
    assert kept([2 * H - 2 * W + 1, H - W], domains) == [H - W]
    assert len(kept([2 * H - 2 * W, H - W], domains)) == 1
    same: Any = H - W
    together = [Condition(same, equal=True), Condition(3 * same + 4, equal=False)]
    assert without_implied(together, domains) == together[:1]


NETS = {
    "heads of a detector": (
        """input image: 3xHxW
        conv(8, 3, stride = 2, pad = 1) -> relu
        a: conv(8, 3, stride = 2, pad = 1)
        b: conv(4, 3, stride = 2, pad = 1)
        @a -> x: flatten
        @b -> y: flatten
        @x -> concat(@y)""",
        "H >= 1, W >= 1",
    ),
    "patches": (
        "input image: 3xHxW\nreshape([3, H // 4, 4, W // 4, 4])\nflatten",
        "H >= 4, H divisible by 4, W >= 4, W divisible by 4",
    ),
    "sum and crop": (
        "input a: 3xHxW\ninput b: 3xVxW\n@a -> crop(@b) -> add(@b)",
        "H >= 1, W >= 1, V >= 1, H >= V",
    ),
    "crops of one map": (
        "input a: 3xH\ninput b: 3xV\n@a -> crop(@b) -> relu\n@a -> slice(2, axis = 2) -> crop(@b)",
        "H >= 3, V >= 1, H >= V + 2",
    ),
}


@pytest.mark.parametrize("case", NETS)
def test_nets(case: str) -> None:
    """The text of a net has only the conditions that are needed."""
    body, expected = NETS[case]
    net = netdsl.loads(f"net N {{\n{body}\n}}")
    assert net.valid_for == expected


# ---- against sizes that are tried

SYMBOLS = ("H", "W")
numbers = st.integers(-3, 3)
atoms = st.sampled_from([H, W, H // 2, (W + 1) // 2, (H + 2) // 3, W // 3])
monomials = st.one_of(atoms, st.tuples(atoms, atoms).map(lambda t: t[0] * t[1]))
formulas = st.builds(
    lambda terms, constant: sum((c * m for c, m in terms), constant),
    st.lists(st.tuples(numbers, monomials), min_size=1, max_size=4),
    st.integers(-6, 6),
)
domains = st.one_of(
    st.builds(
        lambda minimum, period, remainders: Domain(
            minimum, period, frozenset(r % period for r in remainders)
        ),
        st.integers(1, 5),
        st.integers(1, 4),
        st.sets(st.integers(0, 3), min_size=1),
    ),
    st.builds(
        lambda sizes: Domain(remainders=frozenset(), few=tuple(sorted(sizes))),
        st.sets(st.integers(1, 9), min_size=1, max_size=3),
    ),
)


def sizes_in(domain: Domain, most: int) -> list[int]:
    """The sizes of a domain up to a number."""
    if not domain.remainders:
        return list(domain.few)
    return [s for s in range(domain.minimum, most) if s % domain.period in domain.remainders]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(formulas, st.booleans()), min_size=1, max_size=3), domains, domains)
def test_nothing_is_lost(some: list[tuple[Any, bool]], of_h: Domain, of_w: Domain) -> None:
    """All sizes that satisfy the conditions that are left satisfy those that were left out."""
    conditions = [Condition(v, e) for v, e in some if isinstance(v, Sym) and len(v.symbols()) > 1]
    left = without_implied(conditions, {"H": of_h, "W": of_w})
    for h, w in product(sizes_in(of_h, 26), sizes_in(of_w, 26)):
        at = {"H": h, "W": w}
        if all(c.holds(at) for c in left):
            assert all(c.holds(at) for c in conditions)


@settings(max_examples=300, deadline=None)
@given(formulas, formulas)
def test_difference(a: Any, b: Any) -> None:
    """The simplified difference is 0 for exactly the sizes for which the formulas are equal."""
    value = difference(a, b)
    for h, w in product(range(1, 12), range(1, 12)):
        at = {"H": h, "W": w}
        values = [v.at(at) if isinstance(v, Sym) else v for v in (a, b, value)]
        assert (values[0] == values[1]) == (values[2] == 0)


@pytest.mark.parametrize(
    ("net", "valid"),
    [
        ("input x: Tx6\n input m: SxT bool\n attention(3, mask = @m)", "T >= 1, S == T"),
        ("input x: 3xHxW\n input y: 3xKxL\n concat(@y)", "H >= 1, W >= 1, H == K, L == W"),
        ("input x: HxW\n reshape([H * W // 4, 4])", "H >= 1, W >= 1, H W == 4⌊HW/4⌋"),
        (
            "input x: 3xH\n input y: 3xK\n @y -> b: maxpool(2)\n @x -> maxpool(2) -> add(@b)",
            "H >= 2, K >= 2, ⌊H/2⌋ == ⌊K/2⌋",
        ),
    ],
)
def test_a_least_size_that_an_equation_implies_is_not_printed(net: str, valid: str) -> None:
    """Neither that of an input, nor that of a quotient."""
    assert netdsl.loads(f"net A {{ {net} }}").valid_for == valid


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-6, 6)), max_size=3),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_conditions_without_the_implied_ones_mean_the_same(
    equations: list[tuple[int, int, int]], least_h: int, least_w: int
) -> None:
    """Every size that those left allow satisfies all of them."""
    conditions = [Condition(H - H // 2 * 2 + H * W - 1, equal=False)]
    conditions += [
        Condition(value, equal=n % 2 == 0)
        for n, (a, b, c) in enumerate(equations)
        if isinstance(value := H * a + W * b + (H * W // 2) * (n - 1) + c, Sym)
        and value.symbols() == {"H", "W"}
    ]
    domains = {"H": Domain(least_h), "W": Domain(least_w)}
    left = without_implied(conditions, domains)
    symbols = without_equal(domains, left)
    for h, w in product(range(-2, 12), repeat=2):
        at = {"H": h, "W": w}
        bounded = all(at[s] >= domains[s].minimum for s in symbols)
        if bounded and all(c.holds(at) for c in left):
            assert all(c.holds(at) for c in conditions)
            assert h >= least_h and w >= least_w
