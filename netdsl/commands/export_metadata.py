"""What an exported model tells programs about its pictures and classes.

The mean, the standard deviation and the class names come from the metadata beside the weights. The
options `--mean`, `--std` and `--labels` replace them.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

from netdsl.commands.common import LABELS_HELP, UsageError, read_labels
from netdsl.errors import NetdslError
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from netdsl.ir.graph import Graph

KEYS = ("mean", "std")


class Given(NamedTuple):
    """What the options give: `numbers` has those of "mean" and "std", one for each channel."""

    numbers: dict[str, list[float]]
    classes: list[str] | None


def given_by(arguments: argparse.Namespace) -> Given:
    """What the options give; raises `UsageError`, and `NetdslError` for a bad file of labels."""
    numbers = {}
    for key in KEYS:
        text = getattr(arguments, key)
        if text is None:
            continue
        values = _numbers(key, text.split(","))
        if values is None:
            above = ", each above 0," if key == "std" else ""
            raise UsageError(
                f"--{key} takes numbers{above} such as 0.485,0.456,0.406, found `{text}`"
            )
        numbers[key] = values
    classes = None
    if arguments.labels is not None:
        classes = read_labels(arguments.labels)
    return Given(numbers, classes)


def numbers_for(graph: Graph, beside: Mapping[str, str], given: Given) -> dict[str, list[float]]:
    """The numbers that normalise pictures; raises `NetdslError` for those that do not fit."""
    numbers = {}
    for key in KEYS:
        values: list[float] | None
        if key in given.numbers:
            values = given.numbers[key]
        elif key in beside:
            values = _numbers(key, _listed(beside[key]))
        else:
            continue
        if values is None:
            above = " above 0" if key == "std" else ""
            raise NetdslError(
                "bad-metadata",
                f"`{key}` stored with the weights is {beside[key][:80]}, which is not a list of"
                f" numbers{above}",
                help=f"give one number for each channel with --{key}",
            )
        _check_count(graph, key, values)
        numbers[key] = values
    return numbers


def check_classes(graph: Graph, classes: list[str] | None) -> None:
    """Raise `NetdslError` if the number of class names is not that of any output."""
    if classes is None:
        return
    shapes = [output.value.type.shape for output in graph.outputs]
    sizes = [shape[0] for shape in shapes if len(shape) == 1 and shape != (1,)]
    if sizes and len(classes) not in sizes:
        raise NetdslError(
            "labels-mismatch",
            f"there are {len(classes)} class names, but `{graph.name}` has {sizes[0]} classes",
            help=LABELS_HELP,
        )


def as_texts(numbers: Mapping[str, list[float]], classes: list[str] | None) -> dict[str, str]:
    """The numbers and class names as metadata, which is text."""
    texts = {key: json.dumps(values) for key, values in numbers.items()}
    if classes is not None:
        texts["classes"] = json.dumps(classes)
    return texts


def _check_count(graph: Graph, key: str, values: list[float]) -> None:
    first = graph.inputs[0]
    shape = first.type.shape
    if len(shape) != 3 or len(values) in (1, shape[0]):
        return
    channels = f"{shape[0]} channels"
    if isinstance(shape[0], int):
        channels = counted(shape[0], "channel")
    raise NetdslError(
        "bad-metadata",
        f"`{key}` has {counted(len(values), 'number')}, `{first.name}` has {channels}",
        help=f"give one for each channel with --{key}, or one for all",
    )


def _listed(text: str) -> list[object]:
    """The values of a list in JSON, or one value; an empty list if the text is not JSON."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else [values]


def _numbers(key: str, values: list[object]) -> list[float] | None:
    """The values as numbers that can normalise pictures, or None if they cannot."""
    try:
        numbers = [float(value) for value in values]  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
    if not numbers or not all(map(math.isfinite, numbers)):
        return None
    if key == "std" and min(numbers) <= 0:
        return None
    return numbers
