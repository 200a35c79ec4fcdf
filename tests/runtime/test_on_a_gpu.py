"""Tests that need a GPU: they compare its outputs with those of the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

import netdsl
from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.runtime import gpu, providers
from netdsl.runtime.measure import random_inputs
from netdsl.runtime.placement import FEW
from netdsl.runtime.session import Session, Settings, open_session
from tests.support.back_ends import randomise
from tests.support.commands import run_command
from tests.support.gpu import GPU

BENCH = ("bench", "--rounds", "3")
TENSORRT = gpu.obstacle("tensorrt")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPU is not None, reason=f"no GPU: {GPU.fact if GPU else ''}"),
]


def same(opened: Session, reference: Session, inputs: dict[str, Any], tolerance: float) -> None:
    """Check each output against the reference, within a fraction of its largest number."""
    for ours, theirs in zip(opened.run(inputs), reference.run(inputs), strict=True):
        np.testing.assert_allclose(
            ours.astype(np.float32), theirs, atol=tolerance * float(np.abs(theirs).max()), rtol=0
        )


def exported(*options: str) -> Path:
    assert run(["export", "tiny.net", "-o", "f.onnx", "--weights", "w.safetensors", *options]) == 0
    return Path("f.onnx")


@pytest.mark.parametrize("graph", [False, True])
def test_every_node_runs_on_the_gpu(bench_folder: Path, graph: bool) -> None:
    """The outputs are right, also from a CUDA graph.

    The inputs change between runs; their sizes change and later return to earlier ones.
    """
    opened = open_session(
        bench_folder / "m.onnx", "cuda", settings=Settings(graph=graph, tf32=False)
    )
    assert {p.provider for p in opened.placement()} == {"CUDAExecutionProvider"}
    reference = open_session(bench_folder / "m.onnx")
    for seed, (batch, size) in enumerate(
        [(2, 8), (2, 8), (2, 8), (3, 8), (3, 8), (2, 8), (2, 20), (2, 20), (2, 8), (2, 8)]
    ):
        same(opened, reference, random_inputs(opened, batch, {"": (3, size, size)}, seed), 1e-4)
    assert (opened.graph, opened.no_graph) == (graph, "")


def test_bindings_do_not_replay_each_other(bench_folder: Path) -> None:
    """Two bindings of different sizes run in turns, with new inputs each time."""
    opened, reference = (
        open_session(bench_folder / "m.onnx", "cuda", settings=Settings(graph=True, tf32=False)),
        open_session(bench_folder / "m.onnx"),
    )
    bound = {batch: opened.bind(random_inputs(opened, batch, {"": (3, 8, 8)})) for batch in (2, 5)}
    for seed in range(3):
        for batch, binding in bound.items():
            inputs = random_inputs(opened, batch, {"": (3, 8, 8)}, seed)
            binding.update(inputs)
            binding.run()
            np.testing.assert_allclose(
                binding.outputs()[0], reference.run(inputs)[0], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("vs", ["torch", "torch-compile"])
def test_bench_on_the_gpu(bench_folder: Path, capsys: pytest.CaptureFixture[str], vs: str) -> None:
    report = json.loads(
        run_command(
            capsys,
            *BENCH,
            "tiny.net",
            "--batch",
            "2,3",
            "--input",
            "3x32x32",
            "--device",
            "cuda",
            "--vs",
            vs,
            "--json",
        )[0]
    )
    assert set(report["providers"]) == {"CUDAExecutionProvider"}
    assert report["cuda_graphs"]
    assert report["results"][0][f"ratio_{vs}"] > 0


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_run_on_the_gpu(
    bench_folder: Path, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    """`run` writes the same numbers as on the CPU; `auto` chooses the GPU and reports it."""
    np.save("x.npy", np.random.default_rng(0).standard_normal((7, 3, 16, 16), dtype=np.float32))
    assert run(["run", "m.onnx", "x.npy", "x.npy", "x.npy", "--batch", "3", "-o", "cpu.npz"]) == 0
    capsys.readouterr()
    assert (
        run(
            [
                "run",
                "m.onnx",
                "x.npy",
                "x.npy",
                "x.npy",
                "--batch",
                "3",
                "-o",
                "gpu.npz",
                "--device",
                device,
            ]
        )
        == 0
    )
    assert capsys.readouterr().err.startswith(
        "device: cuda (there is a GPU)" if device == "auto" else ""
    )
    with np.load("cpu.npz") as theirs, np.load("gpu.npz") as ours:
        np.testing.assert_allclose(ours["y"], theirs["y"], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        (["--fp16"], 5e-2),
        (["--fp16", "--keep-io"], 5e-2),
        (["--with-preprocess"], 1e-2),
        (["--functions"], 1e-2),
        (["--opset", "18"], 1e-2),
        (["--opset", "21"], 1e-2),
    ],
)
def test_exports_of_every_form_run_on_the_gpu(
    bench_folder: Path, options: list[str], tolerance: float
) -> None:
    path = exported(*options)
    opened, reference = open_session(path, "cuda"), open_session(path)
    inputs = random_inputs(
        opened, 2, {"": (40, 30, 3) if "--with-preprocess" in options else (3, 32, 32)}
    )
    for ours, theirs in zip(opened.run(inputs), reference.run(inputs), strict=True):
        np.testing.assert_allclose(
            ours.astype(np.float32),
            theirs.astype(np.float32),
            atol=tolerance * float(np.abs(theirs).max()),
            rtol=0,
        )


def test_bfloat16_on_the_gpu(bench_folder: Path) -> None:
    """A net of layers that have bfloat16 kernels matches float32 on the CPU."""
    text = (
        "net N {\n input x: 3x16x16\n conv(8, 3) -> relu -> conv(8, 3, stride = 2) -> relu ->"
        " flatten\n output y: dense(5)\n}\n"
    )
    Path("b.net").write_text(text)
    net = netdsl.loads(text)
    state = randomise(net.torch()).state_dict()
    save_file(state, "b.safetensors")
    assert run(["export", "b.net", "-o", "b.onnx", "--bf16", "--weights", "b.safetensors"]) == 0
    reference = open_session(Path(net.save_onnx("f.onnx", state)[0]))
    opened = open_session(Path("b.onnx"), "cuda")
    assert [v.dtype for v in (*opened.inputs, *opened.outputs)] == ["float32"] * 2
    same(opened, reference, random_inputs(opened, 2, {}), 5e-2)


def test_nodes_without_a_kernel_on_the_gpu(
    bench_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Max pooling of opset 22 is refused; with `--allow-cpu-nodes` it runs, and is right."""
    path = exported("--opset", "23")
    assert (
        "the model has opset 23"
        in run_command(
            capsys,
            *BENCH,
            str(path),
            "--batch",
            "1",
            "--input",
            "3x8x8",
            "--device",
            "cuda",
            code=1,
        )[1]
    )
    out, err = run_command(
        capsys,
        *BENCH,
        str(path),
        "--batch",
        "1",
        "--input",
        "3x8x8",
        "--device",
        "cuda",
        "--allow-cpu-nodes",
    )
    assert "CPUExecutionProvider: 1 nodes (MaxPool 1)" in out
    assert "without a CUDA graph: " in err
    opened = open_session(
        path, "cuda", settings=Settings(allow_cpu_nodes=True, graph=True, tf32=False)
    )
    same(opened, open_session(path), random_inputs(opened, 2, {"": (3, 8, 8)}), 1e-4)
    assert "nodes run on the CPU, the first is" in open_session(path, "auto").chosen


