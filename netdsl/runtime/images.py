"""Pictures and `.npy` arrays as the inputs of a model."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from netdsl.diagnostics import fail
from netdsl.runtime.session import DTYPES

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.runtime.session import Session, Tensor

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
MODES = {1: "L", 3: "RGB"}


def load_input(path: Path, session: Session) -> Any:
    """A batch for the model's only input from a picture or a `.npy` array; raises `CompileError`."""
    target = session.inputs[0]
    if not os.path.isfile(path):
        fail("file-not-found", f"there is no file {path}")
    if target.dtype not in DTYPES.values():
        fail("wrong-dtype", f"{session.name} takes {target}, which neither a picture nor an array can give")
    return load_array(path, target) if path.suffix.lower() == ".npy" else load_picture(path, session)


# ---- pictures


def load_picture(path: Path, session: Session) -> Any:
    """A picture as 1 x C x H x W: the channels and the size of the model's input, 0 to 1, normalised as its metadata say."""
    target = session.inputs[0]
    if target.dtype == "uint8" and len(target.shape) == 4 and target.shape[3] in MODES:  # the graph prepares it
        height, width = (d if isinstance(d, int) else None for d in target.shape[1:3])
        bytes_ = np.asarray(_decode(path, MODES[int(target.shape[3])], (width, height)))
        return np.ascontiguousarray(bytes_.reshape(1, *bytes_.shape[:2], int(target.shape[3])))
    channels, size = _picture_shape(path, target)
    pixels = np.asarray(_decode(path, MODES[channels], size), dtype=np.float32) / 255
    array = pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1)
    mean, std = session.numbers("netdsl.mean", channels), session.numbers("netdsl.std", channels)
    array = array if mean is None else array - mean
    if std is not None and not (std > 0).all():
        fail("bad-metadata", f"`netdsl.std` of {session.name} must be above 0")
    array = array if std is None else array / std
    return np.ascontiguousarray(array[None], dtype=target.dtype)


def _picture_shape(path: Path, target: Tensor) -> tuple[int, tuple[int | None, int | None]]:
    """The channels, and width and height where they are fixed."""
    if len(target.shape) != 4 or not target.dtype.startswith("float"):
        fail("wrong-shape", f"{path} is a picture, the model takes {target}", "give it an array in a .npy file")
    channels = target.shape[1] if isinstance(target.shape[1], int) else 3
    if channels not in MODES:
        help_ = "pictures have 1 channel or 3; give it an array in a .npy file"
        fail("wrong-shape", f"{path} is a picture, the model takes {channels} channels ({target})", help_)
    height, width = (d if isinstance(d, int) else None for d in target.shape[2:])
    return channels, (width, height)


def _decode(path: Path, mode: str, size: tuple[int | None, int | None]) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                picture = ImageOps.exif_transpose(_eight_bits(opened)).convert(mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        fail("picture-too-large", f"{path} has more than {Image.MAX_IMAGE_PIXELS:,} pixels", "make it smaller first")
    except UnidentifiedImageError:
        fail("bad-picture", f"{path} is not a picture in a format that is read", f"{', '.join(FORMATS)} are read, and arrays in .npy files")
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, MemoryError, struct.error, zlib.error) as error:
        fail("bad-picture", f"{path} is damaged: {str(error).strip() or type(error).__name__}")
    wanted = (size[0] or picture.width, size[1] or picture.height)
    return picture if wanted == picture.size else picture.resize(wanted, Image.Resampling.BILINEAR)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit: Pillow's own conversion cuts everything above 255 to white."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture, dtype=np.float64) / 257).round().clip(0, 255).astype(np.uint8))


# ---- arrays


def load_array(path: Path, target: Tensor) -> Any:
    """The array of a `.npy` file as a batch: one sample gets a batch axis."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # what is wrong is reported below
            open(path, "rb") as file,
        ):
            array = np.load(file, allow_pickle=False)
    except Exception as error:  # NumPy lets Python parse the header, which can raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{path} is not a .npy file of numbers: {reason}"
        fail("bad-array", message, "write it with numpy.save")
    if not isinstance(array, np.ndarray):
        fail("bad-array", f"{path} holds several arrays", "write one array with numpy.save")
    return as_batch(array, target, path)


def as_batch(array: Any, target: Tensor, path: Path) -> Any:
    """An array as a batch for an input of the model; raises `CompileError`."""
    if array.ndim == len(target.shape) - 1:
        array = array[None]
    found = "x".join(map(str, array.shape)) or "a scalar"
    if array.ndim != len(target.shape):
        fail("wrong-shape", f"{path} is {found}, the model takes {target}", "give it one sample, or a batch of them")
    if any(isinstance(d, int) and d != n for d, n in zip(target.shape[1:], array.shape[1:], strict=True)):
        fail("wrong-shape", f"{path} is {found}, the model takes {target}")
    if 0 in array.shape:
        fail("wrong-shape", f"{path} is {found}: there is nothing in it")
    return np.ascontiguousarray(_convert(array, target, path))


def _convert(array: Any, target: Tensor, path: Path) -> Any:
    wanted = np.dtype(target.dtype)
    # Bytes of a picture would pass for floats, and not be scaled as in training: kinds are not mixed.
    if (array.dtype.kind in "iu") != (wanted.kind in "iu") or not np.can_cast(array.dtype, wanted, "same_kind"):
        help_ = f"convert it: `array.astype('{wanted}')`, and scale it as in training"
        fail("wrong-dtype", f"{path} holds {array.dtype}, the model takes {wanted}", help_)
    made = array.astype(wanted)
    if wanted.kind in "iu" and not np.array_equal(made, array):
        fail("wrong-dtype", f"{path} holds {array.dtype} values that {wanted} cannot hold")
    return made
