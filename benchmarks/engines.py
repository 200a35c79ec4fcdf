"""Runs one net in several engines.

The engines are onnxruntime with netdsl's export, onnxruntime with the model of `torch.onnx.export`,
TensorRT, and PyTorch, eager and compiled.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import logging
import os
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file

import netdsl
from netdsl.cli import run
from netdsl.runtime import providers
from netdsl.runtime.session import Settings, cores, open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Outputs = torch.Tensor | tuple[torch.Tensor, ...]

logging.getLogger("torch.onnx").setLevel(logging.ERROR)
NETS = {
    "LeNet-5": ("lenet5:LeNet5", (1, 32, 32)),
    "VGG-16": ("vgg:VGG16", (3, 224, 224)),
    "GoogLeNet": ("googlenet:GoogLeNet", (3, 224, 224)),
    "ResNet-50": ("resnet:ResNet50", (3, 224, 224)),
    "SE-ResNet-50": ("senet:SEResNet50", (3, 224, 224)),
    "FCN-8s": ("fcn:FCN8s", (3, 224, 224)),
}
DTYPES = {"fp32": "float32", "tf32": "float32", "fp16": "float16"}
TENSORRT = ("tf32", "fp16")  # not fp32: onnxruntime has no option that disables TF32 in TensorRT
AGREE = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2}  # allowed share of the largest output


class Engine(NamedTuple):
    """An engine with one batch, which is already on the device.

    `once` runs the batch; `read` returns the outputs.
    """

    once: Callable[[], object]
    read: Callable[[], list[np.ndarray]]


class Case:
    """One net with random weights. Each batch norm has the statistics of one batch."""

    def __init__(self, name: str, folder: Path, device: str, threads: int | None = None) -> None:
        self.name, self.folder, self.device, self.threads = name, folder, device, threads
        path, self.shape = NETS[name]
        self.net = netdsl.load(path)
        torch.manual_seed(0)
        torch.set_num_threads(threads or cores())
        self.module = self.net.torch()
        for layer in self.module.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        with torch.no_grad():
            self.module(torch.randn(4, *self.shape))
        self.module.eval()
        self.torch_device = "cpu" if device == "cpu" else "cuda"

    def inputs(self, batch: int) -> torch.Tensor:
        """Random images."""
        return torch.randn(batch, *self.shape, generator=torch.Generator().manual_seed(batch))

    def exact(self, x: torch.Tensor) -> list[np.ndarray]:
        """The outputs in float64 on the CPU."""
        module = self.net.torch().double().eval()
        module.load_state_dict(self.module.state_dict())
        with torch.inference_mode():
            return _arrays(module(x.double()))

    def engine(self, kind: str, x: torch.Tensor, precision: str) -> Engine:
        """Make an engine for one batch."""
        dtype = DTYPES[precision]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = (
            precision == "tf32"
        )
        if kind in ("eager", "compiled"):
            return self._pytorch(x, dtype, compiled=kind == "compiled")
        if kind == "torch.onnx":
            path = self._theirs(x, dtype)
        else:
            path = self._ours(dtype)
        device = self.device
        if kind == "tensorrt":
            device = kind
        settings = Settings(threads=self.threads, graph=device != "cpu", tf32=precision != "fp32")
        session = open_session(path, device, settings=settings)
        bound = session.bind({session.inputs[0].name: x.numpy().astype(dtype)})
        return Engine(bound.run, bound.outputs)

    def _ours(self, dtype: str) -> Path:
        """Export with an open batch size, and the height and width fixed, as in `_theirs`."""
        path = self.folder / f"{self.name}-{dtype}.onnx"
        weights = self.folder / f"{self.name}.safetensors"
        if not path.exists():
            save_file(self.module.state_dict(), weights)
            shape = "x".join(map(str, self.shape))
            options = ["--input", shape, "--weights", str(weights)]
            if dtype == "float16":
                options.append("--fp16")
            with contextlib.redirect_stdout(io.StringIO()):
                assert run(["export", NETS[self.name][0], "-o", str(path), *options]) == 0
        return path

    def _theirs(self, x: torch.Tensor, dtype: str) -> Path:
        """Export for one batch size, as `torch.onnx.export` does with one example input."""
        path = self.folder / f"{self.name}-{dtype}-{len(x)}-torch.onnx"
        if not path.exists():
            torch_dtype = getattr(torch, dtype)
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    copy.deepcopy(self.module).to(torch_dtype),
                    (x.to(torch_dtype),),
                    os.fspath(path),
                    dynamo=True,
                    verbose=False,
                )
        return path

    def _pytorch(self, x: torch.Tensor, dtype: str, *, compiled: bool) -> Engine:
        torch_dtype = getattr(torch, dtype)
        module = self.net.torch().eval()
        module.load_state_dict(self.module.state_dict())
        module.to(self.torch_device, torch_dtype)
        forward: Callable[[torch.Tensor], Outputs] = module
        if compiled:
            # Otherwise PyTorch would compile the third batch size for any size, which is slower.
            torch.compiler.reset()
            forward = torch.compile(module, mode="max-autotune", dynamic=False)
        on_device = x.to(self.torch_device, torch_dtype)

        def once() -> Outputs:
            with torch.inference_mode():
                outputs = forward(on_device)
            if self.torch_device == "cuda":
                torch.cuda.synchronize()
            return outputs

        return Engine(once, lambda: _arrays(once()))


def _arrays(outputs: Outputs) -> list[np.ndarray]:
    tensors = outputs if isinstance(outputs, tuple) else (outputs,)
    return [t.detach().double().cpu().numpy() for t in tensors]


def difference(ours: list[np.ndarray], exact: list[np.ndarray]) -> float:
    """The largest difference, as a share of the largest exact output."""
    return max(
        float(np.abs(a.astype(np.float64) - b).max() / np.abs(b).max())
        for a, b in zip(ours, exact, strict=True)
    )


def is_full(error: Exception) -> bool:
    """Whether an engine failed because the memory of the device is too small."""
    return (
        isinstance(error, torch.OutOfMemoryError)
        or providers.is_full(error)
        or "out-of-memory" in str(error)
    )


def free() -> None:
    """Free the memory of engines that are no longer used."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
