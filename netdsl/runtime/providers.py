"""onnxruntime's sessions: their options, which node each provider takes, and what their failures
mean.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from netdsl.backends.onnx.manifest import sha256_of
from netdsl.errors import NetdslError
from netdsl.runtime.gpu import CPU, CUDA, INSTALL, PROVIDERS, TENSORRT, why_not_loaded
from netdsl.runtime.placement import facts
from netdsl.runtime.quiet import quiet_options

if TYPE_CHECKING:
    from collections.abc import Sequence

ERRORS = (
    states.EPFail,
    states.EngineError,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoModel,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
    RuntimeError,
    ValueError,
)
_OPERATOR = re.compile(r"No Op registered for (\S+)|error: (\S+?)\(.*is not a registered function")
_NO_KERNEL = re.compile(
    r"Could not find an implementation for (\w+)|Provider type for (\w+) node with name"
)
_MEMORY = re.compile(
    r"out of memory|Failed to allocate memory|bad_alloc|OutOfMemory|CUDA failure"
    r" 2:|ALLOC_FAILED|Available memory of \d+ is smaller",
    re.IGNORECASE,
)
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of CPU time, and of what time
_COMPLETE_ON_CUDA = 21  # MaxPool and others have no kernel of opset 22 there


class Settings(NamedTuple):
    """How a session runs.

    `threads` on the CPU are as many as cores without it; `graph` captures CUDA graphs where that is
    possible.
    """

    allow_cpu_nodes: bool = False
    threads: int | None = None
    graph: bool = False
    tf32: bool = True


class Placed(NamedTuple):
    """A node of a model, and the provider that runs it.

    `sizes_alone`: it computes a few sizes, which is the CPU's work by design.
    """

    name: str
    operator: str
    provider: str
    sizes_alone: bool = False


class Model(NamedTuple):
    """A model's file, and those that its weights lie in."""

    path: Path
    data: Sequence[Path] = ()


def create(
    model: Model, device: str, settings: Settings
) -> tuple[onnxruntime.InferenceSession, str]:
    """A session, and why it captures no CUDA graph where one was wanted and it can have none;
    raises `NetdslError`.
    """
    if not settings.graph or device == "cpu":
        return _create(model, device, settings._replace(graph=False)), ""
    try:
        return _create(model, device, settings), ""
    except NetdslError as error:
        reason = error.diagnostics[0].message
    return _create(model, device, settings._replace(graph=False)), reason


def _create(model: Model, device: str, settings: Settings) -> onnxruntime.InferenceSession:
    options = quiet_options()
    options.intra_op_num_threads = settings.threads or cores()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # Waiting threads take no time from what runs between two runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        # Without `enable_fallback=0` a failure on the GPU starts over on the CPU, unseen.
        return onnxruntime.InferenceSession(
            str(model.path),
            options,
            providers=options_of(model, device, settings),
            enable_fallback=0,
        )
    except ERRORS as error:
        _cannot_open(model.path, device, error)


def options_of(model: Model, device: str, settings: Settings) -> list[Any]:
    """The providers with their options.

    TensorRT keeps what it builds beside the model, under a name that says from which weights.
    """
    cuda = {
        "use_tf32": str(int(settings.tf32)),
        "enable_cuda_graph": str(int(settings.graph and device == "cuda")),
    }
    engines = (
        {}
        if device != "tensorrt"
        else {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(model.path.with_name(model.path.name + ".engines")),
            "trt_engine_cache_prefix": _sum_of(model),
            "trt_cuda_graph_enable": str(settings.graph),
        }
    )
    return [
        {CUDA: (CUDA, cuda), TENSORRT: (TENSORRT, engines)}.get(p, p) for p in PROVIDERS[device]
    ]


def _sum_of(model: Model) -> str:
    """A name for the model with its weights: an engine of others must not be taken for its own."""
    return sha256("".join(sha256_of(p) for p in (model.path, *model.data)).encode()).hexdigest()[
        :16
    ]


