"""The sizes of values: `in.channels`, `@.height`."""

from __future__ import annotations

import pytest

import netdsl


@pytest.mark.parametrize("size", ["channels", "height", "width", "length"])
def test_a_single_number_has_no_sizes(size: str) -> None:
    """A tensor without axes, as a reduction gives it, has none of the named sizes."""
    with pytest.raises(netdsl.CompileError, match=f"a tensor of shape scalar has no {size}"):
        netdsl.loads(f"net N {{\n input x: 8\n reduce_sum(axis = 1) -> reshape([@.{size}])\n}}")
