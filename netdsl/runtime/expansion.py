"""How much work an ONNX model declares in a few bytes: functions that call functions, endless
loops.

Before onnxruntime runs a model, it replaces every call by the nodes of the function. The time for
this grows faster than the number of nodes. It also follows nested bodies recursively, on its stack.
"""

from __future__ import annotations

import mmap
import os
from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    Constants = Mapping[str, np.ndarray]

MOST = 10**18  # all numbers above it count as it
_FUNCTIONS_FIELD = 25  # of ModelProto, in onnx.proto
_FIXED = {1: 8, 5: 4}  # bytes of a field by its wire type, in the encoding of protobuf

SMALL = 64  # elements of a constant that is worked out
_EVALUATED = frozenset(
    "Constant Identity Cast Squeeze Unsqueeze Reshape Add Sub Mul Div Neg Abs Min Max"
    " Not And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual".split()
)

Key = tuple[str, str, str]  # domain, name and overload


class Work(NamedTuple):
    """The size of an expanded graph or function: its nodes, their runs and its depth of nesting."""

    nodes: int = 0
    steps: int = 0
    depth: int = 0

    def also(self, other: Work, times: int = 1) -> Work:
        """Add the work of an inner part that runs `times` times."""
        nodes = min(MOST, self.nodes + other.nodes)
        steps = min(MOST, self.steps + times * other.steps)
        return Work(nodes, steps, max(self.depth, 1 + other.depth))


_IN_FUNCTION = Work(1, 1, -1)  # each call of the function adds such a node to the model
_IN_GRAPH = Work(0, 1, -1)  # the file has such a node already


def check_work(path: Path) -> None:
    """Raise `NetdslError` for a model that would take too long to open or run."""
    if not _can_expand(path):
        return
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return  # not a model: onnxruntime reports that
    work = work_of(model, path)
    for name, found, what in (
        ("model_nodes", work.nodes, "nodes in the calls of its functions"),
        ("model_steps", work.steps, "node runs in loops whose end is known"),
        ("model_depth", work.depth, "functions and bodies inside one another"),
    ):
        if found > limit(name):
            number = f"{found:,}" if found < MOST else "more than 10^18"
            raise NetdslError(
                "model-too-large", f"{path} has {number} {what}", help=raise_help(name)
            )


def work_of(model: onnx.ModelProto, path: Path) -> Work:
    """The work of a whole model; raises `NetdslError` if a function calls itself."""
    functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
    calls = {key: _calls(f.node) for key, f in functions.items()}
    known: dict[Key, Work] = {}
    try:
        for key in TopologicalSorter(calls).static_order():
            if key in functions:
                known[key] = _work(functions[key].node, known, {}, _IN_FUNCTION)
    except CycleError as error:
        name = error.args[1][0][1]
        message = f"the function `{name}` of {path} calls itself"
        raise NetdslError(
            "recursive-function", message, help="a function of an ONNX model cannot be recursive"
        ) from None
    return _work(model.graph.node, known, _initial(model.graph), _IN_GRAPH)


def _work(
    nodes: Sequence[onnx.NodeProto], known: Mapping[Key, Work], outside: Constants, one: Work
) -> Work:
    """The work of nodes: `one` for each, `known` for the functions that they call."""
    constants = _constants(nodes, outside)
    total = Work()
    for node in nodes:
        callee = known.get(_key(node.domain, node.op_type, node.overload))
        if callee is not None:
            total = total.also(callee)
            continue
        total = total.also(one)
        for body in _bodies(node):
            inside = _work(body.node, known, {**constants, **_initial(body)}, one)
            total = total.also(inside, _rounds(node, body, constants))
    return total


def _rounds(node: onnx.NodeProto, body: onnx.GraphProto, constants: Constants) -> int:
    """How often the body of a node runs, if the model fixes that; 1 if it depends on the data."""
    if node.op_type != "Loop" or not _never_stops(node, body, constants):
        return 1
    count = node.input[0] if node.input else ""
    if not count:
        return MOST
    return max(0, _number(constants[count])) if count in constants else 1


def _never_stops(node: onnx.NodeProto, body: onnx.GraphProto, constants: Constants) -> bool:
    """Whether only the trip count ends a loop: its condition is true from the first round on."""
    begins = node.input[1] if len(node.input) > 1 else ""
    if begins and not (begins in constants and _number(constants[begins])):
        return False
    if not body.output or len(body.input) < 2:
        return False  # not a loop: onnxruntime reports that
    while_true = {**constants, **_initial(body), body.input[1].name: np.array(True)}
    known = _constants(body.node, while_true)
    goes_on = body.output[0].name
    return goes_on in known and _number(known[goes_on]) != 0


def _initial(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The small initialisers that are in the model itself."""
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if prod(tensor.dims) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL
    }


def _constants(nodes: Iterable[onnx.NodeProto], known: Constants) -> dict[str, np.ndarray]:
    """`known`, and what small arithmetic on it gives, as ONNX's reference evaluates it."""
    found = dict(known)
    for node in nodes:
        given = [name for name in node.input if name]
        if node.op_type in _EVALUATED and not node.domain and all(n in found for n in given):
            found |= _evaluated(node, {name: found[name] for name in given})
    return found


def _evaluated(node: onnx.NodeProto, given: Constants) -> dict[str, np.ndarray]:
    """The results of one node; nothing where it is large or wrong, which onnxruntime reports."""
    try:
        results = ReferenceEvaluator(node).run(None, dict(given))
    except Exception:  # the reference raises whatever Python and NumPy do
        return {}
    named = zip(node.output, results, strict=False)
    arrays = {name: np.asarray(made) for name, made in named}
    return {name: array for name, array in arrays.items() if array.size <= SMALL}


def _number(array: np.ndarray) -> int:
    """The only number of a trip count or condition; 0 if it has none."""
    return int(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "iub" else 0


def _calls(nodes: Iterable[onnx.NodeProto]) -> set[Key]:
    found = set()
    for node in nodes:
        found.add(_key(node.domain, node.op_type, node.overload))
        for body in _bodies(node):
            found |= _calls(body.node)
    return found


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    made = []
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            made.append(attribute.g)
        made += attribute.graphs
    return made


def _key(domain: str, name: str, overload: str) -> Key:
    return ("" if domain == "ai.onnx" else domain, name, overload)


# ---- whether there is anything to count, without reading the weights


def _can_expand(path: Path) -> bool:
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"Loop") >= 0 or _FUNCTIONS_FIELD in _fields(data)


def _fields(data: mmap.mmap) -> Iterator[int]:
    """The numbers of a message's fields, up to the first that cannot be read."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        yield key >> 3
        length = _FIXED.get(key & 7, 0)
        if key & 7 == 0:
            _, place = _varint(data, place)
        elif key & 7 == 2:
            length, place = _varint(data, place)
        elif not length:
            return
        place += length


def _varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    """A number of variable length, and the offset after it."""
    value = shift = 0
    while place < len(data) and shift < 64:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            break
    return value, place
