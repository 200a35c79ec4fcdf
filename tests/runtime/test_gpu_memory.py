"""What is said where the memory of a GPU does not suffice."""

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
    """A device for three samples, that is full for good where a failed batch is still held; the
    batches that were tried.
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
def test_what_fits_into_the_memory_is_said(relu: Path, how: str) -> None:
    """A batch that does not fit is halved until one does, with nothing left on the device of those
    that did not.
    """
    with pytest.raises(NetdslError) as caught:
        getattr(open_session(relu), how)(ones(13))
    found = caught.value.diagnostics[0]
    assert (found.code, found.help) == ("out-of-memory", "a batch of 3 fits")


def test_a_fixed_batch_has_no_smaller_one(tmp_path: Path, full: list[int]) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")], batch=8)
    with pytest.raises(NetdslError, match="its batch is fixed"):
        open_session(path).run(ones(8))
    assert full == [8]


@pytest.mark.parametrize(
    "said",
    [
        FULL,
        "CUDA failure 2: out of memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "Available memory of 6 is smaller than requested bytes of 9",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_what_says_that_memory_is_full(said: str) -> None:
    assert providers.is_full(RuntimeError(said))


@pytest.mark.parametrize(
    ("said", "help_"),
    [
        (
            "CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0",
            "the GPU or its libraries failed",
        ),
        ("Got invalid dimensions for input: x", "its size may not fit"),
        ("the node has failed", None),
    ],
)
def test_a_failed_run_blames_who_failed(
    relu: Path, monkeypatch: pytest.MonkeyPatch, said: str, help_: str | None
) -> None:
    """Sizes are blamed for what is of sizes alone."""

    def run(self: BoundSession) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(BoundSession, "run", run)
    with pytest.raises(NetdslError) as caught:
        open_session(relu).run(ones(2))
    assert str(caught.value.diagnostics[0].help).startswith(str(help_))
