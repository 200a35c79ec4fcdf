"""Reads PyTorch checkpoints without running any code in them."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import warnings
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from netdsl.errors import NetdslError
from netdsl.weights.formats import SAVE
from netdsl.weights.tensors import as_array

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "weights")
SHOWN = 3  # names in a message
_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # PyTorch prints some words in bold
_OUTSIDE = "load it beside its code, and save it with torch.save(module.state_dict(), path)"


def read_torch(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by their names; raises `NetdslError`."""
    archive = zipfile.is_zipfile(path)
    if archive:
        _check_objects(path)
    tensors = _state(path, _load(path, mapped=archive))
    if archive:
        _check_sizes(path, tensors)
    try:
        return MappedByTorch(path, {n: as_array(t) for n, t in tensors.items()})
    except (TypeError, RuntimeError, NotImplementedError) as error:  # sparse, quantised, meta
        reason = str(error).splitlines()[0][:200]
        raise NetdslError("corrupt-weights", f"{path} holds a tensor that is no plain array: {reason}", help=SAVE) from None


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
        reason = _first_line(error)
        raise NetdslError("corrupt-weights", f"{path} is not a PyTorch checkpoint of tensors: {reason}", help=SAVE) from None


def _first_line(error: Exception) -> str:
    text = _STYLE.sub("", str(error)).strip()
    return text.splitlines()[0][:200].strip() if text else type(error).__name__


def _check_objects(path: Path) -> None:
    """Refuse a checkpoint that needs classes of its own: loading it would run their code."""
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as error:
        reason = _first_line(error)
        raise NetdslError("corrupt-weights", f"{path} is not a PyTorch checkpoint of tensors: {reason}", help=SAVE) from None
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        listed = ", ".join(f"`{name}`" for name in sorted(found)[:SHOWN])
        raise NetdslError(
            "corrupt-weights",
            f"{path} holds Python objects beside its tensors, of {listed}{more}; they are not "
            "loaded, because that would run their code",
            help=_OUTSIDE,
        )


def _state(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    """The tensors of a state dict, which may be inside a dict with other things."""
    if not isinstance(loaded, dict):
        raise NetdslError("corrupt-weights", f"{path} holds no state dict but {type(loaded).__name__}", help=SAVE)
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
