"""Symbolic integers compared with plain integers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.ir.types import Sym, TensorType, compact, shape_text, subs

SYMBOLS = ("H", "W", "T")
SIZES = st.fixed_dictionaries({s: st.integers(1, 300) for s in SYMBOLS})

Plain = Callable[[dict[str, int]], int]
Pair = tuple["int | Sym", Plain]  # a symbolic value, and the same computed from plain integers


def _leaf() -> st.SearchStrategy[Pair]:
    symbols = st.sampled_from(SYMBOLS).map(lambda s: (Sym.var(s), lambda at: at[s]))
    numbers = st.integers(-20, 20).map(lambda n: (n, lambda at: n))
    return st.one_of(symbols, symbols, numbers)


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], lambda at: a[1](at) + b[1](at)


def _difference(a: Pair, b: Pair) -> Pair:
    return a[0] - b[0], lambda at: a[1](at) - b[1](at)


def _product(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0], lambda at: a[1](at) * b[1](at)


def _quotient(a: Pair, k: int) -> Pair:
    return a[0] // k, lambda at: a[1](at) // k


def _remainder(a: Pair, k: int) -> Pair:
    return a[0] % k, lambda at: a[1](at) % k


def _grow(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    divisors = st.integers(1, 12)
    return st.one_of(
        st.builds(_sum, inner, inner),
        st.builds(_difference, inner, inner),
        st.builds(_product, inner, st.one_of(_leaf(), inner)),
        st.builds(_quotient, inner, divisors),
        st.builds(_remainder, inner, divisors),
    )


PAIRS = st.recursive(_leaf(), _grow, max_leaves=8)


@given(PAIRS, SIZES)
def test_arithmetic(pair: Pair, at: dict[str, int]) -> None:
    """A formula whose symbols are replaced by numbers has the value that plain integers give."""
    value, plain = pair
    assert plain(at) == subs(value, at)


@given(PAIRS, st.sampled_from(SYMBOLS), SIZES)
def test_partial_substitution(pair: Pair, symbol: str, at: dict[str, int]) -> None:
    """Symbols can be replaced by numbers one after the other."""
    value, plain = pair
    assert plain(at) == subs(subs(value, {symbol: at[symbol]}), at)


@given(PAIRS)
def test_canonical_form(pair: Pair) -> None:
    """A formula has at least one symbol and no zero terms, and equals itself if it is rebuilt."""
    value, _ = pair
    if isinstance(value, int):
        return
    assert value.symbols()
    assert 0 not in value.terms.values()
    again = subs(value, {s: Sym.var(s) for s in SYMBOLS})
    assert value == again
    assert hash(value) == hash(again)
    assert str(value) == str(again)


@given(PAIRS, PAIRS, PAIRS)
def test_laws(a: Pair, b: Pair, c: Pair) -> None:
    """Formulas that the laws of arithmetic make equal compare equal and print the same text."""
    x, y, z = a[0], b[0], c[0]
    for one, other in (
        (x + y, y + x),
        (x * y, y * x),
        ((x + y) + z, x + (y + z)),
        (x - x + y, y),
        (x * (y + z), x * y + x * z),
        (-(-x), x),
    ):
        assert one == other
        assert str(one) == str(other)
        assert compact(one) == compact(other)


@given(PAIRS, st.integers(1, 12), st.integers(1, 12))
def test_division_laws(pair: Pair, a: int, b: int) -> None:
    """Formulas satisfy three laws of integer division.

    They are floor((a x) / a) = x, x = a floor(x / a) + x mod a, and
    floor(floor(x / a) / b) = floor(x / (a b)).
    """
    x = pair[0]
    assert x == x * a // a
    assert x == x // a * a + x % a
    if isinstance(x, Sym) and len(x.symbols()) == 1 and x.terms == {(next(iter(x.symbols())),): 1}:
        assert x // (a * b) == x // a // b


@given(PAIRS, PAIRS, SIZES)
def test_equal_means_equal_everywhere(a: Pair, b: Pair, at: dict[str, int]) -> None:
    """Formulas that compare equal have the same value at every size."""
    if a[0] == b[0]:
        assert a[1](at) == b[1](at)


@given(PAIRS, SIZES)
def test_printed_formula_evaluates(pair: Pair, at: dict[str, int]) -> None:
    """The printed formula, read as Python, has the formula's value."""
    value, plain = pair
    names = at | {"floor": lambda q: q}
    assert plain(at) == eval(str(value).replace(" / ", " // "), names)


