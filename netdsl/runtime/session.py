"""Opens ONNX models in onnxruntime, on the device that was asked for or not at all."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import numpy as np
import onnxruntime

from netdsl.errors import NetdslError
from netdsl.runtime.binding import NO_GRAPH, BoundSession, NoCaptureError
from netdsl.runtime.expansion import check_work
from netdsl.runtime.external import check_external
from netdsl.runtime.gpu import obstacle
from netdsl.runtime.host import HostBuffers
from netdsl.runtime.providers import (
    ERRORS,
    Model,
    Placed,
    Settings,
    astray,
    check_placement,
    cores,
    create,
    is_full,
    placement,
    said_by,
)
from netdsl.source import is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
_Made = TypeVar("_Made")
_LARGEST = float(np.finfo(np.float32).max)
GRAPHS = 16  # that `run` captures: each takes memory as long as its session lives
_OF_GPU = re.compile(r"\b(CUDA|CUDNN|CUBLAS|CUBLASLT|CUFFT|CURAND|TensorRT)\b", re.IGNORECASE)

_OF_SIZES = re.compile(
    r"\b(dimension|shape|reshape|size|axis|axes|broadcast|rank|mismatch|out of bounds|pad)",
    re.IGNORECASE,
)


class Tensor(NamedTuple):
    """An input or output of a model; a size that is open has its name, or an empty text."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{'x'.join(str(d) or '?' for d in self.shape)} {self.dtype}"


