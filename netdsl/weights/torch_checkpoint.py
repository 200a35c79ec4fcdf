"""Reads PyTorch checkpoints without running any code in them."""

from __future__ import annotations

import ctypes
import io
import mmap
import os
import pickletools
import warnings
import zipfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import torch

from netdsl.errors import NetdslError
from netdsl.process.memory import is_out_of_memory
from netdsl.weights.formats import SAVE
from netdsl.weights.tensors import array_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Dict = Mapping[object, object]  # what a pickle contains, with keys of any type

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "weights")
SHOWN = 3  # names in a message
_OLD_PICKLES = 4  # a magic number, the version, sizes of the system's types, and the state
_OUTSIDE = "load it where its code is, and save it with torch.save(module.state_dict(), path)"


def read_torch(path: Path) -> MappedByTorch:
    """The tensors of a checkpoint by their names; raises `NetdslError`."""
    if zipfile.is_zipfile(path):
        _check_objects(path, _pickle_of_archive(path))
        tensors = _state(path, _load(path, mapped=True))
        _check_sizes(path, tensors)
    else:
        _check_objects(path, _pickle_of_old(path))
        tensors = _state(path, _load(path, mapped=False))
    return MappedByTorch(path, {name: _array(path, name, t) for name, t in tensors.items()})


def _array(path: Path, name: str, tensor: torch.Tensor) -> np.ndarray:
    try:
        return array_of(tensor)
    except TypeError as error:
        raise NetdslError(
            "corrupt-weights", f"`{name}` of {path} is {error}", help="save it as a plain tensor"
        ) from None


def _load(path: Path, *, mapped: bool) -> object:
    loaded: object
    try:
        with warnings.catch_warnings(action="ignore"):  # errors are reported once, below
            # PyTorch reads a file whose name ends in .safetensors as one, whatever it contains.
            if mapped and path.suffix != ".safetensors":
                loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            else:
                with open(path, "rb") as file:
                    loaded = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise NetdslError(
            "corrupt-weights",
            f"{path} is damaged, or contains Python objects besides its tensors; they are not "
            "loaded, because that would run their code",
            help=_OUTSIDE,
        ) from None
    except Exception as error:  # a damaged pickle can raise any error
        if is_out_of_memory(error):
            raise
        _fail_damaged(path)
    return loaded


def _fail_damaged(path: Path) -> NoReturn:
    raise NetdslError(
        "corrupt-weights",
        f"{path} is damaged, or is not a PyTorch checkpoint of tensors",
        help=SAVE,
    )


def _pickle_of_archive(path: Path) -> bytes:
    """The pickle of a checkpoint, in which the tensors are references to other records."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = (n for n in archive.namelist() if n.rpartition("/")[2] == "data.pkl")
            return archive.read(next(names, ""))
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError):
        _fail_damaged(path)


def _pickle_of_old(path: Path) -> bytes:
    """The pickle of a checkpoint from before PyTorch 1.6, which comes after three short ones.

    A file with fewer pickles is not one of PyTorch's; its last pickle is returned.
    """
    start = end = 0
    with open(path, "rb") as file:
        with suppress(Exception):  # what follows the last pickle can be anything
            for _ in range(_OLD_PICKLES):
                deque(pickletools.genops(file), maxlen=0)  # reads to the end, and runs nothing
                start, end = end, file.tell()
        file.seek(start)
        return file.read(end - start)


def _check_objects(path: Path, pickled: bytes) -> None:
    """Refuse a checkpoint that needs classes of its own: loading it would run their code."""
    if pickled[:1] == b"\x80" and pickled[1:2] > b"\3":
        raise NetdslError(
            "corrupt-weights",
            f"{path} is pickled with protocol {pickled[1]}; without running code, PyTorch reads "
            "only 2 and 3",
            help=_OUTSIDE,
        )
    try:
        classes = torch.serialization.get_unsafe_globals_in_checkpoint(_as_archive(pickled))
    except Exception:  # a damaged pickle can raise any error
        _fail_damaged(path)
    if classes:
        more = f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
        listed = ", ".join(f"`{name}`" for name in sorted(classes)[:SHOWN])
        raise NetdslError(
            "corrupt-weights",
            f"{path} contains Python objects besides its tensors, of {listed}{more}; they are not "
            "loaded, because that would run their code",
            help=_OUTSIDE,
        )


def _as_archive(pickled: bytes) -> io.BytesIO:
    """A pickle in the only kind of file in which PyTorch looks for the names of classes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("checkpoint/data.pkl", pickled)
        archive.writestr("checkpoint/version", "3")
    file.seek(0)
    return file


