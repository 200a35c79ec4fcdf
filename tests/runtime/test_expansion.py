"""Small models that declare endless work are refused before onnxruntime opens them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netdsl.cli import run
from netdsl.runtime.expansion import Work, work_of

if TYPE_CHECKING:
    from pathlib import Path

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
ENDLESS = 2**62


def value(
    name: str, element: int = TensorProto.FLOAT, shape: Any = ("N", 4)
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def model_of(
    nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto] | None = None, **numbers: Any
) -> onnx.ModelProto:
    """A model from x to y, with `numbers` as its initialisers."""
    tensors = [onnx.numpy_helper.from_array(np.array(v), n) for n, v in numbers.items()]
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")], tensors)
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=8, functions=functions or [])


def chain(count: int, calls: int) -> onnx.ModelProto:
    """A model with `count` functions, each of which calls the one before `calls` times."""
    functions = [
        helper.make_function(
            "f", "f0", ["0"], ["1"], [helper.make_node("Relu", ["0"], ["1"])], OPSETS
        )
    ]
    for i in range(1, count):
        nodes = [
            helper.make_node(f"f{i - 1}", [str(k)], [str(k + 1)], domain="f") for k in range(calls)
        ]
        functions.append(helper.make_function("f", f"f{i}", ["0"], [str(calls)], nodes, OPSETS))
    return model_of([helper.make_node(f"f{count - 1}", ["x"], ["y"], domain="f")], functions)


def loop(
    count: str = "count", begins: str = "", goes_on: str = "Identity", inside: Any = None
) -> onnx.NodeProto:
    """A loop of `count` rounds; the operator `goes_on` computes each condition from the last."""
    body = inside or [helper.make_node("Relu", ["v"], ["w"])]
    nodes = [helper.make_node(goes_on, ["c"], ["d"]), *body]
    inputs = [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("v")]
    graph = helper.make_graph(nodes, "b", inputs, [value("d", TensorProto.BOOL, []), value("w")])
    return helper.make_node("Loop", [count, begins, "x"], ["y"], body=graph)


def nested(count: int) -> onnx.ModelProto:
    """A model with `count` functions, each of which calls the one before in a branch."""
    relu = helper.make_node("Relu", ["a"], ["b"])
    functions = [helper.make_function("f", "f0", ["c", "a"], ["b"], [relu], OPSETS)]
    for i in range(1, count):
        call = helper.make_node(f"f{i - 1}", ["c", "a"], ["t"], domain="f")
        other = helper.make_node("Relu", ["a"], ["e"])
        branches = [helper.make_graph([n], "g", [], [value(n.output[0])]) for n in (call, other)]
        choice = helper.make_node(
            "If", ["c"], ["b"], then_branch=branches[0], else_branch=branches[1]
        )
        functions.append(helper.make_function("f", f"f{i}", ["c", "a"], ["b"], [choice], OPSETS))
    return model_of(
        [helper.make_node(f"f{count - 1}", ["c", "x"], ["y"], domain="f")], functions, c=True
    )


def circle(*names: str) -> onnx.ModelProto:
    """A model with functions that each call the next one; the last one calls the first."""
    functions = [
        helper.make_function(
            "f", caller, ["a"], ["b"], [helper.make_node(called, ["a"], ["b"], domain="f")], OPSETS
        )
        for caller, called in zip(names, (*names[1:], names[0]), strict=True)
    ]
    return model_of([helper.make_node(names[0], ["x"], ["y"], domain="f")], functions)


def counted(node: onnx.NodeProto, **numbers: Any) -> onnx.ModelProto:
    """A loop whose trip count a node computes from constants."""
    node.output[:] = ["count"]
    return model_of([node, loop()], **numbers)


def unnamed(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node whose result has no name yet."""
    return helper.make_node(operator, inputs, [""], **attributes)


CONSTANT_COUNTS = {
    "a list of integers": counted(unnamed("Constant", value_ints=[ENDLESS])),
    "the same number": counted(unnamed("Identity", "n"), n=ENDLESS),
    "a number of 32 bits": counted(
        unnamed("Cast", "n", to=TensorProto.INT64), n=np.int32(2**31 - 1)
    ),
    "a list of one": counted(unnamed("Squeeze", "n"), n=[ENDLESS]),
    "a product": counted(unnamed("Mul", "n", "n"), n=2**31),
}
TRUE_AGAIN = {
    "or": [helper.make_node("Or", ["c", "c"], ["d"])],
    "not not": [helper.make_node("Not", ["c"], ["e"]), helper.make_node("Not", ["e"], ["d"])],
    "a cast": [helper.make_node("Cast", ["c"], ["d"], to=TensorProto.BOOL)],
}


