"""Host memory in which batches are assembled.

For a GPU it is page-locked: a copy from other memory goes through the driver's own buffer first, at
a fraction of the speed of the bus (CUDA C++ Programming Guide, Page-Locked Host Memory).
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from netdsl.runtime.gpu import cuda_major

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT = 0  # cudaHostRegisterDefault


class HostBuffers:
    """One buffer for each input. It is reused for every batch, and as large as the largest one."""

    def __init__(self, *, locked: bool) -> None:
        self.locked = locked
        self._buffers: dict[str, np.ndarray] = {}

    def joined(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The samples of several arrays as one array, for the input `name`.

        All parts have the same element type and sizes of samples. The result is valid until the
        next batch of that input. A single array is not copied unless it needs locked memory.
        """
        if len(parts) == 1 and not self.locked:
            return parts[0]
        shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
        dtype = parts[0].dtype
        size = int(np.prod(shape)) * dtype.itemsize
        if name not in self._buffers or self._buffers[name].nbytes < size:
            self._buffers[name] = _locked(size) if self.locked else np.empty(size, np.uint8)
        joined = self._buffers[name][:size].view(dtype).reshape(shape)
        return np.concatenate(parts, out=joined)


def _locked(size: int) -> np.ndarray:
    """Page-locked bytes, or ordinary ones if the system has no more; these are only slower."""
    buffer = np.empty(size, np.uint8)
    library = _runtime()
    if not size or library is None:
        return buffer
    pointer = ctypes.c_void_p(buffer.ctypes.data)
    code = library.cudaHostRegister(pointer, ctypes.c_size_t(size), _DEFAULT)
    if _succeeded(library, code):
        weakref.finalize(buffer, _unlock, library, pointer)
    return buffer


def _unlock(library: ctypes.CDLL, pointer: ctypes.c_void_p) -> None:
    _succeeded(library, library.cudaHostUnregister(pointer))


def _succeeded(library: ctypes.CDLL, code: int) -> bool:
    """Whether a call succeeded; if not, clear CUDA's error.

    CUDA remembers its last error, and onnxruntime would attribute it to its next kernel.
    """
    if code:
        library.cudaGetLastError()
    return code == 0


@cache
def _runtime() -> ctypes.CDLL | None:
    """The CUDA runtime that onnxruntime has loaded, or None."""
    name = f"libcudart.so.{cuda_major()}"
    if sys.platform == "win32":
        name = f"cudart64_{cuda_major()}.dll"
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
