"""The errors of a GPU whose memory is too small."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from netdsl.errors import NetdslError
from netdsl.runtime import providers
from netdsl.runtime.binding import BoundSession
from netdsl.runtime.session import open_session
from tests.support.onnx_files import ones, write

FULL = (
    "/onnxruntime_src/bfc_arena.cc:360 void* f() Failed to allocate memory for requested buffer of"
    " size 9"
)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were tried on a device with memory for three samples.

    Every attempt fails while a failed batch is still in memory.
    """
    plain, tried = BoundSession.__init__, []
    held: list[Any] = []

    def make(
        self: BoundSession, opened: Any, inputs: dict[str, Any], memory: str, **options: Any
    ) -> None:
        tried.append(len(inputs["x"]))
        if len(inputs["x"]) > 3 or any(b() is not None for b in held):
            self._inputs = inputs
            held.append(weakref.ref(self))
            raise RuntimeError(FULL)
        plain(self, opened, inputs, memory, **options)

    monkeypatch.setattr(BoundSession, "__init__", make)
    return tried


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("how", ["run", "bind"])
def test_the_help_has_the_batch_that_fits(relu: Path, how: str) -> None:
    """A batch that does not fit is halved until one fits; failed batches are freed first."""
    with pytest.raises(NetdslError) as caught:
        getattr(open_session(relu), how)(ones(13))
    diagnostic = caught.value.diagnostics[0]
    assert (diagnostic.code, diagnostic.help) == ("out-of-memory", "a batch of 3 fits")


def test_a_fixed_batch_has_no_smaller_one(tmp_path: Path, full: list[int]) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")], batch=8)
    with pytest.raises(NetdslError, match="its batch is fixed"):
        open_session(path).run(ones(8))
    assert full == [8]


@pytest.mark.parametrize(
    "message",
    [
        FULL,
        "CUDA failure 2: out of memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "Available memory of 6 is smaller than requested bytes of 9",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_messages_of_full_memory(message: str) -> None:
    assert providers.is_full(RuntimeError(message))


@pytest.mark.parametrize(
    ("message", "help_"),
    [
        (
            "CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0",
            "the GPU or its libraries failed",
        ),
        ("Got invalid dimensions for input: x", "its size may not fit"),
        ("the node has failed", None),
    ],
)
def test_advice_for_a_failed_run(
    relu: Path, monkeypatch: pytest.MonkeyPatch, message: str, help_: str | None
) -> None:
    """The help mentions sizes only if the message of onnxruntime is about sizes."""

    def run(self: BoundSession) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(BoundSession, "run", run)
    with pytest.raises(NetdslError) as caught:
        open_session(relu).run(ones(2))
    assert str(caught.value.diagnostics[0].help).startswith(str(help_))
