"""Counts the work that an ONNX model declares, which a few bytes can make endless.

Functions can call functions, and loops can run forever. Before onnxruntime runs a model, it
replaces every call by the nodes of the function. The time for this grows faster than the number of
nodes. It also follows nested bodies recursively, on its stack.
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

MOST = 10**18  # larger numbers count as this one
_FUNCTIONS_FIELD = 25  # the number of the field in ModelProto, in onnx.proto
_MOST_FIELDS = 100_000
_FIXED = {1: 8, 5: 4}  # bytes of a field by its wire type, in the encoding of protobuf

SMALL = 64  # the most elements of a constant that is evaluated here
_EVALUATED = frozenset(
    "Constant Identity Cast Squeeze Unsqueeze Reshape Add Sub Mul Div Neg Abs Min Max"
    " Not And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual".split()
)

Key = tuple[str, str, str]  # domain, name and overload


class Work(NamedTuple):
    """The size of an expanded graph or function.

    `nodes` counts the nodes that the expansion adds, `steps` the runs of nodes, and `depth` the
    levels of nesting.
    """

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
    """Raise `NetdslError` for a model that would take too long to open or run.

    The codes are `model-too-large` and `recursive-function`.
    """
    size = os.stat(path).st_size
    if size > limit("model_bytes"):
        raise NetdslError(
            "model-too-large", f"{path} has {size:,} bytes", help=raise_help("model_bytes")
        )
    if not _can_expand(path):
        return
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return  # not a model: onnxruntime reports that
    work = work_of(model, path)
    _check_limit(path, "model_nodes", work.nodes, "nodes in its expanded function calls")
    _check_limit(path, "model_steps", work.steps, "node runs in its loops")
    _check_limit(path, "model_depth", work.depth, "nested functions and bodies")


def _check_limit(path: Path, name: str, count: int, noun: str) -> None:
    if count <= limit(name):
        return
    number = f"{count:,}"
    if count >= MOST:
        number = "more than 10^18"
    raise NetdslError("model-too-large", f"{path} has {number} {noun}", help=raise_help(name))


def work_of(model: onnx.ModelProto, path: Path) -> Work:
    """The work of a whole model; raises `NetdslError` if a function calls itself."""
    functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
    calls = {key: _calls(function.node) for key, function in functions.items()}
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
    nodes: Sequence[onnx.NodeProto], known: Mapping[Key, Work], outside: Constants, per_node: Work
) -> Work:
    """The work of nodes: `per_node` for each, or the `known` work of the function that it calls.

    `outside` are the constants of the enclosing graphs.
    """
    constants = _constants(nodes, outside)
    total = Work()
    for node in nodes:
        callee = known.get(_key(node.domain, node.op_type, node.overload))
        if callee is not None:
            total = total.also(callee)
            continue
        total = total.also(per_node)
        for body in _bodies(node):
            inside = _work(body.node, known, {**constants, **_initial(body)}, per_node)
            total = total.also(inside, _rounds(node, body, constants))
    return total


def _rounds(node: onnx.NodeProto, body: onnx.GraphProto, constants: Constants) -> int:
    """How often the body of a node runs if the model fixes that, or 1 if it depends on the data."""
    if node.op_type != "Loop" or not _never_stops(node, body, constants):
        return 1
    if not node.input or not node.input[0]:
        return MOST  # no trip count
    count = constants.get(node.input[0])
    if count is None:
        return 1
    return max(0, _number(count))


def _never_stops(node: onnx.NodeProto, body: onnx.GraphProto, constants: Constants) -> bool:
    """Whether only the trip count ends a loop: its condition is true from the first round on."""
    if len(node.input) > 1 and node.input[1]:
        condition = constants.get(node.input[1])
        if condition is None or not _number(condition):
            return False
    if not body.output or len(body.input) < 2:
        return False  # not a loop: onnxruntime reports that
    while_true = {**constants, **_initial(body), body.input[1].name: np.array(True)}
    next_condition = _constants(body.node, while_true).get(body.output[0].name)
    return next_condition is not None and _number(next_condition) != 0


def _initial(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The small initialisers that are stored in the model itself."""
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if prod(tensor.dims) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL
    }


def _constants(nodes: Iterable[onnx.NodeProto], known: Constants) -> dict[str, np.ndarray]:
    """`known`, and the results of small arithmetic on it, as ONNX's reference evaluates it."""
    constants = dict(known)
    for node in nodes:
        names = [name for name in node.input if name]
        if node.op_type in _EVALUATED and not node.domain and all(n in constants for n in names):
            constants |= _evaluated(node, {name: constants[name] for name in names})
    return constants


def _evaluated(node: onnx.NodeProto, inputs: Constants) -> dict[str, np.ndarray]:
    """The small results of one node; none for a wrong node, which onnxruntime reports."""
    try:
        results = ReferenceEvaluator(node).run(None, dict(inputs))
    except Exception:  # the reference raises any error of Python and NumPy
        return {}
    named = zip(node.output, results, strict=False)
    arrays = {name: np.asarray(result) for name, result in named}
    return {name: array for name, array in arrays.items() if array.size <= SMALL}


def _number(array: np.ndarray) -> int:
    """The number of a trip count or condition, or 0 if the array is not a single integer."""
    if array.size != 1 or array.dtype.kind not in "iub":
        return 0
    return int(array.reshape(-1)[0])


def _calls(nodes: Iterable[onnx.NodeProto]) -> set[Key]:
    """The operators and functions that nodes and their bodies use."""
    keys = set()
    for node in nodes:
        keys.add(_key(node.domain, node.op_type, node.overload))
        for body in _bodies(node):
            keys |= _calls(body.node)
    return keys


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    graphs = []
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            graphs.append(attribute.g)
        graphs += attribute.graphs
    return graphs


def _key(domain: str, name: str, overload: str) -> Key:
    return ("" if domain == "ai.onnx" else domain, name, overload)


# ---- whether there is anything to count, without reading the weights


def _can_expand(path: Path) -> bool:
    """Whether a file can contain loops or functions."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"Loop") >= 0 or _FUNCTIONS_FIELD in _fields(data)


def _fields(data: mmap.mmap) -> Iterator[int]:
    """The numbers of a message's fields, up to the first that cannot be read.

    After very many fields, which no tool writes, the last number is that of the functions, so that
    the model is read as a whole.
    """
    offset = count = 0
    while offset < len(data):
        key, offset = _varint(data, offset)
        count += 1
        if not key >> 3:
            return  # there is no field 0
        if count > _MOST_FIELDS:
            yield _FUNCTIONS_FIELD
            return
        yield key >> 3
        length = _FIXED.get(key & 7, 0)
        if key & 7 == 0:
            _, offset = _varint(data, offset)
        elif key & 7 == 2:
            length, offset = _varint(data, offset)
        elif not length:
            return
        offset += length


def _varint(data: mmap.mmap, offset: int) -> tuple[int, int]:
    """A number of variable length, and the offset after it."""
    value = shift = 0
    while offset < len(data) and shift < 64:
        byte = data[offset]
        value |= (byte & 127) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 128:
            break
    return value, offset
