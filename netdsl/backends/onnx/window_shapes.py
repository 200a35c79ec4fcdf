"""The shapes that ONNX operators with windows or steps give: convolution, pooling, recurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx.application import TensorKind, UnknownShapeError
from netdsl.backends.onnx.elements import INT64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netdsl.backends.onnx.application import Application


def _conv(node: Application) -> TensorKind:
    weight = node.x(1).shape
    shape = (node.shape[0], weight[0], *_after_windows(node, weight[2:]))
    return TensorKind(node.x().element, shape)


def _conv_transpose(node: Application) -> TensorKind:
    weight, sizes = node.x(1).shape, node.shape[2:]
    rank = len(sizes)
    strides, dilations = (node.get(name, [1] * rank) for name in ("strides", "dilations"))
    more, pads = node.get("output_padding", [0] * rank), node.get("pads", [0] * 2 * rank)
    spatial = [
        (size - 1) * strides[i] + dilations[i] * (weight[2 + i] - 1) + 1
        + more[i] - pads[i] - pads[rank + i]
        for i, size in enumerate(sizes)
    ]  # fmt: skip
    shape = (node.shape[0], weight[1] * node.get("group", 1), *spatial)
    return TensorKind(node.x().element, shape)


def _pooled(node: Application) -> list[TensorKind]:
    """A second result has the places of the maxima."""
    shape = (*node.shape[:2], *_after_windows(node, node.attributes["kernel_shape"]))
    return [TensorKind(node.x().element, shape), TensorKind(INT64, shape)][: node.results]


def _after_windows(node: Application, kernel: Sequence[int]) -> list[int]:
    """The number of windows along each spatial axis.

    The versions of ONNX disagree about `ceil_mode`, and netdsl does not write it.
    """
    if node.get("ceil_mode", 0):
        raise UnknownShapeError(f"uses `ceil_mode` of ONNX's {node.operator}")
    sizes, rank = node.shape[2:], len(kernel)
    strides, dilations = (node.get(name, [1] * rank) for name in ("strides", "dilations"))
    if node.get("auto_pad", "NOTSET") == "SAME_UPPER":
        return [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    pads = node.get("pads", [0] * 2 * rank)
    counts = []
    for i, size in enumerate(sizes):
        room = size + pads[i] + pads[rank + i] - dilations[i] * (kernel[i] - 1) - 1
        counts.append(room // strides[i] + 1)
    return counts


def _global_pool(node: Application) -> TensorKind:
    shape = (*node.shape[:2], *(1 for _ in node.shape[2:]))
    return TensorKind(node.x().element, shape)


def _roi_pool(node: Application) -> TensorKind:
    shape = (node.x(1).shape[0], node.shape[1], *node.attributes["pooled_shape"])
    return TensorKind(node.x().element, shape)


def _roi_align(node: Application) -> TensorKind:
    sizes = node.get("output_height", 1), node.get("output_width", 1)
    return TensorKind(node.x().element, (node.x(1).shape[0], node.shape[1], *sizes))


def _recurrent(node: Application) -> list[TensorKind]:
    """The results of all steps, and the last states."""
    steps, batch, _ = node.shape
    directions, hidden = node.x(1).shape[0], node.attributes["hidden_size"]
    element = node.x().element
    state = TensorKind(element, (directions, batch, hidden))
    return [TensorKind(element, (steps, directions, batch, hidden)), state, state][: node.results]


RULES: dict[str, Callable[[Application], TensorKind | list[TensorKind]]] = {
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pooled),
    **dict.fromkeys(("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), _global_pool),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _recurrent),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxRoiPool": _roi_pool,
    "RoiAlign": _roi_align,
}
