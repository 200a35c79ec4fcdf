"""Reads the tensors of a safetensors file in place, without loading the file."""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from pathlib import Path

DTYPES: dict[str, Any] = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "BOOL": "?",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "C64": "<c8",
}


def read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors and the metadata strings of a file; raises `NetdslError`."""
    try:
        with safe_open(path, framework="numpy") as file:  # checks the header and that the sizes fit
            metadata = dict(file.metadata() or {})
        return Mapped(path), metadata
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise NetdslError(
            "corrupt-weights", f"{path} is not a safetensors file: {error}", help="copy it again"
        ) from None


class Mapped(dict[str, Any]):
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
            if entry["dtype"] not in DTYPES:
                raise NetdslError(
                    "corrupt-weights",
                    f"{path} holds `{name}` of type {entry['dtype']}, which is not read",
                    help=f"these types are read: {', '.join(DTYPES)}",
                )
            dtype = np.dtype(DTYPES[entry["dtype"]])
            begin, end = entry["data_offsets"]
            self[name] = self._array(dtype, start + begin, end - begin).reshape(entry["shape"])

    def _array(self, dtype: np.dtype[Any], begin: int, size: int) -> Any:
        if not size:
            return np.empty(0, dtype)
        return np.frombuffer(self._map, dtype, size // dtype.itemsize, begin)

    def release(self, name: str, first: int, count: int) -> None:
        """Free the memory of elements that were read.

        Otherwise the process would keep it until another process needs memory.
        """
        array = self[name]
        base = np.frombuffer(self._map, np.uint8, 1).ctypes.data
        at = array.ctypes.data - base + first * array.itemsize
        begin = at // mmap.PAGESIZE * mmap.PAGESIZE
        if array.size and hasattr(mmap, "MADV_DONTNEED"):  # the next read maps a page again
            end = min(at + min(count, array.size - first) * array.itemsize, len(self._map))
            self._map.madvise(mmap.MADV_DONTNEED, begin, end - begin)
