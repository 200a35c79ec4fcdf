"""A net in PyTorch, as `netdsl bench` times it beside onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from netdsl.backends.torch.module import lower, set_weights
from netdsl.errors import NetdslError
from netdsl.weights.checkpoints import tensors_of
from netdsl.weights.fresh import fresh_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from netdsl.ir.graph import Graph

    Outputs = torch.Tensor | tuple[torch.Tensor, ...]

COMPILED = "torch-compile"


class TorchEngine:
    """A net on the device that onnxruntime uses, with the same weights and settings.

    `name` is "torch" or "torch-compile"; the net gets fresh weights if `weights` is None. Raises
    `NetdslError` if PyTorch cannot use the GPU.
    """

    def __init__(
        self,
        name: str,
        graph: Graph,
        weights: Mapping[str, object] | None,
        device: str,
        threads: int,
    ) -> None:
        self.name = name
        self.device = "cpu" if device == "cpu" else "cuda"
        if self.device == "cuda" and not torch.cuda.is_available():
            raise NetdslError(
                "no-cuda",
                "PyTorch finds no GPU",
                help="install PyTorch for CUDA, or leave out --vs",
            )
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = True  # as onnxruntime does
        torch.backends.cudnn.allow_tf32 = True
        self._module = _module(graph, weights).to(self.device)

    def prepare(self, inputs: Mapping[str, np.ndarray]) -> Callable[[], Outputs]:
        """A function that runs the net once on these inputs, which are on the device already."""
        forward: Callable[..., Outputs] = self._module
        if self.name == COMPILED:
            # Each batch size is compiled separately. Otherwise PyTorch would compile the third one
            # for any size, which is slower.
            torch.compiler.reset()
            forward = torch.compile(self._module, dynamic=False)
        tensors = [torch.from_numpy(array).to(self.device) for array in inputs.values()]

        def run_once() -> Outputs:
            with torch.inference_mode():
                outputs = forward(*tensors)
            if self.device == "cuda":
                torch.cuda.synchronize()
            return outputs

        return run_once

    @staticmethod
    def arrays(outputs: Outputs) -> list[np.ndarray]:
        """The outputs of a run as arrays of float32."""
        if not isinstance(outputs, tuple):
            outputs = (outputs,)
        return [tensor.float().cpu().numpy() for tensor in outputs]


def _module(graph: Graph, weights: Mapping[str, object] | None) -> torch.nn.Module:
    if weights is None:
        weights = fresh_state(tensors_of(graph))
    module = lower(graph).eval()
    set_weights(module, weights, allow_nonfinite=True)
    return module
