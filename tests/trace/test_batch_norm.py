"""Batch norm in training: the statistics of the mini-batch, and what is kept of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import netdsl
from netdsl.errors import NetdslError
from netdsl.trace.inputs import read_inputs
from netdsl.trace.values import check_gradients, run_to, work
from netdsl.trace.worked import MINUS
from tests.support.commands import run_command
from tests.support.contract import EXAMPLES, Example
from tests.support.tracing import random_run

CASES = [e for e in EXAMPLES if e.kind == "bn"]
NET = """net Norms {
    input image: 2x2x2 = [[[1, 2], [3, 6]], [[0, 0], [0, 8]]]
    norm: bn -> relu
    output y: gap -> flatten -> last: bn
}
net Plain { input x: 3
    relu
}
"""


@pytest.fixture
def nets(folder: Path) -> Path:
    """The current folder, with `n.net`."""
    (folder / "n.net").write_text(NET)
    return folder


@pytest.mark.parametrize("example", CASES, ids=lambda e: f"{e.shapes}-{e.call}")
def test_the_work_and_its_gradients_are_pytorchs(example: Example) -> None:
    """`work` and `check_gradients` raise an error where PyTorch or autograd differs."""
    graph = example.net().graph
    (node,) = [n for n in graph.nodes if n.op.kind == "bn"]
    run = random_run(graph, node, samples=3)
    assert run.shape[0] == 3
    stream = np.random.default_rng(0)
    for _ in range(5):
        at = tuple(int(stream.integers(n)) for n in run.shape)
        worked = work(run, at).worked
        check_gradients(run, at, worked)
        kept = [line for line in worked.lines if line.startswith("kept")]
        for line, name in zip(kept, ("running_mean", "running_var"), strict=True):
            found = float(line.rpartition(" = ")[2].partition(",")[0].replace(MINUS, "-"))
            assert found == pytest.approx(float(run.step.tensors()[name][at[1]]), rel=1e-4)


def test_a_wrong_result_and_a_wrong_gradient_are_found() -> None:
    """The comparison is not vacuous: other statistics are a fault."""
    graph = netdsl.loads(NET, "Norms").graph
    run = random_run(graph, graph.nodes[0], samples=4)
    worked = work(run, (1, 1, 0, 0)).worked
    changed = [g._replace(values=g.values * 1.001) for g in worked.gradients if g.source == "x0"]
    with pytest.raises(NetdslError, match="differs from PyTorch"):
        check_gradients(run, (1, 1, 0, 0), worked._replace(gradients=tuple(changed)))
    with pytest.raises(NetdslError, match="by hand, but"):
        work(run._replace(y=run.y + 1e-3), (1, 1, 0, 0))


def test_layers_before_use_their_mini_batch() -> None:
    """A batch norm further down receives what PyTorch gives it in training."""
    net = netdsl.loads(NET, "Norms")
    batch = np.random.default_rng(1).standard_normal((4, 2, 2, 2)).astype(np.float32)
    module = net.torch().train()
    expected = module(torch.from_numpy(batch)).detach().numpy()
    node = next(n for n in net.graph.nodes if n.name == "last")
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    run = run_to(net.graph, node, {"image": batch}, weights, training=True)
    np.testing.assert_allclose(expected, run.y.numpy(), rtol=1e-5, atol=1e-6)
    work(run, (3, 1))


def test_the_slide(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mean, the variance and the averages that are kept, of one sample."""
    out, err = run_command(capsys, "trace", "n.net:Norms", "norm", "--train", "--at", "1,1")
    assert not err
    assert "norm (bn) at 0,0,1,1 of 1x2x2x2" in out
    assert "sum of x: 1 + 2 + 3 + 6 = 12; μ = 12 / 4 = 3" in out
    assert "sum of (x − μ)²: 4 + 1 + 0 + 9 = 14; σ² = 14 / 4 = 3.5" in out
    assert "μ: 0.9 · 0 + 0.1 · 3 = 0.3" in out
    assert "σ²: 0.9 · 1 + 0.1 · 4.66667 = 1.36667, with the variance of a sample" in out


def test_batches(nets: Path) -> None:
    """A text has as many samples as there are numbers for; arrays have an axis more."""
    graph = netdsl.loads(NET, "Plain").graph

    def read(name: str) -> np.ndarray:
        return read_inputs(graph, {"": name}, {}, resize=False, batched=True)["x"]

    (nets / "t.txt").write_text("1 2 3\n4 5 6\n")
    np.save("b.npy", np.ones((5, 3), np.float32))
    np.save("one.npy", np.ones(3, np.float32))
    np.save("none.npy", np.ones((0, 3), np.float32))
    assert read("t.txt").tolist() == [[1, 2, 3], [4, 5, 6]]
    assert read("b.npy").shape == (5, 3)
    assert read("one.npy").shape == (1, 3)
    (nets / "t.txt").write_text("1 2 3 4")
    for name in ("t.txt", "none.npy"):
        with pytest.raises(NetdslError, match="the input `x` is 3"):
            read(name)


@pytest.mark.parametrize(
    ("words", "message", "help_"),
    [
        ("n.net:Norms 1 --train", "in training it does the same as ever", "norm (bn)"),
        ("n.net:Norms last --train", "has one number of each channel", "several samples"),
        ("n.net:Norms --train", "has 2 layers that can be traced", "norm (bn), last (bn)"),
        ("n.net:Plain --train", "`Plain` has no `bn`", "leave `--train` out"),
        ("n.net:Norms norm --train --at 1,0,0,0", "is outside of `norm`", "it can be 0 to 0"),
        ("n.net:Norms norm --input nan.npy", "infinite or not a number", ""),
    ],
)
def test_refused(
    nets: Path, capsys: pytest.CaptureFixture[str], words: str, message: str, help_: str
) -> None:
    """Each has one diagnostic, which contains the fix."""
    np.save("nan.npy", np.full((2, 2, 2), np.nan, np.float32))
    out, err = run_command(capsys, "trace", *words.split(), code=1)
    assert not out
    assert err.count("error[") == 1
    assert message in re.sub(r"\s+", " ", err)
    assert help_ in err


def test_frozen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A frozen batch norm uses its averages in training, too."""
    (folder / "f.net").write_text(
        "net Frozen {\n    input x: 2x2x2 = [[[1, 2], [3, 6]], [[0, 0], [0, 8]]]\n"
        "    cold: bn -> frozen\n    warm: bn\n}\n"
    )
    _, err = run_command(capsys, "trace", "f.net", "cold", "--train", code=1)
    assert "it is frozen" in err and "name one of warm (bn)" in err
    out, _ = run_command(capsys, "trace", "f.net", "--train")
    assert "sum of x: 0.999995 + 1.99999 + 2.99998 + 5.99997 = " in out
