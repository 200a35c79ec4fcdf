"""Host memory that batches are put together in.

Page-locked where a GPU reads it: a copy from other memory goes through the driver's own buffer
first, at a fraction of the bus's speed (CUDA C++ Programming Guide, Page-Locked Host Memory).
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from onnxruntime.capi.build_and_package_info import cuda_version

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT = 0  # cudaHostRegisterDefault


class HostBuffers:
    """One buffer for each input, used again from batch to batch, as large as the largest so far."""

    def __init__(self, *, locked: bool) -> None:
        self.locked = locked
        self._rooms: dict[str, Any] = {}

    def joined(self, name: str, parts: Sequence[Any]) -> Any:
        """The samples of several arrays of one type in one, for the input `name`.

        The result is valid until the next batch of that input. A single array that needs no
        locked memory is not copied.
        """
        if len(parts) == 1 and not self.locked:
            return parts[0]
        shape = (sum(len(p) for p in parts), *parts[0].shape[1:])
        dtype = parts[0].dtype
        size = int(np.prod(shape)) * dtype.itemsize
        if name not in self._rooms or self._rooms[name].nbytes < size:
            self._rooms[name] = _locked(size) if self.locked else np.empty(size, np.uint8)
        out = self._rooms[name][:size].view(dtype).reshape(shape)
        return np.concatenate(parts, out=out)


def _locked(size: int) -> Any:
    """Bytes that stay where they are in memory while they live; plain ones where the system gives
    no more of those, which is slower alone.
    """
    made = np.empty(size, np.uint8)
    library = _runtime()
    pointer = ctypes.c_void_p(made.ctypes.data)
    if (
        size
        and library is not None
        and _done(library, library.cudaHostRegister(pointer, ctypes.c_size_t(size), _DEFAULT))
    ):
        weakref.finalize(made, _unlock, library, pointer)
    return made


def _unlock(library: Any, pointer: ctypes.c_void_p) -> None:
    _done(library, library.cudaHostUnregister(pointer))


def _done(library: Any, code: int) -> bool:
    """Whether a call succeeded.

    CUDA keeps the error of one that did not, and onnxruntime would take it for that of its next
    kernel.
    """
    if code:
        library.cudaGetLastError()
    return code == 0


@cache
def _runtime() -> Any:
    """The CUDA runtime that onnxruntime has loaded, or None."""
    major = str(cuda_version or "12").split(".")[0]
    try:
        return ctypes.CDLL(
            f"cudart64_{major}.dll" if sys.platform == "win32" else f"libcudart.so.{major}"
        )
    except OSError:
        return None
