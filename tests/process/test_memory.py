"""Which failures mean that memory is exhausted."""

from __future__ import annotations

import errno
import signal

import pytest

from netdsl.process import memory
from netdsl.process.memory import is_out_of_memory
from netdsl.process.watch import CrashedError

ALWAYS = (
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp] can't allocate memory: you tried to allocate 4 bytes"
    ),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
)
UNDER_A_LIMIT = (
    RuntimeError("could not create a primitive"),
    SystemError("error return without exception set"),
    CrashedError(signal.SIGABRT, ""),
)
NEVER = (ValueError("out of memory"), OSError(errno.EACCES, "no"), CrashedError(signal.SIGKILL, ""))


@pytest.mark.parametrize("limited", [False, True])
def test_out_of_memory(limited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures that name memory always count; those without a reason only under a memory limit."""
    monkeypatch.setattr(memory, "_is_limited", lambda: limited)
    assert all(map(is_out_of_memory, ALWAYS))
    assert [limited] * len(UNDER_A_LIMIT) == [is_out_of_memory(e) for e in UNDER_A_LIMIT]
    assert not any(map(is_out_of_memory, NEVER))
