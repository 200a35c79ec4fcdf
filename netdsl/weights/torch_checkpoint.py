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
from typing import Any, NoReturn

import torch

from netdsl.errors import NetdslError
from netdsl.process.memory import is_out_of_memory
from netdsl.weights.formats import SAVE
from netdsl.weights.tensors import as_array

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "weights")
SHOWN = 3  # names in a message
_OLD_PICKLES = 4  # a magic number, the version, sizes of the system's types, and the state
_OUTSIDE = "load it beside its code, and save it with torch.save(module.state_dict(), path)"


def read_torch(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by their names; raises `NetdslError`."""
    archive = zipfile.is_zipfile(path)
    _check_objects(path, _pickle_of_archive(path) if archive else _pickle_of_old(path))
    tensors = _state(path, _load(path, mapped=archive))
    if archive:
        _check_sizes(path, tensors)
    return MappedByTorch(path, {name: _array(path, name, t) for name, t in tensors.items()})


def _array(path: Path, name: str, tensor: torch.Tensor) -> Any:
    try:
        return as_array(tensor)
    except TypeError as error:
        raise NetdslError(
            "corrupt-weights", f"`{name}` of {path} is {error}", help="save it as a plain tensor"
        ) from None


def _load(path: Path, *, mapped: bool) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # errors are reported once, below
            if mapped and path.suffix != ".safetensors":  # PyTorch trusts such a name
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            with open(path, "rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise NetdslError(
            "corrupt-weights",
            f"{path} is damaged, or holds Python objects beside its tensors; they are not loaded, "
            "because that would run their code",
            help=_OUTSIDE,
        ) from None
    except Exception as error:  # a damaged pickle can raise any error
        if is_out_of_memory(error):
            raise
        _fail_damaged(path)


def _fail_damaged(path: Path) -> NoReturn:
    raise NetdslError(
        "corrupt-weights", f"{path} is damaged, or no PyTorch checkpoint of tensors", help=SAVE
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
    """The same of a file as PyTorch wrote it before 1.6: three short pickles, and then this one.

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
            f"{path} is pickled by protocol {pickled[1]}, and PyTorch reads only 2 and 3 without "
            "running code",
            help=_OUTSIDE,
        )
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(_as_archive(pickled))
    except Exception:  # a damaged pickle can raise any error
        _fail_damaged(path)
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        listed = ", ".join(f"`{name}`" for name in sorted(found)[:SHOWN])
        raise NetdslError(
            "corrupt-weights",
            f"{path} holds Python objects beside its tensors, of {listed}{more}; they are not "
            "loaded, because that would run their code",
            help=_OUTSIDE,
        )


def _as_archive(pickled: bytes) -> io.BytesIO:
    """A pickle in the only kind of file in which PyTorch looks for the names of classes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("checkpoint/data.pkl", pickled)
        archive.writestr("checkpoint/version", "3")
    made.seek(0)
    return made


def _state(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    """The tensors of a state dict, which may be inside a dict with other things."""
    if not isinstance(loaded, dict):
        raise NetdslError(
            "corrupt-weights", f"{path} holds no state dict but {type(loaded).__name__}", help=SAVE
        )
    if _tensors(loaded):
        return _tensors(loaded)
    held = {k: v for k, v in _dicts(loaded).items() if _has_tensors(v)}
    usual = [w for w in WRAPPERS if w in held] or list(held)
    if not usual:
        names = ", ".join(f"`{k}`" for k in list(loaded)[:SHOWN]) or "nothing"
        raise NetdslError("corrupt-weights", f"{path} holds no tensors; it has {names}", help=SAVE)
    if usual[0] not in WRAPPERS and len(held) > 1:
        raise NetdslError(
            "corrupt-weights",
            f"{path} holds several state dicts: {', '.join(f'`{k}`' for k in held)}",
            help="save the one that you want: torch.save(checkpoint[name], new_path)",
        )
    return _state(path, held[usual[0]])


def _dicts(state: dict[Any, Any]) -> dict[str, dict[Any, Any]]:
    """The dicts in a dict whose keys are names: an optimizer numbers its own."""
    return {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, dict)}


def _has_tensors(state: dict[Any, Any], levels: int = 2) -> bool:
    """Whether a value is a state dict or has one within a few levels."""
    if _tensors(state) or not levels:
        return bool(_tensors(state))
    return any(_has_tensors(v, levels - 1) for v in _dicts(state).values())


def _tensors(state: dict[Any, Any]) -> dict[str, torch.Tensor]:
    found = {n: t for n, t in state.items() if isinstance(n, str)}
    return {n: t for n, t in found.items() if isinstance(t, torch.Tensor)}


def _check_sizes(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Refuse tensors whose sizes are not those of the records: PyTorch would read past the end."""
    with zipfile.ZipFile(path) as archive:
        sizes = {m.file_size for m in archive.infolist() if "/data/" in m.filename}
    for name, tensor in tensors.items():
        size = tensor.untyped_storage().nbytes() if tensor.layout == torch.strided else 0
        if size and size not in sizes and tensor.device.type == "cpu":
            raise NetdslError(
                "corrupt-weights",
                f"`{name}` of {path} takes {size:,} bytes, and no record of the file has that size",
                help="copy the file again from its source",
            )


class MappedByTorch(dict[str, Any]):
    """The tensors of a checkpoint, of which PyTorch may have mapped some from the file."""

    def __init__(self, path: Path, tensors: dict[str, Any]) -> None:
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
    """The addresses at which this process has mapped a file, from proc(5); none except on Linux."""
    maps, name = Path("/proc/self/maps"), os.path.realpath(path)
    if not maps.is_file() or not hasattr(mmap, "MADV_DONTNEED"):
        return []
    text = maps.read_text(encoding="utf-8", errors="surrogateescape")
    lines = [line.split(maxsplit=5) for line in text.splitlines()]
    ends = [fields[0].split("-") for fields in lines if len(fields) > 5 and fields[5] == name]
    return [(int(begin, 16), int(end, 16)) for begin, end in ends]
