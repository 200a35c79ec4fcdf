"""Reads the input of a trace: a picture, an array, or a text file of numbers."""

from __future__ import annotations

import os
import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.arrays import open_archive, open_array
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, shape_text
from netdsl.missing import no_file
from netdsl.pictures import MODES, decode
from netdsl.pictures import SUFFIXES as PICTURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.arrays import StoredArray
    from netdsl.ir.graph import Graph, Value

    Constants = Mapping[str, tuple[object, object]]

MOST_TEXT = 1 << 24  # characters of a file of numbers
PICTURE_AXES = 3
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def examples_of(graph: Graph) -> dict[str, np.ndarray]:
    """The examples in the text, by the names of the inputs; raises `NetdslError` if one misses."""
    missing = [value for value in graph.inputs if value.name not in graph.examples]
    if missing:
        value = missing[0]
        option = "--input FILE" if len(graph.inputs) == 1 else f"--input {value.name}=FILE"
        raise NetdslError(
            "no-inputs",
            f"there are no numbers for the input `{value.name}`",
            value.site.span,
            help=f"give a picture, an array or a file of numbers, `{option}`; or write an example,"
            f" `input {value.name}: {shape_text(value.type.shape)} = [[...]]`",
        )
    return {
        value.name: np.array(example.numbers, dtype=value.type.dtype).reshape(example.shape)
        for value in graph.inputs
        for example in [graph.examples[value.name]]
    }


def read_inputs(
    graph: Graph,
    files: Mapping[str, str],
    constants: Constants,
    *,
    resize: bool,
    batched: bool = False,
) -> dict[str, np.ndarray]:
    """One sample for each input of a net, by name; raises `NetdslError`.

    `files` are those that the user names, by input; "" is the only input, or an archive of all.
    `constants` are the mean and the deviation with which pictures are normalised. If `batched`,
    each input has several samples, whose number is the first axis.
    """
    read = _read_inputs(graph, files, constants, resize=resize, batched=batched)
    counts = {len(array) for array in read.values()}
    if batched and len(counts) > 1:
        found = ", ".join(f"`{name}` has {len(array)}" for name, array in read.items())
        help_ = "give each input the same number of samples"
        raise NetdslError("wrong-shape", f"the inputs differ in samples: {found}", help=help_)
    return read


def _read_inputs(
    graph: Graph, files: Mapping[str, str], constants: Constants, *, resize: bool, batched: bool
) -> dict[str, np.ndarray]:
    names = [value.name for value in graph.inputs]
    for name in files:
        if name and name not in names:
            raise NetdslError(
                "unknown-input",
                f"`{graph.name}` has no input `{name}`",
                help=f"its inputs are {', '.join(names)}",
            )
    if "" in files and len(names) > 1:
        return _archived(graph, files[""], batched=batched)
    read = {}
    for value in graph.inputs:
        file = files.get(value.name) or files.get("")
        if file is None:
            raise _missing(graph, value)
        read[value.name] = _read(Path(file), value, constants, resize=resize, batched=batched)
    return read


def _missing(graph: Graph, value: Value) -> NetdslError:
    options = " ".join(f"--input {v.name}=FILE" for v in graph.inputs)
    return NetdslError(
        "several-inputs",
        f"`{graph.name}` has {len(graph.inputs)} inputs, and `{value.name}` is not given",
        help=f"give all of them: `{options}`, or one .npz file with their names",
    )


def _archived(graph: Graph, file: str, *, batched: bool) -> dict[str, np.ndarray]:
    """The arrays of an archive, one for each input of the net."""
    if not file.lower().endswith(".npz"):
        raise _missing(graph, graph.inputs[-1])
    arrays = open_archive(Path(file))
    for value in graph.inputs:
        if value.name not in arrays:
            raise _missing(graph, value)
    found = [(value, arrays[value.name]) for value in graph.inputs]
    return {v.name: _sample(array, v, array.place, batched=batched) for v, array in found}


def _read(
    path: Path, value: Value, constants: Constants, *, resize: bool, batched: bool
) -> np.ndarray:
    suffix = path.suffix.lower()
    if not os.path.isfile(path):
        raise no_file(path)
    if suffix in PICTURES:
        picture = _picture(path, value, constants, resize=resize)
        return picture[None] if batched else picture
    if suffix == ".npy":
        return _sample(open_array(path), value, str(path), batched=batched)
    if suffix == ".npz":
        arrays = open_archive(path)
        found = arrays.get(value.name) or next(iter(arrays.values()), None)
        if found is None:
            raise NetdslError("bad-array", f"{path} has no arrays")
        return _sample(found, value, found.place, batched=batched)
    return _text(path, value, batched=batched)


# ---- pictures


