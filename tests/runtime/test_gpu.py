"""What stands in the way of a GPU is named."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import onnxruntime
import pytest

from netdsl.runtime import gpu


class Driver:
    """A driver in place of libcuda."""

    def __init__(self, code: int, version: int) -> None:
        self.code, self.version = code, version

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDriverGetVersion(self, pointer: Any) -> int:
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = self.version
        return 0


@pytest.mark.parametrize(
    ("code", "version", "what"),
    [
        (100, 13000, "finds no GPU"),
        (0, 12040, "serves CUDA 12.4"),
        (803, 12040, "too old"),
        (999, 13000, "error 999"),
        (0, 13000, "cannot be loaded"),
    ],
)
def test_what_stands_in_the_way_of_a_gpu_is_named(
    monkeypatch: pytest.MonkeyPatch, code: int, version: int, what: str
) -> None:
    """No GPU, a driver too old, one that does not start, a library that is missing."""

    def load(name: str) -> Driver:
        if name != "libcuda.so.1":
            raise OSError(f"{name}: cannot open shared object file")
        return Driver(code, version)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(
        onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas.so.13: no such file")
    )
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(gpu, "cuda_version", "13.0")
    found = gpu.obstacle("cuda")
    assert found is not None
    assert what in found.fact
    assert "--device cpu" in found.advice
