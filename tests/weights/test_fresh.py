"""Fresh weights: their element type, their pieces and their distributions."""

from __future__ import annotations

import numpy as np
import pytest

from netdsl.ir.op import Param
from netdsl.ops.init import INITS
from netdsl.weights import fresh as fresh_module
from netdsl.weights.fresh import fresh, fresh_chunks


@pytest.mark.parametrize("init", [*INITS, "uniform:9", "constant:0.5", "bilinear", "literal"])
def test_fresh_numbers_are_of_single_precision_in_pieces(
    init: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pieces are float32, have the size of `CHUNK`, and together are the whole tensor.

    Random numbers depend on the seed and the name, and on nothing else.
    """
    param = Param((3, 5, 4, 4), init, tuple(range(240)) if init == "literal" else ())
    monkeypatch.setattr(fresh_module, "CHUNK", 100)
    pieces = list(fresh_chunks("a", param, 7))
    assert {p.dtype for p in pieces} == {np.dtype(np.float32)}
    assert [p.size for p in pieces] == (
        [240] if init in ("bilinear", "literal") else [100, 100, 40]
    )
    whole = fresh("a", param, 7)
    assert whole.shape == param.shape
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole.ravel(), np.concatenate(pieces))
    is_random = init not in ("bilinear", "literal", "constant:0.5", "zeros", "ones")
    assert is_random != np.array_equal(whole, fresh("a", param, 8))
    assert is_random != np.array_equal(whole, fresh("b", param, 7))
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
    """Their range and deviation are those of the formulas in the papers, for fans 100 and 200."""
    weights = fresh("a", Param((200, 100), init))
    assert low <= weights.min() < 0 < weights.max() <= high
    assert float(weights.std()) == pytest.approx(deviation, rel=0.03)
    assert float(weights.mean()) == pytest.approx(0, abs=deviation / 20)
    if low > -1:
        assert (float(weights.min()), float(weights.max())) == pytest.approx((low, high), rel=0.01)
