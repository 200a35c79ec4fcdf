"""Examples of `docs/models.md`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from tests.support.commands import assert_commands
from tests.support.onnx_models import model_of, saved
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def _mixed(path: Path) -> None:
    """Write the model of the page that has operators without layers."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Hardmax", ["a"], ["b"]),
        helper.make_node("Einsum", ["b", "b"], ["c"], equation="nchw,nchv->ncwv"),
        helper.make_node("Sigmoid", ["c"], ["y"]),
    ]
    model = model_of(nodes, w=np.ones((4, 3, 3, 3), np.float32))
    model.graph.name = "Mixed"
    saved(model, path)


def test_examples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command succeeds, and prints the lines below it, up to three dots."""
    _mixed(folder / "mixed.onnx")
    assert len(BLOCKS) > 2
    assert_commands("".join(BLOCKS), capsys)
