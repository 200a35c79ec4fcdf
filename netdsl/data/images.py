"""Checks that the images of a dataset fit a net; imports no numpy, as `netdsl check` uses it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from netdsl.analysis.lint.training import NEED_ROOT
from netdsl.errors import SettingError
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from netdsl.ir.types import Sym


SEQUENCE = 2  # axes of T x D
MOST_PADDING = 0.5  # on each side, as a share of the image


class ImageData(Protocol):
    """The properties of a dataset that a net must fit."""

    @property
    def name(self) -> str:
        """The name of the dataset in a `train` section."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image, with its padding."""

    @property
    def pad(self) -> int:
        """The zero pixels on each side of an image."""

    @property
    def class_count(self) -> int:
        """The number of classes."""


class Described(NamedTuple):
    """A dataset that has not been read."""

    name: str
    shape: tuple[int, int, int]
    pad: int
    class_count: int


# Channels, height and width of the images, and the number of classes.
KNOWN = {
    "fashion_mnist_sample": ((1, 28, 28), 10),
    "fashion_mnist": ((1, 28, 28), 10),
    "mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
}


def described(name: str, pad: int) -> Described:
    """What is known about a dataset without its files."""
    (channels, height, width), class_count = KNOWN[name]
    return Described(name, (channels, height + 2 * pad, width + 2 * pad), pad, class_count)


def check_shape(
    images: ImageData,
    expects: tuple[int | Sym, ...],
    *,
    name: str = "image",
    can_edit: bool = True,
) -> None:
    """Raise SettingError `data-mismatch` unless the images have the shape `expects`, (C, H, W).

    A size that is open fits any number. `name` is the input of the net, and `can_edit` is whether
    the user can edit the net.
    """
    pairs = zip(expects, images.shape, strict=False)
    if len(expects) == len(images.shape) and all(
        size == actual or not isinstance(size, int) for size, actual in pairs
    ):
        return
    sizes = shape_text(images.shape)
    message = f"the images of {images.name} are {sizes}, the net takes {shape_text(expects)}"
    advice = _padding_help(images, expects)
    if advice is None and can_edit:
        advice = f"write `input {name}: {sizes}`, or {_other_data(expects)}"
    elif advice is None:
        own = f"write `input {name}: {sizes}` in your own copy of the net"
        advice = f"{_other_data(expects)}, or {own}"
    raise SettingError("data-mismatch", message, "data", advice)


def check_classes(images: ImageData, outputs: tuple[int | Sym, ...]) -> None:
    """Raise SettingError `data-mismatch` unless a net gives one number per class.

    `outputs` is the shape of its output for one image.
    """
    classes = images.class_count
    if tuple(outputs) == (classes,):
        return
    gives = f"{shape_text(outputs)} numbers"
    if tuple(outputs) == (1,):
        gives = "1 number"
    message = f"the net gives {gives} per image, {images.name} has {classes} classes"
    raise SettingError("data-mismatch", message, "data", _ending(images, tuple(outputs)))


def _ending(images: ImageData, outputs: tuple[int | Sym, ...]) -> str:
    """Advice for a net that does not give one number per class."""
    classes = images.class_count
    if outputs == images.shape or outputs == (prod(images.shape),):
        return (
            f"`train` learns the classes of {images.name}; a net that reproduces its input is"
            " trained from Python, with `net.torch()`"
        )
    if len(outputs) > 1 and outputs[0] == classes:
        end = "gap -> flatten"
        if set(outputs[1:]) == {1}:
            end = "flatten"
        return f"end the net with `{end}`, which leaves {classes} numbers"
    if len(outputs) == SEQUENCE and outputs[-1] == classes:
        return (
            f"each of the {outputs[0]} steps has {classes} numbers: keep one vector, with"
            " `last = true` in the recurrent layer, or with `reduce_mean(axis = 1)` at the end"
        )
    end = f"dense({classes})"
    if len(outputs) != 1:
        end = f"flatten -> {end}"
    return f"end the net with `{end}`"


def _padding_help(images: ImageData, expects: tuple[int | Sym, ...]) -> str | None:
    """Advice to pad the images, if that is enough."""
    if len(expects) != 3 or expects[0] != images.shape[0]:
        return None
    sides = zip(expects[1:], images.shape[1:], strict=True)
    gap, *others = {size - actual for size, actual in sides if isinstance(size, int)}
    pad = images.pad + gap // 2
    if gap % 2 or others or pad < 0 or pad > min(images.shape[1:]) * MOST_PADDING:
        return None
    return f"pad the images: `data = {_written(images.name, pad)}`"


def _other_data(expects: tuple[int | Sym, ...]) -> str:
    for name, (shape, _) in KNOWN.items():
        if tuple(expects) == shape:
            return f"use data of that shape: `data = {_written(name, 0)}`"
    return "choose other data with `--data`"


def _written(name: str, pad: int) -> str:
    """A dataset as a `train` section names it."""
    arguments = ['root = "DIR"'] if name in NEED_ROOT else []
    if pad:
        arguments.append(f"pad = {pad}")
    return f"{name}({', '.join(arguments)})" if arguments else name
