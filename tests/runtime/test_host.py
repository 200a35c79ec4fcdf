"""The memory that batches are put together in: what stands in it, and that it is locked and let go
of again on a GPU.
"""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from netdsl.runtime import host
from netdsl.runtime.gpu import obstacle
from netdsl.runtime.host import HostBuffers
from netdsl.runtime.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GPU = obstacle("cuda")


class Runtime:
    """What the CUDA runtime does, as far as it is asked: the memory that is locked."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.held: dict[int, int] = {}
        self.last = 0

    def cudaHostRegister(self, pointer: Any, size: Any, flags: int) -> int:
        assert flags == 0
        if self.code == 0:
            self.held[pointer.value] = size.value
        self.last = self.code
        return self.code

    def cudaGetLastError(self) -> int:
        last, self.last = self.last, 0
        return last

    def cudaHostUnregister(self, pointer: Any) -> int:
        del self.held[pointer.value]
        return 0


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A CUDA runtime that is a machine's without a GPU."""
    made = Runtime()
    monkeypatch.setattr(host, "_runtime", lambda: made)
    yield made
    gc.collect()
    assert made.held == {}


def parts(*lengths: int) -> list[Any]:
    """Arrays of that many samples, all of their numbers different."""
    ends = np.cumsum(lengths)
    return np.split(np.arange(12 * sum(lengths), dtype=np.float32).reshape(-1, 3, 4), ends[:-1])


def test_joined(runtime: Runtime) -> None:
    """Samples one after the other, whatever the batches before were; the memory is locked while it
    is used, and one piece serves all that fit.
    """
    buffers = HostBuffers(locked=True)
    for lengths in [(2, 1), (1,), (3, 2), (5,), (0, 2)]:
        made = buffers.joined("image", parts(*lengths))
        np.testing.assert_array_equal(made, np.concatenate(parts(*lengths)))
        gc.collect()
        start = made.__array_interface__["data"][0]
        assert runtime.held == {
            start: 4 * 12 * (5 if sum(lengths) == 5 or lengths == (0, 2) else 3)
        }
    names = buffers.joined("names", [np.array([[7]], np.int64)])
    assert (names.tolist(), names.dtype, len(runtime.held)) == ([[7]], np.int64, 2)
    del buffers, made, names


def test_no_more_memory_to_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses, or there is no CUDA runtime, plain memory serves; no error stays
    for onnxruntime to find.
    """
    for runtime in (Runtime(code=2), None):
        monkeypatch.setattr(host, "_runtime", lambda runtime=runtime: runtime)
        made = HostBuffers(locked=True).joined("image", parts(2, 2))
        np.testing.assert_array_equal(made, np.concatenate(parts(2, 2)))
        assert runtime is None or (runtime.last, runtime.held) == (0, {})


def test_memory_is_locked_for_a_gpu_alone(runtime: Runtime) -> None:
    """On the CPU there is nothing to lock for."""
    HostBuffers(locked=False).joined("image", parts(2))
    assert runtime.held == {}


def test_batches_of_a_session(model_folder: Path, runtime: Runtime) -> None:
    """What a session joins is what it runs, batch after batch in the same memory."""
    session = open_session(model_folder / "m.onnx")
    one, two = (np.full((1, 1, 4, 4), v, np.float32) for v in (1, 2))
    for batch in ([one, two], [two, one], [two]):
        made = session.joined([{"image": b} for b in batch])
        np.testing.assert_array_equal(
            session.run(made)[0], np.concatenate([session.run({"image": b})[0] for b in batch])
        )
    assert runtime.held == {}


@pytest.mark.gpu
@pytest.mark.skipif(GPU is not None, reason=f"no GPU: {GPU.fact if GPU else ''}")
def test_memory_is_locked_on_the_gpu(model_folder: Path) -> None:
    """The CUDA runtime takes the memory, and batches from it give what the CPU gives."""
    library = host._runtime()
    assert library is not None
    session, plain = (
        open_session(model_folder / "m.onnx", "cuda"),
        open_session(model_folder / "m.onnx"),
    )
    for value in (1, 2):
        feeds = [{"image": np.full((2, 1, 4, 4), value, np.float32)}] * 2
        made = session.joined(feeds)
        # It is registered already.
        assert (
            library.cudaHostRegister(
                ctypes.c_void_p(made["image"].ctypes.data), ctypes.c_size_t(made["image"].nbytes), 0
            )
            == 712
        )
        assert library.cudaGetLastError() == 712
        np.testing.assert_allclose(
            session.run(made)[0], plain.run(plain.joined(feeds))[0], rtol=1e-2, atol=1e-3
        )
