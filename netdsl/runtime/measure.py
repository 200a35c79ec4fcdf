"""Measures models side by side, and the peak of the device.

The models run in turns, and the medians count. The peak is that of a large matrix product and a
large copy.
"""

from __future__ import annotations

import time
from math import prod
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper

from netdsl.analysis.sizes import usual_size
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.errors import NetdslError
from netdsl.runtime.session import DTYPES, Session, open_session
from netdsl.source import SourceFile
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from netdsl.runtime.session import Settings, Tensor

LONGEST = 20.0  # seconds after which no round begins, unless fewer than `FEWEST` have run
FEWEST = 3
HALF = ("float16", "bfloat16")
PAUSE = 0.02  # seconds for idle threads of one engine to stop spinning before the next one runs
# The sides of the matrices, and the number of elements of the copy.
SIDES = {"cpu": (1536, 1 << 25), "cuda": (8192, 1 << 28), "tensorrt": (8192, 1 << 28)}
SMALLEST = 256  # the smallest side: smaller products are too short to reach the peak
ELEMENTS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


class Times(NamedTuple):
    """The seconds of a run in each round."""

    seconds: list[float]

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.seconds)

    @property
    def late(self) -> float:
        """The 95th percentile."""
        return float(np.percentile(self.seconds, 95))


class Peak(NamedTuple):
    """The best speed of the device.

    `flops` are the operations per second of a matrix product. `bytes` are the bytes per second of a
    copy, both those read and those written.
    """

    flops: float
    bytes: float


