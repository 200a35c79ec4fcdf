"""Inputs and outputs that are bound to a session on its device.

Nothing is copied between the device and this process unless the caller asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from netdsl.runtime.providers import ERRORS, message_of

if TYPE_CHECKING:
    from collections.abc import Mapping


NO_GRAPH = -1  # onnxruntime's number for a run that neither captures nor replays


class NoCaptureError(Exception):
    """The model cannot be captured as a CUDA graph, although it runs. The text is the reason."""


class BoundSession:
    """A session with inputs of fixed sizes on the device.

    With `fixed`, the outputs keep their addresses, which the capture of a CUDA graph requires.
    Otherwise, onnxruntime allocates them at each run, with the sizes that they have in that run.

    `graph` is the number of the CUDA graph to capture. It must be new: under a number that it has
    seen, onnxruntime replays the old graph with its sizes and addresses, whatever is bound now.

    Raises `NoCaptureError` if the capture fails, and onnxruntime's errors (`providers.ERRORS`).
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        inputs: Mapping[str, np.ndarray],
        memory: str,
        *,
        fixed: bool,
        graph: int = NO_GRAPH,
    ) -> None:
        self._session = session
        self._inputs = {name: _copied(session, array, memory) for name, array in inputs.items()}
        self._sizes = _sizes(inputs)
        self._options = _options(NO_GRAPH)
        self._binding = self._bind()
        for output in session.get_outputs():
            self._binding.bind_output(output.name, memory)
        if fixed:
            self._fix_outputs()
        if graph != NO_GRAPH:
            self._capture(graph)

    def _fix_outputs(self) -> None:
        """Bind the outputs to the memory that a first run allocates.

        That run is not captured. In it, onnxruntime also takes its memory and chooses algorithms.
        """
        self.run()
        values = self._binding.get_outputs()
        self._binding = self._bind()
        for output, value in zip(self._session.get_outputs(), values, strict=True):
            self._binding.bind_ortvalue_output(output.name, value)

    def _capture(self, graph: int) -> None:
        self._options = _options(graph)
        try:
            self.run()
        except ERRORS as error:
            raise NoCaptureError(message_of(error)) from None

    def _bind(self) -> onnxruntime.IOBinding:
        """A binding of the inputs, without outputs."""
        binding = self._session.io_binding()
        for name, value in self._inputs.items():
            binding.bind_ortvalue_input(name, value)
        return binding

    def takes(self, inputs: Mapping[str, np.ndarray]) -> bool:
        """Whether these inputs have the sizes and types of the first ones."""
        return self._sizes == _sizes(inputs)

    def update(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Replace the numbers of the inputs on the device; `takes` must be true for them."""
        for name, array in inputs.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))

    def run(self) -> None:
        """Run once; the outputs stay on the device."""
        self._session.run_with_iobinding(self._binding, self._options)

    def outputs(self) -> list[np.ndarray]:
        """Copies of the outputs in this process's memory, in the order of the model."""
        return [np.array(value.numpy()) for value in self._binding.get_outputs()]


def _sizes(inputs: Mapping[str, np.ndarray]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    return {name: (array.shape, array.dtype) for name, array in inputs.items()}


def _options(graph: int) -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph))
    return options


def _copied(
    session: onnxruntime.InferenceSession, array: np.ndarray, memory: str
) -> onnxruntime.OrtValue:
    """A copy of an array in the device's memory, allocated by the session.

    On the CPU it is a copy too: `OrtValue.ortvalue_from_numpy` would use the caller's memory.
    """
    value = session.create_ortvalue_from_shape_and_type(array.shape, array.dtype, memory)
    value.update_inplace(np.ascontiguousarray(array))
    return value
