"""Reads pictures and `.npy` arrays as inputs of a model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from netdsl.arrays import open_array, type_name
from netdsl.errors import NetdslError
from netdsl.missing import no_file
from netdsl.pictures import MODES, decode
from netdsl.runtime.session import DTYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from netdsl.arrays import StoredArray
    from netdsl.runtime.session import Session, Tensor


def load_input(path: Path, session: Session) -> np.ndarray:
    """A batch for the model's only input from a picture or a `.npy` array; raises `NetdslError`."""
    target = session.inputs[0]
    if not os.path.isfile(path):
        raise no_file(path)
    if target.dtype not in DTYPES.values():
        raise NetdslError(
            "wrong-dtype",
            f"{session.name} takes {target}, a type that neither pictures nor arrays have",
        )
    if path.suffix.lower() == ".npy":
        return as_batch(open_array(path), target, str(path))
    return load_picture(path, session)


# ---- pictures


def load_picture(path: Path, session: Session) -> np.ndarray:
    """A picture as a batch of one sample, with the channels and the size of the model's input.

    A model for bytes, 1 x H x W x C, prepares them itself. Otherwise the batch is 1 x C x H x W,
    scaled to 0..1 and normalised with the constants in the model's metadata.

    Raises `NetdslError`.
    """
    target = session.inputs[0]
    if target.dtype == "uint8" and len(target.shape) == 4 and target.shape[3] in MODES:
        return _picture_bytes(path, target, int(target.shape[3]))
    channels, size = _picture_shape(path, target)
    pixels = np.asarray(decode(path, MODES[channels], size), dtype=np.float32)
    pixels /= 255
    array = pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1)
    mean, std = session.numbers("netdsl.mean", channels), session.numbers("netdsl.std", channels)
    if mean is not None:
        array = array - mean
    if std is not None:
        if not (std > 0).all():
            raise NetdslError("bad-metadata", f"`netdsl.std` of {session.name} must be above 0")
        array = array / std
    return np.ascontiguousarray(array[None], dtype=target.dtype)


def _picture_bytes(path: Path, target: Tensor, channels: int) -> np.ndarray:
    pixels = np.asarray(decode(path, MODES[channels], _picture_size(target.shape[1:3])))
    return np.ascontiguousarray(pixels.reshape(1, *pixels.shape[:2], channels))


def _picture_size(sizes: Sequence[int | str]) -> tuple[int | None, int | None]:
    """Width and height from a model's height and width; None where they are open."""
    height, width = (d if isinstance(d, int) else None for d in sizes)
    return width, height


def _picture_shape(path: Path, target: Tensor) -> tuple[int, tuple[int | None, int | None]]:
    """The channels, and the width and height where they are fixed."""
    if len(target.shape) != 4 or not target.dtype.startswith("float"):
        raise NetdslError(
            "wrong-shape",
            f"{path} is a picture, but the model takes {target}",
            help="give it an array in a .npy file",
        )
    channels = target.shape[1]
    if not isinstance(channels, int):
        channels = 3
    if channels not in MODES:
        help_ = "pictures have 1 channel or 3; give it an array in a .npy file"
        raise NetdslError(
            "wrong-shape",
            f"{path} is a picture, but the model takes {channels} channels ({target})",
            help=help_,
        )
    return channels, _picture_size(target.shape[2:])


# ---- arrays


def as_batch(stored: StoredArray, target: Tensor, place: str) -> np.ndarray:
    """An array as a batch for an input of the model; a single sample gets a batch axis.

    `place` names the array in messages. Raises `NetdslError` for an array that does not fit,
    before its numbers are read.
    """
    shape = stored.shape
    if len(shape) == len(target.shape) - 1:
        shape = (1, *shape)
    sizes = "x".join(map(str, shape)) or "a scalar"
    if len(shape) != len(target.shape):
        raise NetdslError(
            "wrong-shape",
            f"{place} is {sizes}, but the model takes {target}",
            help="give it one sample, or a batch of them",
        )
    if any(isinstance(d, int) and d != n for d, n in zip(target.shape[1:], shape[1:], strict=True)):
        message = f"{place} is {sizes}, but the model takes {target}"
        raise NetdslError("wrong-shape", message, help=_channels_first(stored.shape, target))
    if 0 in shape:
        raise NetdslError("wrong-shape", f"{place} is empty: its shape is {sizes}")
    wanted = np.dtype(target.dtype)
    _check_kind(stored.dtype, wanted, place)
    return np.ascontiguousarray(stored.read(wanted)).reshape(shape)


def _check_kind(dtype: np.dtype, wanted: np.dtype, place: str) -> None:
    """Refuse an array whose kind of numbers differs from that of the model's input.

    Otherwise the bytes of a picture would be used as floats, without the scaling of the training.
    """
    if _kind(dtype) == _kind(wanted):
        return
    help_ = f"give it an array of {wanted}"
    if _kind(dtype):
        help_ = f"convert it: `array.astype('{wanted}')`, and scale it as in training"
    raise NetdslError(
        "wrong-dtype",
        f"{place} contains {type_name(dtype)}, but the model takes {wanted}",
        help=help_,
    )


def _kind(dtype: np.dtype) -> str | None:
    """The kind of numbers of an element type, or None if no model takes it."""
    return {"b": "bool", "i": "integer", "u": "integer", "f": "float"}.get(dtype.kind)


def _channels_first(shape: tuple[int, ...], target: Tensor) -> str | None:
    """Advice for an array whose channels are its last axis, if it fits without that."""
    rank = len(shape)
    batch = tuple(range(rank - len(target.shape) + 1))
    order = (*batch, rank - 1, *range(len(batch), rank - 1))
    wanted, moved = target.shape[1:], [shape[i] for i in order[len(batch) :]]
    fits = all(not isinstance(d, int) or d == n for d, n in zip(wanted, moved, strict=True))
    if len(wanted) < 2 or not fits:
        return None
    axes = ", ".join(map(str, order))
    return f"if its channels come last, write `array.transpose({axes})` before you store it"
