"""The providers of onnxruntime: their options, their libraries and the cores they may use."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from netdsl.errors import NetdslError
from netdsl.process import cores
from netdsl.runtime import gpu, providers, session
from netdsl.runtime.providers import Model, options_of
from netdsl.runtime.session import Settings, open_session

# ---- TensorRT's options


def test_options_of_tensorrt(tmp_path: Path) -> None:
    """Engines of other weights have another name.

    TensorRT's flags are `True` and `False`, but those of CUDA are `1` and `0`.
    """
    path, data = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    path.write_bytes(b"model")
    data.write_bytes(b"weights")
    names = set()
    for model in (Model(path), Model(path, (data,))):
        options: list[Any] = options_of(model, "tensorrt", Settings(graph=True))
        (name, engines), (_, cuda), last = options
        assert (name, last) == ("TensorrtExecutionProvider", "CPUExecutionProvider")
        assert (engines["trt_engine_cache_enable"], engines["trt_cuda_graph_enable"]) == (
            "True",
            "True",
        )
        assert engines["trt_engine_cache_path"] == str(tmp_path / "m.onnx.engines")
        assert cuda == {"use_tf32": "1", "enable_cuda_graph": "0"}
        names.add(engines["trt_engine_cache_prefix"])
    data.write_bytes(b"others!")
    others: list[Any] = options_of(Model(path, (data,)), "tensorrt", Settings())
    names.add(others[0][1]["trt_engine_cache_prefix"])
    assert len(names) == 3


@pytest.mark.skipif(
    "TensorrtExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this onnxruntime has no TensorRT provider",
)
@pytest.mark.parametrize("graph", [False, True])
def test_tensorrt_takes_these_options(
    relu: Path, monkeypatch: pytest.MonkeyPatch, graph: bool
) -> None:
    """onnxruntime parses the options before it loads any of TensorRT's libraries."""
    from onnxruntime.capi import onnxruntime_inference_collection as collection

    class WithoutPlugins:
        """onnxruntime's bindings without the registration of TensorRT's plug-ins."""

        def __getattr__(self, name: str) -> Any:
            return (
                (lambda *_: None)
                if name == "register_tensorrt_plugins_as_custom_ops"
                else getattr(plain, name)
            )

    plain = collection.C
    monkeypatch.setattr(collection, "C", WithoutPlugins())
    onnxruntime.set_default_logger_severity(4)
    onnxruntime.InferenceSession(
        str(relu),
        providers=options_of(Model(relu), "tensorrt", Settings(graph=graph)),
        enable_fallback=0,
    )


# ---- the machine


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000", 8),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("9900000 100000", 8),
        ("", 8),
        (None, 8),
    ],
)
def test_cores_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: int
) -> None:
    """A quota of CPU time limits the cores; a fraction of a core counts as a whole core."""
    if text is not None:
        (tmp_path / "cpu.max").write_text(text + "\n")
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores.cores() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="the names are those of Linux")
@pytest.mark.parametrize("missing", ["libnvinfer.so.10", "libnvonnxparser.so.10", None])
def test_the_libraries_of_tensorrt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str | None
) -> None:
    """Both libraries are loaded from the wheel; the message names the one that is missing.

    Once they are loaded, onnxruntime finds them by name.
    """
    loaded: list[str] = []

    def load(name: str) -> object:
        if name.endswith(str(missing)) or not name.startswith(str(tmp_path)):
            raise OSError(f"{name}: cannot open shared object file")
        loaded.append(Path(name).name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(
        gpu, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    )
    obstacle = gpu._tensorrt()
    assert (obstacle and obstacle.fact) == (
        f"TensorRT's library {missing} cannot be loaded" if missing else None
    )
    if not missing:
        assert loaded == ["libnvinfer.so.10", "libnvonnxparser.so.10"]


@pytest.mark.skipif(sys.platform != "linux", reason="the names are those of Linux")
def test_a_provider_that_does_not_start(relu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the reason, although onnxruntime continues without the provider silently."""

    def load(name: str) -> object:
        raise OSError("libcufft.so.12: cannot open shared object file")

    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(NetdslError, match=r"does not start: libcufft\.so\.12: cannot open"):
        open_session(relu, "cuda")
