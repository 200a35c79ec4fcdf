"""Creates onnxruntime's sessions, and explains their failures.

It also finds out which provider runs which node.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from netdsl.backends.onnx.manifest import sha256_of
from netdsl.errors import NetdslError
from netdsl.process.cores import cores
from netdsl.runtime.gpu import (
    CPU,
    CUDA,
    INSTALL,
    PROVIDERS,
    TENSORRT,
    first_few,
    why_not_loaded,
)
from netdsl.runtime.placement import facts
from netdsl.runtime.quiet import quiet_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
_FAILED_NODE = re.compile(
    r"(?:Error in execution: )?Non-zero status code returned while running (\w+) node\."
    r" ?Name:'([^']*)' Status Message: "
)
_MEMORY = re.compile(
    r"out of memory|Failed to allocate memory|bad_alloc|OutOfMemory|CUDA failure"
    r" 2:|ALLOC_FAILED|Available memory of \d+ is smaller",
    re.IGNORECASE,
)
_NEWER = f"onnxruntime {onnxruntime.__version__} is installed; a newer one may support it"
_COMPLETE_ON_CUDA = 21  # CUDA has no kernels of opset 22 for MaxPool and others

Provider = str | tuple[str, dict[str, str]]  # a name, or a name with options


class Settings(NamedTuple):
    """Settings of a session.

    `threads` is the number of threads on the CPU, by default one per core. `graph` captures CUDA
    graphs where that is possible.
    """

    allow_cpu_nodes: bool = False
    threads: int | None = None
    graph: bool = False
    tf32: bool = True


class Placed(NamedTuple):
    """A node of a model, and the provider that runs it.

    `sizes_alone` marks a node on the CPU that computes only sizes, which is not a loss.
    """

    name: str
    operator: str
    provider: str
    sizes_alone: bool = False


class Model(NamedTuple):
    """The file of a model, and the files with its external weights."""

    path: Path
    data: Sequence[Path] = ()


def create(
    model: Model, device: str, settings: Settings
) -> tuple[onnxruntime.InferenceSession, str]:
    """A session, and the reason why it captures no CUDA graph although one was wanted, or "".

    Raises `NetdslError`: `unknown-operator`, `no-kernel`, `corrupt-model`, `out-of-memory`,
    `no-cuda`, or `bad-model` for any other reason.
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
    # Between two runs, threads wait without using the CPU.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        # Without `enable_fallback=0`, onnxruntime silently uses the CPU if the GPU fails.
        return onnxruntime.InferenceSession(
            str(model.path),
            options,
            providers=options_of(model, device, settings),
            enable_fallback=0,
        )
    except ERRORS as error:
        _fail_to_open(model.path, device, error)


def options_of(model: Model, device: str, settings: Settings) -> list[Provider]:
    """The providers of a device, those for a GPU with their options.

    TensorRT stores its engine beside the model, under a name that depends on the weights.
    """
    providers: dict[str, Provider] = {CPU: CPU}
    providers[CUDA] = (
        CUDA,
        {
            "use_tf32": str(int(settings.tf32)),
            "enable_cuda_graph": str(int(settings.graph and device == "cuda")),
        },
    )
    if device == "tensorrt":
        providers[TENSORRT] = (
            TENSORRT,
            {
                "trt_engine_cache_enable": "True",
                "trt_engine_cache_path": str(model.path.with_name(model.path.name + ".engines")),
                "trt_engine_cache_prefix": _digest_of(model),
                "trt_cuda_graph_enable": str(settings.graph),
            },
        )
    return [providers[name] for name in PROVIDERS[device]]


def _digest_of(model: Model) -> str:
    """A digest of the model and its weights, so that no engine of other weights is used for it."""
    digests = "".join(sha256_of(path) for path in (model.path, *model.data))
    return sha256(digests.encode()).hexdigest()[:16]