def while_true(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """An endless loop whose condition those nodes compute."""
    node = loop()
    body = node.attribute[0].g
    kept = [n for n in body.node if n.output[0] != "d"]
    del body.node[:]
    body.node.extend([*nodes, *kept])
    return model_of([node], count=ENDLESS)


INNER = [loop("count", "", "Identity")]
INNER[0].input[2] = "v"
INNER[0].output[0] = "w"
REFUSED = {
    "2^30 nodes": (chain(31, 2), "has 1,073,741,824 nodes in its expanded function calls"),
    "more nodes than are counted": (
        chain(90, 9),
        "has more than 10^18 nodes in its expanded function calls",
    ),
    "a chain of 5,000 functions": (
        chain(5000, 1),
        "has 5,000 nested functions and bodies",
    ),
    "branches in 3,000 functions": (
        nested(3000),
        "has 5,999 nested functions and bodies",
    ),
    "2^62 rounds": (model_of([loop()], count=ENDLESS), "has more than 10^18 node runs"),
    "10^8 rounds": (model_of([loop()], count=10**8), "has 200,000,001 node runs"),
    "10^5 rounds of 10^5 each": (model_of([loop(inside=INNER)], count=10**5), "node runs"),
    "neither a count nor a condition": (model_of([loop("")]), "has more than 10^18 node runs"),
    "a condition that is true": (
        model_of([loop("count", "go")], count=ENDLESS, go=True),
        "has more than 10^18",
    ),
    "a function that calls itself": (circle("a"), "the function `a` of m.onnx calls itself"),
    **{name: (model, "node runs in its loops") for name, model in CONSTANT_COUNTS.items()},
    **{name: (while_true(nodes), "node runs in its loops") for name, nodes in TRUE_AGAIN.items()},
    "three functions in a circle": (circle("a", "b", "c"), "of m.onnx calls itself"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize(
    "command", [["run", "m.onnx", "x.npy"], ["bench", "m.onnx", "--batch", "1"]]
)
def test_endless_work_is_refused(
    case: str,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message has the amount of work; onnxruntime would run forever, or crash."""
    monkeypatch.chdir(tmp_path)
    model, text = REFUSED[case]
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    np.save("x.npy", np.zeros((1, 4), np.float32))
    assert run(command) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(("error[model-too-large]: m.onnx ", "error[recursive-function]: "))
    assert text in errors


def stops_by_itself() -> onnx.NodeProto:
    """A `while` loop as exporters write it: the largest count, and a condition from the data."""
    return loop("count", "", "Not")


ALLOWED = {
    "functions": chain(5, 2),
    "a loop of 1,000 rounds": model_of([loop()], count=1000),
    "a loop that the data ends": model_of([stops_by_itself()], count=2**63 - 1),
    "a loop that never begins": model_of([loop("count", "go")], count=ENDLESS, go=False),
    "branches in branches": nested(10),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_models_that_end_are_run(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop may have a huge count if a condition from the data ends it, as in a `while`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(ALLOWED[case].SerializeToString())
    np.save("x.npy", np.zeros((1, 4), np.float32))
    assert run(["run", "m.onnx", "x.npy"]) == 0, capsys.readouterr().err


def test_the_count(tmp_path: Path) -> None:
    """The nodes in calls, the node runs and the depth are as counted by hand."""
    assert work_of(chain(3, 2), tmp_path) == Work(4, 4, 3)
    assert work_of(model_of([loop()], count=10), tmp_path) == Work(0, 21, 1)
    assert work_of(model_of([loop(inside=INNER)], count=10), tmp_path) == Work(
        0, 1 + 10 * (2 + 20), 2
    )


def test_the_limit_can_be_raised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable in the help raises the limit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(chain(150, 1).SerializeToString())
    np.save("x.npy", np.zeros((1, 4), np.float32))
    assert run(["run", "m.onnx", "x.npy"]) == 1
    assert "set NETDSL_MAX_MODEL_DEPTH" in capsys.readouterr().err
    monkeypatch.setenv("NETDSL_MAX_MODEL_DEPTH", "200")
    assert run(["run", "m.onnx", "x.npy"]) == 0


def declared(shape: list[Any]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value("x", 1, shape)],
        [value("y", 1, shape)],
    )
    return helper.make_model(graph, opset_imports=OPSETS[:1], ir_version=8)


@pytest.mark.parametrize(
    "shape", [["N", 2**62], ["N", 2**31, 2**31, 2**31], ["N", 2**63 - 1], ["N", 2**40], [2**62, 4]]
)
@pytest.mark.parametrize(
    "command", [["bench", "m.onnx", "--batch", "1"], ["run", "m.onnx", "x.npy"]]
)
def test_inputs_larger_than_any_memory(
    shape: list[Any],
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The product of the sizes overflows, or a batch would have to be padded to a huge size."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(declared(shape).SerializeToString())
    np.save("x.npy", np.zeros((1, 4), np.float32))
    assert run(command) == 1
    assert capsys.readouterr().err.startswith(("error[out-of-memory]: ", "error[wrong-shape]: "))


HUGE = {
    "an initialiser larger than its data": (
        [helper.make_node("Add", ["x", "w"], ["y"])],
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40], raw_data=b"abcd"),
    ),
    "a negative size": (
        [helper.make_node("Add", ["x", "w"], ["y"])],
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-4], raw_data=b"abcd"),
    ),
    "a constant of 2^38 bytes": (
        [
            helper.make_node("ConstantOfShape", ["w"], ["c"]),
            helper.make_node("ReduceSum", ["c"], ["r"], keepdims=0),
            helper.make_node("Add", ["x", "r"], ["y"]),
        ],
        helper.make_tensor("w", TensorProto.INT64, [1], [2**36]),
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_weights_of_impossible_sizes(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tensor that is larger than its data, or than the memory, gives one message."""
    monkeypatch.chdir(tmp_path)
    nodes, tensor = HUGE[case]
    model = model_of(nodes)
    model.graph.initializer.append(tensor)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    np.save("x.npy", np.zeros((1, 4), np.float32))
    assert run(["run", "m.onnx", "x.npy"]) == 1
    assert capsys.readouterr().err.startswith(
        ("error[bad-model]", "error[corrupt-model]", "error[out-of-memory]")
    )


@pytest.mark.parametrize(
    ("key", "text"),
    [("length", str(2**62)), ("offset", str(2**62)), ("length", "-1"), ("length", "9" * 30)],
)
def test_external_weights_beyond_the_end_of_the_file(
    key: str,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lengths and offsets beyond the end are refused before the file is mapped."""
    monkeypatch.chdir(tmp_path)
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    for name, entry in {"location": "w.bin", key: text}.items():
        tensor.external_data.add(key=name, value=entry)
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])])
    model.graph.initializer.append(tensor)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "w.bin").write_bytes(bytes(16))
    np.save("x.npy", np.zeros((1, 4), np.float32))
    assert run(["run", "m.onnx", "x.npy"]) == 1
    assert capsys.readouterr().err.startswith("error[corrupt-model]")


HEADERS = {
    "not closed": "{'descr': (",
    "no dictionary": "[1, 2]",
    "no Python": "{'descr': <f4}",
    "empty": "",
    "deep": "(" * 5000,
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
    "huge": "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }",
    "no such type": "{'descr': 'q99', 'fortran_order': False, 'shape': (4,), }",
    "a type of nothing": "{'descr': [], 'fortran_order': False, 'shape': (4,), }",
    "words for sizes": "{'descr': '<f4', 'fortran_order': False, 'shape': ('a',), }",
    "a key too many": "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'more': 1, }",
    "a call": "{'descr': print(1), 'fortran_order': False, 'shape': (4,), }",
    "Python 2": "{'descr': '<f4', 'fortran_order': False, 'shape': (4L,), ",
    "escapes": "{'descr': '\x1b[31m', 'fortran_order': False, 'shape': (4,), }",
    "a triple quote": "{'descr': '''",
    "a line going on": "{'descr': \\",
    "a zero byte": "{'descr\0': 1}",
    "indented": "  {\n 1\n   2}",
    "a large number": "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
}


def npy(header: str) -> bytes:
    """An array file with this header."""
    text = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("case", HEADERS)
def test_wrong_headers_of_arrays(
    case: str, suffix: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any exception while the header is read becomes one message that names the file."""
    data = npy(HEADERS[case])
    if suffix == ".npz":
        with zipfile.ZipFile("d.npz", "w") as archive:
            archive.writestr("image.npy", data)
    else:
        (model_folder / "d.npy").write_bytes(data)
    assert run(["run", "m.onnx", f"d{suffix}"]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(
        (f"error[bad-array]: d{suffix} ", "error[wrong-shape]: ", "error[array-too-large]")
    )
    assert all(c.isprintable() or c == "\n" for c in errors)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"PK\x03\x04" + bytes(40),
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x09",
        b"\x93NUMPY\x01\x00\xff\xff",
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_files_that_are_no_arrays(
    data: bytes, suffix: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are cut off after the first bytes, or have an unknown version."""
    (model_folder / f"d{suffix}").write_bytes(data)
    assert run(["run", "m.onnx", f"d{suffix}"]) == 1
    assert capsys.readouterr().err.startswith(f"error[bad-array]: d{suffix} ")
