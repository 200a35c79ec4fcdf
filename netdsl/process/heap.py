"""Keeps the memory that a process frees, so that it can use it again."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's `mallopt`, from its malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1  # bytes that it keeps; the parameter is an int
_LARGEST_BLOCK = 2**30  # bytes of a block of the heap
_LARGEST_IN_OLD = 2**25  # the most that older versions take


def keep_freed_memory() -> None:
    """Have the C library keep the memory that this process frees, for its next step.

    By default, glibc returns large blocks to the system as soon as they are free. A training step
    allocates the same blocks every time, and then each of their pages costs a page fault. For small
    nets, that can take a third of a step. Other C libraries have no such parameter, so nothing
    changes there.
    """
    if sys.platform != "linux":
        return
    set_parameter = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_parameter is not None:
        if not set_parameter(_MMAP_THRESHOLD, _LARGEST_BLOCK):
            set_parameter(_MMAP_THRESHOLD, _LARGEST_IN_OLD)
        set_parameter(_TRIM_THRESHOLD, _LARGEST)