@pytest.mark.parametrize("k", [0, -1, Sym.var("H")])
def test_division_needs_a_positive_number(k: int | Sym) -> None:
    """Division by anything but a positive integer is an error."""
    with pytest.raises(ArithmeticError):
        Sym.var("W") // k
    with pytest.raises(ArithmeticError):
        operator.mod(Sym.var("W"), k)


@pytest.mark.parametrize(
    ("value", "text", "short"),
    [
        (Sym.var("H"), "H", "H"),
        (Sym.var("H") - 4, "H - 4", "H - 4"),
        ((Sym.var("H") + 1) // 2, "floor((H + 1) / 2)", "⌈H/2⌉"),
        (Sym.var("H") // 2, "floor(H / 2)", "⌊H/2⌋"),
        ((Sym.var("H") - 3) // 2 + 1, "floor((H - 1) / 2)", "⌊(H-1)/2⌋"),
        (Sym.var("H") * Sym.var("W") * 3, "3 * H * W", "3 H W"),
        (((Sym.var("H") + 1) // 2 + 1) // 2, "floor((H + 3) / 4)", "⌈H/4⌉"),
        ((2 * Sym.var("H") + 4) // 2, "H + 2", "H + 2"),
    ],
)
def test_printing(value: int | Sym, text: str, short: str) -> None:
    """The long and the short printed forms of formulas."""
    assert text == str(value)
    assert short == compact(value)


def test_shape_text() -> None:
    """A shape is printed with x between its sizes, and formulas in it without blanks."""
    assert "3x⌈H/2⌉x7" == shape_text((3, (Sym.var("H") + 1) // 2, 7))
    assert "scalar" == shape_text(())
    assert TensorType((3, 4, 5)).size == 60
    assert TensorType((3, Sym.var("H"))).symbolic


MACS = Sym.var("H") * Sym.var("W") * 1000 + 2048


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", "1000 * H * W + 2048"),
        (",", "1,000 * H * W + 2,048"),
        (">25,", "    1,000 * H * W + 2,048"),
        ("*<24", "1000 * H * W + 2048*****"),
        ("30", "1000 * H * W + 2048           "),
    ],
)
def test_formats(spec: str, text: str) -> None:
    """A formula is written into a field, with separated thousands if asked for."""
    assert f"{MACS:{spec}}" == text


@pytest.mark.parametrize("spec", [".2f", "d", ",.1f", "e", "_"])
def test_formats_of_numbers(spec: str) -> None:
    """They are refused, and the error names the sizes."""
    with pytest.raises(ValueError, match=f"^the format `{re.escape(spec)}` needs .* H and W have"):
        f"{MACS:{spec}}"


@pytest.mark.parametrize(
    "use",
    [
        int,
        float,
        lambda value: value / 1e9,
        lambda value: 1 / value,
        lambda value: value > 3,
        lambda value: 3 <= value,
        lambda value: sorted([value, 3]),
    ],
)
def test_a_formula_is_no_number(use: Callable[[object], object]) -> None:
    """The error of a formula that is used as a number says which sizes it needs."""
    message = "`1000 * H * W + 2048` has no value until H and W have a size: for example, `.at({"
    with pytest.raises(TypeError, match=re.escape(message)):
        use(MACS)
    with pytest.raises(TypeError, match="`H` has no value until H has a size"):
        int(Sym.var("H"))
