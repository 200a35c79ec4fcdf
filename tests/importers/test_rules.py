"""Single operators of ONNX: the layer that each becomes, which computes the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import netdsl
from netdsl.importers.importing import import_onnx
from netdsl.verify.imported import prove
from tests.support.onnx_models import model_of, saved

Arrays = dict[str, np.ndarray]


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    """A node; names are separated by blanks, and _ is an input that is left out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def weights(**shapes: tuple[int, ...]) -> Arrays:
    """Random tensors of these shapes."""
    random = np.random.default_rng(0)
    return {name: random.standard_normal(s).astype(np.float32) for name, s in shapes.items()}


def whole(**numbers: list[int]) -> Arrays:
    """Tensors of integers."""
    return {name: np.array(value) for name, value in numbers.items()}


KERNEL = weights(w=(4, 3, 3, 3))
# The nodes from `x` (3x8x8) to `y`, their constants, and the layers.
CASES: dict[str, tuple[list[onnx.NodeProto], Arrays, str]] = {
    "same padding": (
        [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])],
        KERNEL,
        "conv(4, 3, stride = 2, pad = same, bias = false)",
    ),
    "dilation": (
        [node("Conv", "x w b", pads=[2, 0, 2, 0], dilations=[2, 1])],
        weights(w=(4, 3, 3, 1), b=(4,)),
        "conv(4, 3x1, pad = 2x0, dilation = 2x1)",
    ),
    "depthwise": (
        [node("Conv", "x w", group=3)],
        weights(w=(6, 1, 3, 3)),
        "depthwise(3, bias = false, multiplier = 2)",
    ),
    "transposed": (
        [node("ConvTranspose", "x w", strides=[2, 2], output_padding=[1, 1], pads=[1] * 4)],
        weights(w=(3, 2, 3, 3)),
        "deconv(2, 3, stride = 2, pad = 1, output_pad = 1, bias = false)",
    ),
    "rounded up": (
        [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)],
        {},
        "maxpool(3, stride = 2, ceil = true)",
    ),
    "counted padding": (
        [node("AveragePool", "x", kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1)],
        {},
        "avgpool(2, stride = 1, pad = 1)",
    ),
    "reflection": (
        [node("Pad", "x p", mode="reflect")],
        whole(p=[0, 0, 1, 1, 0, 0, 1, 1]),
        "pad(1, mode = reflect)",
    ),
    "nearest": (
        [
            node(
                "Resize",
                "x _ s",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        {"s": np.array([1, 1, 2, 2], np.float32)},
        "upsample(scale = 2)",
    ),
    "layer norm": (
        [node("LayerNormalization", "x g b", axis=-1)],
        weights(g=(8,), b=(8,)),
        "layernorm",
    ),
    "instance norm": (
        [node("InstanceNormalization", "x g b")],
        weights(g=(3,), b=(3,)),
        "instancenorm(affine = true)",
    ),
    "local norm": ([node("LRN", "x", size=3)], {}, "lrn(n = 3)"),
    "flatten and dense": (
        [node("Flatten", "x", "a"), node("Gemm", "a w b", transB=1)],
        weights(w=(5, 192), b=(5,)),
        "flatten dense(5)",
    ),
    "axes": ([node("Transpose", "x", perm=[0, 2, 3, 1])], {}, "permute(2x3x1)"),
    "channel shuffle": (
        [
            node("Conv", "x w", "a"),
            node("Reshape", "a s", "b"),
            node("Transpose", "b", "c", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "c t"),
        ],
        KERNEL | whole(s=[0, 2, 2, 6, 6], t=[0, 4, 6, 6]),
        "conv(4, 3, bias = false) channel_shuffle(2)",
    ),
    "pixel shuffle": (
        [node("Conv", "x w", "a"), node("DepthToSpace", "a", blocksize=2, mode="CRD")],
        weights(w=(8, 3, 1, 1)),
        "conv(8, 1, bias = false) pixel_shuffle(2)",
    ),
    "clip": (
        [node("Clip", "x lo hi")],
        {"lo": np.array(0, np.float32), "hi": np.array(6, np.float32)},
        "relu6",
    ),
    "slice": (
        [node("Slice", "x a b c")],
        whole(a=[1], b=[5], c=[2]),
        "slice(start = 1, end = 5, axis = 2)",
    ),
    "mean of maps": ([node("ReduceMean", "x ax", keepdims=0)], whole(ax=[2, 3]), "gap flatten"),
}


@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, tmp_path: Path) -> None:
    """The text has these layers, and each computes what the original does."""
    nodes, constants, text = CASES[name]
    result = import_onnx(
        Path(saved(model_of(nodes, **constants), tmp_path / "m.onnx")), "m.net", {}
    )
    body = result.text.partition("input x: 3x8x8")[2].partition("expect")[0]
    for word in ("output y:", "->", "\n"):
        body = body.replace(word, " ")
    assert text == " ".join(body.split())
    assert prove(result).comparisons > 0


def test_booleans_become_numbers(tmp_path: Path) -> None:
    """`Cast` of booleans to float32 is `float`."""
    netdsl.loads("net N {\ninput pads: 8 bool\nfloat -> dense(2)\n}").save_onnx(tmp_path / "m.onnx")
    result = import_onnx(tmp_path / "m.onnx", "m.net", {})
    assert "float output output: dense(2)" in " ".join(result.text.split())
    assert prove(result).comparisons > 0
