"""The bounds on sizes of tensors, weights and formulas: the largest allowed, and one beyond it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

import netdsl
from netdsl.elaborate.infer import Inference
from netdsl.errors import OpError
from netdsl.ir.op import Arg, Needs, Param
from netdsl.ir.types import Sym, TensorType
from netdsl.limits import MAX_DIM, MAX_FORMULA, MAX_SIZE

SYMBOLS = [Sym.var(f"A{i}") for i in range(MAX_FORMULA + 1)]


@dataclass(frozen=True)
class Makes:
    """A layer whose result has the type `output`, and whose weight has `shape`."""

    output: TensorType
    shape: tuple[int, ...] = ()
    kind: str = field(default="makes")
    any_dtype: bool = True
    args: tuple[Arg, ...] = ()

    def named(self, _xs: object) -> dict[str, TensorType]:
        return {}

    def inferred(self, *_: TensorType) -> tuple[TensorType, Needs]:
        return self.output, Needs([], [], [])

    def params(self, *_: TensorType) -> dict[str, Param]:
        return {"weight": Param(self.shape)} if self.shape else {}


def refusal(*shape: int | Sym, weight: tuple[int, ...] = ()) -> tuple[str, str]:
    """The code and message of the error for a layer with this output and weight.

    Both are empty if there is no error.
    """
    try:
        Inference().type(Makes(TensorType(shape), weight), (TensorType((3,)),))  # type: ignore[arg-type]
    except OpError as error:
        return error.code, error.message
    return "", ""


def total(terms: int) -> Sym:
    """A sum of this many symbols."""
    formula = sum(SYMBOLS[1:terms], SYMBOLS[0])
    assert isinstance(formula, Sym)
    return formula


def test_sizes() -> None:
    """A size is between 1 and 2^31 - 1."""
    assert refusal(1, MAX_DIM) == ("", "")
    assert refusal(1, MAX_DIM + 1) == (
        "bad-size",
        (
            "the result of `makes` would be 1x2147483648: each size must be between 1 and"
            " 2,147,483,647"
        ),
    )
    assert refusal(2, 0) == (
        "bad-size",
        "the result of `makes` would be 2x0: each size must be between 1 and 2,147,483,647",
    )


def test_elements() -> None:
    """A tensor has at most 2^62 elements. Weights have the same bounds on elements and sizes."""
    assert refusal(2**30, 2**30, 4) == ("", "")
    assert refusal(2**30, 2**30, 5) == (
        "too-large",
        "the result of `makes` would be 1073741824x1073741824x5: more than 2^62 elements",
    )
    assert refusal(1, weight=(2**30, 2**30, 4)) == ("", "")
    assert refusal(1, weight=(2**30, 2**30, 5)) == (
        "too-large",
        "`weight` of `makes` would be 1073741824x1073741824x5: more than 2^62 elements",
    )
    assert refusal(1, weight=(4, MAX_DIM)) == ("", "")
    assert refusal(1, weight=(4, MAX_DIM + 1)) == (
        "bad-size",
        "`weight` of `makes` would be 4x2147483648: each size must be between 1 and 2,147,483,647",
    )


def test_formulas() -> None:
    """The product of all open sizes has at most 256 terms, and no factor exceeds 2^62."""
    wordy = (
        "formula-too-long",
        "the sizes of the result of `makes` are formulas of more than 256 parts",
    )
    assert refusal(total(MAX_FORMULA)) == ("", "")
    assert refusal(total(MAX_FORMULA + 1)) == wordy
    assert refusal(total(16), total(16)) == ("", "")
    assert refusal(total(16), total(17)) == wordy
    assert refusal(total(16), 1000, total(2), total(8)) == ("", "")
    assert refusal(total(2) * MAX_SIZE) == ("", "")
    assert refusal(SYMBOLS[0] * (MAX_SIZE + 1)) == (
        "too-large",
        "the result of `makes` would be 4,611,686,018,427,387,905A0: a factor is more than 2^62",
    )
    assert refusal(3 - SYMBOLS[0] * (MAX_SIZE + 1))[0] == "too-large"


def test_the_bounds_in_a_text() -> None:
    """A net with a weight of 2^62 elements compiles; one with a larger weight does not."""
    net = netdsl.loads(
        f"net N {{\n input x: {2**30}x2x2\n output y: conv({2**30}, 2, bias = false)\n}}"
    )
    assert net.params == 2**62
    with pytest.raises(netdsl.CompileError, match="too-large"):
        netdsl.loads(
            f"net N {{\n input x: {2**30}x2x2\n output y: conv({2**30 + 1}, 2, bias = false)\n}}"
        )
