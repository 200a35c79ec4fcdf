"""A small model, and a stand-in for a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import helper

from netdsl.runtime import providers, session
from netdsl.runtime.session import Placed, Session
from tests.support.onnx_files import write


@pytest.fixture
def relu(tmp_path: Path) -> Path:
    return write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")])


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that there is a GPU that takes every node; the CPU does the work."""
    monkeypatch.setattr(session, "obstacle", lambda device: None)
    monkeypatch.setattr(
        providers, "options_of", lambda model, device, settings: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(
        Session,
        "placement",
        lambda self: [
            Placed(
                "r",
                "Relu",
                f"{ {'cuda': 'CUDA', 'tensorrt': 'Tensorrt'}[self.device] }ExecutionProvider",
            )
        ],
    )
    monkeypatch.setattr(Session, "memory", "cpu")