def _state(path: Path, loaded: object) -> dict[str, torch.Tensor]:
    """The tensors of a state dict, which may be inside a dict with other things."""
    if not isinstance(loaded, dict):
        raise NetdslError(
            "corrupt-weights",
            f"{path} contains an object of type {type(loaded).__name__}, not a state dict",
            help=SAVE,
        )
    if _tensors(loaded):
        return _tensors(loaded)
    states = {name: state for name, state in _dicts(loaded).items() if _has_tensors(state)}
    usual = [name for name in WRAPPERS if name in states] or list(states)
    if not usual:
        names = ", ".join(f"`{name}`" for name in list(loaded)[:SHOWN]) or "an empty dict"
        raise NetdslError("corrupt-weights", f"{path} contains no tensors, only {names}", help=SAVE)
    if usual[0] not in WRAPPERS and len(states) > 1:
        raise NetdslError(
            "corrupt-weights",
            f"{path} contains several state dicts: {', '.join(f'`{name}`' for name in states)}",
            help="save the one that you want: torch.save(checkpoint[name], new_path)",
        )
    return _state(path, states[usual[0]])


def _dicts(loaded: Dict) -> dict[str, Dict]:
    """The dicts in a dict that have names; the numbered dicts of an optimizer do not count."""
    return {k: v for k, v in loaded.items() if isinstance(k, str) and isinstance(v, dict)}


def _has_tensors(loaded: Dict, levels: int = 2) -> bool:
    """Whether a dict is a state dict or has one within a few levels."""
    if _tensors(loaded) or not levels:
        return bool(_tensors(loaded))
    return any(_has_tensors(inner, levels - 1) for inner in _dicts(loaded).values())


def _tensors(loaded: Dict) -> dict[str, torch.Tensor]:
    return {k: v for k, v in loaded.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}


def _check_sizes(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Refuse tensors whose sizes are not those of the records: PyTorch would read past the end."""
    with zipfile.ZipFile(path) as archive:
        sizes = {m.file_size for m in archive.infolist() if "/data/" in m.filename}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            continue
        size = tensor.untyped_storage().nbytes()
        if size and size not in sizes:
            raise NetdslError(
                "corrupt-weights",
                f"`{name}` of {path} takes {size:,} bytes, but no record of the file has that size",
                help="copy the file again from its source",
            )


class MappedByTorch(dict[str, np.ndarray]):
    """The tensors of a checkpoint, some of which PyTorch may have mapped from the file."""

    def __init__(self, path: Path, tensors: Mapping[str, np.ndarray]) -> None:
        super().__init__(tensors)
        self._mapped = _mappings(path)

    def release(self, name: str, first: int, count: int) -> None:
        """Free memory as `Mapped.release` does, but only if it is mapped from the file."""
        array = self[name]
        at = array.ctypes.data + first * array.itemsize
        end = at + min(count, array.size - first) * array.itemsize
        for begin, stop in self._mapped:
            if begin <= at < end <= stop and array.flags.c_contiguous:
                page = at // mmap.PAGESIZE * mmap.PAGESIZE
                madvise = ctypes.CDLL(None).madvise
                madvise(ctypes.c_void_p(page), ctypes.c_size_t(end - page), mmap.MADV_DONTNEED)


def _mappings(path: Path) -> list[tuple[int, int]]:
    """The addresses at which this process has mapped a file, from proc(5).

    There are none on systems other than Linux.
    """
    maps, name = Path("/proc/self/maps"), os.path.realpath(path)
    if not maps.is_file() or not hasattr(mmap, "MADV_DONTNEED"):
        return []
    text = maps.read_text(encoding="utf-8", errors="surrogateescape")
    lines = [line.split(maxsplit=5) for line in text.splitlines()]
    ends = [fields[0].split("-") for fields in lines if len(fields) > 5 and fields[5] == name]
    return [(int(begin, 16), int(end, 16)) for begin, end in ends]