def _picture(path: Path, value: Value, constants: Constants, *, resize: bool) -> np.ndarray:
    """A picture as numbers from 0 to 1, normalised as in the training."""
    shape = value.type.shape
    if len(shape) != PICTURE_AXES or not value.type.dtype.startswith("float"):
        raise NetdslError(
            "wrong-shape",
            f"{path} is a picture, but the input `{value.name}` is {value.type}",
            help="give it an array in a .npy file, or a text file of numbers",
        )
    channels = shape[0]
    if not isinstance(channels, int):
        channels = PICTURE_AXES
    if channels not in MODES:
        raise NetdslError(
            "wrong-shape",
            f"{path} is a picture, but the input `{value.name}` has {channels} channels",
            help="pictures have 1 channel or 3; give it an array in a .npy file",
        )
    height, width = (size if isinstance(size, int) else None for size in shape[1:])
    picture = decode(path, MODES[channels], (None, None))
    wanted = (width or picture.width, height or picture.height)
    if picture.size != wanted and not resize:
        raise NetdslError(
            "wrong-shape",
            f"{path} has {picture.height} x {picture.width} pixels, but the input `{value.name}` is"
            f" {shape_text(shape)}",
            help="give a picture of that size, or resize this one with --resize, as `netdsl run`"
            " does",
        )
    if picture.size != wanted:
        picture = decode(path, MODES[channels], (width, height))
    pixels = np.asarray(picture, dtype=np.float32) / np.float32(255)
    array = pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1)
    mean, std = constants.get(value.name, (0.0, 1.0))
    per_channel = (-1, 1, 1)
    array = array - np.asarray(mean, np.float32).reshape(per_channel)
    array = array / np.asarray(std, np.float32).reshape(per_channel)
    return np.ascontiguousarray(array, dtype=value.type.dtype)


# ---- arrays


def _sample(stored: StoredArray, value: Value, place: str, *, batched: bool) -> np.ndarray:
    """One sample of an array: the array itself, or that of a batch of one; or the whole batch."""
    shape, samples = stored.shape, 1
    if len(shape) == len(value.type.shape) + 1 and (batched or shape[0] == 1):
        samples, *rest = shape
        shape = tuple(rest)
    _check_shape(shape if samples else (0,), value, place)
    array = np.ascontiguousarray(stored.read(np.dtype(value.type.dtype)))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NetdslError("not-finite", f"{place} has numbers that are infinite or not a number")
    return array.reshape((samples,) * batched + shape)


def _check_shape(shape: tuple[int, ...], value: Value, place: str) -> None:
    """Raise `NetdslError` for numbers of another shape than the input."""
    declared = value.type.shape
    sizes: dict[str, int] = {}
    fits = len(shape) == len(declared) and 0 not in shape
    for size, found in zip(declared, shape, strict=False):
        if isinstance(size, Sym):
            fits &= {str(size)} != size.symbols() or sizes.setdefault(str(size), found) == found
        else:
            fits &= size == found
    if not fits:
        raise NetdslError(
            "wrong-shape",
            f"{place} has {shape_text(shape) or 'no'} numbers, but the input `{value.name}` is"
            f" {shape_text(declared)}",
            help="give one sample, without a batch and with the channels first",
        )


# ---- texts


def _text(path: Path, value: Value, *, batched: bool) -> np.ndarray:
    """The numbers of a text file: a line for each row, and an empty line between channels."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MOST_TEXT + 1)
    except UnicodeDecodeError:
        raise _no_numbers(path, "it is not a text") from None
    except OSError as error:
        raise NetdslError("cannot-read", f"{path}: {error.strerror or error}") from None
    if len(text) > MOST_TEXT:
        raise _no_numbers(path, f"it has more than {MOST_TEXT:,} characters")
    blocks: list[list[list[float]]] = [[]]
    for line, row in enumerate(text.splitlines(), 1):
        words = re.split(r"[\s,;]+", row.partition("#")[0].strip(" \t,;[]()"))
        if words == [""]:
            blocks.append([])
            continue
        numbers = [_NUMBER.fullmatch(word.strip("[]()")) for word in words]
        if not all(numbers):
            wrong = next(w for w, found in zip(words, numbers, strict=True) if found is None)
            raise _no_numbers(path, f"line {line} has `{wrong[:20]}`")
        blocks[-1].append([float(match[0]) for match in numbers if match is not None])
    return _shaped([block for block in blocks if block], path, value, batched=batched)


def _shaped(
    blocks: list[list[list[float]]], path: Path, value: Value, *, batched: bool
) -> np.ndarray:
    """The blocks of rows as an array of the input's rank, or of its shape if only that fits.

    If `batched`, as many samples as there are numbers for.
    """
    rows = [row for block in blocks for row in block]
    flat = [number for row in rows for number in row]
    declared, samples = value.type.shape, 1
    is_regular = len({len(row) for row in rows}) == 1 and len({len(b) for b in blocks}) == 1
    fixed = tuple(size for size in declared if isinstance(size, int))
    if batched and len(fixed) == len(declared):
        samples = max(1, len(flat) // (prod(fixed) or 1))
    if len(fixed) == len(declared) and len(flat) == samples * prod(fixed):
        shape: tuple[int, ...] = fixed
    elif is_regular and len(declared) > 1:
        shape = (len(blocks), len(blocks[0]), len(rows[0]))
        lead = (1,) * (len(declared) - len(shape))
        shape = lead + shape[max(0, len(shape) - len(declared)) :]
        if prod(shape) != len(flat):
            shape = (len(rows), len(rows[0]))
    else:
        shape = (len(flat),)
    _check_shape(shape, value, str(path))
    array = np.array(flat, dtype=np.float64)
    dtype = np.dtype(value.type.dtype)
    if dtype.kind in "iu" and not np.array_equal(array, np.rint(array)):
        raise _no_numbers(path, f"the input `{value.name}` takes whole numbers")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted.astype(np.float64)).all():
        raise _no_numbers(path, "it has a number that is too large")
    return converted.reshape((samples,) * batched + shape)


def _no_numbers(path: Path, reason: str) -> NetdslError:
    return NetdslError(
        "bad-array",
        f"{path} is not a file of numbers: {reason}",
        help="write the numbers of a row on a line, with spaces or commas between them, and an"
        " empty line between channels; pictures and .npy files need their suffix",
    )
