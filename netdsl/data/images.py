"""Checks that the images of a dataset fit a net; imports no numpy, as `netdsl check` uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from netdsl.errors import SettingError
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from netdsl.ir.types import Sym


MOST_PADDING = 0.5  # on each side, as a share of the image


class ImageData(Protocol):
    """The properties of a dataset that a net must fit."""

    @property
    def name(self) -> str:
        """The name of the dataset in a `train` section."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image, with its padding."""

    @property
    def pad(self) -> int:
        """The zero pixels on each side of an image."""

    @property
    def is_resized(self) -> bool:
        """Whether the images are pictures that are decoded to the size that the section gives."""

    @property
    def class_count(self) -> int | None:
        """The number of classes, or None if it is not known or there are no classes."""


class OutputData(ImageData, Protocol):
    """The properties of a dataset that the output of a net must fit."""

    @property
    def wanted(self) -> tuple[int, ...]:
        """The shape that the net's output for one sample has to have."""


class Described(NamedTuple):
    """A dataset that has not been read."""

    name: str
    shape: tuple[int, ...]
    pad: int
    class_count: int | None
    is_resized: bool = False


# Channels, height and width of the images, and the number of classes.
KNOWN = {
    "fashion_mnist_sample": ((1, 28, 28), 10),
    "fashion_mnist": ((1, 28, 28), 10),
    "mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "digits": ((1, 8, 8), 10),
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
    advice = _size_help(images, expects) or _padding_help(images, expects)
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
    if classes is None or tuple(outputs) == (classes,):
        return
    gives = f"{shape_text(outputs)} numbers"
    if tuple(outputs) == (1,):
        gives = "1 number"
    message = f"the net gives {gives} per image, {images.name} has {classes} classes"
    end = f"dense({classes})"
    if len(outputs) != 1:
        end = f"flatten -> {end}"
    raise SettingError("data-mismatch", message, "data", f"end the net with `{end}`")


def check_outputs(dataset: OutputData, outputs: tuple[int, ...]) -> None:
    """Raise SettingError `data-mismatch` unless a net gives what the targets need.

    `outputs` is the shape of its output for one sample.
    """
    wanted = dataset.wanted
    if tuple(outputs) == wanted:
        return
    if dataset.class_count == wanted[0] and len(wanted) == 1:
        check_classes(dataset, outputs)
    message = (
        f"the net gives {shape_text(outputs)} for each sample, the targets of {dataset.name} need"
        f" {shape_text(wanted)}"
    )
    help_ = f"end the net with `dense({wanted[0]})`"
    if len(wanted) == 3:
        help_ = (
            f"the output needs {wanted[0]} channels, one for each class, and the size of the image:"
            f" end the net with `conv({wanted[0]}, 1)` and resize it"
        )
    raise SettingError("data-mismatch", message, "data", help_)


def _size_help(images: ImageData, expects: tuple[int | Sym, ...]) -> str | None:
    """Advice to decode pictures to the size that the net takes."""
    if not images.is_resized or len(expects) != 3 or expects[0] not in (1, 3):
        return None
    channels, *own = images.shape
    pairs = zip(expects[1:], own, strict=True)
    sizes = [size if isinstance(size, int) else actual for size, actual in pairs]
    given = []
    if expects[0] != channels:
        given.append(f"`channels = {expects[0]}`")
    if sizes != own:
        size = sizes[0] if sizes[0] == sizes[1] else sizes
        given.append(f"`size = {size}`")
    return f"give the data {' and '.join(given)}"


def _padding_help(images: ImageData, expects: tuple[int | Sym, ...]) -> str | None:
    """Advice to pad the images, if that is enough."""
    if len(expects) != 3 or expects[0] != images.shape[0] or images.name not in KNOWN:
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
    return f"{name}(pad = {pad})" if pad else name
