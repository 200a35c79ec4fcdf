"""Sessions on a GPU that this machine need not have: what is captured under which number, what is said of memory, of nodes and of failures."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import netdsl
from netdsl.errors import NetdslError
from netdsl.runtime import gpu, providers, session
from netdsl.runtime.binding import NO_GRAPH, Bound
from netdsl.runtime.external import check_external
from netdsl.runtime.placement import FEW, facts
from netdsl.runtime.providers import Model, options_of, placement
from netdsl.runtime.session import Placed, Session, Settings, open_session

FULL = "/onnxruntime_src/bfc_arena.cc:360 void* f() Failed to allocate memory for requested buffer of size 9"


def write(path: Path, nodes: list[onnx.NodeProto], *, batch: int | str = "N", opset: int = 20, shape: Any = ("N", 4), outputs: Any = None) -> Path:
    """A model of `x`, a batch of vectors of four."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape[1:]])]
    made = outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", inputs, made, [helper.make_tensor("two", TensorProto.INT64, [1], [2])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return path


@pytest.fixture
def relu(tmp_path: Path) -> Path:
    return write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")])


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that takes every node, while the CPU does the work."""
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"])
    monkeypatch.setattr(Session, "placement", lambda self: [Placed("r", "Relu", f"{ {'cuda': 'CUDA', 'tensorrt': 'Tensorrt'}[self.device]}ExecutionProvider")])
    monkeypatch.setattr(Session, "memory", "cpu")


def ones(batch: int, value: float = 1.0) -> dict[str, Any]:
    return {"x": np.full((batch, 4), value, np.float32)}


# ---- CUDA graphs


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The batch and the number of the graph of every run."""
    made: list[tuple[int, int]] = []
    plain = Bound.run

    def run(self: Bound) -> None:
        made.append((self._sizes["x"][0][0], int(self._options.get_run_config_entry("gpu_graph_id"))))
        plain(self)

    monkeypatch.setattr(Bound, "run", run)
    return made


@pytest.mark.usefixtures("pretended")
def test_no_graph_is_replayed_for_other_sizes(relu: Path, numbers: list[tuple[int, int]]) -> None:
    """A first batch runs plainly; from the second of the same sizes on there is a graph, whose number no other binding has."""
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for batch in (2, 2, 2, 3, 3, 2):
        np.testing.assert_array_equal(opened.run(ones(batch, batch))[0], ones(batch, batch)["x"])
    opened.bind(ones(2)).run()
    opened.bind(ones(5)).run()
    of = {g: {b for b, n in numbers if n == g} for _, g in numbers if g != NO_GRAPH}
    assert of == {1: {2}, 2: {3}, 3: {2}, 4: {5}}
    assert [g for _, g in numbers[:6]] == [NO_GRAPH, NO_GRAPH, 1, 1, 1, NO_GRAPH]
    assert numbers[-2:] == [(5, 4), (5, 4)]


