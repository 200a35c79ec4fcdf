"""The numbers that the page needs to move a window over a map: input, kernels, outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.ops.window import Windowed
from netdsl.trace.windows import kernel_of, padded
from netdsl.trace.worked import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.trace.values import TraceRun
    from netdsl.trace.windows import Padded
    from netdsl.trace.worked import Place, TracedLayer

SIDE = 14  # rows and columns of the output at most
MANY = 64  # channels, of which fewer positions are shown
SMALL_SIDE = 6
MOST_NUMBERS = 200_000  # of kernels and outputs; with more, only one output channel is shown
MAPS = (1, 2)  # spatial axes that a page can show
_POOLS = {"gap": "avgpool", "gmp": "maxpool", "depthwise": "conv"}


def can_move(layer: TracedLayer) -> bool:
    """Whether the page shows a window that moves: a map of one or two axes."""
    kind = layer.node.op.kind
    is_windowed = isinstance(layer.node.op, Windowed) or kind in _POOLS
    return is_windowed and layer.x.ndim - 1 in MAPS


def animation_of(run: TraceRun, at: Place) -> dict[str, Any]:
    """The data of the page. A large output is cut to the part around the place.

    `first` is the first row and column of that part.
    """
    layer = run.layer
    border = padded(layer)
    sizes = [1, *run.shape[1:]][-2:]
    side = (SMALL_SIDE, SIDE)[layer.x.shape[0] <= MANY]
    spans = [_span(n, p, side) for n, p in zip(sizes, [0, *at[1:]][-2:], strict=True)]
    geometry = border.geometry
    k, stride, dilation = (
        [1, *axis][-2:] for axis in (geometry.k, geometry.stride, geometry.dilation)
    )
    part = tuple(
        slice(begin * s, (end - 1) * s + (n - 1) * d + 1)
        for (begin, end), n, s, d in zip(spans, k, stride, dilation, strict=True)
    )
    outputs = _outputs(run, layer, at, spans)
    channels = sorted({channel for output in outputs for channel in output["channels"]})
    op = layer.node.op
    return {
        "kind": _POOLS.get(op.kind, op.kind),
        "window": k,
        "stride": stride,
        "dilation": dilation,
        "first": [begin for begin, _ in spans],
        "whole": list(sizes),
        "at": [p - begin for p, (begin, _) in zip([0, *at[1:]][-2:], spans, strict=True)],
        "input": {str(c): _rows(_plane(border.values[c])[part]) for c in channels},
        "outside": (_plane(border.places)[part] < 0).tolist(),
        "counted": _plane(_taken(border, op.kind))[part].tolist(),
        "outputs": outputs,
        "output": next(i for i, o in enumerate(outputs) if o["number"] == at[0]),
    }


def window_words(layer: TracedLayer) -> str:
    """`window 3x3, stride 2, padding 1`."""
    k, stride, pairs, dilation = padded(layer).geometry
    pads = sorted({side for pair in pairs for side in pair})
    words = [f"window {'x'.join(map(str, k))}", f"stride {_one_or_all(stride)}"]
    words.append(f"padding {' to '.join(map(str, pads))}")
    if max(dilation) > 1:
        words.append(f"dilation {_one_or_all(dilation)}")
    return ", ".join(words)


def _one_or_all(values: tuple[int, ...]) -> str:
    if len(set(values)) == 1:
        values = values[:1]
    return "x".join(map(str, values))


def _taken(border: Padded, kind: str) -> np.ndarray:
    """Which elements of a window a pooling takes."""
    if kind in ("maxpool", "gmp"):
        return border.places >= 0
    return border.counted


def _plane(array: np.ndarray) -> np.ndarray:
    """A map of one axis as one row."""
    return array.reshape(-1, array.shape[-1])


def _span(size: int, place: int, side: int) -> tuple[int, int]:
    """At most `side` positions around a place."""
    begin = max(0, min(place - side // 2, size - side))
    return begin, min(size, begin + side)


def _outputs(
    run: TraceRun, layer: TracedLayer, at: Place, spans: list[tuple[int, int]]
) -> list[dict[str, Any]]:
    """The output channels: all, or only that of the place if they have very many numbers."""
    count = run.shape[0]
    sizes = [weight.size for weight in layer.weights.values()]
    numbers: Iterable[int] = range(count)
    if sum(sizes) + count * SIDE * SIDE > MOST_NUMBERS:
        numbers = [at[0]]
    return [_output(run, layer, number, spans) for number in numbers]


def _output(
    run: TraceRun, layer: TracedLayer, number: int, spans: list[tuple[int, int]]
) -> dict[str, Any]:
    rows, columns = (slice(begin, end) for begin, end in spans)
    y = _plane(run.y[0, number].double().numpy())[rows, columns]
    found: dict[str, Any] = {"number": number, "values": _rows(y), "channels": [number]}
    if "weight" in layer.weights:
        kernel = kernel_of(layer, number)
        found["channels"] = kernel.channels
        found["kernels"] = [_rows(_plane(window)) for window in kernel.windows]
    if "bias" in layer.weights:
        found["bias"] = float(layer.weights["bias"][number])
    return found


def _rows(array: np.ndarray) -> list[list[float | int | None]]:
    """The numbers for JSON: short, because float32 has about seven digits."""
    return [[_short(value) for value in row] for row in array.tolist()]


def _short(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    if float(value).is_integer() and abs(value) < WHOLE:
        return int(value)
    return float(f"{value:.9g}")
