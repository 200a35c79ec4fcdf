"""The warning `mixed-axes`: where it is certain, and that its advice works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from netdsl.analysis.lint.mixed import mixed_axes
from netdsl.driver import Compiled, compile_net, program_of
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic

# The input, the layers, and what the first advice writes.
MIXED = {
    "open heads": (
        "Tx64",
        "dense(64) -> q: reshape([4, T, 16]) -> softmax(axis = -1)",
        "reshape([T, 4, 16]) -> q: permute([2, 1, 3])",
    ),
    "heads with a computed size": (
        "Tx64",
        "dense(64) -> reshape([2 * 2, -1, 16])",
        "reshape([-1, 2 * 2, 16]) -> permute([2, 1, 3])",
    ),
    "open heads that are joined again": (
        "Tx64",
        "reshape([T, 4, 16]) -> permute([2, 1, 3]) -> y: reshape([T, 64])",
        "permute([2, 1, 3]) -> y: reshape([T, 64])",
    ),
    "heads of fixed sequences": (
        "50x64",
        "a: dense(64)\n reshape([4, 50, 16]) -> relu -> matmul(@t)",
        "reshape([50, 4, 16]) -> permute([2, 1, 3])",
    ),
    "heads of windows": (
        "6x49x64",
        "reshape([6, 4, 49, 16]) -> matmul(@w)",
        "reshape([6, 49, 4, 16]) -> permute([1, 3, 2, 4])",
    ),
    "queries, keys and values of fixed sequences": (
        "5x64",
        "dense(192) -> reshape([3, 4, 5, 16]) -> q: select(0, axis = 1) -> matmul(@t)",
        "reshape([5, 3, 4, 16]) -> permute([2, 3, 1, 4])",
    ),
    "an open sequence on its side": ("Tx64", "reshape([64, T])", "permute([2, 1])"),
    "a map as a sequence": ("3x32x32", "conv(24, 4, stride = 4)\n reshape([-1, 24])", "tokens"),
    "an open map as a sequence": ("3xHxW", "conv(24, 1)\n reshape([H * W, 24])", "tokens"),
    "a sequence as a map": (
        "3x8x8",
        "conv(24, 1) -> tokens -> relu -> reshape([24, 8, 8])",
        "reshape([8, 8, 24]) -> permute([3, 1, 2])",
    ),
}
KEPT = {
    "heads in place": ("Tx64", "reshape([T, 4, 16]) -> permute([2, 1, 3])"),
    "the shift of relative positions": (
        "8xSxS",
        "pad([(0, 0), (1, 0)]) -> reshape([8, S + 1, S]) -> slice(1, S + 1, axis = 2)",
    ),
    "windows": ("96x56x56", "permute([2, 3, 1]) -> reshape([8, 7, 8, 7, 96])"),
    "a fixed sequence on its side": ("50x64", "dense(64) -> reshape([64, 50])"),
    "the boxes of a detector": ("3x13x13", "conv(75, 1) -> reshape([3, 25, 13 * 13])"),
    "a learned table": ("4x16x5", "param([50, 64]) -> reshape([4, 50, 16]) -> matmul(@x)"),
}


def _compiled(sizes: str, layers: str) -> Compiled:
    inputs = f"input x: {sizes}\n input t: 4x16x7\n input w: 6x4x16x49\n @x -> relu\n"
    return compile_net(program_of(SourceFile("n.net", f"net N {{\n {inputs} {layers}\n}}")), "N")


def _warnings(sizes: str, layers: str) -> list[Diagnostic]:
    return list(mixed_axes(_compiled(sizes, layers).graph))


@pytest.mark.parametrize("case", MIXED)
def test_mixed(case: str) -> None:
    """The advice is the right `permute`: with it, the result has the same shape and no warning."""
    sizes, layers, wanted = MIXED[case]
    (warning,) = _warnings(sizes, layers)
    assert warning.span is not None
    written = re.match(r"write `(.+?)`", warning.help or "")
    assert written is not None and written[1] == wanted
    label = re.search(r"\w+: $", layers[: layers.index(warning.span.text)])
    old = ("" if label is None else label[0]) + warning.span.text
    changed = layers.replace(old, wanted)
    assert _warnings(sizes, changed) == []
    before, after = (_compiled(sizes, text).graph.outputs for text in (layers, changed))
    assert [o.value.type for o in before] == [o.value.type for o in after]


@pytest.mark.parametrize("case", KEPT)
def test_kept(case: str) -> None:
    """A `reshape` that splits and merges in place causes no warning, nor does a usual trick."""
    assert _warnings(*KEPT[case]) == []