@pytest.mark.usefixtures("pretended")
def test_graphs_are_not_without_number(relu: Path, numbers: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that change for ever do not fill the memory with graphs."""
    monkeypatch.setattr(session, "GRAPHS", 2)
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for batch in (1, 1, 2, 2, 3, 3, 4, 4):
        opened.run(ones(batch))
    assert {g for _, g in numbers} == {NO_GRAPH, 1, 2}


@pytest.mark.usefixtures("pretended")
def test_without_graphs_nothing_is_captured(relu: Path, numbers: list[tuple[int, int]]) -> None:
    opened = open_session(relu, "cuda")
    for _ in range(3):
        opened.run(ones(2))
    opened.bind(ones(2)).run()
    assert {g for _, g in numbers} == {NO_GRAPH}


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("how", ["run", "bind"])
def test_what_cannot_be_captured_runs_without(relu: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """The reason is kept, and the outputs come."""
    plain = Bound.run

    def run(self: Bound) -> None:
        if self._options.get_run_config_entry("gpu_graph_id") != str(NO_GRAPH):
            raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing")
        plain(self)

    monkeypatch.setattr(Bound, "run", run)
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for value in (1, 2):
        np.testing.assert_array_equal(opened.run(ones(2, value))[0] if how == "run" else opened.bind(ones(2, value)).outputs()[0], ones(2, value)["x"])
    assert not opened.graph
    assert "not permitted" in opened.no_graph


def test_a_session_that_takes_no_graph_is_opened_without(relu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime refuses graphs for models with nodes elsewhere; the rest of what it refuses stays an error."""

    def options(model: Model, device: str, settings: Settings) -> list[str]:
        if settings.graph:
            raise RuntimeError("This session cannot use the graph capture feature")
        return ["CPUExecutionProvider"]

    monkeypatch.setattr(providers, "options_of", options)
    opened, reason = providers.create(Model(relu), "cuda", Settings(graph=True))
    assert "graph capture" in reason
    assert opened.get_providers() == ["CPUExecutionProvider"]
    relu.write_bytes(b"no model")
    with pytest.raises(NetdslError):
        providers.create(Model(relu), "cuda", Settings(graph=True))


@pytest.mark.usefixtures("pretended")
def test_tensorrt_has_one_graph(relu: Path, numbers: list[tuple[int, int]]) -> None:
    """It captures whatever the numbers say, so that a second size ends the graphs."""
    opened = open_session(relu, "tensorrt", settings=Settings(graph=True))
    opened.bind(ones(2)).run()
    assert (opened.graph, opened.no_graph) == (True, "")
    opened.bind(ones(3)).run()
    assert not opened.graph
    assert "TensorRT" in opened.no_graph
    opened = open_session(relu, "tensorrt", settings=Settings(graph=True))
    opened.run(ones(2))
    assert not opened.graph
    assert numbers[-1] == (2, NO_GRAPH)


# ---- memory


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device for three samples, that is full for good where a failed batch is still held; the batches that were tried."""
    plain, tried = Bound.__init__, []
    held: list[Any] = []

    def make(self: Bound, opened: Any, inputs: dict[str, Any], memory: str, **options: Any) -> None:
        tried.append(len(inputs["x"]))
        if len(inputs["x"]) > 3 or any(b() is not None for b in held):
            self._inputs = inputs
            held.append(weakref.ref(self))
            raise RuntimeError(FULL)
        plain(self, opened, inputs, memory, **options)

    monkeypatch.setattr(Bound, "__init__", make)
    return tried


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("how", ["run", "bind"])
def test_what_fits_into_the_memory_is_said(relu: Path, how: str) -> None:
    """A batch that does not fit is halved until one does, with nothing left on the device of those that did not."""
    with pytest.raises(NetdslError) as caught:
        getattr(open_session(relu), how)(ones(13))
    found = caught.value.diagnostics[0]
    assert (found.code, found.help) == ("out-of-memory", "a batch of 3 fits")


def test_a_fixed_batch_has_no_smaller_one(tmp_path: Path, full: list[int]) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")], batch=8)
    with pytest.raises(NetdslError, match="its batch is fixed"):
        open_session(path).run(ones(8))
    assert full == [8]


@pytest.mark.parametrize("said", [FULL, "CUDA failure 2: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "Available memory of 6 is smaller than requested bytes of 9", "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"])
def test_what_says_that_memory_is_full(said: str) -> None:
    assert providers.is_full(RuntimeError(said))


@pytest.mark.parametrize(
    ("said", "help_"),
    [("CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0", "the GPU or its libraries failed"), ("Got invalid dimensions for input: x", "its size may not fit"), ("the node has failed", None)],
)
def test_a_failed_run_blames_who_failed(relu: Path, monkeypatch: pytest.MonkeyPatch, said: str, help_: str | None) -> None:
    """Sizes are blamed for what is of sizes alone."""

    def run(self: Bound) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(Bound, "run", run)
    with pytest.raises(NetdslError) as caught:
        open_session(relu).run(ones(2))
    assert str(caught.value.diagnostics[0].help).startswith(str(help_))


# ---- nodes that compute sizes


def sizes_of(path: Path) -> set[str]:
    return {name for name, _ in facts(path).sizes_alone}


def test_nodes_that_compute_sizes(tmp_path: Path) -> None:
    """A few numbers from shapes and constants alone; what reads a tensor, or makes or takes many numbers, is work."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"), helper.make_node("Add", ["s", "two"], ["t"], name="sum"),
        helper.make_node("Cast", ["t"], ["f"], name="cast", to=TensorProto.FLOAT), helper.make_node("ConstantOfShape", ["t"], ["c"], name="large"),
        helper.make_node("ReduceSum", ["c"], ["r"], name="of-large", keepdims=0), helper.make_node("ReduceSum", ["x"], ["d"], name="data", keepdims=0),
        helper.make_node("Add", ["d", "f"], ["y"], name="mixed"), helper.make_node("Add", ["s", "two"], ["u"], name="twice"), helper.make_node("Relu", ["x"], ["v"], name="twice"),
        helper.make_node("Add", ["s", "two"], ["w"]),
    ]  # fmt: skip
    assert sizes_of(write(tmp_path / "m.onnx", nodes)) == {"shape", "sum", "cast"}
    many = [helper.make_node("ConstantOfShape", ["k"], ["c"], name="c"), helper.make_node("Constant", [], ["k"], name="k", value_ints=[FEW + 1]), helper.make_node("Relu", ["x"], ["y"], name="r")]
    assert sizes_of(write(tmp_path / "n.onnx", [many[1], many[0], many[2]])) == {"k"}


