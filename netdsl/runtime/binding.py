"""Inputs and outputs bound to a session on its device: nothing is copied there and back but what
the caller asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from netdsl.runtime.providers import ERRORS, said_by

if TYPE_CHECKING:
    from collections.abc import Mapping


NO_GRAPH = -1  # what onnxruntime takes for a run that neither captures nor replays


class NoCaptureError(Exception):
    """A model that runs, but not as a CUDA graph."""


class BoundSession:
    """A session with inputs of fixed sizes on the device.

    With `fixed`, the outputs have one place there for good, as the capture of a CUDA graph needs;
    else onnxruntime makes room for them at each run, of whatever size they turn out to be.

    `graph` is the number of the CUDA graph to capture. No other may have it: onnxruntime replays
    what it captured under a number, with the sizes and places of then, whatever is bound now.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        inputs: Mapping[str, Any],
        memory: str,
        *,
        fixed: bool,
        graph: int = NO_GRAPH,
    ) -> None:
        self._session = session
        self._inputs = {name: _on(session, array, memory) for name, array in inputs.items()}
        self._sizes = {name: (array.shape, array.dtype) for name, array in inputs.items()}
        self._options = _options(NO_GRAPH)
        self._binding = self._bind()
        names = [v.name for v in session.get_outputs()]
        for name in names:
            self._binding.bind_output(name, memory)
        if fixed:
            # A run without the capture shows the sizes; it is also the one in which memory is taken
            # and algorithms are chosen.
            self.run()
            values = self._binding.get_outputs()
            self._binding = self._bind()
            for name, value in zip(names, values, strict=True):
                self._binding.bind_ortvalue_output(name, value)
        if graph != NO_GRAPH:
            self._options = _options(graph)
            try:
                self.run()
            except ERRORS as error:
                raise NoCaptureError(said_by(error)) from None

    def _bind(self) -> Any:
        binding = self._session.io_binding()
        for name, value in self._inputs.items():
            binding.bind_ortvalue_input(name, value)
        return binding

    def takes(self, inputs: Mapping[str, Any]) -> bool:
        """Whether these inputs have the sizes and types of the first ones."""
        return self._sizes == {name: (array.shape, array.dtype) for name, array in inputs.items()}

    def update(self, inputs: Mapping[str, Any]) -> None:
        """Put other numbers in the place of the inputs."""
        for name, array in inputs.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))

    def run(self) -> None:
        """Run once; the outputs stay on the device."""
        self._session.run_with_iobinding(self._binding, self._options)

    def outputs(self) -> list[Any]:
        """Copies of the outputs in this process's memory."""
        return [np.array(value.numpy()) for value in self._binding.get_outputs()]


def _options(graph: int) -> onnxruntime.RunOptions:
    made = onnxruntime.RunOptions()
    made.add_run_config_entry("gpu_graph_id", str(graph))
    return made


def _on(session: onnxruntime.InferenceSession, array: Any, memory: str) -> onnxruntime.OrtValue:
    """A copy of an array in the device's memory, which goes with the session.

    On the CPU too: an `OrtValue` of an array there would be the caller's own memory.
    """
    value = session.create_ortvalue_from_shape_and_type(array.shape, array.dtype, memory)
    value.update_inplace(np.ascontiguousarray(array))
    return value
