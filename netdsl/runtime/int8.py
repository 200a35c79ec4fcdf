"""Quantises a float32 model to int8 with onnxruntime, and compares the two on images.

The model keeps float32 inputs and outputs, and has a pair of QuantizeLinear and DequantizeLinear
nodes around each operator (QDQ), which runtimes fuse to integer arithmetic. Activations are uint8
and weights int8, with one scale for each output channel. Processors without VNNI add two products
in 16 bits, which saturates with full weights; weights of 7 bits (`reduce_range`) prevent that.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from netdsl.data.evaluate import MetricResults, counted
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from netdsl.data.dataset import Dataset, Split
    from netdsl.data.metrics import Metric
    from netdsl.runtime.session import Session

BATCH = 64
LARGEST = 2**31 - 1  # bytes of a model in one file
CONFIDENCE = 1.959964  # standard deviations of a normal distribution: 95 %


class Comparison8(NamedTuple):
    """How a quantised model compares with its original on images.

    `before` and `after` are the metrics, `agreement` is the share of the images that both put into
    the same class, `at_least` its lower confidence limit, and `noise` the ratio of signal to noise
    of the outputs in decibels (infinite if they are equal).
    """

    images: int
    before: dict[str, float]
    after: dict[str, float]
    agreement: float
    at_least: float
    noise: float


def quantise(
    source: Path, target: Path, names: Sequence[str], images: Split, dataset: Dataset, *, full: bool
) -> None:
    """Write the int8 model of a float32 model, whose inputs have these names.

    `images` calibrate the ranges of all values. `full` uses all 8 bits of the weights. Raises
    `NetdslError` for a model that is too large for one file.
    """
    if source.stat().st_size > LARGEST:
        message = f"the model has {source.stat().st_size:,} bytes; int8 takes up to {LARGEST:,}"
        raise NetdslError("file-too-large", message)
    # The package logs advice about its own preparation to the root logger.
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            str(source),
            str(target),
            CalibrationFeeds(_feeds(names, images, dataset)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=not full,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)


def _feeds(
    names: Sequence[str], images: Split, dataset: Dataset
) -> Iterator[dict[str, np.ndarray]]:
    for batch in images.batches(BATCH):
        yield dict(zip(names, dataset.prepared(batch), strict=True))


class CalibrationFeeds(CalibrationDataReader):  # type: ignore[misc]
    """Inputs of a model, as onnxruntime reads them: one by one, and None at the end."""

    def __init__(self, feeds: Iterator[dict[str, np.ndarray]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next inputs."""
        return next(self._feeds, None)


# ---- the comparison


def compare_models(
    before: Session,
    after: Session,
    output: int,
    dataset: Dataset,
    metrics: Sequence[Metric],
) -> Comparison8:
    """Compare two models on the test images; `output` is the number of the output with classes."""
    names = [value.name for value in before.inputs]
    results = [MetricResults(dataset.target, metrics) for _ in range(2)]
    _, labels = next(iter(dataset.test.targets.items()))
    equal = samples = done = 0
    signal = noise = 0.0
    for feed in _feeds(names, dataset.test, dataset):
        old, new = (
            np.asarray(session.run(feed)[output], np.float32) for session in (before, after)
        )
        truth = labels.read(np.arange(done, done + len(old)))
        done += len(old)
        for result, outputs in zip(results, (old, new), strict=True):
            result.add(outputs, truth)
        chosen = [counted(outputs, truth, dataset.target)[0].argmax(1) for outputs in (old, new)]
        equal += int((chosen[0] == chosen[1]).sum())
        samples += len(chosen[0])
        signal += float(np.square(old, dtype=np.float64).sum())
        noise += float(np.square(old - new, dtype=np.float64).sum())
    return Comparison8(
        done,
        results[0].values(),
        results[1].values(),
        equal / samples,
        wilson(equal, samples),
        decibels(signal, noise),
    )


def wilson(successes: int, trials: int, z: float = CONFIDENCE) -> float:
    """The lower limit of Wilson's confidence interval for a share (Wilson 1927)."""
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (centre - margin) / (1 + z * z / trials)


def decibels(signal: float, noise: float) -> float:
    """The ratio of two powers in decibels: 10 log10(signal / noise)."""
    if noise == 0:
        return math.inf
    if signal == 0:
        return -math.inf
    return 10 * math.log10(signal / noise)
