"""Reads the tensors of a safetensors file in place, without loading the file."""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from netdsl.errors import NetdslError
from netdsl.weights.dtypes import DTYPES
from netdsl.weights.sums import DamagedError, check_sums

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.weights.dtypes import DType

# The names of element types in the header of a file.
NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "BOOL": "bool",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "C64": "complex64",
}


def read_safetensors(path: Path) -> tuple[Mapped, dict[str, str]]:
    """The tensors and the metadata strings of a file; raises `NetdslError`."""
    try:
        with safe_open(path, framework="numpy") as file:  # checks the header and that the sizes fit
            metadata = dict(file.metadata() or {})
        check_sums(path)
        return Mapped(path), metadata
    except DamagedError as error:
        message = f"{path} is damaged: {error}"
        raise NetdslError("corrupt-weights", message, help="copy it again") from None
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise NetdslError(
            "corrupt-weights", f"{path} is not a safetensors file: {error}", help="copy it again"
        ) from None


class Mapped(dict[str, np.ndarray]):
    """Arrays over the mapped file, which the system reads when they are used.

    The header is its length in 8 bytes, then JSON
    (https://github.com/huggingface/safetensors#format).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(self._map[:8], "little")
        for name, entry in json.loads(self._map[8:start]).items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in NAMES:
                raise NetdslError(
                    "corrupt-weights",
                    f"`{name}` of {path} has the type {entry['dtype']}, which netdsl does not read",
                    help=f"it reads {', '.join(NAMES)}",
                )
            dtype = DTYPES[NAMES[entry["dtype"]]]
            begin, end = entry["data_offsets"]
            self[name] = self._array(dtype, start + begin, end - begin).reshape(entry["shape"])

    def _array(self, dtype: DType, begin: int, size: int) -> np.ndarray:
        if not size:
            return np.empty(0, dtype)
        return np.frombuffer(self._map, dtype, size // dtype.itemsize, begin)

    def release(self, name: str, first: int, count: int) -> None:
        """Free the memory of elements that were read.

        Otherwise the process would keep it until another process needs memory.
        """
        array = self[name]
        if not array.size or not hasattr(mmap, "MADV_DONTNEED"):
            return
        base = np.frombuffer(self._map, np.uint8, 1).ctypes.data
        at = array.ctypes.data - base + first * array.itemsize
        begin = at // mmap.PAGESIZE * mmap.PAGESIZE
        end = min(at + min(count, array.size - first) * array.itemsize, len(self._map))
        self._map.madvise(mmap.MADV_DONTNEED, begin, end - begin)  # a later read maps it again
