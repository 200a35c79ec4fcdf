"""Reads weights that a user names: safetensors, or PyTorch checkpoints without running anything that they hold."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import re
import warnings
import zipfile
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from netdsl.diagnostics import fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.graph import Graph
    from netdsl.ops.base import Param

TORCH_SUFFIXES = (".pt", ".pth", ".th", ".bin")
DTYPES: dict[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2, "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "C64": "<c8",
}  # fmt: skip
_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # PyTorch prints some words in bold
WRAPPERS = ("state_dict", "model_state_dict", "model")


class Weights(NamedTuple):
    """Tensors by name, as numpy arrays, and the strings that stand in the file beside them."""

    tensors: dict[str, Any]
    metadata: dict[str, str]


def read_weights(path: str | Path) -> Weights:
    """The tensors of a checkpoint; a `module.` in front of every name is taken off. Raises `CompileError`."""
    path = Path(path)
    if os.path.isdir(path):  # unlike the path's own questions, for a name that is too long too
        path /= "weights.safetensors"
    if not os.path.isfile(path):
        fail("file-not-found", f"there is no file {path}", "--weights takes a safetensors or PyTorch checkpoint, or the folder of a training run")
    tensors, metadata = _torch(path) if path.suffix.lower() in TORCH_SUFFIXES else _safetensors(path)
    if tensors and all(name.startswith("module.") for name in tensors):
        for name in list(tensors):
            tensors[name.removeprefix("module.")] = tensors.pop(name)
    return Weights(tensors, metadata)


def _safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:  # checks the head, and that the sizes fit the file
            metadata = dict(file.metadata() or {})
        return Mapped(path), metadata
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        fail("corrupt-weights", f"{path} is not a safetensors file: {error}", f"PyTorch checkpoints end in {', '.join(TORCH_SUFFIXES)}")


class Mapped(dict[str, Any]):
    """The tensors of a safetensors file where they lie in it: arrays over the mapped file, read when they are looked at.

    The head is 8 bytes of its length and JSON (https://github.com/huggingface/safetensors#format).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(self._map[:8], "little")
        for name, entry in json.loads(self._map[8:start]).items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in DTYPES:
                fail("corrupt-weights", f"{path} holds `{name}` of type {entry['dtype']}, which is not read", f"these are: {', '.join(DTYPES)}")
            dtype = np.dtype(DTYPES[entry["dtype"]])
            begin, end = entry["data_offsets"]
            array = np.frombuffer(self._map, dtype, (end - begin) // dtype.itemsize, start + begin) if end > begin else np.empty(0, dtype)
            self[name] = array.reshape(entry["shape"])

    def release(self, name: str, first: int, count: int) -> None:
        """Give back the memory of elements that were read: it would stay with the process until another needs it."""
        array = self[name]
        at = array.ctypes.data - np.frombuffer(self._map, np.uint8, 1).ctypes.data + first * array.itemsize
        begin = at // mmap.PAGESIZE * mmap.PAGESIZE
        if array.size and hasattr(mmap, "MADV_DONTNEED"):  # what is read again is only mapped again
            self._map.madvise(mmap.MADV_DONTNEED, begin, min(at + min(count, array.size - first) * array.itemsize, len(self._map)) - begin)


class MappedByTorch(dict[str, Any]):
    """The tensors of a PyTorch checkpoint, those that PyTorch has mapped where they lie in the file."""

    def __init__(self, path: Path, tensors: dict[str, Any]) -> None:
        super().__init__(tensors)
        self._mapped = _mappings(path)

    def release(self, name: str, first: int, count: int) -> None:
        """As that of `Mapped`; what is memory of its own stays, for there its numbers would be lost."""
        array = self[name]
        at = array.ctypes.data + first * array.itemsize
        end = at + min(count, array.size - first) * array.itemsize
        for begin, stop in self._mapped:
            if begin <= at < end <= stop and array.flags.c_contiguous:
                page = at // mmap.PAGESIZE * mmap.PAGESIZE
                ctypes.CDLL(None).madvise(ctypes.c_void_p(page), ctypes.c_size_t(end - page), mmap.MADV_DONTNEED)


def _mappings(path: Path) -> list[tuple[int, int]]:
    """Where a file lies in the addresses of this process, as Linux says it (proc(5)); nowhere on other systems."""
    maps, name = Path("/proc/self/maps"), os.path.realpath(path)
    if not maps.is_file() or not hasattr(mmap, "MADV_DONTNEED"):
        return []
    lines = [line.split(maxsplit=5) for line in maps.read_text(encoding="utf-8", errors="surrogateescape").splitlines()]
    ends = [fields[0].split("-") for fields in lines if len(fields) > 5 and fields[5] == name]
    return [(int(begin, 16), int(end, 16)) for begin, end in ends]


def _torch(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    # PyTorch is imported for its own file format alone: safetensors, the usual one, do without it.
    import torch

    try:
        # A file of the format before PyTorch 1.6 is no archive, and cannot be mapped.
        with warnings.catch_warnings(action="ignore"):  # what is wrong with the file is said once, below
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle makes the unpickler trip over anything
        said = _STYLE.sub("", str(error)).strip()
        reason = said.splitlines()[0][:200].strip() if said else type(error).__name__
        fail("corrupt-weights", f"{path} is not a PyTorch checkpoint of tensors: {reason}", "save it with torch.save(module.state_dict(), path)")
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict):
        fail("corrupt-weights", f"{path} holds no state dict", "save it with torch.save(module.state_dict(), path)")
    try:
        return MappedByTorch(path, {n: _array(t.detach()) for n, t in loaded.items() if isinstance(n, str) and isinstance(t, torch.Tensor)}), {}
    except (TypeError, RuntimeError, NotImplementedError) as error:  # sparse, quantised, or without memory of its own
        fail("corrupt-weights", f"{path} holds a tensor that is no plain array: {str(error).splitlines()[0][:200]}", "save it with torch.save(module.state_dict(), path)")


def _array(tensor: Any) -> Any:
    """The memory of a tensor as an array; numpy has no bfloat16 of its own."""
    if str(tensor.dtype) == "torch.bfloat16":
        return tensor.view(dtype=import_module("torch").int16).numpy().view(DTYPES["BF16"])
    return tensor.numpy()


def tensors_of(graph: Graph) -> dict[str, Param]:
    """Every tensor of the inference graph by its checkpoint name."""
    return {f"{n.module}.{k}": p for n in graph.nodes if n.aux is None for k, p in (n.params() | n.buffers()).items()}


def report(params: Mapping[str, Param], weights: Weights) -> str:
    """What of a checkpoint that fits a net is used: `122 tensors loaded, 2 of the file left: fc2.bias, fc2.weight`."""
    spare = [n for n in weights.tensors if n not in params]
    loaded = len(weights.tensors) - len(spare)
    left = f", {len(spare)} of the file left: {', '.join(spare[:4])}{', ...' if len(spare) > 4 else ''}" if spare else ", none left"
    return f"{loaded} tensors loaded{left}"


def fit(params: Mapping[str, Param], weights: Weights, path: str | Path, *, lazy: bool = False) -> dict[str, Any]:
    """The tensors that a net needs out of a checkpoint, as float32, or with `lazy` as they are; raises `CompileError` that says what does not fit."""
    problems: list[str] = []
    spare = [n for n in weights.tensors if n not in params]
    for name, param in params.items():
        found = weights.tensors.get(name)
        if found is None:
            if name.endswith("num_batches_tracked"):
                continue
            near = get_close_matches(name, spare, n=1, cutoff=0.5)
            problems.append(f"`{name}` is missing" + (f"; the file has `{near[0]}`" if near else ""))
        elif tuple(found.shape) != param.shape:
            problems.append(f"`{name}` is {_shape(found.shape)} in the file, {_shape(param.shape)} in the net")
        elif found.dtype.kind in "biuc" and not name.endswith("num_batches_tracked"):
            # Whole numbers are quantised weights: without their scale they mean nothing. Complex ones would lose a half.
            problems.append(f"`{name}` holds {found.dtype} in the file, the net takes floats")
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        fail("weights-mismatch", f"{path} does not fit: {'; '.join(problems[:3])}{more}", f"{len(params) - len(problems)} of {len(params)} tensors fit, {len(spare)} of the file are not used")
    if lazy:
        return Fitting(weights.tensors, [n for n in params if n in weights.tensors])
    return {n: weights.tensors[n].astype("float32", copy=False) for n in params if n in weights.tensors}


class Fitting(dict[str, Any]):
    """The tensors that a net needs, as they lie in the checkpoint."""

    def __init__(self, tensors: Mapping[str, Any], names: list[str]) -> None:
        super().__init__({n: tensors[n] for n in names})
        self._tensors = tensors

    def release(self, name: str, first: int, count: int) -> None:
        """Say that elements are not needed any more."""
        if isinstance(self._tensors, (Mapped, MappedByTorch)):
            self._tensors.release(name, first, count)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
