"""The matrix by which ONNX's `Resize` resizes an axis."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.backends.onnx.adjoints.base import Made


def resizing_matrix(node: Made, before: int, after: int, scale: float) -> list[list[float]]:
    """The share that each of `before` inputs has in each of `after` outputs, a row for an output.

    The formulas are those of https://onnx.ai/onnx/operators/onnx__Resize.html, for the modes that
    netdsl writes. Positions outside the axis are those of its ends.
    """
    rows = [[0.0] * before for _ in range(after)]
    for i, row in enumerate(rows):
        for place, share in _shares(node, _position(node, i, before, after, scale)):
            row[min(max(place, 0), before - 1)] += share
    return rows


def _position(node: Made, i: int, before: int, after: int, scale: float) -> float:
    """Where an output lies between the inputs."""
    match node.get("coordinate_transformation_mode", "half_pixel"):
        case "asymmetric":
            return i / scale
        case "align_corners":
            return i * (before - 1) / (after - 1) if after > 1 else 0.0
    return (i + 0.5) / scale - 0.5


def _shares(node: Made, x: float) -> list[tuple[int, float]]:
    """The inputs around a position, and the share of each; those of a cubic are of Keys, 1981."""
    first = floor(x)
    t = x - first
    match node.get("mode", "nearest"):
        case "nearest":
            return [(first, 1.0)]
        case "linear":
            return [(first, 1 - t), (first + 1, t)]
    a = node.get("cubic_coeff_a", -0.75)
    shares = [
        ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
        ((a + 2) * t - (a + 3)) * t * t + 1,
        ((a + 2) * (1 - t) - (a + 3)) * (1 - t) ** 2 + 1,
        ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a,
    ]
    return [(first - 1 + number, share) for number, share in enumerate(shares)]