def _cannot_open(path: Path, device: str, error: Exception) -> NoReturn:
    said = said_by(error)
    operator = _OPERATOR.search(said)
    if operator:
        name = next(g for g in operator.groups() if g)
        help_ = f"onnxruntime {onnxruntime.__version__} is installed; a newer one may know it"
        raise NetdslError(
            "unknown-operator", f"{path} uses `{name}`, which onnxruntime does not know", help=help_
        )
    missing = _NO_KERNEL.search(said)
    if missing:
        _no_kernel(path, device, missing[1] or missing[2])
    if (
        isinstance(error, (states.InvalidProtobuf, states.NoModel))
        or "No graph was found" in said
        or "External initializer" in said
    ):
        raise NetdslError(
            "corrupt-model",
            f"{path} is not a whole ONNX model: {said}",
            help="it may be cut off, or another kind of file",
        )
    if is_full(error):
        raise NetdslError(
            "out-of-memory",
            f"{path} does not fit into the memory of the device: {said}",
            help="free memory there; or run with --device cpu",
        )
    if device != "cpu" and ("CUDA" in said or "TensorRT" in said):
        raise NetdslError(
            "no-cuda",
            f"the GPU cannot be used: {why_not_loaded(device) or said}",
            help=f"it takes {INSTALL}",
        )
    raise NetdslError("bad-model", f"onnxruntime does not take {path}: {said}")


def _no_kernel(path: Path, device: str, operator: str) -> NoReturn:
    found = facts(path)
    help_ = f"onnxruntime {onnxruntime.__version__} is installed; a newer one may have it"
    if found.dtype == "bfloat16":
        help_ = "export with --fp16 in place of --bf16"
        if device == "cpu":
            help_ = (
                f"the CPU provider has hardly any of bfloat16: run with --device cuda, or {help_}"
            )
    what = f" of {found.dtype}" if found.dtype else ""
    raise NetdslError(
        "no-kernel",
        f"{path} uses `{operator}`, which onnxruntime cannot compute on {device} at opset"
        f" {found.opset}{what}",
        help=help_,
    )


def placement(session: onnxruntime.InferenceSession, path: Path) -> list[Placed]:
    """The provider of every node, as onnxruntime dealt them out."""
    dealt = [
        (n.name, n.op_type, part.ep_name)
        for part in session.get_provider_graph_assignment_info()
        for n in part.get_nodes()
    ]
    mixed = len({provider for *_, provider in dealt}) > 1
    sizes: frozenset[tuple[str, str]] = facts(path).sizes_alone if mixed else frozenset()
    return [
        Placed(name, operator, provider, provider == CPU and (name, operator) in sizes)
        for name, operator, provider in dealt
    ]


def astray(placed: Sequence[Placed]) -> list[Placed]:
    """The nodes whose work is done on the CPU; those that compute a few sizes are no work."""
    return [n for n in placed if n.provider == CPU and not n.sizes_alone]


def check_placement(
    placed: Sequence[Placed], path: Path, name: str, device: str, *, allow: bool
) -> None:
    """Nothing that was to run on the GPU may run elsewhere unsaid."""
    first = PROVIDERS[device][0]
    if placed and not any(n.provider == first for n in placed):
        reason = why_not_loaded(device)
        fact = (
            f"does not start: {reason}"
            if reason
            else f"does not start here, or takes no node of {name}"
        )
        raise NetdslError("no-cuda", f"onnxruntime's {first} {fact}", help=f"it takes {INSTALL}")
    found = astray(placed)
    if found and not allow:
        opset = facts(path).opset
        older = (
            f"the model has opset {opset}, for which CUDA lacks kernels: an export with the default"
            " opset has them; or "
            if opset > _COMPLETE_ON_CUDA
            else ""
        )
        listed = ", ".join(f"`{n.name}` ({n.operator})" for n in found[:4]) + (
            ", ..." if len(found) > 4 else ""
        )
        help_ = f"{older}--allow-cpu-nodes lets them; --device cpu runs all of it there"
        raise NetdslError(
            "cpu-nodes",
            f"{len(found)} of {len(placed)} nodes of {name} would run on the CPU: {listed}",
            help=help_,
        )


def cores() -> int:
    """The cores that this process may use: more threads than those only wait for one another."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text(encoding="ascii").split()
        return max(1, min(seen, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # no Linux, no container, or no quota in it (`max`)
        return seen


def is_full(error: Exception) -> bool:
    """Whether the memory of the device is what was too small."""
    return _MEMORY.search(str(error)) is not None


def said_by(error: Exception) -> str:
    """What onnxruntime says, without its codes and file names."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error).strip())
    text = re.sub(r"^Load model from .*? failed:\s*", "", text)
    text = re.sub(r"/\S+\.(?:cc|h|cpp):\d+ .*?(?:\) ?(?=[A-Z])| was false\. )", "", text)
    return " ".join(text.split())[:300] or type(error).__name__