def test_fcn_on_the_gpu(bench_folder: Path) -> None:
    """Only nodes that compute sizes run on the CPU, and outputs are right as sizes change."""
    path = Path(netdsl.load("fcn:FCN8s").save_onnx("fcn.onnx", fold=True)[0])
    opened, reference = (
        open_session(path, "cuda", settings=Settings(graph=True, tf32=False)),
        open_session(path),
    )
    elsewhere = [n for n in opened.placement() if n.provider == gpu.CPU]
    assert all(n.sizes_alone for n in elsewhere)
    assert len(elsewhere) < FEW
    for seed, size in enumerate((64, 64, 64, 96, 64)):
        same(opened, reference, random_inputs(opened, 1, {"": (3, size, size)}, seed), 1e-3)


@pytest.mark.parametrize("how", ["run", "bind"])
def test_memory_that_is_too_small(
    bench_folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The batch in the help fits, and twice as much does not."""
    plain = providers.options_of

    def small(model: providers.Model, device: str, settings: Settings) -> list[Any]:
        return [
            (p[0], p[1] | {"gpu_mem_limit": str(64 << 20)}) if isinstance(p, tuple) else p
            for p in plain(model, device, settings)
        ]

    monkeypatch.setattr(providers, "options_of", small)
    opened = open_session(bench_folder / "m.onnx", "cuda", settings=Settings(graph=True))
    inputs = random_inputs(opened, 1 << 15, {"": (3, 32, 32)})
    with pytest.raises(NetdslError) as caught:
        getattr(opened, how)(inputs)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "out-of-memory"
    fits = int(str(diagnostic.help).removeprefix("a batch of ").removesuffix(" fits"))
    opened = open_session(bench_folder / "m.onnx", "cuda")
    opened.run({"image": inputs["image"][:fits]})
    with pytest.raises(NetdslError, match="out-of-memory"):
        open_session(bench_folder / "m.onnx", "cuda").run({"image": inputs["image"][: 2 * fits]})


@pytest.mark.skipif(
    TENSORRT is not None, reason=f"no TensorRT: {TENSORRT.fact if TENSORRT else ''}"
)
@pytest.mark.parametrize("graph", [False, True])
def test_tensorrt(bench_folder: Path, graph: bool) -> None:
    """The outputs are right as sizes change; the engines are saved beside the model."""
    opened, reference = (
        open_session(bench_folder / "m.onnx", "tensorrt", settings=Settings(graph=graph)),
        open_session(bench_folder / "m.onnx"),
    )
    assert "TensorrtExecutionProvider" in {p.provider for p in opened.placement()}
    for batch in (2, 3):
        inputs = random_inputs(opened, batch, {"": (3, 8, 8)}, batch)
        bound = opened.bind(inputs)
        bound.run()
        np.testing.assert_allclose(
            bound.outputs()[0], reference.run(inputs)[0], rtol=1e-2, atol=1e-2
        )
        same(opened, reference, inputs, 1e-2)
    assert list((bench_folder / "m.onnx.engines").iterdir())
