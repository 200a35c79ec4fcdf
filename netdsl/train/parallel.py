"""How the processes of a run share a module: each has all of it, or a shard of its tensors."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from netdsl.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from netdsl.train.config import TrainConfig
    from netdsl.train.processes import Processes

# PyTorch's warning about gradients with one channel, whose bytes are the same in any order of axes.
STRIDES = "Grad strides do not match bucket view strides"


class Parallel:
    """A module that the processes of a run train together.

    With `shards`, each process stores only a part of every parameter; otherwise each has all.
    """

    def __init__(self, module: nn.Module, processes: Processes, *, shards: bool = False) -> None:
        self._module, self._processes, self.shards = module, processes, shards
        self._wrapped: nn.Module = module
        self._learned: list[str] = []  # the parameters whose gradients the processes share
        self._kept: dict[str, Tensor] = {}  # the buffers before the step at hand
        if shards:
            _shard(module)

    def wrapped(self) -> tuple[nn.Module, bool]:
        """The module for the forward pass, and whether it is another one than before.

        The parameters that are trained may change between epochs.
        """
        if not self._processes.are_many or self.shards:
            return self._module, False
        learned = [n for n, p in self._module.named_parameters() if p.requires_grad]
        if learned == self._learned:
            return self._wrapped, False
        self._learned = learned
        # To look for unused parameters also keeps the buckets of the gradients, and with these the
        # order of every sum, as they are in the first step: a resumed run has the same bits.
        warnings.filterwarnings("ignore", STRIDES)
        self._wrapped = DistributedDataParallel(self._module, find_unused_parameters=True)
        return self._wrapped, True

    def piece(self, *, is_last: bool) -> AbstractContextManager[object]:
        """The context of a part of a step: gradients are exchanged only in the last one."""
        if isinstance(self._module, FSDPModule):
            self._module.set_requires_gradient_sync(is_last)
        elif isinstance(self._wrapped, DistributedDataParallel) and not is_last:
            return self._wrapped.no_sync()
        return nullcontext()

    def begin_step(self) -> None:
        """Keep the buffers, which a step changes before it communicates."""
        if self._processes.are_many:
            self._kept = {name: b.clone() for name, b in self._module.named_buffers()}

    def undo_step(self) -> None:
        """Restore the buffers after a step that could not be completed."""
        with torch.no_grad():
            for name, buffer in self._module.named_buffers():
                if name in self._kept:
                    buffer.copy_(self._kept[name])

    def end_step(self) -> None:
        """The step is complete."""
        self._kept = {}

    def share_buffers(self, module: nn.Module) -> None:
        """Give all processes the buffers of the first one: the statistics of batch norms."""
        if self._processes.are_many:
            for buffer in module.buffers():
                self._processes.begins_to_talk()
                dist.broadcast(buffer, 0)


def _shard(module: nn.Module) -> None:
    """Shard the parts of a module, then what is left: one part at a time is gathered to compute."""
    for part in module.children():
        if any(True for _ in part.parameters()):
            fully_shard(part)
    fully_shard(module)


def whole(value: Any) -> Any:
    """A tensor without shards; all processes must ask for it at the same time."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def placed_like(value: Tensor, like: object) -> Tensor:
    """A tensor that is stored as another one of its shape: as a whole, or in shards."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    value = value.to(like.device)
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


def total_norm(tensors: Iterable[Tensor], processes: Processes) -> Tensor:
    """The norm of tensors, whose elements are divided among processes if these are many."""
    norm = nn.utils.get_total_norm(tensors)
    if not processes.are_many:
        return norm
    return processes.sum(norm.detach().float().square()).sqrt()


def synchronised(module: nn.Module) -> nn.Module:
    """The module with batch norms that compute the statistics of the samples of all processes."""
    convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
    changed: nn.Module = convert(module)
    return changed


def check_sync(config: TrainConfig, device: torch.device) -> None:
    """Raise SettingError `bad-argument` for `sync_bn` on a device that cannot compute it."""
    if config.sync_bn and device.type == "cpu":
        message = "`sync_bn` needs GPUs: PyTorch cannot share the statistics of batches on the CPU"
        help_ = "leave it out: each process then computes the statistics of its own samples"
        raise SettingError("bad-argument", message, "sync_bn", help_)


def has_batch_norm(module: nn.Module) -> bool:
    """Whether a module computes statistics of batches in training."""
    return any(isinstance(part, _BatchNorm) for part in module.modules())
