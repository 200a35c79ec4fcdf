"""The reasons why a GPU cannot be used."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import onnxruntime
import pytest

from netdsl.runtime import gpu


class Driver:
    """A stand-in for libcuda."""

    def __init__(self, code: int, version: int) -> None:
        self.code, self.version = code, version

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDriverGetVersion(self, pointer: Any) -> int:
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = self.version
        return 0


@pytest.mark.parametrize(
    ("code", "version", "fact"),
    [
        (100, 13000, "finds no GPU"),
        (0, 12040, "supports CUDA 12.4"),
        (803, 12040, "too old"),
        (999, 13000, "error 999"),
        (0, 13000, "cannot be loaded"),
    ],
)
def test_why_a_gpu_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, code: int, version: int, fact: str
) -> None:
    """There is no GPU, the driver is too old or does not start, or a library is missing."""

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
    obstacle = gpu.obstacle("cuda")
    assert obstacle is not None
    assert fact in obstacle.fact
    assert "--device cpu" in obstacle.advice
