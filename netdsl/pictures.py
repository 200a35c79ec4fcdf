"""Decodes pictures to 8-bit grey or colour as a viewer shows them, or refuses them."""

from __future__ import annotations

import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from netdsl.errors import NetdslError
from netdsl.pipes import is_idle_pipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
MODES = {1: "L", 3: "RGB"}  # Pillow's names of pictures by their number of channels
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
SEVERAL = ("JPEG", "MPO")  # formats in which cameras put previews after the photo
WHITE = 255
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO, _SIGNED = 0, 2  # values of the last two tags
_TIFF = (b"II*\0", b"MM\0*")
_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
    struct.error,
    zlib.error,
)


def decode(path: Path, mode: str, size: tuple[int | None, int | None]) -> Image.Image:
    """A picture in the mode `L` or `RGB`, resized to `size`: its width and its height.

    Where these are None, the picture keeps its own. Raises `NetdslError`: `picture-too-large`, or
    `bad-picture` for a damaged picture, one whose numbers do not define white, or one with several
    frames.
    """
    if is_idle_pipe(path):
        raise NetdslError("bad-picture", f"{path} is a pipe, not a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # problems that matter raise errors
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = _opened(path, mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = Image.MAX_IMAGE_PIXELS
        raise NetdslError(
            "picture-too-large",
            f"{path} has more than {most:,} pixels",
            help="make it smaller first",
        ) from None
    except UnidentifiedImageError:
        _fail_unknown(path)
    except FileNotFoundError:
        raise NetdslError("bad-picture", f"there is no file {path}") from None
    except _ERRORS as error:
        reason = str(error).strip() or type(error).__name__
        raise NetdslError("bad-picture", f"{path} is damaged: {reason}") from None
    wanted = (size[0] or picture.width, size[1] or picture.height)
    if wanted == picture.size:
        return picture
    return picture.resize(wanted, Image.Resampling.BILINEAR)


def _fail_unknown(path: Path) -> NoReturn:
    """Raise the error for a file that Pillow does not recognise."""
    with open(path, "rb") as file:
        is_tiff = file.read(4) in _TIFF
    if is_tiff:
        raise NetdslError(
            "bad-picture",
            f"{path} is a TIFF of an unsupported kind",
            help=(
                "convert it to grey or colours of 8 or 16 bits, or give it as an array in a .npy"
                " file, scaled as in training"
            ),
        )
    raise NetdslError(
        "bad-picture",
        f"{path} is not a picture in a supported format",
        help=f"supported are {', '.join(FORMATS)}, and arrays in .npy files",
    )


def _opened(path: Path, mode: str) -> Image.Image:
    """The picture in its own size, turned upright."""
    with Image.open(path, formats=FORMATS) as opened:
        _check_frames(opened, path)
        _check_range(opened, path)
        upright = ImageOps.exif_transpose(opened)
        if upright.mode.startswith("I"):
            upright = _eight_bits(upright, getattr(opened, "tag_v2", {}))
        return _flat(upright, mode)


def _check_frames(picture: Image.Image, path: Path) -> None:
    if getattr(picture, "is_animated", False) and picture.format not in SEVERAL:
        raise NetdslError(
            "bad-picture",
            f"{path} has several frames or pages; only single pictures are supported",
            help="save the frame that you want as a picture of its own",
        )


def _check_range(picture: Image.Image, path: Path) -> None:
    """Refuse a picture if its file does not define which number is white."""
    numbers = _undefined_numbers(picture)
    if numbers is not None:
        raise NetdslError(
            "bad-picture",
            f"{path} contains {numbers}, and does not define which of them is white",
            help=(
                "write it with 8 or 16 bits, unsigned, or give it as an array in a .npy file,"
                " scaled as in training"
            ),
        )
    if picture.mode == "LAB":
        raise NetdslError(
            "bad-picture",
            f"{path} has LAB colours; grey, RGB, palettes and CMYK are supported",
            help="convert it to RGB first",
        )


def _undefined_numbers(picture: Image.Image) -> str | None:
    """The kind of numbers in a picture if none of them is defined as white, else None."""
    if _SIGNED in getattr(picture, "tag_v2", {}).get(_SAMPLE_FORMAT, ()):
        return "signed integers"
    if picture.mode == "F":
        return "floats"
    if picture.mode == "I" and picture.format != "PPM":  # Pillow scales PPM to 16 bits
        return "32-bit integers"
    return None


def _eight_bits(picture: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion turns everything above 255 into white.

    `tags` are those of a TIFF, in which white may be 2^12 - 1, or 0.
    """
    numbers = np.asarray(picture, np.float32)
    grey = numbers * (WHITE / (2 ** tags.get(_BITS_PER_SAMPLE, (16,))[0] - 1))
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = WHITE - grey
    grey[numbers == picture.info.get("transparency", -1)] = WHITE
    return Image.fromarray(grey.round().clip(0, WHITE).astype(np.uint8))


def _flat(picture: Image.Image, mode: str) -> Image.Image:
    """The picture in the given mode, with white where it is transparent."""
    if not picture.has_transparency_data:
        return picture.convert(mode)
    visible = picture.convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, visible).convert("RGB").convert(mode)
