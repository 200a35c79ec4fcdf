"""Joins compared with numpy: accepted shapes, results, and the conditions on open sizes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.analysis.valid import valid_for
from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.types import Sym, TensorType
from netdsl.ops import LAYERS
from netdsl.ops.base import bind
from tests.support.back_ends import assert_back_ends_agree, both
from tests.support.small_nets import message, net_of

if TYPE_CHECKING:
    from collections.abc import Callable

H, W = Sym.var("H"), Sym.var("W")
ASSIGNMENTS = [{"H": h, "W": w} for h, w in product(range(2, 7), repeat=2)]
Size = int | Sym
SHAPES = st.lists(st.sampled_from([1, 1, 2, 3, 4, H, W, H + 1, 2 * H]), min_size=1, max_size=3)


def at(shape: tuple[Size, ...], sizes: dict[str, int]) -> tuple[int, ...]:
    """The shape with numbers in place of its symbols."""
    return tuple(d if isinstance(d, int) else d.at(sizes) for d in shape)


def inferred(op: Op, types: list[TensorType]) -> TensorType | None:
    """The type of the join, or None if it refuses the inputs."""
    try:
        return op.infer(*types)
    except OpError as error:
        assert error.code in ("shape-mismatch", "bad-axis")
        return None


def is_valid(op: Op, types: list[TensorType], sizes: dict[str, int]) -> bool:
    """Whether these sizes satisfy the conditions of the join."""
    return all(len(set(at(pair, sizes))) == 1 for pair in op.inferred(*types)[1].equal)


def check_shapes(
    op: Op, shapes: list[list[Size]], slow: Callable[[list[np.ndarray]], np.ndarray]
) -> None:
    """Check that the join accepts the same sizes as numpy, and gives the same shape.

    It refuses shapes that fit for no sizes.
    """
    types = [TensorType(tuple(s)) for s in shapes]
    result = inferred(op, types)
    for sizes in ASSIGNMENTS:
        try:
            expected = slow([np.zeros(at(t.shape, sizes)) for t in types])
        except (ValueError, IndexError):
            assert result is None or not is_valid(op, types, sizes)
        else:
            assert result is not None
            shape = expected.shape if is_valid(op, types, sizes) else None
            assert shape == at(result.shape, sizes)


def added(arrays: list[np.ndarray]) -> np.ndarray:
    """The sum in numpy, which must have arrays of one rank."""
    if len({a.ndim for a in arrays}) > 1:
        raise ValueError("ranks")
    return sum(arrays[1:], start=arrays[0])


@given(
    SHAPES.flatmap(
        lambda s: st.lists(
            st.one_of(st.just(s), st.permutations(s), SHAPES), min_size=2, max_size=4
        )
    )
)
def test_elementwise_shapes(shapes: list[list[Size]]) -> None:
    """The sizes along each axis are equal or 1, in any arm."""
    check_shapes(bind(LAYERS["add"], (), {}), shapes, added)


@given(
    SHAPES.flatmap(
        lambda s: st.lists(
            st.one_of(st.just(s), st.permutations(s), SHAPES), min_size=2, max_size=4
        )
    ),
    st.sampled_from([1, 2, 3, -1, -2]),
)
def test_concat_shapes(shapes: list[list[Size]], axis: int) -> None:
    """The sizes along the axis are added; the other sizes are equal."""
    check_shapes(
        bind(LAYERS["concat"], (axis,), {}),
        shapes,
        lambda arrays: np.concatenate(arrays, axis if axis < 0 else axis - 1),
    )


@pytest.mark.parametrize(
    ("call", "slow"),
    [("add", np.add), ("mul", np.multiply), ("sub", np.subtract), ("max", np.maximum)],
)
@pytest.mark.parametrize(
    "shapes",
    [("1x4", "3x1", "3x4"), ("3x1", "1x1", "1x5"), ("2x1x3", "1x4x1", "2x4x3"), ("1", "7", "1")],
)
def test_elementwise_values(call: str, slow: np.ufunc, shapes: tuple[str, ...]) -> None:
    """An axis of size 1 is repeated, in the first arm as in any other."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, *map(int, s.split("x")))) for s in shapes]
    _, y = both(net_of(f"{call}(@x1, @x2)", *shapes), *arrays)
    np.testing.assert_allclose(y, slow(slow(arrays[0], arrays[1]), arrays[2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "shapes", "valid"),
    [
        ("add(@x1)", ("3xH", "3xW"), "H >= 1, H == W"),
        ("add(@x1)", ("3xH", "3x8"), "H == 8"),
        ("add(@x1)", ("3xH", "3x1"), "H >= 1"),
        ("add(@x1)", ("3x1", "3xH"), "H >= 1"),
        ("add(@x1, @x2)", ("3xH", "3x8", "3xW"), "H == 8, W == 8"),
        ("concat(@x1)", ("3xHxW", "4xHxW"), "H >= 1, W >= 1"),
        ("concat(@x1)", ("3xHxW", "4x8xW"), "H == 8, W >= 1"),
        ("concat(@x1, axis = 2)", ("CxHxW", "3x8x9"), "C == 3, H >= 1, W == 9"),
        ("concat(@x1, axis = -1)", ("CxH", "CxW"), "C >= 1, H >= 1, W >= 1"),
    ],
)
def test_open_sizes(call: str, shapes: tuple[str, ...], valid: str) -> None:
    """`valid_for` gives the conditions of a join on open sizes."""
    assert valid == valid_for(net_of(call, *shapes).graph)


@pytest.mark.parametrize(
    ("call", "shapes", "sizes"),
    [
        ("add(@x1, @x2)", ("3xHxW", "1xHx1", "3x1xW"), {"H": 3, "W": 4}),
        ("mul(@x1)", ("3x1", "1xH"), {"H": 5}),
        ("concat(@x1, axis = -1)", ("2x3xH", "2x3xW"), {"H": 4, "W": 1}),
    ],
)
def test_open_joins_run(call: str, shapes: tuple[str, ...], sizes: dict[str, int]) -> None:
    """Both back ends join values of open sizes."""
    assert_back_ends_agree(net_of(call, *shapes), sizes)


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        (
            "concat(@x1, axis = 3)",
            ("2x3x4", "5"),
            "shape-mismatch: `concat` cannot join 2x3x4 and 5: they have different numbers of axes",
        ),
        (
            "concat(@x1, axis = 2)",
            ("5", "2x3x4"),
            "bad-axis: axis 2 of `concat`: the input has only axis 1 (0 is the batch)",
        ),
        (
            "concat(@x1, @x2, axis = 2)",
            ("2x3", "2x4", "5x3"),
            "shape-mismatch: `concat` cannot join 2x3 and 2x4 and 5x3: axis 1 is 2 and 5",
        ),
        (
            "concat(@x1)",
            ("2x3x4", "2x3x5"),
            "shape-mismatch: `concat` cannot join 2x3x4 and 2x3x5: axis 3 is 4 and 5",
        ),
        (
            "add(" + ", ".join(f"@x{i}" for i in range(1, 6)) + ")",
            ("2", *["1"] * 4, "3"),
            "shape-mismatch: `add` cannot join 2 and 1 and 1 and 1 and 1 and 3: 2 and 3 channels",
        ),
        (
            "add(" + ", ".join(f"@x{i}" for i in range(1, 7)) + ")",
            ("2", *["1"] * 4, "4", "3"),
            (
                "shape-mismatch: `add` cannot join 2 and 1 and 1 and 1 and 1 and 4 ...: 2 and 4"
                " channels"
            ),
        ),
        (
            "add(@x1)",
            ("3x5x1x7", "3x6x4x8"),
            (
                "shape-mismatch: `add` cannot join 3x5x1x7 and 3x6x4x8: axis 2 is 5 and 6, axis 4"
                " is 7 and 8"
            ),
        ),
        (
            "add(@x1)",
            ("3xHx2", "4xHx2"),
            "shape-mismatch: `add` cannot join 3xHx2 and 4xHx2: 3 and 4 channels",
        ),
    ],
)
def test_join_errors(call: str, shapes: tuple[str, ...], expected: str) -> None:
    """The error names the values that do not fit, and at most six of the arms."""
    assert expected == message(call, *shapes)


def test_the_window_of_a_join() -> None:
    """Each element of a join depends only on the elements at its own position."""
    (node,) = net_of("concat(@x1)", "3x8x9", "2x8x9").graph.nodes
    assert node.op.windows(*node.types) == (Window(1, 1, 0),) * 2
