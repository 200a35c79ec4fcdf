"""Measures models side by side: in turns, medians, beside the peak of the device as a large matrix
product and a large copy show it.
"""

from __future__ import annotations

import time
from math import prod
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from netdsl.analysis.sizes import USUAL
from netdsl.elaborate.evaluate import Env, evaluate
from netdsl.errors import NetdslError
from netdsl.runtime.session import DTYPES, Session, open_session
from netdsl.source import SourceFile
from netdsl.syntax.parser import parse_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from netdsl.runtime.session import Settings, Tensor

LONGEST = 20.0  # seconds for all rounds of a batch size, but for the fewest rounds
FEWEST = 3
HALF = ("float16", "bfloat16")
PAUSE = 0.02  # for the threads of one engine to stop waiting for work before the other begins
# Of the matrices; elements of the copy.
SIDES = {"cpu": (1536, 1 << 25), "cuda": (8192, 1 << 28), "tensorrt": (8192, 1 << 28)}
SMALLEST = 256  # side that shows anything of a peak


class Times(NamedTuple):
    """Seconds of one run, sorted by round."""

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
    """What the device reaches at its best: operations of a matrix product and bytes of a copy, read
    and written, a second.
    """

    flops: float
    bytes: float


def in_turns(engines: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time each engine once a round, in changing order, after two rounds that do not count; stops
    early where a round takes long.
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


def ratio(one: Times, other: Times) -> float:
    """The median ratio of the rounds: what slows the machine down slows both of a round down."""
    return median(a / b for a, b in zip(one.seconds, other.seconds, strict=True))


def random_inputs(
    session: Session, batch: int, given: Mapping[str, tuple[int, ...]], seed: int = 0
) -> dict[str, Any]:
    """Random numbers for every input of a model; open sizes are those given, else 224 along the
    picture's axes. Raises `NetdslError`.
    """
    unknown = [n for n in given if n and n not in {v.name for v in session.inputs}]
    if unknown:
        raise NetdslError(
            "unknown-input",
            f"{session.name} has no input `{unknown[0]}`",
            help=f"it has {', '.join(v.name for v in session.inputs)}",
        )
    stream = np.random.default_rng(seed)
    return {
        v.name: _random(
            session, v, batch, given.get(v.name) or (given.get("") if not i else None), stream
        )
        for i, v in enumerate(session.inputs)
    }


def _random(
    session: Session,
    target: Tensor,
    batch: int,
    given: tuple[int, ...] | None,
    stream: np.random.Generator,
) -> Any:
    if target.dtype not in DTYPES.values():
        raise NetdslError(
            "wrong-dtype",
            f"`{target.name}` of {session.name} is {target.dtype}, of which there are no random"
            " numbers here",
            help=f"these are measured: {', '.join(DTYPES.values())}",
        )
    if not target.shape:
        raise NetdslError(
            "wrong-shape",
            f"`{target.name}` of {session.name} has no axes, or does not say how many",
            help="what is measured takes batches: the first axis of each input",
        )
    if isinstance(target.shape[0], int) and target.shape[0] != batch:
        raise NetdslError(
            "wrong-shape",
            f"{session.name} takes {target}, not a batch of {batch}",
            help=f"measure it with --batch {target.shape[0]}",
        )
    if given is not None and (
        len(given) != len(target.shape) - 1
        or any(isinstance(d, int) and d != g for d, g in zip(target.shape[1:], given, strict=True))
    ):
        raise NetdslError(
            "wrong-shape",
            f"`{target.name}` of {session.name} is {target}, not {'x'.join(map(str, given))}",
        )
    shape = (batch, *(given or (d if isinstance(d, int) else USUAL for d in target.shape[1:])))
    try:
        return _drawn(shape, target.dtype, stream)
    except (ValueError, MemoryError):  # more bytes than an address has, or than there are
        size = f"{prod(shape) * np.dtype(target.dtype).itemsize:,} bytes"
        sizes = "x".join(map(str, shape))
        message = f"`{target.name}` of {session.name} at {sizes} takes {size}, which do not fit"
        raise NetdslError(
            "out-of-memory",
            f"{message} into memory",
            help="measure it with smaller sizes or batches",
        ) from None


def _drawn(shape: tuple[int, ...], dtype: str, stream: np.random.Generator) -> Any:
    if dtype == "uint8":
        return stream.integers(0, 256, shape, dtype=np.uint8)
    if dtype.startswith("float"):
        return stream.standard_normal(shape, dtype=np.float32).astype(dtype)
    return np.zeros(shape, dtype=dtype)


def macs_of(session: Session, inputs: Mapping[str, Any]) -> int | None:
    """The multiply-accumulates of one sample as the compiler counted them, at the sizes of these
    inputs; None for models of others.
    """
    text = session.metadata.get("netdsl.macs")
    if text is None:
        return None
    env = Env()
    for v in session.inputs:
        env.values |= {
            d: n
            for d, n in zip(v.shape[1:], inputs[v.name].shape[1:], strict=True)
            if isinstance(d, str)
        }
    try:
        value = evaluate(parse_expression(SourceFile("netdsl.macs", text)), env)
    except NetdslError:
        return None
    return value if isinstance(value, int) else None


# ---- the peak of the device


def arithmetic_of(session: Session) -> str:
    """The type whose peak a model is held against: a model of half precision may take and give
    others. bfloat16 is as fast as float16.
    """
    half = session.metadata.get("netdsl.dtype") in HALF or any(
        v.dtype in HALF for v in session.inputs
    )
    return "float16" if half else "float32"


def peak(
    folder: Path, device: str, settings: Settings, dtype: str = "float32", rounds: int = 7
) -> Peak:
    """Time a product of two square matrices and a copy in onnxruntime on the device; smaller ones
    where its memory is too small.
    """
    side, count = SIDES[device]
    while True:
        try:
            product = _fastest(
                folder, device, settings, rounds, ("MatMul", [(side, side)] * 2, dtype)
            )
            copy = _fastest(folder, device, settings, rounds, ("Identity", [(count,)], dtype))
        except NetdslError as error:
            if error.diagnostics[0].code != "out-of-memory" or side <= SMALLEST:
                raise
            side, count = side // 2, count // 4
        else:
            return Peak(2 * side**3 / product, 2 * count * np.dtype(dtype).itemsize / copy)


def _fastest(
    folder: Path,
    device: str,
    settings: Settings,
    rounds: int,
    case: tuple[str, list[tuple[int, ...]], str],
) -> float:
    operator, shapes, dtype = case
    path = folder / f"{operator}.onnx"
    path.write_bytes(
        _model(
            operator, shapes, {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}[dtype]
        ).SerializeToString()
    )
    bound = open_session(path, device, operator, settings).bind(
        {f"x{i}": np.full(s, 0.5, dtype=dtype) for i, s in enumerate(shapes)}
    )
    return min(in_turns({operator: bound.run}, rounds)[operator].seconds)


def _model(operator: str, shapes: list[tuple[int, ...]], element: int) -> onnx.ModelProto:
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
