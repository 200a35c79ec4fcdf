"""Recognises exceptions that mean that memory ran out: each library has its own."""

from __future__ import annotations

import errno
import re
import signal
import sys

from netdsl.process.watch import CrashedError

if sys.platform != "win32":
    import resource  # it cannot be imported any more once memory is short

# The messages of PyTorch, onnxruntime, the C library and Python when memory is full.
MEMORY = re.compile(
    r"can(?:no|')t allocate memory|failed to map segment|bad_alloc|Unable to allocate"
    r"|can't start new thread|Failed to allocate memory|out of memory",
    re.IGNORECASE,
)
_FOR_ANY_REASON = re.compile(r"could not (?:create|execute) a primitive")  # oneDNN


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; under a memory limit, failures without a reason count too."""
    if isinstance(error, CrashedError):
        return error.number != signal.SIGKILL and _is_limited()
    if isinstance(error, SystemError):  # C code can raise it when it gets no memory
        return _is_limited()
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if isinstance(error, RuntimeError) and _FOR_ANY_REASON.search(str(error)):
        return _is_limited()
    named = isinstance(error, (OSError, ImportError, RuntimeError)) and MEMORY.search(str(error))
    return isinstance(error, MemoryError) or bool(named)


def _is_limited() -> bool:
    if sys.platform == "win32":
        return False
    return bool(resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY)
