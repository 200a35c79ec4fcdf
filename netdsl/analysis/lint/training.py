"""Warnings about the data and the schedule of a `train` section."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.analysis.lint.digits import mirrored_digits
from netdsl.analysis.lint.norms import small_batch
from netdsl.analysis.lint.recipe import (
    arguments_of,
    batch_warnings,
    number_of,
    recipe_warnings,
    untrained_warnings,
)
from netdsl.analysis.lint.schedules import DEFAULT_EPOCHS, growing_schedule, late_schedule
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.ir.types import shape_text
from netdsl.library import is_shipped
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.ir.graph import Graph
    from netdsl.ir.types import Sym

# What a section without `data` is trained on.
DEFAULT_DATA, DEFAULT_IMAGES, DEFAULT_CLASSES = "fashion_mnist_sample", (1, 28, 28), 10
# The largest numbers of optimizers that are not certainly mistakes, and the usual ones.
LARGEST = {"lr": (2, "from 1e-5 to 1"), "weight_decay": (1, "from 0 to 0.1")}
LARGEST_OF_ADAM = {**LARGEST, "lr": (0.05, "from 1e-5 to 1e-2")}
# A decay that is a part of the gradient, and not only of the step, is smaller.
LARGEST_OF_SGD = {**LARGEST, "weight_decay": (0.1, "from 0 to 0.01")}
_LIMITS = {
    "adam": {**LARGEST_OF_ADAM, "weight_decay": LARGEST_OF_SGD["weight_decay"]},
    "adamw": LARGEST_OF_ADAM,
    "sgd": LARGEST_OF_SGD,
    "rmsprop": LARGEST_OF_SGD,
}
# What follows if there are fewer epochs than these settings have.
BEYOND = {
    "checkpoint_epochs": "no weights are kept on the way",
    "early_stopping": "training never stops early",
}
ABOUT_THE_DATA = ("default-data", "dropped-samples")  # the codes that are about the data


def training_warnings(train: ast.Train | None, graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about a section of the user's own; nobody can edit those of the library."""
    if train is not None and not is_shipped(train.span.file):
        yield from section_warnings(train, graph)


def section_warnings(train: ast.Train, graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about a section, wherever it is."""
    entries = {entry.name: entry for entry in train.entries}
    is_simple = len(graph.inputs) == len(graph.outputs) == 1
    if "data" not in entries and train.net == graph.name and is_simple:
        yield from _default_data(train, graph)
    if "optimizer" in entries:
        yield from _large_settings(entries["optimizer"].values[0])
    if "schedule" in entries:
        yield from late_schedule(entries["schedule"], entries.get("epochs"))
        yield from growing_schedule(entries["schedule"])
    yield from _beyond_the_end(entries)
    yield from recipe_warnings(entries)
    yield from mirrored_digits(entries)
    if train.net == graph.name:
        yield from batch_warnings(entries, DEFAULT_DATA)
        yield from untrained_warnings(entries, graph)
        yield from small_batch(entries, graph)


def _large_settings(optimizer: ast.Expr) -> Iterator[Diagnostic]:
    """`weight_decay = 5e4`, where 5e-4 is meant, and the rate of `sgd` for `adam`."""
    if not isinstance(optimizer, ast.Function):
        return
    limits = _LIMITS.get(optimizer.name, LARGEST)
    for name, argument in arguments_of(optimizer):
        number = number_of(argument.value)
        if name not in limits or number is None:
            continue
        largest, usual = limits[name]
        if number <= largest:
            continue
        text = argument.value.span.text
        help_ = f"write a number {usual}"
        if re.fullmatch(r"[\d.]+[eE]\d+", text):
            help_ = f"is this `{name} = {re.sub('[eE]', 'e-', text)}`?"
        yield Diagnostic(
            "large-setting",
            f"`{name}` of `{optimizer.name}` is {number:g}; usual numbers are {usual}",
            argument.span,
            "warning",
            help=help_,
        )


def _beyond_the_end(entries: Mapping[str, ast.Entry]) -> Iterator[Diagnostic]:
    """`checkpoint_epochs = 50` in a run of 20 epochs."""
    last: float | None = DEFAULT_EPOCHS
    if "epochs" in entries:
        last = number_of(entries["epochs"].values[0])
    for name, effect in BEYOND.items():
        number = number_of(entries[name].values[0]) if name in entries else None
        if number is not None and last is not None and number > last:
            message = f"`{name}` is {number:g}, but training ends after {last:g} epochs: {effect}"
            help_ = f"write at most {last:g}, or more `epochs`"
            yield Diagnostic("large-setting", message, entries[name].span, "warning", help=help_)


def _default_data(train: ast.Train, graph: Graph) -> Iterator[Diagnostic]:
    """A section without `data` for a net that does not fit the default data."""
    image, scores = graph.inputs[0], graph.outputs[0].value
    begin = f"this section has no `data`, and the default, `{DEFAULT_DATA}`, has"
    if not _fits(image.type.shape, DEFAULT_IMAGES):
        has, takes, place = shape_text(DEFAULT_IMAGES), f"takes {image.type}", image
        message = f"{begin} images of {has}: the net {takes}"
        help_ = "name the data, as in `data = cifar10`"
    elif not _fits(scores.type.shape, (DEFAULT_CLASSES,)):
        message, place = f"{begin} {DEFAULT_CLASSES} classes: the net gives {scores.type}", scores
        help_ = f"end the net with `dense({DEFAULT_CLASSES})`, or name other data with `data`"
    else:
        return
    yield Diagnostic(
        "default-data",
        message,
        train.net_span,
        "warning",
        notes=(Annotation("it is here", place.site.span),),
        help=help_,
    )


def _fits(shape: tuple[int | Sym, ...], wanted: tuple[int, ...]) -> bool:
    """Whether sizes are the wanted ones, or open."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(a == b or not isinstance(a, int) for a, b in pairs)
