"""The memory in which batches are assembled: its contents, and its locking and unlocking."""

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
    """A stand-in for the CUDA runtime; `held` has the locked memory, as sizes by address."""

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
    """A stand-in for the CUDA runtime; at the end of the test no memory may be locked."""
    stand_in = Runtime()
    monkeypatch.setattr(host, "_runtime", lambda: stand_in)
    yield stand_in
    gc.collect()
    assert stand_in.held == {}


def parts(*lengths: int) -> list[Any]:
    """Arrays of that many samples; all of their numbers are different."""
    ends = np.cumsum(lengths)
    return np.split(np.arange(12 * sum(lengths), dtype=np.float32).reshape(-1, 3, 4), ends[:-1])


def test_joined(runtime: Runtime) -> None:
    """The samples follow one another, whatever the earlier batches were.

    The memory is locked while it is in use, and is reused for every batch that fits into it.
    """
    buffers = HostBuffers(locked=True)
    for lengths in [(2, 1), (1,), (3, 2), (5,), (0, 2)]:
        batch = buffers.joined("image", parts(*lengths))
        np.testing.assert_array_equal(batch, np.concatenate(parts(*lengths)))
        gc.collect()
        start = batch.__array_interface__["data"][0]
        assert runtime.held == {
            start: 4 * 12 * (5 if sum(lengths) == 5 or lengths == (0, 2) else 3)
        }
    names = buffers.joined("names", [np.array([[7]], np.int64)])
    assert (names.tolist(), names.dtype, len(runtime.held)) == ([[7]], np.dtype(np.int64), 2)
    del buffers, batch, names


def test_no_more_memory_to_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary memory is used if locking fails, or if there is no CUDA runtime.

    The error of CUDA is cleared, so that onnxruntime does not find it.
    """
    for runtime in (Runtime(code=2), None):
        monkeypatch.setattr(host, "_runtime", lambda runtime=runtime: runtime)
        batch = HostBuffers(locked=True).joined("image", parts(2, 2))
        np.testing.assert_array_equal(batch, np.concatenate(parts(2, 2)))
        assert runtime is None or (runtime.last, runtime.held) == (0, {})


def test_memory_is_locked_only_for_a_gpu(runtime: Runtime) -> None:
    HostBuffers(locked=False).joined("image", parts(2))
    assert runtime.held == {}


def test_batches_of_a_session(model_folder: Path, runtime: Runtime) -> None:
    """A session gives the same outputs for joined batches as for the parts on their own."""
    session = open_session(model_folder / "m.onnx")
    ones, twos = (np.full((1, 1, 4, 4), v, np.float32) for v in (1, 2))
    for inputs in ([ones, twos], [twos, ones], [twos]):
        batch = session.joined([{"image": p} for p in inputs])
        np.testing.assert_array_equal(
            session.run(batch)[0], np.concatenate([session.run({"image": p})[0] for p in inputs])
        )
    assert runtime.held == {}


@pytest.mark.gpu
@pytest.mark.skipif(GPU is not None, reason=f"no GPU: {GPU.fact if GPU else ''}")
def test_memory_is_locked_on_the_gpu(model_folder: Path) -> None:
    """The CUDA runtime locks the memory, and the outputs for its batches are those of the CPU."""
    library = host._runtime()
    assert library is not None
    session, plain = (
        open_session(model_folder / "m.onnx", "cuda"),
        open_session(model_folder / "m.onnx"),
    )
    for value in (1, 2):
        feeds = [{"image": np.full((2, 1, 4, 4), value, np.float32)}] * 2
        batch = session.joined(feeds)
        # 712 is cudaErrorHostMemoryAlreadyRegistered.
        assert (
            library.cudaHostRegister(
                ctypes.c_void_p(batch["image"].ctypes.data),
                ctypes.c_size_t(batch["image"].nbytes),
                0,
            )
            == 712
        )
        assert library.cudaGetLastError() == 712
        np.testing.assert_allclose(
            session.run(batch)[0], plain.run(plain.joined(feeds))[0], rtol=1e-2, atol=1e-3
        )
