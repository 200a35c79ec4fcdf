"""Opens ONNX models in onnxruntime and runs them, only on the device that was asked for."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

import numpy as np

from netdsl.errors import NetdslError
from netdsl.missing import no_file
from netdsl.process.cores import cores
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
    create,
    is_full,
    message_of,
    placement,
)
from netdsl.runtime.quiet import silence
from netdsl.source import is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import onnxruntime

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
_Result = TypeVar("_Result")
_LARGEST = float(np.finfo(np.float32).max)
GRAPHS = 16  # the most graphs that `run` captures, because each takes memory until its session ends
_OF_GPU = re.compile(r"\b(CUDA|CUDNN|CUBLAS|CUBLASLT|CUFFT|CURAND|TensorRT)\b", re.IGNORECASE)

_OF_SIZES = re.compile(
    r"\b(dimension|shape|reshape|size|axis|axes|broadcast|rank|mismatch|out of bounds|pad)",
    re.IGNORECASE,
)


class Tensor(NamedTuple):
    """An input or output of a model. An open size is its name, or an empty text."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{'x'.join(str(d) or '?' for d in self.shape)} {self.dtype}"


class Session:
    """A model that is ready to run.

    If the device was left open, `chosen` is the reason for the choice. If a CUDA graph was wanted
    and cannot be captured, `no_graph` is the reason.
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
        """The provider that onnxruntime assigned to each node."""
        return placement(self._session, self._model.path)

    @property
    def memory(self) -> str:
        """The device's memory, as onnxruntime names it: `cuda` or `cpu`."""
        return "cpu" if self.device == "cpu" else "cuda"

    def joined(self, feeds: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The samples of several inputs as one batch, in memory that the device reads fast.

        The batch is valid until the next call.
        """
        return {name: self._host.joined(name, [f[name] for f in feeds]) for name in feeds[0]}

    def bind(self, inputs: Mapping[str, np.ndarray]) -> BoundSession:
        """The inputs on the device, bound together with outputs, to be run without any copy.

        Raises as `run` does.
        """
        self._bound = None  # its memory on the device may be needed for these inputs
        return self._guarded(self._fixed, inputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs, in the order of the model.

        Raises `NetdslError`: `out-of-memory` with a batch size that fits, or `run-failed` if
        onnxruntime rejects the inputs.
        """
        return self._guarded(self._run, inputs)

    def _run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        if self._bound is None or not self._bound.takes(inputs):
            self._bound, self._again = None, False
            self._bound = self._plain(inputs)
        elif self.graph and not self._again and self._graphs < GRAPHS:
            # This is the second batch of these sizes, so more of them are likely.
            self._bound, self._again = None, True
            self._bound = self._fixed(inputs)
        else:
            self._bound.update(inputs)
        self._bound.run()
        return self._bound.outputs()

    def _plain(self, inputs: Mapping[str, np.ndarray]) -> BoundSession:
        """The inputs bound for runs without a CUDA graph."""
        if self.device == "tensorrt" and self.graph:  # TensorRT cannot run without its graph
            self._without_graph("TensorRT would use the same one for all sizes")
        return BoundSession(self._session, inputs, self.memory, fixed=False)

    def _fixed(self, inputs: Mapping[str, np.ndarray]) -> BoundSession:
        """The inputs bound with fixed outputs, and captured as a CUDA graph if that is wanted."""
        if self.device == "tensorrt" and self.graph and self._graphs:
            self._without_graph("TensorRT would use the same one for all sizes")
        number = NO_GRAPH
        if self.graph:
            self._graphs += 1
            number = self._graphs
        return BoundSession(self._session, inputs, self.memory, fixed=True, graph=number)

    def _without_graph(self, reason: str) -> None:
        """Go on without CUDA graphs in a new session: a failed capture makes a session unusable."""
        self.graph, self.no_graph = False, reason
        self._close()

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        """The session of onnxruntime, which is reopened if it was closed."""
        if self._engine is None:
            self._engine, _ = create(
                self._model, self.device, self._settings._replace(graph=self.graph)
            )
        return self._engine

    def _close(self) -> None:
        """Close the session of onnxruntime, which is the only way to free its memory."""
        self._bound = self._engine = None

    def _guarded(
        self, work: Callable[[Mapping[str, np.ndarray]], _Result], inputs: Mapping[str, np.ndarray]
    ) -> _Result:
        """The result of `work`, with onnxruntime's errors as `NetdslError`.

        If no CUDA graph can be captured, the work is repeated without one.
        """
        no_capture, message, full = "", "", False
        try:
            return work(inputs)
        except NoCaptureError as error:
            no_capture = str(error)
        except ERRORS as error:
            message, full = message_of(error), is_full(error)
        # Here the exception is gone, and with it the device memory that its frames referred to.
        self._bound = None
        if no_capture:
            self._without_graph(no_capture)
            return self._guarded(work, inputs)
        if full:
            self._fail_out_of_memory(inputs, message)
        raise NetdslError(
            "run-failed",
            f"{self.name} does not run on this input: {message}",
            help=_advice(message),
        )

    def _fail_out_of_memory(self, inputs: Mapping[str, np.ndarray], message: str) -> NoReturn:
        batch = max(len(array) for array in inputs.values())
        raise NetdslError(
            "out-of-memory",
            f"{self.name} with a batch of {batch} does not fit into the memory of the device:"
            f" {message}",
            help=self._smaller_batch(inputs, batch),
        )

    def _smaller_batch(self, inputs: Mapping[str, np.ndarray], batch: int) -> str:
        """Advice for a batch that does not fit: a smaller one that does, found by trying."""
        if any(v.shape and isinstance(v.shape[0], int) for v in self.inputs):
            return "its batch is fixed: free memory, or export it for a smaller one"
        fits = self._largest(inputs, batch // 2)
        if fits:
            return f"a batch of {fits} fits"
        return "not even one sample fits: free memory, or use smaller inputs"

    def _largest(self, inputs: Mapping[str, np.ndarray], size: int) -> int:
        """The first of `size`, its half, its quarter and so on that runs, or 0."""
        while size and not self._runs({name: array[:size] for name, array in inputs.items()}):
            size //= 2
        return size

    def _runs(self, inputs: Mapping[str, np.ndarray]) -> bool:
        """Whether the inputs fit into the device's memory when nothing else is there."""
        self._close()
        try:
            BoundSession(self._session, inputs, self.memory, fixed=False).run()
        except (*ERRORS, NetdslError):
            return False
        return True

    def numbers(self, key: str, count: int) -> np.ndarray | None:
        """A metadata entry with a number for each channel, such as `netdsl.mean`, or None.

        The array is C x 1 x 1, or 1 x 1 x 1 for one number. Raises `NetdslError` with the code
        `bad-metadata` if the entry is anything other than `count` numbers or one.
        """
        values = self.listed(key)
        if values is None:
            return None
        if len(values) not in (1, count) or not all(_is_number(value) for value in values):
            raise NetdslError(
                "bad-metadata",
                f"`{key}` of {self.name} is {_short(values)}; it must have {count} numbers",
            )
        return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1)

    def listed(self, key: str) -> list[object] | None:
        """A metadata entry that is a JSON list, or None if there is no such entry.

        Raises `NetdslError` with the code `bad-metadata` for an entry that is not a list.
        """
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
                help="write the model again with `netdsl export`",
            )
        return values


