"""Starts several processes of a command on this machine, as `torchrun` does."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from signal import SIGTERM
from typing import TYPE_CHECKING

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from netdsl.errors import SettingError
from netdsl.process.cores import cores
from netdsl.train.launched import GO_ON

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = "torch.distributed.elastic"  # its messages repeat those of the processes
PATIENCE = 10  # seconds that the processes have to save and end
LOCAL = "127.0.0.1"
TERMINATED = 128 + SIGTERM  # the exit code after the signal that the launcher sends


def launch(count: int, words: Sequence[str]) -> int:
    """Run `netdsl` with a command line in `count` processes; returns the exit code.

    They meet at a free port of this machine, and get the signals to stop that this process gets.
    Raises SettingError `lost-process` if another signal has ended one, and none has said so.
    """
    logging.getLogger(LOG).setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // count)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOCAL}:0",
        local_addr=LOCAL,
        max_restarts=0,
        shutdown_timeout=PATIENCE,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "netdsl", *words)
    except ChildFailedError as error:
        codes = {number: failure.exitcode for number, failure in error.failures.items()}
        told = [code for code in codes.values() if code > 0 and code != TERMINATED]
        if told:
            return max(told)
        killed = [number for number, code in codes.items() if code not in (TERMINATED, -SIGTERM)]
        if not killed:
            return TERMINATED
        number = min(killed)
        message = f"signal {-codes[number]} has ended process {number} of {count} (numbered from 0)"
        raise SettingError("lost-process", message, None, GO_ON) from None
    except SignalException as stop:
        return 128 + stop.sigval
    return 0
