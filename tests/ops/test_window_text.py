"""How a layer's window is written: as a paper writes it, with what is unusual about it."""

from __future__ import annotations

from itertools import product

import pytest

from netdsl.ir.types import TensorType
from netdsl.ops import LAYERS
from netdsl.ops.base import bind
from tests.support.small_nets import net_of

WRITTEN = {
    # window and stride
    ("conv(8, 1)", "4x9x9"): "1x1",
    ("conv(8, 3, pad = 1)", "4x9x9"): "3x3",
    ("conv(8, 7, stride = 2, pad = 3)", "4x9x9"): "7x7/2",
    ("conv(8, 1x7, pad = 0x3)", "4x9x9"): "1x7",
    ("conv(8, 3, stride = [2, 1])", "4x9x9"): "3x3/2x1",
    ("conv(8, 5, stride = 2)", "4x9"): "5/2",
    ("conv(8, 3)", "4x5x5x5"): "3x3x3",
    # groups; those of `depthwise` are no argument
    ("conv(8, 3, groups = 4, pad = 1)", "4x9x9"): "3x3 g4",
    ("depthwise(3, pad = 1)", "4x9x9"): "3x3",
    ("depthwise(3, stride = 2, pad = 1, multiplier = 2)", "4x9x9"): "3x3/2",
    # dilation
    ("conv(8, 3, pad = 2, dilation = 2)", "4x9x9"): "3x3 d2",
    ("conv(8, 3, pad = 2x1, dilation = 2x1)", "4x9x9"): "3x3 d2x1",
    ("conv(8, 3, pad = same, dilation = 3)", "4x9x9"): "3x3 d3",
    ("conv(8, 3, stride = 2, dilation = 2, groups = 2, pad = 1)", "4x9x9"): "3x3/2 d2 g2 p1",
    # padding that neither is 0 nor keeps the size
    ("conv(8, 3)", "4x9x9"): "3x3",
    ("conv(8, 3, pad = 2)", "4x9x9"): "3x3 p2",
    ("conv(8, 3, pad = 1x0)", "4x9x9"): "3x3 p1x0",
    ("conv(8, 1, pad = 1)", "4x9x9"): "1x1 p1",
    ("conv(8, 3, pad = [(0, 1), (0, 1)], stride = 2)", "4x9x9"): "3x3/2 p(0,1)",
    ("conv(8, 3, pad = [(0, 1), (1, 2)])", "4x9x9"): "3x3 p(0,1)x(1,2)",
    ("conv(8, 4, pad = same)", "4x9x9"): "4x4",
    ("conv(8, 4, stride = 2, pad = 1)", "4x9x9"): "4x4/2",
    ("conv(8, 4, pad = 2)", "4x9x9"): "4x4 p2",
    ("conv(8, 3, stride = 2, pad = same)", "4x9x9"): "3x3/2 same",
    ("conv(8, 3, stride = 2, pad = same)", "4xHxW"): "3x3/2 same",
    ("conv(8, 3, pad = 1, pad_mode = circular)", "4x9x9"): "3x3 circular",
    ("conv(8, 3, pad = 2, pad_mode = edge)", "4x9x9"): "3x3 p2 edge",
    ("conv(8, 1, pad_mode = edge)", "4x9x9"): "1x1",
    ("conv(8, 3, stride = 2, pad = same, pad_mode = reflect)", "4xHxW"): "3x3/2 same reflect",
    # pooling
    ("maxpool(3, stride = 2, pad = same)", "4x9x9"): "3x3/2 same",
    ("maxpool(2, stride = 1, pad = [(0, 1), (0, 1)])", "4x9x9"): "2x2",
    ("maxpool(3, stride = 1, pad = 2, dilation = 2)", "4x9x9"): "3x3 d2",
    ("avgpool(2, pad = [(1, 1), (0, 1)])", "4x9x9"): "2x2/2 p(1,1)x(0,1)",
    ("maxpool(2)", "4x9x9"): "2x2/2",
    ("maxpool(3, stride = 2, pad = 1)", "4x9x9"): "3x3/2",
    ("maxpool(3, stride = 1, pad = 1)", "4x9x9"): "3x3",
    ("maxpool(2, pad = 1)", "4x9x9"): "2x2/2 p1",
    ("avgpool(3x2)", "4x9x9"): "3x2/3x2",
    ("sumpool(2, stride = 1)", "4x9"): "2",
    ("l2pool(2)", "4x9x9"): "2x2/2",
    ("subsample(2)", "4x9x9"): "2x2/2",
    # `deconv`: what makes the output as large as the input times the stride is usual
    ("deconv(8, 2, stride = 2)", "4x9x9"): "2x2/2",
    ("deconv(8, 4, stride = 2)", "4x9x9"): "4x4/2",
    ("deconv(8, 4, stride = 2, pad = 1)", "4x9x9"): "4x4/2",
    ("deconv(8, 3, stride = 2, pad = 1, output_pad = 1)", "4x9x9"): "3x3/2",
    ("deconv(8, 3, stride = 2, pad = 1)", "4x9x9"): "3x3/2 p1",
    ("deconv(8, 3, stride = 2, output_pad = 1)", "4x9x9"): "3x3/2 op1",
    ("deconv(8, 3, groups = 2, dilation = 2, pad = 2)", "4x9x9"): "3x3 d2 g2",
    ("deconv(8, 5, stride = 2, pad = same)", "4x9x9"): "5x5/2",
    ("deconv(8, 5, stride = 2, pad = [(0, 1), (2, 2)])", "4x9x9"): "5x5/2 p(0,1)x(2,2)",
    # layers without a window
    ("relu", "4x9x9"): "",
    ("gap", "4x9x9"): "",
    ("dense(3)", "9"): "",
    ("upsample(2)", "4x9x9"): "",
    ("pad(1)", "4x9x9"): "",
}


@pytest.mark.parametrize(("call", "shape"), WRITTEN)
def test_written(call: str, shape: str) -> None:
    """Each window by hand."""
    (row,) = net_of(call, shape).layers
    assert row.window == WRITTEN[call, shape]


def test_padding_is_shown_unless_it_is_usual() -> None:
    """A padding is left out just where it is 0, or where a stride of 1 would keep the size; with an
    even window, which cannot keep it on both sides, where it misses by one.
    """
    for k, d, pad in product(range(1, 8), range(1, 4), range(8)):
        op = bind(LAYERS["conv"], [1, k], {"pad": pad, "dilation": d})
        reach = d * (k - 1)
        usual = pad == 0 or 2 * pad in (reach, reach - 1)
        x = TensorType((1, 40, 40))
        assert (" p" in op.window_text(x)) != usual
        if usual and pad:
            assert op.infer(x).spatial[0] == 40 - reach % 2


def test_kinds_with_windows_are_written() -> None:
    """Every kind that has an argument for its window writes it."""
    for kind, op in LAYERS.items():
        if any(a.name == "k" and a.convert.__name__ == "dims" for a in op.args):
            shapes, call = op.examples[0]
            assert net_of(call, *shapes.split(", ")).layers[-1].window, kind
