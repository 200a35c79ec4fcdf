"""Finds out why a GPU cannot be used: because of the build, the driver or the libraries.

Each is checked separately, so that the message names the one that is missing.
"""

from __future__ import annotations

import ctypes
import io
import re
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import onnxruntime
from onnxruntime.capi.build_and_package_info import cuda_version

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS = {"cpu": [CPU], "cuda": [CUDA, CPU], "tensorrt": [TENSORRT, CUDA, CPU]}
INSTALL = (
    "`pip install 'onnxruntime-gpu[cuda,cudnn]'` (without `onnxruntime` beside it); or run with"
    " --device cpu"
)
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE of the CUDA driver API
_TENSORRT = ("libnvinfer.so.10", "libnvonnxparser.so.10")
_LIBRARY = re.compile(r"Failed to load (\S+?):")


class Obstacle(NamedTuple):
    """The reason why a device cannot be used, and advice."""

    fact: str
    advice: str


def obstacle(device: str) -> Obstacle | None:
    """Why `cpu`, `cuda` or `tensorrt` cannot be used, or None if no reason is known."""
    if device == "cpu":
        return None
    available = onnxruntime.get_available_providers()
    for provider in PROVIDERS[device]:
        if provider not in available:
            name = provider.removesuffix("ExecutionProvider")
            fact = f"the installed onnxruntime has no {name} provider"
            return Obstacle(fact, f"install it with {INSTALL}")
    return _driver() or _libraries(device)


def cuda_major() -> int:
    """The major version of the CUDA that onnxruntime was built with."""
    return int(str(cuda_version or "12").split(".")[0])


def _driver() -> Obstacle | None:
    """What is wrong with the driver: it is missing, is too old for onnxruntime, or finds no GPU."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return Obstacle(
            f"there is no NVIDIA driver: {name} is not found",
            "install the driver of the GPU, from nvidia.com or the system's packages; or run with"
            " --device cpu",
        )
    code, version = library.cuInit(0), ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(version))
    return _too_old(version.value) or _start_failed(code)


def _too_old(version: int) -> Obstacle | None:
    """The obstacle of a driver for CUDA `version`: 12040 for CUDA 12.4, 0 if unknown."""
    needed = cuda_major()
    if not version or version // 1000 >= needed:
        return None
    return Obstacle(
        f"the NVIDIA driver is too old: it supports CUDA {version // 1000}.{version % 1000 // 10},"
        f" onnxruntime {onnxruntime.__version__} needs {needed}",
        "install a newer driver, or an onnxruntime-gpu for that CUDA; or run with --device cpu",
    )


def _start_failed(code: int) -> Obstacle | None:
    """The obstacle if `cuInit` has failed with this code."""
    if code == _NO_DEVICE:
        return Obstacle(
            "the NVIDIA driver finds no GPU",
            "`nvidia-smi` lists the GPUs that it finds, and CUDA_VISIBLE_DEVICES can hide them;"
            " or run with --device cpu",
        )
    if code:
        return Obstacle(
            f"the NVIDIA driver does not start: error {code} of cuInit",
            "`nvidia-smi` may show why; or run with --device cpu",
        )
    return None


def _libraries(device: str) -> Obstacle | None:
    """What is wrong with the libraries of CUDA, cuDNN and TensorRT: one cannot be loaded.

    They come with PyTorch's wheel or with the system.
    """
    printed = io.StringIO()
    with redirect_stdout(printed):  # it prints each library that is missing
        onnxruntime.preload_dlls()
    paths = _LIBRARY.findall(printed.getvalue())
    missing = list(dict.fromkeys(Path(path).name for path in paths))
    if sys.platform == "linux" and not _loads("libcudnn.so.9"):
        missing.append("libcudnn.so.9")
    if missing:
        return Obstacle(
            f"{first_few(missing)} cannot be loaded",
            f"CUDA and cuDNN come with PyTorch's wheel for CUDA, or with {INSTALL}",
        )
    if device == "tensorrt":
        return _tensorrt()
    return None


def _tensorrt() -> Obstacle | None:
    """Load TensorRT's libraries, each after those that it needs.

    onnxruntime does not search the folder of TensorRT's wheel. It finds the libraries there only
    if they are already loaded.
    """
    if sys.platform != "linux":
        return None
    folders: list[str] = []
    spec = find_spec("tensorrt_libs")
    if spec is not None:
        folders += spec.submodule_search_locations or []
    for name in _TENSORRT:
        if not any(_loads(path) for path in [*(str(Path(f) / name) for f in folders), name]):
            return Obstacle(
                f"TensorRT's library {name} cannot be loaded",
                "`pip install tensorrt-cu13`; or run with --device cuda",
            )
    return None


def why_not_loaded(device: str) -> str:
    """The system's message if it cannot load onnxruntime's library for a device, else "".

    onnxruntime itself continues without the library.
    """
    name = f"libonnxruntime_providers_{device}.so"
    if sys.platform != "linux":
        return ""
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / name))
    except OSError as error:
        message = str(error)
        if "Provider_GetHost" in message:  # onnxruntime loads the library with this symbol first
            return ""
        return message
    return ""


def first_few(names: Sequence[str]) -> str:
    """The first four names, and `...` if there are more."""
    shown = ", ".join(names[:4])
    if len(names) > 4:
        shown += ", ..."
    return shown


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
