"""Fresh weights: of single precision, in pieces, with their distribution."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.ir.op import Param
from netdsl.ops.init import INITS
from netdsl.weights import fresh as weights
from netdsl.weights.fresh import fresh, fresh_chunks


@pytest.mark.parametrize("init", [*INITS, "uniform:9", "constant:0.5", "bilinear", "literal"])
def test_fresh_numbers_are_of_single_precision_in_pieces(
    init: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of the size that is asked for, the last what is left; another seed or name draws
    others, the same the same.
    """
    param = Param((3, 5, 4, 4), init, tuple(range(240)) if init == "literal" else ())
    monkeypatch.setattr(weights, "CHUNK", 100)
    pieces = list(fresh_chunks("a", param, 7))
    assert {p.dtype for p in pieces} == {np.dtype(np.float32)}
    assert [p.size for p in pieces] == (
        [240] if init in ("bilinear", "literal") else [100, 100, 40]
    )
    whole = fresh("a", param, 7)
    assert whole.shape == param.shape
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole.ravel(), np.concatenate(pieces))
    drawn = init not in ("bilinear", "literal", "constant:0.5", "zeros", "ones")
    assert drawn != np.array_equal(whole, fresh("a", param, 8))
    assert drawn != np.array_equal(whole, fresh("b", param, 7))
    np.testing.assert_array_equal(fresh("a", param), fresh("a", param, 0))


@pytest.mark.parametrize(
    ("init", "low", "high", "deviation"),
    [
        ("default", -0.1, 0.1, 0.1 / 3**0.5),
        ("uniform:4", -0.5, 0.5, 0.5 / 3**0.5),
        ("he_uniform", -(0.06**0.5), 0.06**0.5, 0.02**0.5),
        ("xavier_uniform", -(0.02**0.5), 0.02**0.5, (0.02 / 3) ** 0.5),
        ("he_normal", -9, 9, 0.02**0.5),
        ("xavier_normal", -9, 9, (2 / 300) ** 0.5),
        ("normal", -9, 9, 0.01),
        ("normal:3", -99, 99, 3),
    ],
)
def test_fresh_numbers_have_their_distribution(
    init: str, low: float, high: float, deviation: float
) -> None:
    """200 x 100 numbers, by the papers' formulas: 100 go in, 200 come out."""
    made = fresh("a", Param((200, 100), init))
    assert low <= made.min() < 0 < made.max() <= high
    assert float(made.std()) == pytest.approx(deviation, rel=0.03)
    assert float(made.mean()) == pytest.approx(0, abs=deviation / 20)
    if low > -1:
        assert (float(made.min()), float(made.max())) == pytest.approx((low, high), rel=0.01)
