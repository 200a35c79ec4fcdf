"""Which augmentations the data permit; imports no torch, as `netdsl check` uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.data.catalog import source_of
from netdsl.data.own import Arrays, Folder, PictureTable, Segments
from netdsl.errors import EntryPart, SettingError
from netdsl.habits.training import TAKEN, TakenPictures
from netdsl.train import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.config import SettingCall
    from netdsl.data.dataset import Dataset
    from netdsl.ir.graph import Graph

MIXED = (settings.MixUp, settings.CutMix)
IMAGE = 3  # axes of C x H x W
IMAGE_CHANNELS = (1, 3)


class DataKind(NamedTuple):
    """What augmentations depend on.

    `can_mix` is whether each sample has one input and one target, and the target one class or
    number.
    """

    name: str
    has_images: bool
    is_grey: bool
    can_mix: bool


def kind_of(dataset: Dataset) -> DataKind:
    """The kind of data that have been read."""
    images = [given for given in dataset.inputs.values() if given.is_image]
    is_mask = bool(dataset.classes) and len(dataset.wanted) > 1
    return DataKind(
        dataset.name,
        bool(images),
        any(len(given.mean) == 1 for given in images),
        not is_mask and len(dataset.inputs) == len(dataset.targets) == 1,
    )


def expected_kind(call: SettingCall, graph: Graph) -> DataKind:
    """The kind of data before they are read, as far as the section and the net determine it.

    What is not known is taken to be permitted.
    """
    source = source_of(call)
    if not isinstance(source, Arrays):
        described = source.described()
        is_grey = described is not None and described.shape[0] == 1
        name = call.name
        if isinstance(source, Folder | PictureTable | Segments):
            name = source.images if isinstance(source, Segments) else source.path
        return DataKind(name, True, is_grey, not isinstance(source, Segments))
    shapes = [value.type.shape for value in graph.inputs]
    channels = [shape[0] for shape in shapes if len(shape) == IMAGE]
    return DataKind(
        source.path,
        any(size in IMAGE_CHANNELS or not isinstance(size, int) for size in channels),
        1 in channels,
        len(source.inputs) == len(source.targets) == 1,
    )


def pictures_of(graph: Graph) -> TakenPictures:
    """The pictures that a net takes; usual ones if its sizes are open, or its inputs are others."""
    shapes = [value.type.shape for value in graph.inputs if len(value.type.shape) == IMAGE]
    if not shapes:
        return TAKEN
    channels, height, width = shapes[0]
    side = f"[{height}, {width}]"
    if height == width:
        side = str(height)
    if not isinstance(height, int) or not isinstance(width, int):
        side = TAKEN.side
    return TakenPictures(side, channels if isinstance(channels, int) else None)


def check_kind(augment: Sequence[settings.Augment], kind: DataKind) -> None:
    """Raise SettingError `bad-argument` for an augmentation that data of a kind do not permit."""
    for item in augment:
        problem = _problem(item, kind)
        if problem is not None:
            name = settings.name_of(item)
            message, help_ = f"`{name}` {problem[0]}", problem[1]
            raise SettingError("bad-argument", message, "augment", help_, part=EntryPart(name))


def _problem(item: settings.Augment, kind: DataKind) -> tuple[str, str] | None:
    """Why data of a kind do not permit an augmentation, and what to do."""
    if not kind.has_images and not isinstance(item, settings.MixUp):
        return (
            f"changes images, but the inputs of {kind.name} are other numbers",
            "leave it out; in an array, images are bytes of N x C x H x W, with 1 or 3 channels",
        )
    if isinstance(item, MIXED) and not kind.can_mix:
        needs = "one input and one target, with one class or number for each image"
        return f"needs {needs}, which {kind.name} does not have", "leave it out"
    if kind.is_grey and _needs_colour(item):
        return (
            f"changes colours, but the images of {kind.name} are grey",
            "leave it out; grey images can have `color_jitter(brightness = 0.2)`",
        )
    return None


def _needs_colour(item: settings.Augment) -> bool:
    if isinstance(item, settings.ColorJitter):
        return bool(item.saturation or item.hue)
    return isinstance(item, settings.RandAugment)
