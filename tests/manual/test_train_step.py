"""The page about training steps: its command, its loop, and its names."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import numpy as np
import onnx

from netdsl.cli import run
from netdsl.data.catalog import SAMPLE_FOLDER
from netdsl.data.idx import read_idx_folder
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

TEXT = (ROOT / "docs" / "train_step.md").read_text(encoding="utf-8")
COMMAND, SHOWN = re.findall(r"```console\n\$ netdsl (.*?)\n(.*?)```", TEXT, re.DOTALL)[0]
LOOP = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]


def batches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of 32 pictures of the sample, padded and normalised as the section asks for."""
    train, _ = read_idx_folder(SAMPLE_FOLDER, 10)
    for number in range(count):
        rows = np.arange(32 * number, 32 * number + 32)
        pixels = (train.images[rows].astype(np.float32) / 255 - 0.286) / 0.353
        yield np.pad(pixels, [(0, 0), (0, 0), (2, 2), (2, 2)]), train.labels[rows]


def test_loop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop trains LeNet-5 with nothing but NumPy and onnxruntime, and its weights are used."""
    assert run(shlex.split(COMMAND)) == 0
    assert capsys.readouterr().out.startswith(SHOWN.partition("...")[0])
    names = {line.split()[1] for line in LOOP.splitlines() if line.startswith(("import", "from"))}
    assert names == {"json", "numpy", "onnxruntime"}
    exec(compile(LOOP, "loop.py", "exec"), {"batches": batches(60)})
    losses = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.6 * losses[0]
    assert run(["test", "lenet5", "--weights", "trained.npz", "--format", "json"]) == 0
    [tested] = json.loads(capsys.readouterr().out)["nets"]
    assert tested["metrics"]["accuracy"] > 0.5


def test_names(folder: Path) -> None:
    """The metadata have the keys that the page explains, and the start has every weight."""
    assert run(shlex.split(COMMAND)) == 0
    model = onnx.load(folder / "step.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    names = json.loads(metadata["netdsl.step"])
    assert [key for key in names if f"`{key}`" not in TEXT] == ["batch"]
    assert (metadata["netdsl.mean"], metadata["netdsl.std"]) == ("[0.286]", "[0.353]")
    inputs = [value.name for value in model.graph.input]
    assert inputs[:2] == ["image", "labels"]
    assert {*names["hyper"]} == {"rate", "decay", "momentum"}
    assert {*inputs} == {*names["inputs"], *names["labels"], *names["hyper"], *names["state"]}
    assert not model.graph.initializer or all(
        np.prod(t.dims) < 10_000 for t in model.graph.initializer
    )
