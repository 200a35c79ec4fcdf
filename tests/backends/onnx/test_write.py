"""How weights are written to ONNX files.

They are computed or read in pieces and written after the graph. A checkpoint that does not fit the
net is refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import netdsl
from netdsl.backends.onnx import write as onnx_file
from netdsl.backends.onnx.form import Form, Pixels
from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.write import check_file, fresh_weights, model_of, write_model
from netdsl.ir.op import Param
from netdsl.weights import fresh as weights
from netdsl.weights.fresh import chunks_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NET = (
    "net A {\n input x: 3x6x6\n c: conv(4, 3) -> n: bn -> relu\n u: deconv(2, 4, init = bilinear)\n"
    " flatten\n output y: dense(5)\n}"
)


# ---- the numbers of a checkpoint


class RecordingState(dict[str, Any]):
    """A state dict that records the calls of `release`."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__(state)
        self.released: list[tuple[str, int, int]] = []

    def release(self, name: str, first: int, count: int) -> None:
        self.released.append((name, first, count))


def test_a_checkpoint_is_read_in_pieces_that_are_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor is read in pieces that share its memory.

    A piece may still be in use while the next one is read, so it is released one piece later.
    """
    monkeypatch.setattr(weights, "CHUNK", 4)
    params = {"a": Param((2, 5)), "b": Param((3,))}
    state = RecordingState(
        {"a": np.arange(10, dtype=np.float32).reshape(2, 5), "b": np.arange(3, dtype=np.float64)}
    )
    chunks = chunks_of(state)
    seen = []
    for chunk in chunks("a", params["a"]):
        assert np.shares_memory(chunk, state["a"])
        seen.append((chunk.tolist(), list(state.released)))
    assert seen == [([0, 1, 2, 3], []), ([4, 5, 6, 7], []), ([8, 9], [("a", 0, 4)])]
    assert state.released == [("a", 0, 4), ("a", 4, 4)]
    (chunk,) = chunks("b", params["b"])
    assert (chunk.dtype, chunk.tolist()) == (np.dtype(np.float32), [0, 1, 2])
    assert state.released == [("a", 0, 4), ("a", 4, 4), ("a", 8, 4)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(6.0).view(2, 3),
        lambda: torch.arange(6.0).view(3, 2).t().contiguous().requires_grad_(),
        lambda: torch.arange(6.0).view(3, 2).t(),
        lambda: np.arange(6).reshape(3, 2).T,
        lambda: np.arange(6, dtype=np.float16).reshape(2, 3),
    ],
)
def test_tensors_of_all_kinds_are_read(make: Any) -> None:
    """Tensors of PyTorch and NumPy are read, with any element type and any order in memory."""
    tensor = make()
    (chunk,) = chunks_of({"a": tensor})("a", Param((2, 3)))
    assert chunk.dtype == np.float32
    np.testing.assert_array_equal(
        chunk, np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor).ravel()
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("y.bias"), "`y.bias` is missing"),
        (
            lambda state: [state.pop(n) for n in ("n.weight", "c.bias")],
            "`c.bias` is missing; `n.weight` is missing",
        ),
        (
            lambda state: state.update({"c.weight": torch.ones(4, 3, 3, 2)}),
            "`c.weight` is 4x3x3x2 in the state dict, but 4x3x3x3 in the net",
        ),
        (
            lambda state: state.update({"y.bias": torch.ones(5, 1)}),
            "`y.bias` is 5x1 in the state dict, but 5 in the net",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    spoil: Any, message: str, tmp_path: Path
) -> None:
    """The error names each tensor that is missing or has another shape, and no file is left."""
    net = netdsl.loads(NET)
    state = net.torch().state_dict()
    spoil(state)
    with pytest.raises(netdsl.CompileError) as caught:
        net.save_onnx(tmp_path / "m.onnx", state)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (
        "weights-mismatch",
        f"the state dict does not fit: {message}",
    )
    assert list(tmp_path.iterdir()) == []


# ---- the file


def written(net: netdsl.Net, path: Path, form: Form | None = None) -> dict[Path, str]:
    """The SHA-256 sums of the files that are written."""
    return write_model(skeleton(net.graph, form), path, fresh_weights(3))


@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(fold=True),
        Form(dtype="float16"),
        Form(opset=22, dtype="bfloat16", keep_io=True),
    ],
)
@pytest.mark.parametrize("pieces", [7, 1 << 18])
def test_a_file_is_the_model_in_memory(
    form: Form, pieces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file contains the same model, in as many bytes, as protobuf would write.

    Only the order of the fields differs. The sum is that of the file.
    """
    from hashlib import sha256

    monkeypatch.setattr(weights, "CHUNK", pieces)
    net = netdsl.loads(NET)
    sums = written(net, tmp_path / "m.onnx", form)
    data = (tmp_path / "m.onnx").read_bytes()
    assert sums == {tmp_path / "m.onnx": sha256(data).hexdigest()}
    model = onnx.load(tmp_path / "m.onnx")
    assert len(model.SerializeToString()) == len(data)
    expected = model_of(skeleton(net.graph, form), fresh_weights(3))
    assert [(t.name, t.dims) for t in model.graph.initializer] == [
        (t.name, t.dims) for t in expected.graph.initializer
    ]
    for ours, theirs in zip(model.graph.initializer, expected.graph.initializer, strict=True):
        kind = numpy_helper.to_array(ours).dtype
        np.testing.assert_array_equal(
            numpy_helper.to_array(ours), numpy_helper.to_array(theirs).astype(kind)
        )
    del model.graph.initializer[:], expected.graph.initializer[:]
    assert model == expected