def test_sizes_of_our_own_nets(tmp_path: Path) -> None:
    """What CUDA leaves to the CPU of FCN-8s is sums of sizes."""
    path = tmp_path / "fcn.onnx"
    netdsl.load("fcn:FCN8s").save_onnx(path)
    assert {"4/Add_1", "8/Add_1", "score/Add_1"} <= sizes_of(path)
    opened = onnxruntime.InferenceSession(str(path), _recording(), providers=["CPUExecutionProvider"])
    assert not any(n.sizes_alone for n in placement(opened, path))  # on the CPU it is no matter


def _recording() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def test_nodes_of_sizes_are_no_error(relu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not refused, and `auto` does not count them."""
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"])
    placed = [Placed("r", "Relu", "CUDAExecutionProvider"), Placed("a", "Add", "CPUExecutionProvider", sizes_alone=True)]
    monkeypatch.setattr(Session, "placement", lambda self: placed)
    open_session(relu, "cuda")
    assert open_session(relu, "auto").chosen == "there is a GPU"


@pytest.mark.parametrize(("opset", "said"), [(20, False), (22, True)])
def test_an_opset_without_kernels_is_named(tmp_path: Path, opset: int, said: bool) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")], opset=opset)
    placed = [Placed("r", "Relu", "CUDAExecutionProvider"), Placed("p", "MaxPool", "CPUExecutionProvider")]
    with pytest.raises(NetdslError, match="1 of 2 nodes") as caught:
        providers.check_placement(placed, path, "m", "cuda", allow=False)
    assert (f"opset {opset}" in str(caught.value)) == said
    assert "--allow-cpu-nodes" in str(caught.value)


def test_auto_goes_to_the_cpu_where_the_gpu_takes_nothing(relu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"])
    monkeypatch.setattr(providers, "why_not_loaded", lambda device: "")
    opened = open_session(relu, "auto")
    assert opened.device == "cpu"
    assert "takes no node" in opened.chosen


@pytest.mark.parametrize(
    ("device", "advice"), [("cpu", "run with --device cuda, or export with --fp16"), ("cuda", "export with --fp16")],
)  # fmt: skip
def test_what_has_no_bfloat16_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, advice: str) -> None:
    """The operator and the device: not that onnxruntime were too old."""
    path = Path(netdsl.loads("net N {\n input x: 3x8x8\n output y: conv(2, 3)\n}").save_onnx(tmp_path / "m.onnx", dtype="bfloat16")[0])
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"])
    with pytest.raises(NetdslError) as caught:
        open_session(path, device)
    found = caught.value.diagnostics[0]
    assert (found.code, found.message) == ("no-kernel", f"{path} uses `Conv`, which onnxruntime cannot compute on {device} at opset 22 of bfloat16")
    assert advice in str(found.help)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /src/a/memcpy.cc:253 bool a::b(const Node&) const !x.empty() was false. Provider type is not set.",
         "Exception during initialization: Provider type is not set."),
        (f"Status Message: {FULL}", "Status Message: Failed to allocate memory for requested buffer of size 9"),
    ],
)  # fmt: skip
def test_sources_of_onnxruntime_are_not_shown(said: str, shown: str) -> None:
    assert providers.said_by(RuntimeError(said)) == shown


# ---- TensorRT's options


def test_options_of_tensorrt(tmp_path: Path) -> None:
    """onnxruntime takes `True` and `False` there, and `1` and `0` for CUDA; engines of other weights have another name."""
    path, data = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    path.write_bytes(b"model")
    data.write_bytes(b"weights")
    names = set()
    for model in (Model(path), Model(path, (data,))):
        (name, engines), (_, cuda), last = options_of(model, "tensorrt", Settings(graph=True))
        assert (name, last) == ("TensorrtExecutionProvider", "CPUExecutionProvider")
        assert (engines["trt_engine_cache_enable"], engines["trt_cuda_graph_enable"]) == ("True", "True")
        assert engines["trt_engine_cache_path"] == str(tmp_path / "m.onnx.engines")
        assert cuda == {"use_tf32": "1", "enable_cuda_graph": "0"}
        names.add(engines["trt_engine_cache_prefix"])
    data.write_bytes(b"others!")
    names.add(options_of(Model(path, (data,)), "tensorrt", Settings())[0][1]["trt_engine_cache_prefix"])
    assert len(names) == 3


@pytest.mark.skipif("TensorrtExecutionProvider" not in onnxruntime.get_available_providers(), reason="this onnxruntime has no TensorRT provider")
@pytest.mark.parametrize("graph", [False, True])
def test_tensorrt_takes_these_options(relu: Path, monkeypatch: pytest.MonkeyPatch, graph: bool) -> None:
    """onnxruntime reads them before it loads any of TensorRT's libraries."""
    from onnxruntime.capi import onnxruntime_inference_collection as collection

    class Without:
        """Without the plug-ins, which are TensorRT's own."""

        def __getattr__(self, name: str) -> Any:
            return (lambda *_: None) if name == "register_tensorrt_plugins_as_custom_ops" else getattr(plain, name)

    plain = collection.C
    monkeypatch.setattr(collection, "C", Without())
    onnxruntime.set_default_logger_severity(4)
    onnxruntime.InferenceSession(str(relu), providers=options_of(Model(relu), "tensorrt", Settings(graph=graph)), enable_fallback=0)


# ---- weights in another file


@pytest.mark.parametrize(
    ("entries", "size", "code", "said"),
    [
        ({}, 15, "corrupt-model", "m.bin has 15 bytes, `w` ends at 16"), ({"offset": "1"}, 16, "corrupt-model", "`w` ends at 17"),
        ({"offset": "99999999999"}, 16, "corrupt-model", "m.bin has 16 bytes"), ({"offset": "-5"}, 16, "corrupt-model", "the offset of `w` in"),
        ({"offset": "abc"}, 16, "corrupt-model", "is `abc`, no number"), ({"length": "12"}, 16, "corrupt-model", "is 12 bytes, its numbers are 16"),
        ({"length": "9" * 30}, 16, "corrupt-model", "the length of `w`"), ({}, None, "file-not-found", "there is no file"),
    ],
)  # fmt: skip
def test_weights_in_another_file(tmp_path: Path, entries: dict[str, str], size: int | None, code: str, said: str) -> None:
    """What does not lie in it whole is said of the data file by name."""
    path = external(tmp_path, entries)
    if size is not None:
        (tmp_path / "m.bin").write_bytes(bytes(size))
    with pytest.raises(NetdslError) as caught:
        open_session(path)
    found = caught.value.diagnostics[0]
    assert found.code == code
    assert said in found.message
    assert "m.bin" in found.message
    assert "trust" not in str(found.help)


@pytest.mark.parametrize("entries", [{}, {"offset": "4"}, {"length": "16"}, {"offset": "2", "length": "16"}])
def test_weights_that_lie_whole_in_another_file(tmp_path: Path, entries: dict[str, str]) -> None:
    path = external(tmp_path, entries)
    (tmp_path / "m.bin").write_bytes(bytes(20))
    assert check_external(path) == [tmp_path / "m.bin"]
    open_session(path).run(ones(2))


def external(folder: Path, entries: dict[str, str]) -> Path:
    """A model whose four floats lie in `m.bin`."""
    path = write(folder / "m.onnx", [helper.make_node("Add", ["x", "w"], ["y"], name="a")])
    model = onnx.load(path)
    tensor = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "m.bin", **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("text", [f"[1{'0' * 400}]", "[1e39]", "[NaN]", '["1"]'])
def test_numbers_beyond_all_bounds(relu: Path, text: str) -> None:
    """Of metadata, which anyone can have written; the message stays short."""
    opened = open_session(relu)
    opened.metadata["netdsl.mean"] = text
    with pytest.raises(NetdslError, match="must hold 3 numbers") as caught:
        opened.numbers("netdsl.mean", 3)
    assert len(str(caught.value)) < 400


# ---- the machine


@pytest.mark.parametrize(("text", "expected"), [("max 100000", 8), ("150000 100000", 2), ("10000 100000", 1), ("9900000 100000", 8), ("", 8), (None, 8)])
def test_cores_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: int) -> None:
    """Its quota of CPU time counts, begun cores as whole ones."""
    if text is not None:
        (tmp_path / "cpu.max").write_text(text + "\n")
    monkeypatch.setattr(providers, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert providers.cores() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="the names are those of Linux")
@pytest.mark.parametrize("lacking", ["libnvinfer.so.10", "libnvonnxparser.so.10", None])
def test_the_libraries_of_tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str | None) -> None:
    """Both are loaded, from the wheel where it is: onnxruntime finds them by name then. The one that is missing is named."""
    loaded: list[str] = []

    def load(name: str) -> object:
        if name.endswith(str(lacking)) or not name.startswith(str(tmp_path)):
            raise OSError(f"{name}: cannot open shared object file")
        loaded.append(Path(name).name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(gpu, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    found = gpu._tensorrt()
    assert (found and found.fact) == (f"TensorRT's library {lacking} cannot be loaded" if lacking else None)
    if not lacking:
        assert loaded == ["libnvinfer.so.10", "libnvonnxparser.so.10"]


@pytest.mark.skipif(sys.platform != "linux", reason="the names are those of Linux")
def test_a_provider_that_does_not_start_is_said_why(relu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime goes on without it, and keeps the reason to itself."""

    def load(name: str) -> object:
        raise OSError("libcufft.so.12: cannot open shared object file")

    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"])
    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(NetdslError, match=r"does not start: libcufft\.so\.12: cannot open"):
        open_session(relu, "cuda")
