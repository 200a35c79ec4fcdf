"""Runs a command of netdsl in several processes that meet, as a launcher starts them.

The processes begin with the modules of training, so that a test does not wait for their imports.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from netdsl.cli import main

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

LIMIT = 120  # seconds for the processes of a test


class Ended(NamedTuple):
    """How a process has ended: its exit code and what it has printed."""

    code: int
    output: str
    messages: str


class Started:
    """Processes that run a command in a folder."""

    def __init__(self, folder: Path, count: int, words: list[str]) -> None:
        # As `netdsl train` does before it loads PyTorch.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["netdsl.commands.train", "torch.distributed.pipelining"])
        self._folder = folder
        variables = {"OMP_NUM_THREADS": "1"}
        if count > 1:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = str(free.getsockname()[1])
            variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            variables |= {"WORLD_SIZE": str(count)}
        self.processes: list[ForkServerProcess] = []
        for rank in range(count):
            own = dict(variables)
            if count > 1:
                own |= {"RANK": str(rank)}
            process = context.Process(target=_run, args=(folder, rank, own, words))
            process.start()
            self.processes.append(process)

    def output(self, rank: int = 0) -> str:
        """What a process has printed so far."""
        path = self._folder / f"{rank}.out"
        if path.exists():
            return path.read_text()
        return ""

    def ended(self) -> list[Ended]:
        """Wait until all have ended."""
        found = []
        for rank, process in enumerate(self.processes):
            process.join(LIMIT)
            code = process.exitcode
            if code is None:
                process.kill()
            assert code is not None, self.output(rank)
            messages = (self._folder / f"{rank}.err").read_text()
            found.append(Ended(code, self.output(rank), messages))
        return found


def together(folder: Path, count: int, *words: str) -> list[Ended]:
    """Run a command in so many processes, in a folder, and wait until all have ended."""
    return Started(folder, count, list(words)).ended()


def _run(folder: Path, rank: int, variables: dict[str, str], words: list[str]) -> None:
    os.chdir(folder)
    os.environ.update(variables)
    for number, kind in ((1, "out"), (2, "err")):
        file = os.open(f"{rank}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    main(words)