@pytest.mark.parametrize("name", ["y", "yy", "yyy", "yyyy"])
def test_lengths_around_a_byte(name: str, tmp_path: Path) -> None:
    """Lengths are written as protobuf writes them.

    A length of 127 takes one byte, a length of 128 takes two.
    """
    for n in range(16, 36):
        written(
            netdsl.loads(f"net A {{\n input x: {n}\n {name}: dense(1, bias = false)\n}}"),
            tmp_path / "m.onnx",
        )
        model = onnx.load(tmp_path / "m.onnx")
        assert len(model.SerializeToString()) == (tmp_path / "m.onnx").stat().st_size
        assert list(model.graph.initializer[0].dims) == [1, n]


def record_reservations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A list to which every later reservation of disk space is appended: its start and size."""
    reserved: list[tuple[int, int]] = []
    monkeypatch.setattr(
        os, "posix_fallocate", lambda _, begin, size: reserved.append((begin, size)), raising=False
    )
    return reserved


def test_disk_space_is_reserved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact size of the file is reserved before any weights are written.

    A disk that is too small therefore fails at once.
    """
    reserved = record_reservations(monkeypatch)
    written(netdsl.loads(NET), tmp_path / "m.onnx")
    assert reserved == [(0, (tmp_path / "m.onnx").stat().st_size)]


