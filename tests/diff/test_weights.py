"""Which weights load: the report agrees with what loading does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from netdsl.diff.loading import loading_of
from netdsl.diff.matching import Matching
from netdsl.errors import NetdslError
from netdsl.weights.checkpoints import fit, tensors_of, weights_of
from tests.diff.planted import Planted, compiled, difference_of, planted

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph

EDITS = planted()


def loads(before: Graph, after: Graph) -> bool:
    """Whether weights of one net load into the other without an error."""
    names = {name: np.zeros(p.shape, p.dtype) for name, p in tensors_of(before).items()}
    try:
        fit(tensors_of(after), weights_of(names))
    except NetdslError:
        return False
    return True


def title_of_edit(edit: Planted) -> str:
    """A name for a test."""
    return f"{edit.net}-{edit.title}"


@pytest.mark.parametrize(
    "edit", [e for e in EDITS if e.file not in ("vgg", "gpt")], ids=title_of_edit
)
def test_report_agrees_with_loading(edit: Planted) -> None:
    """A net whose tensors all load is one that takes the other's weights, and no other is."""
    before, after = (compiled(text, edit.net).graph for text in edit.texts)
    loading = loading_of(Matching(before, after))
    fits = not (loading.reshaped or loading.missing)
    assert fits == loads(before, after)


BASE = """net N {
    input x: 3x8x8
    conv(3, 3, pad = 1)
    relu
    output y: conv(3, 3, pad = 1)
}
"""


def test_trap_of_positions() -> None:
    """A layer that gets the position of another one, with the same shape, is reported."""
    shifted = BASE.replace("    relu\n", "    conv(3, 3, pad = 1)\n    relu\n").replace(
        "    conv(3, 3, pad = 1)\n    conv", "    conv(3, 3, pad = 1)\n    tanh\n    conv", 1
    )
    loading = difference_of(BASE, shifted, "N").loading
    assert list(loading.loaded) == ["0.weight", "0.bias", "y.weight", "y.bias"]
    assert list(loading.missing) == ["2.weight", "2.bias"]
    swapped = BASE.replace(
        "    conv(3, 3, pad = 1)\n", "    conv(3, 1)\n    conv(3, 3, pad = 1)\n", 1
    )
    two = BASE.replace("    relu\n", "    conv(3, 1)\n    relu\n")
    moved = difference_of(two, swapped, "N").loading
    assert sorted(moved.reshaped) == ["0.weight", "1.weight"]
    assert moved.misplaced == ["0.bias", "1.bias"]
    assert moved.renamed == {
        "0.weight": "1.weight",
        "0.bias": "1.bias",
        "1.weight": "0.weight",
        "1.bias": "0.bias",
    }


def test_new_name() -> None:
    """A tensor of the same layer under another name is one that a new name would load."""
    loading = difference_of(BASE, BASE.replace("y:", "z:"), "N").loading
    assert loading.renamed == {"y.weight": "z.weight", "y.bias": "z.bias"}
    assert 0 < loading.share < 1
    assert not loading.is_complete
