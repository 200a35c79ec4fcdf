"""Checks that the images of a dataset fit a net; imports no numpy, as `netdsl check` uses it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from netdsl.diagnostics import Proposal
from netdsl.errors import SettingError
from netdsl.ir.types import shape_text
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.ir.types import Sym


SEQUENCE = 2  # axes of T x D
MASK = 3  # axes of K x H x W
CHANNELS = (1, 3)  # of pictures
BYTES = 256  # numbers of a byte; the last one often means that a pixel has no class
TARGET = "label"  # the name of the target of images with classes
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
    def target_classes(self) -> Mapping[str, int | None]:
        """The number of classes of each target, or None if it has numbers."""

    def wanted_for(self, target: str) -> tuple[int, ...]:
        """The shape that an output for one sample has to have for a target."""


class Described(NamedTuple):
    """A dataset that has not been read."""

    name: str
    shape: tuple[int, ...]
    pad: int
    class_count: int | None
    is_resized: bool = False
    has_masks: bool = False  # the target has a class for each pixel

    @property
    def target_classes(self) -> Mapping[str, int | None]:
        """The number of classes of each target."""
        return {TARGET: self.class_count}

    def wanted_for(self, _: str) -> tuple[int, ...]:
        """The shape that an output for one sample has to have for a target."""
        return () if self.class_count is None else (self.class_count,)


SEGMENTS = 'segments("images", "masks", size = 64)'
OTHER_DATA = "choose other data with `--data`"
KEEPING = (
    "the output needs the size of the image: a convolution keeps it with `pad = same`, and"
    " `upsample` restores it"
)

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


class Editing(NamedTuple):
    """What a user can do about the text of a net.

    `copying` is the command that copies a text that the user cannot edit, and `fits` is whether the
    net could have an input of these sizes.
    """

    copying: str | None = None
    fits: Callable[[tuple[int, ...]], bool] = lambda _: True


EDITING = Editing()


def check_shape(
    images: ImageData,
    expects: tuple[int | Sym, ...],
    *,
    name: str = "image",
    editing: Editing = EDITING,
) -> None:
    """Raise SettingError `data-mismatch` unless the images have the shape `expects`, (C, H, W).

    A size that is open fits any number. `name` is the input of the net, and `editing` what the user
    can do about its text.
    """
    pairs = zip(expects, images.shape, strict=False)
    if len(expects) == len(images.shape) and all(
        size == actual or not isinstance(size, int) for size, actual in pairs
    ):
        return
    sizes = shape_text(images.shape)
    are = f"the {'images' if len(images.shape) == MASK else 'samples'} of {images.name} are {sizes}"
    message = f"{are}, but the net takes {shape_text(expects)}"
    advice = _size_help(images, expects) or _padding_help(images, expects)
    advice = for_channels_last(images.shape, expects) or advice
    if len(expects) == SEQUENCE and images.shape == (1, *expects):
        advice = f"write `input {name}: {sizes}`, and first `reshape([{expects[0]}, {expects[1]}])`"
    if advice is None:
        ways = [_other_data(expects)]
        written = f"write `input {name}: {sizes}`"
        if editing.copying is not None and editing.fits(images.shape):
            ways.append(f"{written} in a copy of the net, which {editing.copying} makes")
        elif editing.fits(images.shape):
            ways.insert(0, written)
        advice = Proposal(", or ".join(ways), "ways", ways)
    raise SettingError("data-mismatch", message, "data", advice)


def for_channels_last(shape: tuple[int, ...], expects: tuple[int | Sym, ...]) -> str | None:
    """Advice for pictures H x W x C, if a net takes C x H x W, or None."""
    if len(shape) != MASK or len(expects) != MASK or shape[0] == expects[0]:
        return None
    if shape[-1] != expects[0] or shape[-1] not in CHANNELS:
        return None
    return "images have their channels first: store the array with `.transpose(0, 3, 1, 2)`"


def check_masks(data: Described, output: str, shape: tuple[int | Sym, ...]) -> None:
    """Raise SettingError `data-mismatch` unless an output has the size of the masks."""
    size = data.shape[1:]
    if len(shape) == MASK and all(
        actual == wanted or not isinstance(actual, int)
        for actual, wanted in zip(shape[1:], size, strict=True)
    ):
        return
    message = f"the output `{output}` is {shape_text(shape)}, but the masks are {shape_text(size)}"
    raise SettingError("data-mismatch", message, "data", KEEPING)


def check_outputs(
    data: OutputData,
    outputs: tuple[int | Sym, ...],
    target: str,
    head: str | None = None,
    *,
    one_score: bool = False,
) -> None:
    """Raise SettingError `data-mismatch` unless a net gives what a target needs.

    `outputs` is the shape of its output for one sample, or of that of the auxiliary head `head`.
    With `one_score`, a single score is enough for two classes.
    """
    classes, wanted = data.target_classes[target], data.wanted_for(target)
    outputs = tuple(outputs)
    if outputs == wanted or (one_score and classes == 2 and outputs == (1, *wanted[1:])):
        return
    subject = "the net" if head is None else f"the auxiliary head `{head}`"
    if len(wanted) == 1 and classes is not None:
        gives = f"{shape_text(outputs)} numbers"
        if outputs == (1,):
            gives = "1 number"
        has = counted(classes, "class")
        sample = "image" if len(data.shape) == MASK else "sample"
        message = f"{subject} gives {gives} per {sample}, but {data.name} has {has}"
        raise SettingError("data-mismatch", message, "data", _ending(data, outputs, subject))
    message = (
        f"{subject} gives {shape_text(outputs)} for each sample, but the target `{target}`"
        f" of {data.name} needs {shape_text(wanted)}"
    )
    help_ = _classes_first(data, outputs, target, subject)
    if help_ is None and len(wanted) == MASK:
        help_ = _ending_of_masks(wanted, outputs, subject)
    if help_ is None:
        help_ = f"end {subject} with `dense({wanted[0] if wanted else 1})`"
    raise SettingError("data-mismatch", message, "data", help_)


def _classes_first(
    data: OutputData, outputs: tuple[int | Sym, ...], target: str, subject: str
) -> str | None:
    """Advice for T x K outputs and a class for each of T steps, which need K x T; or None."""
    classes, wanted = data.target_classes[target], data.wanted_for(target)
    if classes is None or len(wanted) < SEQUENCE:
        return None
    steps = wanted[1:]
    order = ", ".join(map(str, [len(wanted), *range(1, len(wanted))]))
    if outputs == (*steps, classes):
        return f"the classes are the first axis: end {subject} with `permute([{order}])`"
    if len(wanted) > SEQUENCE:
        return None
    if outputs[1:] == steps:
        return (
            f"the first axis has a number for each class: end {subject} with `conv({classes}, 1)`"
        )
    if len(outputs) == SEQUENCE and outputs[:1] == steps:
        return (
            f"end {subject} with `dense({classes}) -> permute([{order}])`: the classes come first"
        )
    return None


def _ending_of_masks(wanted: tuple[int, ...], outputs: tuple[int | Sym, ...], subject: str) -> str:
    """Advice for a net that does not give K x H x W for masks of K classes."""
    help_ = (
        f"the output needs {wanted[0]} channels, one for each class, and the size of the image:"
        f" end {subject} with `conv({wanted[0]}, 1)` and resize it"
    )
    if outputs[0] == wanted[0]:
        help_ = KEEPING
    if wanted[0] == BYTES:
        help_ += "; if 255 means that a pixel has no class, write `ignored = 255` in the data"
    return help_


def _ending(images: ImageData, outputs: tuple[int | Sym, ...], subject: str) -> str:
    """Advice for a net that does not give one number per class."""
    classes = images.class_count
    if outputs == images.shape or outputs == (prod(images.shape),):
        return (
            "a net that reproduces its input needs targets that are pictures: write"
            ' `data = npz("FILE")`, a file with the pictures as the arrays `x` and `y`, the latter'
            f" float32 of {shape_text(outputs)}, and `loss = mse`"
        )
    if len(outputs) > 1 and outputs[0] == classes:
        end = "gap -> flatten"
        if set(outputs[1:]) == {1}:
            end = "flatten"
        return f"end {subject} with `{end}`, which leaves {classes} numbers"
    if len(outputs) == MASK and outputs[0] not in (1, classes) and 1 not in outputs[1:]:
        return (
            f"for one class per image, end {subject} with `flatten -> dense({classes})`; for a"
            f" class in each pixel, give it masks: `data = {SEGMENTS}`"
        )
    if len(outputs) == SEQUENCE and outputs[-1] == classes:
        return (
            f"each of the {outputs[0]} steps has {classes} numbers: keep one vector, with"
            " `last = true` in the recurrent layer, or with `reduce_mean(axis = 1)` at the end"
        )
    if classes == 2 and outputs == (1,):
        return f"end {subject} with `dense(2)`, or give one score its own loss: `loss = bce`"
    end = f"dense({classes})"
    if len(outputs) != 1:
        end = f"flatten -> {end}"
    return f"end {subject} with `{end}`"


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
    return OTHER_DATA


def _written(name: str, pad: int) -> str:
    """A dataset as a `train` section names it."""
    return f"{name}(pad = {pad})" if pad else name
