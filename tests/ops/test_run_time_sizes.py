"""Nets that compute open sizes when they run, in both back ends and in PyTorch source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netdsl
from netdsl.analysis.conditions import conditions
from netdsl.cli import run
from netdsl.ir.products import equal_products
from netdsl.ir.signs import is_nonnegative
from netdsl.ir.sizes import Arithmetic, AxisSize, expressed
from netdsl.ir.types import Sym
from netdsl.verify import verify_graph
from tests.support.back_ends import (
    assert_back_ends_agree,
    inputs_for,
    randomise,
    run_onnx,
    run_torch,
)

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.ir.sizes import Expression

FPN = """
net FPN(width = 256) {
    input image: 3xHxW
    conv1: conv(64, 7, stride = 2, pad = 3, bias = false) -> bn1: bn -> relu
    maxpool(3, stride = 2, pad = 1)
    layer1: { repeat 3 { bottleneck(64) } }
    layer2: { repeat 4 as j { bottleneck(128, stride = 2 if j == 0 else 1) } }
    layer3: { repeat 6 as j { bottleneck(256, stride = 2 if j == 0 else 1) } }
    layer4: { repeat 3 as j { bottleneck(512, stride = 2 if j == 0 else 1) } }

    inner4: conv(width, 1)
    inner3: @layer3 -> conv(width, 1) -> top3: add { | identity | @inner4 -> upsample(@layer3) }
    inner2: @layer2 -> conv(width, 1) -> top2: add { | identity | @top3 -> upsample(@layer2) }
    inner1: @layer1 -> conv(width, 1) -> top1: add { | identity | @top2 -> upsample(@layer1) }

    output p2: @top1 -> out1: conv(width, 3, pad = 1)
    output p3: @top2 -> out2: conv(width, 3, pad = 1)
    output p4: @top3 -> out3: conv(width, 3, pad = 1)
    output p5: @inner4 -> out4: conv(width, 3, pad = 1)
    output pool: maxpool(1, stride = 2)
}
"""

# (net, valid sizes, settings to try)
NETS: dict[str, tuple[str, str, list[dict[str, int]]]] = {
    "a U-Net for any size": (
        """
        block double(out) { repeat 2 { conv(out, 3, pad = 1, bias = false) -> bn -> relu } }
        net UNet(base = 4) {
            input image: 3xHxW
            d1: double(base)
            maxpool(2, ceil = true) -> d2: double(2 * base)
            maxpool(2, ceil = true) -> d3: double(4 * base)
            maxpool(2, ceil = true) -> double(8 * base)
            upsample(@d3, mode = bilinear) -> conv(4 * base, 1) -> concat(@d3) -> double(4 * base)
            upsample(@d2) -> conv(2 * base, 1) -> concat(@d2) -> double(2 * base)
            upsample(@d1, mode = bilinear) -> conv(base, 1) -> concat(@d1) -> double(base)
            output logits: conv(2, 1)
        }
        """,
        "H >= 1, W >= 1",
        [{"H": 1, "W": 1}, {"H": 17, "W": 31}, {"H": 16, "W": 8}],
    ),
    "a vision transformer for any size": (
        """
        net ViT(width = 16) {
            input image: 3xHxW
            patches: conv(width, 8, stride = 8)
            pos: @image -> param(16x6x6, init = normal) -> upsample(@patches, mode = bilinear)
            @patches -> add(@pos) -> tokens
            residual { layernorm -> attention(2) }
            output class: select(0) -> dense(10)
        }
        """,
        "H >= 8, W >= 8",
        [{"H": 8, "W": 8}, {"H": 33, "W": 71}],
    ),
    "tokens and back to a map": (
        """
        block mixed(width) {
            tokens -> dense(width) -> permute([2, 1]) -> reshape([width, in.height, in.width]) }
        net N {
            input image: 3xHxW
            conv(4, 3, stride = 2) -> mixed(4) -> relu -> mixed(6) -> conv(4, 1)
        }
        """,
        "H >= 3, W >= 3",
        [{"H": 3, "W": 4}, {"H": 12, "W": 9}],
    ),
    "the last step of a sequence": (
        """
        net LM {
            input tokens: T int64
            embedding(50, 16)
            repeat 2 { residual { layernorm -> attention(2, causal = true) } }
            output next: select(-1) -> dense(50)
        }
        """,
        "T >= 1",
        [{"T": 1}, {"T": 13}],
    ),
    "space to depth": (
        """
        net N {
            input image: 3xHxW
            reshape([3, H // 2, 2, W // 4, 4]) -> permute([1, 3, 5, 2, 4])
            reshape([-1, H // 2, W // 4])
            conv(4, 3, pad = 1)
        }
        """,
        "H >= 2, H divisible by 2, W >= 4, W divisible by 4",
        [{"H": 2, "W": 4}, {"H": 6, "W": 20}],
    ),
    "windows of another input's size": (
        """
        net N {
            input image: 3xHxW
            input small: 1xAxB
            @image -> crop([A, B // 2 + 1]) -> slice(A // 2, axis = 2)
            upsample(size = [H + A, 5], mode = bilinear)
        }
        """,
        "H >= 1, W >= 1, A >= 1, B >= 1, H >= A, W >= ⌊(B+2)/2⌋",
        [{"H": 5, "W": 6, "A": 4, "B": 9}, {"H": 5, "W": 1, "A": 1, "B": 1}],
    ),
}


@pytest.mark.parametrize("case", NETS)
def test_back_ends(case: str) -> None:
    """One model gives PyTorch's values at every size, also the smallest that is valid."""
    text, valid, settings = NETS[case]
    net = netdsl.loads(text)
    assert net.valid_for == valid
    for sizes in settings:
        assert all(c.holds(sizes) for c in conditions(net.graph))
        assert_back_ends_agree(net, sizes, batch=3)


@pytest.mark.parametrize("case", NETS)
def test_source(case: str) -> None:
    """The PyTorch source, which runs without netdsl, gives the same values."""
    text, _, settings = NETS[case]
    net = netdsl.loads(text)
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(net.pytorch_source(), "standalone.py", "exec"), space)
    module, other = randomise(net.torch()), space[net.name]()
    other.load_state_dict(module.state_dict())
    inputs = inputs_for(net, 2, settings[-1])
    for ours, theirs in zip(
        run_torch(other.eval(), inputs), run_torch(module, inputs), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("case", NETS)
def test_forms(case: str, tmp_path: Path) -> None:
    """Blocks as functions, float16 and a fixed batch, all checked by `export --verify`."""
    path = tmp_path / "n.net"
    path.write_text(NETS[case][0])
    for options in (["--functions"], ["--fp16", "--keep-io"], ["--batch", "3"], ["--no-fold"]):
        target = str(tmp_path / "n.onnx")
        assert run(["export", str(path), "-o", target, "--verify", *options]) == 0


@pytest.mark.parametrize("case", NETS)
def test_verify(case: str) -> None:
    """Every witness of `verify` agrees on each layer."""
    report = verify_graph(netdsl.loads(NETS[case][0]).graph)
    assert report.ok, [d.message for d in report.differences()]


def test_feature_pyramid() -> None:
    """The pyramid on ResNet-50 has torchvision's parameters, and its maps add up at odd sizes.

    torchvision's `resnet_fpn_backbone` has 23,508,032 in the body and 3,344,384 in the pyramid.
    """
    net = netdsl.loads(FPN)
    assert net.params == 23_508_032 + 3_344_384
    assert net.valid_for == "H >= 1, W >= 1"
    narrow = netdsl.loads(FPN, width=8)
    module = randomise(narrow.torch())
    model = narrow.onnx(weights=module.state_dict())
    for sizes in ({"H": 97, "W": 71}, {"H": 1, "W": 33}):
        inputs = inputs_for(narrow, 1, sizes)
        expected, actual = run_torch(module, inputs), run_onnx(model, inputs)
        assert [o.shape[2] for o in expected] == [-(-sizes["H"] // 2**n) for n in (2, 3, 4, 5, 6)]
        for ours, theirs in zip(actual, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_only_the_sizes_of_the_input_are_used() -> None:
    """A layer that needs a size of the net's input takes the input, but not as a value of its own.

    The table and the drawing show no such input, because no number of it is used.
    """
    net = netdsl.loads(NETS["tokens and back to a map"][0])
    reshape = next(n for n in net.graph.nodes if n.op.kind == "reshape")
    assert [v.name for v in reshape.sources] == ["image"]
    assert len(reshape.inputs) == 1


# ---- sizes as expressions

H, W = Sym.var("H"), Sym.var("W")
SHAPES = [(3, H, W), (H * W, 4), (2 * H + 1, W // 2 - 1), ((H + 1) // 2 * W, H * W + 2)]


def value_of(size: Expression, shapes: list[tuple[Any, ...]], at: dict[str, int]) -> int:
    """The value of an expression at some sizes."""
    if isinstance(size, AxisSize):
        found = shapes[size.tensor][size.axis - 1]
        return int(found.at(at)) if isinstance(found, Sym) else int(found)
    if isinstance(size, Arithmetic):
        left, right = (value_of(s, shapes, at) for s in (size.left, size.right))
        if size.operator == "//":
            assert left >= 0
        operations = {"+": left + right, "-": left - right, "*": left * right}
        return left // right if size.operator == "//" else operations[size.operator]
    return size


SIZES = [
    H,
    2 * H + 5,
    3 - W,
    H * W // 2,
    3 * H * W - 7,
    (H - 3) // 2 + 1,
    (H - 7) // 4 * ((W + 2) // 3) - H,
    (2 * H * W + 3) // 4,
    ((H + 1) // 2 * W + 1) // 2,
    H - 2 * (H // 2),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_expressions(size: Any) -> None:
    """An expression has the value of the formula, and no dividend in it is negative."""
    for count in range(1, len(SHAPES) + 1):
        shapes: list[tuple[Any, ...]] = SHAPES[:count]
        found = expressed(size, shapes)
        assert found is not None
        for h in range(1, 14):
            for w in range(1, 14):
                at = {"H": h, "W": w}
                assert value_of(found, shapes, at) == size.at(at)


def test_sizes_that_are_not_determined() -> None:
    """A product does not determine its factors, and half a size does not determine the size."""
    assert expressed(H, [(H * W,)]) is None
    assert expressed(H, [(H // 2, W)]) is None
    assert expressed(H * W, [(W, W // 2), (3,)]) is None


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_signs(size: Any) -> None:
    """A formula with a proof is nowhere negative."""
    for low in (1, 2, 7):
        if is_nonnegative(size, {"H": low, "W": low}):
            values = [size.at({"H": h, "W": w}) for h in range(low, 30) for w in range(low, 30)]
            assert min(values) >= 0


def test_huge_divisors() -> None:
    """Only the divisors that the sizes have are tried, not all the numbers up to the largest."""
    half = Sym.var("T") // 2
    shape = (2**61, half // 2**61)
    assert equal_products((half,), shape) == [(half, half // 2**61 * 2**61)]