def open_session(
    path: Path, device: str = "cpu", name: str | None = None, settings: Settings | None = None
) -> Session:
    """Open a model on `cpu`, `cuda` or `tensorrt`, or with `auto` on a GPU if there is one.

    `name` is the name of the model in messages, by default its path. Raises `NetdslError`.
    """
    settings = settings or Settings()
    if not os.path.isfile(path):
        raise no_file(path, "`netdsl export NET -o model.onnx` makes one")
    if not is_utf8(str(path)):
        raise NetdslError(
            "cannot-read",
            f"onnxruntime cannot open {path}: its name is not UTF-8",
            help="rename it",
        )
    check_work(path)
    model = Model(path, check_external(path))
    silence()
    if device == "auto":
        return _open_on_any(model, name or str(path), settings)
    reason = obstacle(device)
    if reason is not None:
        raise NetdslError("no-cuda", reason.fact, help=reason.advice)
    return _open_on(device, model, name or str(path), settings)


def _open_on(device: str, model: Model, name: str, settings: Settings) -> Session:
    session = Session(name, model, device, settings)
    if device != "cpu":
        check_placement(
            session.placement(), model.path, name, device, allow=settings.allow_cpu_nodes
        )
    return session


def _open_on_any(model: Model, name: str, settings: Settings) -> Session:
    """A session on the GPU, or on the CPU if that is not possible, with the reason in `chosen`."""
    no_gpu = obstacle("cuda")
    if no_gpu is not None:
        reason = no_gpu.fact
    else:
        try:
            session = _open_on("cuda", model, name, settings._replace(allow_cpu_nodes=True))
        except NetdslError as error:
            reason = error.message
        else:
            session.chosen = f"there is a GPU{_cpu_nodes(session.placement())}"
            return session
    session = _open_on("cpu", model, name, settings)
    session.chosen = reason
    return session


def _cpu_nodes(placed: list[Placed]) -> str:
    """The nodes that run on the CPU nevertheless, as a clause, or "" if there are none."""
    on_cpu = astray(placed)
    if not on_cpu:
        return ""
    return (
        f", but {len(on_cpu)} of {len(placed)} nodes run on the CPU, the first is"
        f" `{on_cpu[0].name}` ({on_cpu[0].operator})"
    )


def _advice(message: str) -> str | None:
    """Advice for a failed run, depending on whether onnxruntime blames the GPU or a size."""
    if _OF_GPU.search(message):
        return (
            "the GPU or its libraries failed, not the model: `nvidia-smi` may show why; or run with"
            " --device cpu"
        )
    if _OF_SIZES.search(message):
        return "its size may not fit the net: `netdsl check` lists the sizes that fit"
    return None


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, (int, float)) and abs(float(value)) <= _LARGEST
    except OverflowError:
        return False


def _short(values: list[object]) -> str:
    text = str(values)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _tensor(value: onnxruntime.NodeArg) -> Tensor:
    shape = tuple(d if isinstance(d, int) else d or "" for d in value.shape)
    return Tensor(value.name, shape, DTYPES.get(value.type, value.type))


__all__ = ["DTYPES", "Placed", "Session", "Settings", "Tensor", "cores", "open_session"]
