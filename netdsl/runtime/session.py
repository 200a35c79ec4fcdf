"""Opens ONNX models in onnxruntime, on the device that was asked for or not at all."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from netdsl.diagnostics import Diagnostic
from netdsl.driver import failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DTYPES = {
    "tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(uint8)": "uint8", "tensor(bool)": "bool",
}  # fmt: skip
_ERRORS = (
    states.EPFail, states.EngineError, states.Fail, states.InvalidArgument, states.InvalidGraph, states.InvalidProtobuf, states.NoModel,
    states.NoSuchFile, states.NotImplemented, states.RuntimeException, RuntimeError, ValueError,
)  # fmt: skip
_OPERATOR = re.compile(
    r"No Op registered for (\S+)|error: (\S+?)\(.*is not a registered function|Could not find an implementation for (\w+)"
)
_CUDA_HELP = (
    "it needs an NVIDIA GPU with its driver, CUDA and cuDNN: `pip install 'onnxruntime-gpu[cuda,cudnn]'` "
    "(and no `onnxruntime` beside it); or run with --device cpu"
)


class Tensor(NamedTuple):
    """An input or output of a model; a size that is open has its name, or an empty text."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{'x'.join(str(d) or '?' for d in self.shape)} {self.dtype}"


class Session:
    """A model that is ready to run."""

    def __init__(self, name: str, session: onnxruntime.InferenceSession) -> None:
        self.name = name
        self._session = session
        self.inputs = [_tensor(v) for v in session.get_inputs()]
        self.outputs = [_tensor(v) for v in session.get_outputs()]
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    @property
    def device(self) -> str:
        """Where it runs: `cuda` or `cpu`."""
        return "cuda" if CUDA in self._session.get_providers() else "cpu"

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The outputs as arrays; raises `CompileError` for what onnxruntime rejects."""
        try:
            made: list[Any] = self._session.run(None, dict(inputs))
        except _ERRORS as error:
            help_ = "its size may not fit the net: `netdsl check` says which sizes do"
            stop("run-failed", f"{self.name} does not run on this input: {_said(error)}", help_)
        return made

    def numbers(self, key: str, count: int) -> Any:
        """A metadata entry with one number for each channel (`netdsl.mean`, `netdsl.std`), or None."""
        values = self.listed(key)
        if values is None:
            return None
        if len(values) not in (1, count) or not all(isinstance(v, (int, float)) and np.isfinite(v) for v in values):
            stop("bad-metadata", f"`{key}` of {self.name} is {values}; it must hold {count} numbers")
        return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1)

    def listed(self, key: str) -> list[Any] | None:
        """A metadata entry that is a JSON list, or None."""
        text = self.metadata.get(key)
        if text is None:
            return None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, list):
            stop("bad-metadata", f"`{key}` of {self.name} is not a JSON list", "write it again with `netdsl export`")
        return values


def open_session(path: Path, device: str = "cpu", name: str | None = None) -> Session:
    """Open a model on `cpu` or `cuda`, or with `auto` on the GPU where there is one; raises `CompileError`.

    `name` is what messages call it, the path where it is not given.
    """
    if not path.is_file():
        stop("file-not-found", f"there is no file {path}", "`netdsl export NET -o model.onnx` makes one")
    onnxruntime.set_default_logger_severity(4)  # what goes wrong is said once, by the exceptions
    built = CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not built:
        stop("no-cuda", "the installed onnxruntime has no CUDA provider", _CUDA_HELP)
    wanted = [CUDA, CPU] if built and device != "cpu" else [CPU]
    if CUDA in wanted:
        with redirect_stdout(io.StringIO()):  # it prints each library that is missing
            onnxruntime.preload_dlls()
    session = Session(name or str(path), _create(path, wanted, retry=device == "auto"))
    if device == "cuda" and session.device != "cuda":
        stop("no-cuda", "onnxruntime's CUDA provider does not start here", _CUDA_HELP)
    return session


def _create(path: Path, providers: list[str], *, retry: bool) -> onnxruntime.InferenceSession:
    """The session; with `retry`, without CUDA where it cannot start."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        # Without `enable_fallback=0` a failure on the GPU starts over on the CPU, unseen.
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except _ERRORS as error:
        if retry and CUDA in providers:
            return _create(path, [CPU], retry=False)
        said = _said(error)
        operator = _OPERATOR.search(said)
        if operator:
            name = next(g for g in operator.groups() if g)
            help_ = f"onnxruntime {onnxruntime.__version__} is installed; a newer one may know it"
            stop("unknown-operator", f"{path} uses `{name}`, which onnxruntime does not know", help_)
        if isinstance(error, (states.InvalidProtobuf, states.NoModel)) or "No graph was found" in said:
            stop("corrupt-model", f"{path} is not a whole ONNX model: {said}", "it may be cut off, or another kind of file")
        if "CUDA" in said:
            stop("no-cuda", f"the GPU cannot be used: {said}", _CUDA_HELP)
        stop("bad-model", f"onnxruntime does not take {path}: {said}")


def _tensor(value: Any) -> Tensor:
    shape = tuple(d if isinstance(d, int) else d or "" for d in value.shape)
    return Tensor(value.name, shape, DTYPES.get(value.type, value.type))


def _said(error: Exception) -> str:
    """What onnxruntime says, without its codes and file names."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error).strip())
    text = re.sub(r"^Load model from .*? failed:\s*", "", text)
    text = re.sub(r"^\S+\.(?:cc|h|cpp):\d+ .*?\) ?(?=[A-Z])", "", text)
    return " ".join(text.split())[:300] or type(error).__name__


def stop(code: str, message: str, help: str | None = None) -> NoReturn:
    """Raise the `CompileError` of one fact."""
    raise failure([Diagnostic(code, message, help=help)])
