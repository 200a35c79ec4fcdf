"""Tensor types: symbolic integers, shapes, element types.

A dimension is a Python `int`, or a `Sym` if it depends on an open input size. A `Sym` is a
polynomial with integer coefficients. Its atoms are symbols, and floors of such polynomials divided
by a positive integer. Two rules make the form canonical, so that equal sizes compare equal without
a solver:

- floor((k a + b) / k) = a + floor(b / k)
- floor(floor(x / a) / b) = floor(x / (a b)) for positive a and b

(Graham, Knuth and Patashnik, Concrete Mathematics, 3.2).
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import gcd, lcm, prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Floor(NamedTuple):
    """The atom floor(numerator / divisor)."""

    numerator: Sym
    divisor: int


Atom = str | Floor
Monomial = tuple[Atom, ...]
MAX_TERMS = 10_000  # terms of one product, before equal ones are added up
MAX_SYMBOLS = 4 * MAX_TERMS  # symbols and floors in all of these terms together
SHOWN_SYMBOLS = 6  # the most symbols and floors of a formula in a message
_FIELD = r"(.?[<>^])?\d*(?P<thousands>,?)"  # a format: the alignment, the width, a comma


class FormulaTooLong(ArithmeticError):
    """A product of sums has too many terms to work with."""


def _order(atom: Atom) -> tuple[bool, str]:
    """The sort key of an atom: symbols come before floors."""
    if isinstance(atom, str):
        return False, atom
    return True, f"{atom.divisor:09d}{atom.numerator!s}"


class Sym:
    """A formula: an integer that depends on open sizes, such as `216 * H * W`.

    `str` and `format` write it, `symbols()` are the sizes on which it depends, and
    `at({"H": 224, "W": 224})` is its value. Sums, products and `//` with integers are formulas too.
    It is never constant: without any symbol, a result is an `int`.

    `terms` are the coefficients by monomial, and `length` is the number of symbols and floors in
    the written formula.
    """

    __slots__ = ("_hash", "length", "terms")

    def __init__(self, terms: dict[Monomial, int]) -> None:
        if len(terms) > 1:
            terms = dict(
                sorted(terms.items(), key=lambda t: (-len(t[0]), [_order(a) for a in t[0]]))
            )
        self.terms = terms
        self._hash = hash(tuple(self.terms.items()))
        self.length: int = sum(
            1 if isinstance(a, str) else 1 + a.numerator.length for m in terms for a in m
        )

    @staticmethod
    def var(name: str) -> Sym:
        """The symbol of that name."""
        return Sym({(name,): 1})

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        return Sym, (self.terms,)  # in another process, the hash of a symbol is another one

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Sym) and self.terms == other.terms)

    def __add__(self, other: int | Sym) -> int | Sym:
        if not isinstance(other, (int, Sym)):
            return NotImplemented
        terms = dict(self.terms)
        for monomial, c in _terms(other).items():
            terms[monomial] = terms.get(monomial, 0) + c
        return _make(terms)

    __radd__ = __add__

    def __mul__(self, other: int | Sym) -> int | Sym:
        if isinstance(other, int):
            return _make({m: c * other for m, c in self.terms.items()})
        if not isinstance(other, Sym):
            return NotImplemented
        ours, theirs = len(self.terms), len(other.terms)
        if ours * theirs > MAX_TERMS or ours * other.length + theirs * self.length > MAX_SYMBOLS:
            raise FormulaTooLong
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms.items():
            for m2, c2 in other.terms.items():
                monomial = tuple(sorted(m1 + m2, key=_order))
                terms[monomial] = terms.get(monomial, 0) + c1 * c2
        return _make(terms)

    __rmul__ = __mul__

    def __neg__(self) -> int | Sym:
        return self * -1

    def __sub__(self, other: int | Sym) -> int | Sym:
        return self + other * -1

    def __rsub__(self, other: int) -> int | Sym:
        return self * -1 + other

    def __floordiv__(self, k: int | Sym) -> int | Sym:
        if k == 0:
            raise ZeroDivisionError
        if not isinstance(k, int) or k <= 0:
            raise ArithmeticError(f"cannot divide {self} by {k}")
        whole = {m: c // k for m, c in self.terms.items()}
        remainder = {m: c % k for m, c in self.terms.items() if c % k}
        return _make(whole) + _floor(remainder, k)

    def __mod__(self, k: int) -> int | Sym:
        return self - self // k * k

    def subs(self, values: Mapping[str, int | Sym]) -> int | Sym:
        """The value with symbols replaced."""
        total: int | Sym = 0
        for monomial, c in self.terms.items():
            product: int | Sym = c
            for atom in monomial:
                if isinstance(atom, str):
                    product = product * values.get(atom, Sym.var(atom))
                else:
                    product = product * (subs(atom.numerator, values) // atom.divisor)
            total = total + product
        return total

    def symbols(self) -> set[str]:
        """The symbols it depends on."""
        symbols: set[str] = set()
        for atom in self.atoms():
            if isinstance(atom, str):
                symbols.add(atom)
            else:
                symbols |= atom.numerator.symbols()
        return symbols

    def atoms(self) -> set[Atom]:
        """The symbols and floors that occur at the top of the polynomial."""
        return {a for monomial in self.terms for a in monomial}

    def period(self) -> int:
        """A number whose multiples, as sizes, leave no remainder in any floor; 1 without floors."""
        return lcm(
            *(a.divisor * a.numerator.period() for a in self.atoms() if isinstance(a, Floor))
        )

    def at(self, values: Mapping[str, int]) -> int:
        """The number for sizes that are all given. It is faster than `subs`."""
        floors: dict[Floor, int] = {}
        total = 0
        for monomial, c in self.terms.items():
            product = c
            for atom in monomial:
                if isinstance(atom, str):
                    product *= values[atom]
                else:
                    if atom not in floors:
                        floors[atom] = atom.numerator.at(values) // atom.divisor
                    product *= floors[atom]
            total += product
        return total

    def __str__(self) -> str:
        return _text(self, compact=False)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        """The formula in a field: `,` separates thousands, and `<`, `>`, `^` and a width align it.

        Raises `ValueError` for the formats of numbers, such as `.2f`.
        """
        written = re.fullmatch(_FIELD, spec, re.DOTALL)
        if written is None:
            raise ValueError(f"the format `{spec}` needs a number, but {self._without_value()}")
        text = str(self)
        if written["thousands"]:
            text = re.sub(r"\b\d{4,}\b", lambda number: f"{int(number[0]):,}", text)
        return format(text, spec.replace(",", ""))

    def __int__(self) -> int:
        raise TypeError(self._without_value())

    def __float__(self) -> float:
        raise TypeError(self._without_value())

    if not TYPE_CHECKING:  # type checkers report these operations; without them, Python does

        def _needs_value(self, _other: object) -> None:
            raise TypeError(self._without_value())

        __lt__ = __le__ = __gt__ = __ge__ = __truediv__ = __rtruediv__ = _needs_value

    def _without_value(self) -> str:
        """Why the formula is no number, and how to get one."""
        text = f"`{self}`"
        if self.length > SHOWN_SYMBOLS:
            text = "this formula"
        symbols = sorted(self.symbols())
        sizes = ", ".join(f"{symbol!r}: 224" for symbol in symbols)
        known = f"{' and '.join(symbols)} {'has' if len(symbols) == 1 else 'have'} a size"
        return f"{text} has no value until {known}: for example, `.at({{{sizes}}})`"


def _terms(value: int | Sym) -> Mapping[Monomial, int]:
    return value.terms if isinstance(value, Sym) else {(): value}


def _make(terms: dict[Monomial, int]) -> int | Sym:
    """The sum of these terms, some of which may be zero or constant."""
    terms = {m: c for m, c in terms.items() if c}
    if not any(terms):
        return terms.get((), 0)
    return Sym(terms)


def _floor(terms: dict[Monomial, int], k: int) -> int | Sym:
    """floor(sum of the terms / k), for coefficients from 0 to k - 1."""
    constant = terms.pop((), 0)
    if not terms:
        return 0
    common = gcd(k, *terms.values())
    terms, constant, k = {m: c // common for m, c in terms.items()}, constant // common, k // common
    if k == 1:
        return _make({**terms, (): constant})
    if len(terms) == 1:
        ((monomial, c),) = terms.items()
        if c == 1 and len(monomial) == 1 and isinstance(monomial[0], Floor):
            inner = monomial[0]
            return (inner.numerator + constant * inner.divisor) // (inner.divisor * k)
    if constant:
        terms[()] = constant
    return Sym({(Floor(Sym(terms), k),): 1})


@lru_cache(maxsize=2048)
def _text(value: int | Sym, *, compact: bool) -> str:
    if isinstance(value, int):
        return _number_text(value, compact)
    terms = dict(value.terms)
    constant = terms.get((), 0)
    floors = [(m[0], c) for m, c in terms.items() if len(m) == 1 and isinstance(m[0], Floor)]
    if constant and len(terms) == 2 and len(floors) == 1 and floors[0][1] == 1:
        floor = floors[0][0]
        return _floor_text(floor.numerator + constant * floor.divisor, floor.divisor, compact)
    text = ""
    for monomial, c in terms.items():
        sign = " - " if c < 0 else " + "
        text += sign + _product_text(monomial, abs(c), compact)
    if text.startswith(" - "):
        return "-" + text.removeprefix(" - ")
    return text.removeprefix(" + ")


def _number_text(value: int, compact: bool) -> str:
    return f"{value:,}" if compact else str(value)


def _product_text(monomial: Monomial, c: int, compact: bool) -> str:
    factors: list[str] = []
    for atom in monomial:
        if isinstance(atom, str):
            factors.append(atom)
        else:
            factors.append(_floor_text(atom.numerator, atom.divisor, compact))
    if compact:
        factors = [f + _power(factors.count(f)) for f in dict.fromkeys(factors)]
    if c != 1 or not factors:
        factors.insert(0, _number_text(c, compact))
    if not compact:
        return " * ".join(factors)
    first, *others = factors
    return first + "".join(f if f[0] in "⌈⌊" else f" {f}" for f in others)


def _power(n: int) -> str:
    """The exponent as a superscript; none for 1."""
    if n == 1:
        return ""
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _floor_text(numerator: int | Sym, k: int, compact: bool) -> str:
    if not compact:
        inner = str(numerator)
        if " " in inner:
            inner = f"({inner})"
        return f"floor({inner} / {k})"
    ceiling = numerator - (k - 1)  # floor((x + k - 1) / k) = ceil(x / k)
    if isinstance(ceiling, Sym) and len(ceiling.terms) < len(_terms(numerator)):
        return f"⌈{_numerator_text(ceiling)}/{k}⌉"
    return f"⌊{_numerator_text(numerator)}/{k}⌋"


def _numerator_text(value: int | Sym) -> str:
    """The short form without blanks, in parentheses if it is a sum."""
    text = _text(value, compact=True).replace(" ", "")
    if "+" in text[1:] or "-" in text[1:]:
        return f"({text})"
    return text


def compact(value: int | Sym) -> str:
    """The short form for tables: `⌈H/2⌉` for floor((H + 1) / 2), and commas in long numbers."""
    return _text(value, compact=True)


def subs(value: int | Sym, values: Mapping[str, int | Sym]) -> int | Sym:
    """The value with symbols replaced."""
    return value.subs(values) if isinstance(value, Sym) else value


class TensorType(NamedTuple):
    """The shape without the batch dimension (C x H x W for images), and the element type.

    `span` has the smallest and the largest of its integers, if the text determines them.
    """

    shape: tuple[int | Sym, ...]
    dtype: str = "float32"
    span: tuple[int, int | Sym] | None = None

    @property
    def channels(self) -> int | Sym:
        """The size of the first axis after the batch."""
        return self.shape[0]

    @property
    def spatial(self) -> tuple[int | Sym, ...]:
        """The dimensions after the channels."""
        return self.shape[1:]

    @property
    def size(self) -> int | Sym:
        """The number of elements of one sample."""
        return prod(self.shape)

    @property
    def symbolic(self) -> bool:
        """Whether the size of any dimension is open."""
        return any(isinstance(size, Sym) for size in self.shape)

    def __str__(self) -> str:
        return shape_text(self.shape)


ITEM_BYTES = {  # of one element
    "float32": 4,
    "float16": 2,
    "float64": 8,
    "int64": 8,
    "int32": 4,
    "bool": 1,
    "uint8": 1,
}


def shape_text(shape: Iterable[int | Sym]) -> str:
    """`3x224x224`; formulas in their short form."""
    return "x".join(map(_size_text, shape)) or "scalar"


def _size_text(size: int | Sym) -> str:
    """A size as a factor: a sum is in parentheses."""
    if isinstance(size, int):
        return str(size)
    text = compact(size).replace(" ", "")
    outside = re.sub(r"⌊[^⌋]*⌋|⌈[^⌉]*⌉", "", text)
    if "+" in outside or "-" in outside:
        return f"({text})"
    return text
