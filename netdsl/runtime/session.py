"""Opens ONNX models in onnxruntime, on the device that was asked for or not at all."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from netdsl.diagnostics import fail
from netdsl.runtime.binding import Bound
from netdsl.runtime.external import check_external
from netdsl.runtime.gpu import CPU, CUDA, INSTALL, PROVIDERS, TENSORRT, obstacle
from netdsl.runtime.host import HostBuffers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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
_MEMORY = re.compile(r"out of memory|Failed to allocate memory|bad_alloc|OutOfMemory|CUDA failure 2:", re.IGNORECASE)

class Tensor(NamedTuple):
    """An input or output of a model; a size that is open has its name, or an empty text."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{'x'.join(str(d) or '?' for d in self.shape)} {self.dtype}"


class Settings(NamedTuple):
    """How a session runs. `threads` on the CPU are as many as cores without it; `graph` captures a CUDA graph, for inputs whose
    sizes never change.
    """

    allow_cpu_nodes: bool = False
    threads: int | None = None
    graph: bool = False
    tf32: bool = True


class Placed(NamedTuple):
    """A node of a model, and the provider that runs it."""

    name: str
    operator: str
    provider: str


class Session:
    """A model that is ready to run. `chosen` says why it runs where it does, where that was left open."""

    def __init__(self, name: str, session: onnxruntime.InferenceSession, device: str, settings: Settings, chosen: str = "") -> None:
        self.name = name
        self.device = device
        self.chosen = chosen
        self.graph = settings.graph
        self._session = session
        self._bound: Bound | None = None
        self._host = HostBuffers(locked=device != "cpu")
        self.inputs = [_tensor(v) for v in session.get_inputs()]
        self.outputs = [_tensor(v) for v in session.get_outputs()]
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def placement(self) -> list[Placed]:
        """The provider of every node, as onnxruntime dealt them out."""
        return [Placed(n.name, n.op_type, part.ep_name) for part in self._session.get_provider_graph_assignment_info() for n in part.get_nodes()]

    def bind(self, inputs: Mapping[str, Any]) -> Bound:
        """The inputs on the device, with room there for the outputs: what runs again and again without a copy."""
        return Bound(self._session, inputs, self.memory, fixed=True)

    @property
    def memory(self) -> str:
        """Where onnxruntime keeps what the device works on: `cuda` or `cpu`."""
        return "cpu" if self.device == "cpu" else "cuda"

    def joined(self, feeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The samples of several inputs as one batch, in memory that the device reads fast; good until the next one is joined."""
        return {name: self._host.joined(name, [f[name] for f in feeds]) for name in feeds[0]}

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The outputs as arrays; raises `CompileError` for what onnxruntime rejects, and where the memory is too small says what would fit."""
        try:
            return self._run(inputs)
        except _ERRORS as error:
            self._bound = None
            said = said_by(error)
            if _MEMORY.search(str(error)):
                self._out_of_memory(inputs, said)
            help_ = "its size may not fit the net: `netdsl check` says which sizes do"
            fail("run-failed", f"{self.name} does not run on this input: {said}", help_)

    def _run(self, inputs: Mapping[str, Any]) -> list[Any]:
        if self._bound is None or not self._bound.takes(inputs):
            self._bound = Bound(self._session, inputs, self.memory, fixed=self.graph)
        else:
            self._bound.update(inputs)
        self._bound.run()
        return self._bound.outputs()

    def _out_of_memory(self, inputs: Mapping[str, Any], said: str) -> NoReturn:
        batch = max(len(a) for a in inputs.values())
        fits, size = 0, batch // 2
        while size and not fits:
            try:
                self._run({n: a[:size] for n, a in inputs.items()})
                fits = size
            except _ERRORS:
                self._bound = None
                size //= 2
        help_ = f"a batch of {fits} fits" if fits else "not even one sample fits: free memory, or take smaller inputs"
        fail("out-of-memory", f"{self.name} with a batch of {batch} does not fit into the memory of the device: {said}", help_)

    def numbers(self, key: str, count: int) -> Any:
        """A metadata entry with one number for each channel (`netdsl.mean`, `netdsl.std`), or None."""
        values = self.listed(key)
        if values is None:
            return None
        if len(values) not in (1, count) or not all(isinstance(v, (int, float)) and np.isfinite(v) for v in values):
            fail("bad-metadata", f"`{key}` of {self.name} is {values}; it must hold {count} numbers")
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
            fail("bad-metadata", f"`{key}` of {self.name} is not a JSON list", "write it again with `netdsl export`")
        return values


def open_session(path: Path, device: str = "cpu", name: str | None = None, settings: Settings | None = None) -> Session:
    """Open a model on `cpu`, `cuda` or `tensorrt`, or with `auto` on the GPU where there is one; raises `CompileError`.

    `name` is what messages call it, the path where it is not given.
    """
    settings = settings or Settings()
    if not path.is_file():
        fail("file-not-found", f"there is no file {path}", "`netdsl export NET -o model.onnx` makes one")
    check_external(path)
    onnxruntime.set_default_logger_severity(4)  # what goes wrong is said once, by the exceptions
    found = obstacle("cuda" if device == "auto" else device)
    if found is not None and device != "auto":
        fail("no-cuda", found.fact, found.advice)
    target = device if device != "auto" else "cpu" if found else "cuda"
    chosen = "" if device != "auto" else found.fact if found else "there is a GPU"
    session = Session(name or str(path), _create(path, target, settings), target, settings, chosen)
    if target != "cpu":
        _check_placement(session, target, settings, strict=device != "auto")
    return session


def _check_placement(session: Session, device: str, settings: Settings, *, strict: bool) -> None:
    """Nothing that was to run on the GPU may run elsewhere unsaid."""
    first = PROVIDERS[device][0]
    placed = session.placement()
    if not any(n.provider == first for n in placed) and placed:
        fail("no-cuda", f"onnxruntime's {first} does not start here, or takes no node of {session.name}", f"it takes {INSTALL}")
    astray = [n for n in placed if n.provider == CPU]
    if astray and strict and not settings.allow_cpu_nodes:
        listed = ", ".join(f"`{n.name}` ({n.operator})" for n in astray[:4]) + (", ..." if len(astray) > 4 else "")
        fail("cpu-nodes", f"{len(astray)} of {len(placed)} nodes of {session.name} would run on the CPU: {listed}", "--allow-cpu-nodes lets them; --device cpu runs all of it there")


def cores() -> int:
    """The cores that this process may use: more threads than those only wait for one another."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _providers(path: Path, device: str, settings: Settings) -> list[Any]:
    """The providers with their options: TensorRT keeps what it builds beside the model."""
    cuda = {"use_tf32": str(int(settings.tf32)), "enable_cuda_graph": str(int(settings.graph))}
    engines = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(path.with_name(path.name + ".engines")), "trt_cuda_graph_enable": str(int(settings.graph))}
    return [{CUDA: (CUDA, cuda), TENSORRT: (TENSORRT, engines)}.get(p, p) for p in PROVIDERS[device]]


def _create(path: Path, device: str, settings: Settings) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = settings.threads or cores()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")  # waiting threads take no time from what runs between two runs
    try:
        # Without `enable_fallback=0` a failure on the GPU starts over on the CPU, unseen.
        return onnxruntime.InferenceSession(str(path), options, providers=_providers(path, device, settings), enable_fallback=0)
    except _ERRORS as error:
        said = said_by(error)
        operator = _OPERATOR.search(said)
        if operator:
            name = next(g for g in operator.groups() if g)
            help_ = f"onnxruntime {onnxruntime.__version__} is installed; a newer one may know it"
            fail("unknown-operator", f"{path} uses `{name}`, which onnxruntime does not know", help_)
        if isinstance(error, (states.InvalidProtobuf, states.NoModel)) or "No graph was found" in said or "External initializer" in said:
            fail("corrupt-model", f"{path} is not a whole ONNX model: {said}", "it may be cut off, or another kind of file")
        if _MEMORY.search(said):
            fail("out-of-memory", f"{path} does not fit into the memory of the device: {said}", "free memory there; or run with --device cpu")
        if "CUDA" in said:
            fail("no-cuda", f"the GPU cannot be used: {said}", f"it takes {INSTALL}")
        fail("bad-model", f"onnxruntime does not take {path}: {said}")


def _tensor(value: Any) -> Tensor:
    shape = tuple(d if isinstance(d, int) else d or "" for d in value.shape)
    return Tensor(value.name, shape, DTYPES.get(value.type, value.type))


def said_by(error: Exception) -> str:
    """What onnxruntime says, without its codes and file names."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error).strip())
    text = re.sub(r"^Load model from .*? failed:\s*", "", text)
    text = re.sub(r"^\S+\.(?:cc|h|cpp):\d+ .*?\) ?(?=[A-Z])", "", text)
    return " ".join(text.split())[:300] or type(error).__name__
