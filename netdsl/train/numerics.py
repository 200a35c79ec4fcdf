"""How the steps of a run compute: number types, PyTorch's options, and averaged weights."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from netdsl.train.recipe.options import BF16, FP16, TF32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import nn

    from netdsl.train.config import TrainConfig

CHANNELS_LAST_AXES = 4  # of the images that PyTorch can store with their channels last
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS is deterministic only with a fixed workspace


@contextmanager
def options_of(config: TrainConfig) -> Iterator[None]:
    """Set PyTorch's options as a recipe has them, and restore them at the end."""
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
    )
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.deterministic:
        os.environ.setdefault(_CUBLAS, ":4096:8")
        torch.use_deterministic_algorithms(mode=True)
        torch.backends.cudnn.benchmark = False
    if config.precision == TF32:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        threads, deterministic, precision, benchmark = before
        torch.set_num_threads(threads)
        if config.deterministic:  # it imports much, which a signal may have interrupted
            torch.use_deterministic_algorithms(mode=deterministic)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = benchmark


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a forward pass computes in bf16 or fp16, or as it is."""
    half = torch.float16 if precision == FP16 else torch.bfloat16
    return torch.autocast(device.type, half, enabled=precision in (BF16, FP16))


def outputs_of(
    forward: Callable[..., Any], inputs: Sequence[Tensor], config: TrainConfig, device: torch.device
) -> tuple[Tensor, ...]:
    """The outputs of a forward pass in the precision and the memory format of a recipe."""
    if config.channels_last:
        inputs = [_channels_last(values) for values in inputs]
    with autocast(config.precision, device):
        outputs = forward(*inputs)
    return (outputs,) if isinstance(outputs, Tensor) else outputs


def _channels_last(values: Tensor) -> Tensor:
    if values.dim() != CHANNELS_LAST_AXES:
        return values
    return values.contiguous(memory_format=torch.channels_last)


class Scaler:
    """Scales the loss of a run in fp16, so that small gradients do not become 0.

    A step whose gradients overflow is left out, and the scale is halved. Without fp16 the scale is
    1, and every step is taken.
    """

    def __init__(self, precision: str, device: torch.device) -> None:
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == FP16)
        self.overflows = 0  # the last steps, without a step between them that was taken

    def take(self, optimizer: torch.optim.Optimizer) -> bool:
        """Take a step of the optimizer; returns whether the gradients were finite."""
        before = self.scaler.get_scale()
        self.scaler.step(optimizer)
        self.scaler.update()
        is_taken = self.scaler.get_scale() >= before
        self.overflows += 1
        if is_taken:
            self.overflows = 0
        return is_taken

    def state(self) -> dict[str, float]:
        """The numbers that the next steps depend on."""
        return {**self.scaler.state_dict(), "overflows": self.overflows}

    def load(self, state: dict[str, float]) -> None:
        """Load what `state` gives."""
        own = dict(state)
        self.overflows = int(own.pop("overflows", 0))
        if own and self.scaler.is_enabled():
            self.scaler.load_state_dict(own)


def clip_values(gradients: Iterable[Tensor], limit: float) -> None:
    """Limit the magnitude of each number of the gradients.

    Infinite numbers become NaN, and not the limit: the run stops because of them.
    """
    for gradient in gradients:
        wrong = gradient * 0
        gradient.clamp_(-limit, limit).add_(wrong)


def averaged(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module whose tensors are an exponential moving average of its own."""
    average_of = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(module, multi_avg_fn=average_of, use_buffers=True)
    return average.requires_grad_(requires_grad=False)