@pytest.mark.parametrize("align", [64, 4096])
def test_a_large_model_has_its_numbers_beside_it(
    align: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a model above the limit has a data file.

    Each tensor begins at a multiple of the alignment, the model gives its place, and its bytes are
    the same as in a single file.
    """
    from hashlib import sha256

    net = netdsl.loads(NET)
    small, large = tmp_path / "small.onnx", tmp_path / "large.onnx"
    size = sum(4 * p.size for p in skeleton(net.graph).params.values())
    monkeypatch.setattr(onnx_file, "ALIGN", align)
    monkeypatch.setattr(onnx_file, "LIMIT", size)
    assert list(written(net, small)) == [small]
    monkeypatch.setattr(onnx_file, "LIMIT", size - 1)
    reserved = record_reservations(monkeypatch)
    data = large.with_name("large.onnx.data")
    assert written(net, large) == {f: sha256(f.read_bytes()).hexdigest() for f in (large, data)}
    expected = {t.name: t for t in onnx.load(small).graph.initializer}
    raw = onnx.load(large, load_external_data=False).graph.initializer
    assert [t.name for t in raw] == list(expected)
    end = 0
    for tensor in raw:
        place = {e.key: e.value for e in tensor.external_data}
        assert place == {
            "location": "large.onnx.data",
            "offset": str(-(-end // align) * align),
            "length": str(len(expected[tensor.name].raw_data)),
        }
        end = int(place["offset"]) + int(place["length"])
        assert (tensor.data_type, tensor.dims, tensor.data_location) == (
            TensorProto.FLOAT,
            expected[tensor.name].dims,
            TensorProto.EXTERNAL,
        )
    assert [t.raw_data for t in onnx.load(large).graph.initializer] == [
        t.raw_data for t in expected.values()
    ]
    assert data.stat().st_size == end
    assert reserved == [(0, -(-end // align) * align)]


def test_too_many_or_too_few_numbers_are_refused(tmp_path: Path) -> None:
    """It is an error if a source gives a tensor the wrong number of elements; no file is left."""
    net = netdsl.loads("net A {\n input x: 3\n y: dense(2)\n}")

    def short(name: str, param: Param) -> Iterator[Any]:
        yield np.zeros(param.size - (name == "y.bias"), np.float32)

    with pytest.raises(ValueError, match=r"^`y.bias` has 1 element, but the net needs 2$"):
        write_model(skeleton(net.graph), tmp_path / "m.onnx", short)
    assert list(tmp_path.iterdir()) == []


# ---- the model


@pytest.mark.parametrize("opset", [17, 24])
def test_other_opsets_are_refused(opset: int) -> None:
    """The error for an unsupported opset gives the range of the supported ones."""
    with pytest.raises(ValueError, match=f"^opset {opset} is not supported; it can be 18 to 23$"):
        netdsl.loads(NET).onnx(opset=opset)


def test_the_comment_above_a_net_is_its_description() -> None:
    """The comment above a net becomes the `doc_string` of the graph."""
    model = netdsl.loads("# LeNet, as drawn\n# in the lecture.\n" + NET).onnx()
    assert model.graph.doc_string == "LeNet, as drawn\nin the lecture."
    assert (model.graph.name, model.producer_name, model.ir_version) == ("A", "netdsl", 10)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_only_the_first_input_is_a_picture(dtype: str) -> None:
    """The first input takes pictures of any size, as bytes with channels last.

    The other inputs do not change.
    """
    net = netdsl.loads(
        "net A {\n input x: 3x6x5\n input z: 3x6x5\n input words: 4 int64\n @words -> embedding(3,"
        " 2) -> flatten\n @x -> add(@z)\n}"
    )
    graph = skeleton(net.graph, Form(dtype=dtype, pixels=Pixels((0.5,), (0.25,)))).model.graph
    inputs = {
        v.name: (
            v.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim],
        )
        for v in graph.input
    }
    element = TensorProto.FLOAT if dtype == "float32" else TensorProto.FLOAT16
    assert inputs == {
        "x": (TensorProto.UINT8, ["N", "height", "width", 3]),
        "z": (element, ["N", 3, 6, 5]),
        "words": (TensorProto.INT64, ["N", 4]),
    }
    assert [n.input[0] for n in graph.node if n.op_type == "Transpose"] == ["x"]


def test_the_full_check_is_done(tmp_path: Path) -> None:
    """A file whose shapes contradict each other is refused.

    ONNX's checker notices this only if it infers the shapes.
    """
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", size])
        for n, size in (("x", 3), ("y", 4))
    ]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        tmp_path / "m.onnx",
    )
    onnx.checker.check_model(str(tmp_path / "m.onnx"))
    with pytest.raises(onnx.shape_inference.InferenceError):
        check_file(tmp_path / "m.onnx")
