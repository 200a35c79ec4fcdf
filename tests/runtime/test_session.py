"""Sessions: bound inputs and outputs, batches of different sizes, and threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from netdsl.runtime import session
from netdsl.runtime.measure import random_inputs
from netdsl.runtime.session import Settings, open_session


def test_bound_inputs_and_outputs(bench_folder: Path) -> None:
    """New inputs change the bound outputs; copies of the outputs taken earlier do not change."""
    opened = open_session(bench_folder / "m.onnx")
    inputs = random_inputs(opened, 2, {"": (3, 8, 8)})
    bound = opened.bind(inputs)
    bound.run()
    first = bound.outputs()[0]
    expected = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"]).run(
        None, inputs
    )[0]
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-6)
    other = {"image": inputs["image"] * 2}
    assert bound.takes(other)
    assert not bound.takes({"image": inputs["image"][:1]})
    bound.update(other)
    bound.run()
    assert not np.allclose(first, bound.outputs()[0])
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-6)


def test_inputs_of_another_size_are_bound_again(bench_folder: Path) -> None:
    opened = open_session(bench_folder / "m.onnx")
    reference = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    for batch, size in ((2, 8), (2, 8), (3, 8), (1, 20)):
        inputs = random_inputs(opened, batch, {"": (3, size, size)}, seed=batch + size)
        np.testing.assert_allclose(
            opened.run(inputs)[0], reference.run(None, inputs)[0], rtol=1e-5, atol=1e-6
        )


def test_number_of_threads(bench_folder: Path) -> None:
    """A session has as many threads as cores, unless the settings have another number."""
    options = open_session(bench_folder / "m.onnx")._session.get_session_options()
    assert options.intra_op_num_threads == session.cores()
    assert (
        open_session(bench_folder / "m.onnx", settings=Settings(threads=1))
        ._session.get_session_options()
        .intra_op_num_threads
        == 1
    )
