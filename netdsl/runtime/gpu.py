"""Why a GPU cannot be used: the build, the driver, the libraries; each looked at where it is, so
that the message names the one that is missing.
"""

from __future__ import annotations

import ctypes
import io
import re
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import onnxruntime
from onnxruntime.capi.build_and_package_info import cuda_version

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS = {"cpu": [CPU], "cuda": [CUDA, CPU], "tensorrt": [TENSORRT, CUDA, CPU]}
INSTALL = (
    "`pip install 'onnxruntime-gpu[cuda,cudnn]'` (and no `onnxruntime` beside it); or run with"
    " --device cpu"
)
_NO_DEVICE = 100
_TENSORRT = ("libnvinfer.so.10", "libnvonnxparser.so.10")
_LIBRARY = re.compile(r"Failed to load (\S+?):")


class Obstacle(NamedTuple):
    """What stands in the way, and what to do."""

    fact: str
    advice: str


def obstacle(device: str) -> Obstacle | None:
    """Why a device cannot be used, or None where nothing is known to stand in the way."""
    if device == "cpu":
        return None
    missing = next(
        (p for p in PROVIDERS[device] if p not in onnxruntime.get_available_providers()), None
    )
    if missing is not None:
        return Obstacle(
            f"the installed onnxruntime has no {missing.removesuffix('ExecutionProvider')}"
            " provider",
            f"it takes {INSTALL}",
        )
    return _driver() or _libraries(device)


def _driver() -> Obstacle | None:
    """The driver: whether it is there, sees a GPU, and is new enough for the CUDA that onnxruntime
    was built with.
    """
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
    needed = int(str(cuda_version or "12").split(".")[0])
    if version.value and version.value // 1000 < needed:
        fact = (
            "the NVIDIA driver is too old: it serves CUDA"
            f" {version.value // 1000}.{version.value % 1000 // 10}, onnxruntime"
            f" {onnxruntime.__version__} needs {needed}"
        )
        return Obstacle(
            fact,
            "install a newer driver, or an onnxruntime-gpu for that CUDA; or run with --device cpu",
        )
    if code == _NO_DEVICE:
        return Obstacle(
            "the NVIDIA driver finds no GPU",
            "`nvidia-smi` lists those that it sees, CUDA_VISIBLE_DEVICES can hide them; or run with"
            " --device cpu",
        )
    return (
        Obstacle(
            f"the NVIDIA driver does not start: error {code} of cuInit",
            "`nvidia-smi` may say more; or run with --device cpu",
        )
        if code
        else None
    )


def _libraries(device: str) -> Obstacle | None:
    """The libraries of CUDA, cuDNN and TensorRT: those that PyTorch's wheel brings, or the
    system's.
    """
    said = io.StringIO()
    with redirect_stdout(said):  # it prints each library that is missing
        onnxruntime.preload_dlls()
    missing = list(dict.fromkeys(Path(m).name for m in _LIBRARY.findall(said.getvalue())))
    if sys.platform == "linux" and not _loads("libcudnn.so.9"):
        missing.append("libcudnn.so.9")
    if missing:
        return Obstacle(
            f"{_listed(missing)} cannot be loaded",
            f"CUDA and cuDNN come with PyTorch's wheel for CUDA, or with {INSTALL}",
        )
    return _tensorrt() if device == "tensorrt" else None


def _tensorrt() -> Obstacle | None:
    """TensorRT's libraries, in the order of their need: what its wheel brings is found by
    onnxruntime only where it is loaded already.
    """
    spec = find_spec("tensorrt_libs")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for name in _TENSORRT if sys.platform == "linux" else ():
        if not any(_loads(n) for n in (*(str(Path(f) / name) for f in folders), name)):
            return Obstacle(
                f"TensorRT's library {name} cannot be loaded",
                "`pip install tensorrt-cu13`; or run with --device cuda",
            )
    return None


def why_not_loaded(device: str) -> str:
    """What the system says of onnxruntime's library for a device, where it does not load it;
    onnxruntime itself goes on without.
    """
    name = f"libonnxruntime_providers_{device}.so"
    if sys.platform != "linux":
        return ""
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / name))
    except OSError as error:
        said = str(error)
        # Which stands in a library that onnxruntime loads before.
        return "" if "Provider_GetHost" in said else said
    return ""


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