def in_turns(engines: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time each engine once per round, in alternating order.

    Two rounds that do not count come first. If the rounds take long, fewer of them are run.
    """
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    names, begin = list(engines), time.perf_counter()
    for round_ in range(-2, rounds):
        if round_ >= FEWEST and time.perf_counter() - begin > LONGEST:
            break
        for name in names if round_ % 2 else reversed(names):
            if len(names) > 1:
                time.sleep(PAUSE)
            start = time.perf_counter()
            engines[name]()
            if round_ >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: Times(values) for name, values in seconds.items()}


def ratio(first: Times, second: Times) -> float:
    """The median of the ratios of each round: a slow moment of the machine affects both times."""
    return median(a / b for a, b in zip(first.seconds, second.seconds, strict=True))


def random_inputs(
    session: Session, batch: int, given: Mapping[str, tuple[int, ...]], seed: int = 0
) -> dict[str, np.ndarray]:
    """Random numbers for every input of a model, `batch` samples each.

    `given` are the sizes of a sample by the name of the input, or by "" for the first input. Open
    sizes that are not given are those of `usual_size`. Raises `NetdslError`.
    """
    names = [target.name for target in session.inputs]
    unknown = next((name for name in given if name and name not in names), None)
    if unknown is not None:
        raise NetdslError(
            "unknown-input",
            f"{session.name} has no input `{unknown}`",
            help=f"it has {', '.join(names)}",
        )
    stream = np.random.default_rng(seed)
    arrays = {}
    for index, target in enumerate(session.inputs):
        sizes = given.get(target.name) or None
        if sizes is None and index == 0:
            sizes = given.get("")
        _check_target(session, target, batch)
        arrays[target.name] = _random(
            session, target, _shape(session, target, batch, sizes), stream
        )
    return arrays


def only_batch(session: Session) -> int | None:
    """The one number of samples that a model takes, or None if it leaves this open."""
    fixed = [v.shape[0] for v in session.inputs if v.shape and isinstance(v.shape[0], int)]
    return fixed[0] if fixed else None


def is_open(target: Tensor) -> bool:
    """Whether a model leaves a size of an input open, apart from the number of samples."""
    return any(not isinstance(size, int) for size in target.shape[1:])


def _check_target(session: Session, target: Tensor, batch: int) -> None:
    """Refuse an input for which no batch of random numbers can be made."""
    if target.dtype not in DTYPES.values():
        raise NetdslError(
            "wrong-dtype",
            f"`{target.name}` of {session.name} is {target.dtype}, for which `bench` has no random"
            " numbers",
            help=f"it has them for {', '.join(DTYPES.values())}",
        )
    if not target.shape:
        raise NetdslError(
            "wrong-shape",
            f"`{target.name}` of {session.name} has no axes, or an unknown number of them",
            help="`bench` needs a batch axis: the first axis of each input",
        )
    if isinstance(target.shape[0], int) and target.shape[0] != batch:
        raise NetdslError(
            "wrong-shape",
            f"{session.name} takes {target}, not a batch of {batch}",
            help=f"measure it with --batch {target.shape[0]}",
        )


def _shape(
    session: Session, target: Tensor, batch: int, sizes: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The shape of a batch, with the given sizes of a sample if there are any."""
    declared = target.shape[1:]
    if sizes is None:
        usual = usual_size(len(declared))
        return (batch, *(d if isinstance(d, int) else usual for d in declared))
    fits = len(sizes) == len(declared) and all(
        not isinstance(d, int) or d == size for d, size in zip(declared, sizes, strict=True)
    )
    if not fits:
        raise NetdslError(
            "wrong-shape",
            f"`{target.name}` of {session.name} is {target}, not {'x'.join(map(str, sizes))}",
        )
    return (batch, *sizes)


def _random(
    session: Session, target: Tensor, shape: tuple[int, ...], stream: np.random.Generator
) -> np.ndarray:
    try:
        return _drawn(shape, target.dtype, stream)
    except (ValueError, MemoryError):  # too large for an address, or for the memory
        size = f"{prod(shape) * np.dtype(target.dtype).itemsize:,} bytes"
        sizes = "x".join(map(str, shape))
        raise NetdslError(
            "out-of-memory",
            f"`{target.name}` of {session.name} at {sizes} takes {size}, which do not fit into"
            " memory",
            help="measure it with smaller sizes or batches",
        ) from None


def _drawn(shape: tuple[int, ...], dtype: str, stream: np.random.Generator) -> np.ndarray:
    """Random bytes, or normally distributed floats; other types are 0."""
    if dtype == "uint8":
        return stream.integers(0, 256, shape, dtype=np.uint8)
    if dtype.startswith("float"):
        return stream.standard_normal(shape, dtype=np.float32).astype(dtype)
    return np.zeros(shape, dtype=dtype)


class _Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


def macs_of(session: Session, inputs: Mapping[str, _Shaped]) -> int | None:
    """The multiply-accumulates of one sample, at the sizes of these inputs.

    They come from the formula that the compiler writes into the metadata. None for a model without
    such a formula.
    """
    text = session.metadata.get("netdsl.macs")
    if text is None:
        return None
    env = Env()
    for target in session.inputs:
        sizes = inputs[target.name].shape[1:]
        for name, size in zip(target.shape[1:], sizes, strict=True):
            if isinstance(name, str):
                env.values[name] = size
    try:
        value = evaluate(parse_expression(SourceFile("netdsl.macs", text)), env)
    except NetdslError:
        return None
    return value if isinstance(value, int) else None


# ---- the peak of the device


class _Case(NamedTuple):
    """A model of one operator that is timed to find the peak."""

    operator: str
    shapes: list[tuple[int, ...]]
    dtype: str


def arithmetic_of(session: Session) -> str:
    """The element type whose peak a model is compared with: `float32` or `float16`.

    A model of half precision can have other inputs and outputs, so its metadata count as well.
    bfloat16 is as fast as float16.
    """
    dtypes = [session.metadata.get("netdsl.dtype"), *(v.dtype for v in session.inputs)]
    return "float16" if any(dtype in HALF for dtype in dtypes) else "float32"


def peak(
    folder: Path, device: str, settings: Settings, dtype: str = "float32", rounds: int = 7
) -> Peak:
    """Time the product of two square matrices and a copy, in onnxruntime on the device.

    `folder` is for the models. If the device's memory is too small, smaller sizes are timed.
    """
    side, count = SIDES[device]
    while True:
        product = _Case("MatMul", [(side, side)] * 2, dtype)
        copy = _Case("Identity", [(count,)], dtype)
        try:
            product_seconds = _fastest(folder, device, settings, rounds, product)
            copy_seconds = _fastest(folder, device, settings, rounds, copy)
        except NetdslError as error:
            if error.code != "out-of-memory" or side <= SMALLEST:
                raise
            side, count = side // 2, count // 4
        else:
            copied = 2 * count * np.dtype(dtype).itemsize  # read and written
            return Peak(2 * side**3 / product_seconds, copied / copy_seconds)


def _fastest(folder: Path, device: str, settings: Settings, rounds: int, case: _Case) -> float:
    """The seconds of the fastest run."""
    path = folder / f"{case.operator}.onnx"
    path.write_bytes(_model(case).SerializeToString())
    inputs = {f"x{i}": np.full(shape, 0.5, case.dtype) for i, shape in enumerate(case.shapes)}
    bound = open_session(path, device, case.operator, settings).bind(inputs)
    return min(in_turns({case.operator: bound.run}, rounds)[case.operator].seconds)


def _model(case: _Case) -> onnx.ModelProto:
    operator, shapes, dtype = case
    element = ELEMENTS[dtype]
    inputs = [
        helper.make_tensor_value_info(f"x{i}", element, shape) for i, shape in enumerate(shapes)
    ]
    graph = helper.make_graph(
        [helper.make_node(operator, [v.name for v in inputs], ["y"], name=operator)],
        operator,
        inputs,
        [helper.make_tensor_value_info("y", element, shapes[0])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
