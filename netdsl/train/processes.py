"""The processes of a run: which one this is, and what they tell each other.

A launcher such as `torchrun` starts the processes and numbers them from 0. Each trains on its share
of every batch. The first one writes the files of the run and prints its lines.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from netdsl.errors import NetdslError, SettingError
from netdsl.process.cores import cores
from netdsl.process.stops import Stopped, ignore_stops
from netdsl.process.watch import end_with
from netdsl.train.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netdsl.train.launched import Launched

TIMEOUT = 300.0  # seconds for which a process may keep the others waiting
GLOO, BOTH = "gloo", "cpu:gloo,cuda:nccl"  # by the device of the tensors


class Share(NamedTuple):
    """The samples of a batch that one process trains on: from `start` to before `end`.

    A process without a sample computes the first one of the batch, which then does not count.
    """

    start: int
    end: int

    @property
    def samples(self) -> int:
        """The number of samples that count."""
        return self.end - self.start

    @property
    def read(self) -> slice:
        """The samples that are read: at least one."""
        return slice(self.start, self.end) if self.samples else slice(0, 1)


class Processes:
    """The processes of a run, seen by the one with the number `rank`; by default, it is alone."""

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        on_machine_rank: int = 0,
        presence: Presence | None = None,
    ) -> None:
        self.rank, self.count, self.on_machine_rank = rank, count, on_machine_rank
        self._presence = presence

    @property
    def are_many(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0

    def share(self, samples: int) -> Share:
        """The share of this process in a batch of so many samples."""
        start, end = (samples * number // self.count for number in (self.rank, self.rank + 1))
        return Share(start, end)

    def begins_to_talk(self) -> None:
        """Tell the others that this process is about to communicate with them."""
        if self._presence is not None:
            self._presence.talks += 1

    def has_done_step(self) -> None:
        """Tell the others that this process has done a training step."""
        if self._presence is not None:
            self._presence.steps += 1

    def sum(self, values: Tensor) -> Tensor:
        """The sum of the values of all processes, which replaces them in each process."""
        if self.are_many:
            self.begins_to_talk()
            dist.all_reduce(values)
        return values

    def most(self, *numbers: int) -> list[int]:
        """The largest value of each number among all processes."""
        if not self.are_many:
            return list(numbers)
        values = torch.tensor(numbers)
        self.begins_to_talk()
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return [int(value) for value in values]

    def texts(self, text: str) -> list[str]:
        """The texts that the processes give, in their order."""
        return [self._text(text, number) for number in range(self.count)]

    def tensors(self, own: Mapping[str, Tensor], source: int = 0) -> dict[str, Tensor]:
        """The tensors of the process `source`, in the memory of each process."""
        if not self.are_many:
            return dict(own)
        given = {}
        forms = json.loads(self._text(json.dumps(_forms(own)), source))
        for name, form in forms.items():
            value = _empty(form)
            if self.rank == source:
                value = own[name].detach().cpu().contiguous()
            dist.broadcast(_bytes(value), source)
            given[name] = value
        return given

    def gathered(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of all processes, in the memory of the first; the others get only theirs.

        Of a name that several processes have, it is that of the first of these.
        """
        if not self.are_many:
            return dict(own)
        kept = {name: value.detach().cpu().contiguous() for name, value in own.items()}
        forms = [json.loads(text) for text in self.texts(json.dumps(_forms(kept)))]
        if not self.is_first:
            for value in kept.values():
                if value.numel():
                    dist.send(_bytes(value), 0)
            return kept
        for number, given in enumerate(forms[1:], 1):
            for name, form in given.items():
                value = _empty(form)
                if value.numel():
                    dist.recv(_bytes(value), number)
                kept.setdefault(name, value)
        return kept

    def lost(self, error: BaseException) -> BaseException:
        """An error about processes that are lost, if these are the cause of `error`."""
        is_own = isinstance(error, NetdslError) or not isinstance(error, RuntimeError)
        if self._presence is None or is_own:
            return error
        ignore_stops()  # the launcher ends the other processes after one of them
        return self._presence.lost() or error

    def _text(self, text: str, source: int) -> str:
        if not self.are_many:
            return text
        self.begins_to_talk()
        data = torch.tensor(list(text.encode()), dtype=torch.uint8)
        length = torch.tensor([len(data)])
        dist.broadcast(length, source)
        if self.rank != source:
            data = torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(data, source)
        return bytes(data.tolist()).decode()


ALONE = Processes()


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, list[str | int]]:
    """The number type and the sizes of tensors."""
    return {n: [str(t.dtype).removeprefix("torch."), *t.shape] for n, t in tensors.items()}


def _empty(form: Sequence[Any]) -> Tensor:
    return torch.empty(form[1:], dtype=getattr(torch, form[0]))


def _bytes(value: Tensor) -> Tensor:
    """The memory of a tensor: not every number type can be sent as it is, but bytes can."""
    return value.reshape(-1).view(torch.uint8)


@contextmanager
def joined(launched: Launched, timeout: float) -> Iterator[Processes]:
    """Meet the other processes that the launcher has started, and end with the launcher.

    They divide the processor cores of their machine. `timeout` is the number of seconds for which
    one of them may keep the others waiting.

    An error or a signal that a process with a lower number has too ends this one with `SystemExit`:
    it is printed once. Raises SettingError `lost-process` if the processes do not all come.
    """
    end_with(os.getppid(), signal.SIGTERM)
    torch.set_num_threads(max(1, cores() // launched.on_machine))
    rank, count, wait = launched.rank, launched.count, timedelta(seconds=timeout)
    try:
        store, _, _ = next(rendezvous("env://", rank, count, timeout=wait))
        backend = BOTH if dist.is_nccl_available() and torch.cuda.is_available() else GLOO
        dist.init_process_group(backend, None, wait, count, rank, store)
    except (RuntimeError, ValueError) as error:
        message = f"process {rank} of {count} (numbered from 0) has not met the others: {error}"
        help_ = "start all machines within the time of `--timeout`, with the same address"
        raise SettingError("lost-process", message, None, help_) from error
    with Presence(store, rank, count) as presence:
        processes = Processes(rank, count, launched.on_machine_rank, presence)
        try:
            with _telling_losses(processes):
                dist.barrier()
                yield processes
                dist.destroy_process_group()
        except NetdslError as error:
            ignore_stops()
            if not presence.is_first_to_say(error):
                sys.exit(1)
            raise
        except Stopped as stop:
            if not processes.is_first:
                sys.exit(128 + stop.number)
            raise


@contextmanager
def _telling_losses(processes: Processes) -> Iterator[None]:
    """Give errors whose cause is another process the name of that."""
    try:
        yield
    except RuntimeError as error:
        raise processes.lost(error) from error