def _fail_to_open(path: Path, device: str, error: Exception) -> NoReturn:
    message = message_of(error)
    operator = _OPERATOR.search(message)
    if operator:
        name = operator[1] or operator[2]
        raise NetdslError(
            "unknown-operator",
            f"{path} uses `{name}`, which onnxruntime does not support",
            help=_NEWER,
        )
    missing = _NO_KERNEL.search(message)
    if missing:
        _fail_without_kernel(path, device, missing[1] or missing[2])
    if _is_corrupt(error, message):
        raise NetdslError(
            "corrupt-model",
            f"{path} is not a complete ONNX model: {message}",
            help="it may be cut off, or be another kind of file",
        )
    if is_full(error):
        raise NetdslError(
            "out-of-memory",
            f"{path} does not fit into the memory of the device: {message}",
            help="free memory there; or run with --device cpu",
        )
    if device != "cpu" and ("CUDA" in message or "TensorRT" in message):
        raise NetdslError(
            "no-cuda",
            f"the GPU cannot be used: {why_not_loaded(device) or message}",
            help=f"install what it needs with {INSTALL}",
        )
    raise NetdslError(
        "bad-model",
        f"onnxruntime cannot load {path}: {message}",
        help="it may have been made for another version; write it again with the tool that made it,"
        " such as `netdsl export`",
    )


def _is_corrupt(error: Exception, message: str) -> bool:
    if isinstance(error, (states.InvalidProtobuf, states.NoModel)):
        return True
    return "No graph was found" in message or "External initializer" in message


def _fail_without_kernel(path: Path, device: str, operator: str) -> NoReturn:
    _, opset, dtype = facts(path)
    help_ = _NEWER
    if dtype == "bfloat16":
        help_ = "export with --fp16 in place of --bf16"
        if device == "cpu":
            help_ = (
                "the CPU provider supports hardly any operators of bfloat16: run with"
                f" --device cuda, or {help_}"
            )
    arithmetic = f" in {dtype}" if dtype else ""
    raise NetdslError(
        "no-kernel",
        f"{path} uses `{operator}`{arithmetic}, which onnxruntime cannot compute on {device}"
        f" (opset {opset})",
        help=help_,
    )


# ---- which provider runs which node


def placement(session: onnxruntime.InferenceSession, path: Path) -> list[Placed]:
    """The provider that onnxruntime assigned to each node of the model in the file `path`."""
    assigned = [
        (node.name, node.op_type, part.ep_name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]
    sizes: frozenset[tuple[str, str]] = frozenset()
    if len({provider for *_, provider in assigned}) > 1:
        sizes = facts(path).sizes_alone
    return [
        Placed(name, operator, provider, provider == CPU and (name, operator) in sizes)
        for name, operator, provider in assigned
    ]


def astray(placed: Sequence[Placed]) -> list[Placed]:
    """The nodes whose work is done on the CPU; computing sizes does not count as work."""
    return [node for node in placed if node.provider == CPU and not node.sizes_alone]


def check_placement(
    placed: Sequence[Placed], path: Path, name: str, device: str, *, allow: bool
) -> None:
    """Raise `NetdslError` if nodes run on the CPU although a GPU was asked for.

    The code is `no-cuda` if none of them runs on the GPU, else `cpu-nodes`, which `allow` permits.
    """
    first = PROVIDERS[device][0]
    if placed and not any(node.provider == first for node in placed):
        fact = f"does not start here, or can run no node of {name}"
        reason = why_not_loaded(device)
        if reason:
            fact = f"does not start: {reason}"
        raise NetdslError(
            "no-cuda", f"onnxruntime's {first} {fact}", help=f"install what it needs with {INSTALL}"
        )
    on_cpu = astray(placed)
    if on_cpu and not allow:
        listed = first_few([f"`{node.name}` ({node.operator})" for node in on_cpu])
        raise NetdslError(
            "cpu-nodes",
            f"{len(on_cpu)} of {len(placed)} nodes of {name} would run on the CPU: {listed}",
            help=_cpu_nodes_help(facts(path).opset),
        )


def _cpu_nodes_help(opset: int) -> str:
    advice = "--allow-cpu-nodes permits it; --device cpu runs the whole model there"
    if opset > _COMPLETE_ON_CUDA:
        return (
            f"CUDA lacks kernels for opset {opset}, which the model has: export it with the default"
            f" opset; or {advice}"
        )
    return advice


# ---- onnxruntime's errors


def is_full(error: Exception) -> bool:
    """Whether an error of onnxruntime means that the device has too little memory."""
    return _MEMORY.search(str(error)) is not None


def message_of(error: Exception) -> str:
    """The message of an error of onnxruntime, without its codes and file names.

    A node that failed is shown as "node `0` (Gather)".
    """
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error).strip())
    text = re.sub(r"^Load model from .*? failed:\s*", "", text)
    text = re.sub(r"/\S+\.(?:cc|h|cpp):\d+ .*?(?:\) ?(?=[A-Z])| was false\. )", "", text)
    text = _FAILED_NODE.sub(r"node `\2` (\1): ", text)
    return " ".join(text.split())[:300] or type(error).__name__