class Session:
    """A model that is ready to run.

    `chosen` says why it runs where it does, where that was left open, and `no_graph` why it
    captures no CUDA graph, where one was wanted.
    """

    def __init__(self, name: str, model: Model, device: str, settings: Settings) -> None:
        self.name = name
        self.device = device
        self.chosen = ""
        self._model, self._settings = model, settings
        self._engine: onnxruntime.InferenceSession | None
        self._engine, self.no_graph = create(model, device, settings)
        self.graph = settings.graph and device != "cpu" and not self.no_graph
        self._graphs = 0
        self._bound: BoundSession | None = None
        self._again = False
        self._host = HostBuffers(locked=device != "cpu")
        self.inputs = [_tensor(v) for v in self._session.get_inputs()]
        self.outputs = [_tensor(v) for v in self._session.get_outputs()]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def placement(self) -> list[Placed]:
        """The provider of every node, as onnxruntime dealt them out."""
        return placement(self._session, self._model.path)

    @property
    def memory(self) -> str:
        """Where onnxruntime keeps what the device works on: `cuda` or `cpu`."""
        return "cpu" if self.device == "cpu" else "cuda"

    def joined(self, feeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The samples of several inputs as one batch, in memory that the device reads fast; good
        until the next one is joined.
        """
        return {name: self._host.joined(name, [f[name] for f in feeds]) for name in feeds[0]}

    def bind(self, inputs: Mapping[str, Any]) -> BoundSession:
        """The inputs on the device, with room there for the outputs: what runs again and again
        without a copy. Raises as `run` does.
        """
        self._bound = None  # what it holds on the device may be what these need
        return self._guarded(self._fixed, inputs)

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The outputs as arrays; raises `NetdslError` for what onnxruntime rejects, and where the
        memory is too small says what would fit.
        """
        return self._guarded(self._run, inputs)

    def _run(self, inputs: Mapping[str, Any]) -> list[Any]:
        if self._bound is None or not self._bound.takes(inputs):
            self._bound, self._again = None, False
            self._bound = self._plain(inputs)
        elif self.graph and not self._again and self._graphs < GRAPHS:
            # A second batch of these sizes: more of them are likely.
            self._bound, self._again = (None, True)
            self._bound = self._fixed(inputs)
        else:
            self._bound.update(inputs)
        self._bound.run()
        return self._bound.outputs()

    def _plain(self, inputs: Mapping[str, Any]) -> BoundSession:
        if self.device == "tensorrt" and self.graph:  # it has no runs without its graph
            self._without_graph("TensorRT would keep one for all sizes")
        return BoundSession(self._session, inputs, self.memory, fixed=False)

    def _fixed(self, inputs: Mapping[str, Any]) -> BoundSession:
        if self.device == "tensorrt" and self.graph and self._graphs:
            self._without_graph("TensorRT would keep one for all sizes")
        self._graphs += self.graph
        return BoundSession(
            self._session,
            inputs,
            self.memory,
            fixed=True,
            graph=self._graphs if self.graph else NO_GRAPH,
        )

    def _without_graph(self, reason: str) -> None:
        """Open the model anew: a capture that failed leaves its session unfit."""
        self.graph, self.no_graph = False, reason
        self._close()

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        if self._engine is None:
            self._engine, _ = create(
                self._model, self.device, self._settings._replace(graph=self.graph)
            )
        return self._engine

    def _close(self) -> None:
        """Let go of the device's memory, all of which a session keeps that it ever took; the next
        use opens it anew.
        """
        self._bound = self._engine = None

    def _guarded(
        self, work: Callable[[Mapping[str, Any]], _Made], inputs: Mapping[str, Any]
    ) -> _Made:
        try:
            return work(inputs)
        except NoCaptureError as error:
            reason, said, full = str(error), "", False
        except ERRORS as error:
            reason, said, full = "", said_by(error), is_full(error)
        # The exception is gone here, and with it what its frames held on the device.
        self._bound = None
        if not reason:
            self._failed(inputs, said, full=full)
        self._without_graph(reason)
        return self._guarded(work, inputs)

    def _failed(self, inputs: Mapping[str, Any], said: str, *, full: bool) -> NoReturn:
        if full:
            self._out_of_memory(inputs, said)
        raise NetdslError(
            "run-failed", f"{self.name} does not run on this input: {said}", help=_advice(said)
        )

    def _out_of_memory(self, inputs: Mapping[str, Any], said: str) -> NoReturn:
        batch = max(len(a) for a in inputs.values())
        if any(v.shape and isinstance(v.shape[0], int) for v in self.inputs):
            help_ = "its batch is fixed: free memory, or export it for a smaller one"
        else:
            fits = self._largest(inputs, batch // 2)
            help_ = (
                f"a batch of {fits} fits"
                if fits
                else "not even one sample fits: free memory, or take smaller inputs"
            )
        raise NetdslError(
            "out-of-memory",
            f"{self.name} with a batch of {batch} does not fit into the memory of the device:"
            f" {said}",
            help=help_,
        )

    def _largest(self, inputs: Mapping[str, Any], size: int) -> int:
        """The first of `size`, its half, a quarter and so on that runs, or 0."""
        while size:
            try:
                self._close()
                BoundSession(
                    self._session,
                    {n: a[:size] for n, a in inputs.items()},
                    self.memory,
                    fixed=False,
                ).run()
            except (*ERRORS, NetdslError):
                size //= 2
            else:
                break
        return size

    def numbers(self, key: str, count: int) -> Any:
        """A metadata entry with a number for each channel, such as `netdsl.mean`, or None."""
        values = self.listed(key)
        if values is None:
            return None
        if len(values) not in (1, count) or not all(_is_number(v) for v in values):
            raise NetdslError(
                "bad-metadata",
                f"`{key}` of {self.name} is {_short(values)}; it must hold {count} numbers",
            )
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
            raise NetdslError(
                "bad-metadata",
                f"`{key}` of {self.name} is not a JSON list",
                help="write it again with `netdsl export`",
            )
        return values


def open_session(
    path: Path, device: str = "cpu", name: str | None = None, settings: Settings | None = None
) -> Session:
    """Open a model on `cpu`, `cuda` or `tensorrt`, or with `auto` on the GPU where there is one;
    raises `NetdslError`.

    `name` is what messages call it, the path where it is not given.
    """
    settings = settings or Settings()
    if not os.path.isfile(path):
        raise NetdslError(
            "file-not-found",
            f"there is no file {path}",
            help="`netdsl export NET -o model.onnx` makes one",
        )
    if not is_utf8(str(path)):
        raise NetdslError(
            "cannot-read",
            f"onnxruntime cannot open {path}: its name is not UTF-8",
            help="rename it",
        )
    check_work(path)
    model = Model(path, check_external(path))
    onnxruntime.set_default_logger_severity(4)  # what goes wrong is said once, by the exceptions
    if device == "auto":
        return _wherever(model, name or str(path), settings)
    found = obstacle(device)
    if found is not None:
        raise NetdslError("no-cuda", found.fact, help=found.advice)
    return _on(device, model, name or str(path), settings)


def _on(device: str, model: Model, name: str, settings: Settings) -> Session:
    session = Session(name, model, device, settings)
    if device != "cpu":
        check_placement(
            session.placement(), model.path, name, device, allow=settings.allow_cpu_nodes
        )
    return session


def _wherever(model: Model, name: str, settings: Settings) -> Session:
    """On the GPU, or where that cannot be on the CPU; what was chosen is said with the reason."""
    found = obstacle("cuda")
    reason = found.fact if found else ""
    if not reason:
        try:
            session = _on("cuda", model, name, settings._replace(allow_cpu_nodes=True))
        except NetdslError as error:
            reason = error.diagnostics[0].message
        else:
            placed = session.placement()
            strays = astray(placed)
            others = (
                f", but {len(strays)} of {len(placed)} nodes run on the CPU, the first is"
                f" `{strays[0].name}` ({strays[0].operator})"
                if strays
                else ""
            )
            session.chosen = f"there is a GPU{others}"
            return session
    session = _on("cpu", model, name, settings)
    session.chosen = reason
    return session


def _advice(said: str) -> str | None:
    if _OF_GPU.search(said):
        return (
            "the GPU or its libraries failed, not the model: `nvidia-smi` may say more; or run with"
            " --device cpu"
        )
    return (
        "its size may not fit the net: `netdsl check` says which sizes do"
        if _OF_SIZES.search(said)
        else None
    )


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and abs(float(value)) <= _LARGEST
    except OverflowError:
        return False


def _short(values: list[Any]) -> str:
    text = str(values)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _tensor(value: Any) -> Tensor:
    shape = tuple(d if isinstance(d, int) else d or "" for d in value.shape)
    return Tensor(value.name, shape, DTYPES.get(value.type, value.type))


__all__ = ["DTYPES", "Placed", "Session", "Settings", "Tensor", "cores", "open_session"]
