"""Starts several processes of a command on this machine, as `torchrun` does."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from typing import TYPE_CHECKING

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from netdsl.errors import SettingError
from netdsl.process.cores import cores

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = "torch.distributed.elastic"  # its messages repeat those of the processes
PATIENCE = 10  # seconds that the processes have to save and end
LOCAL = "127.0.0.1"


def launch(count: int, words: Sequence[str]) -> int:
    """Run `netdsl` with a command line in `count` processes; returns the exit code.

    They meet at a free port of this machine, and get the signals to stop that this process gets.
    Raises SettingError `lost-process` if signals have ended all of them.
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
        ended = [code for code in codes.values() if code > 0]
        if not ended:
            message = f"signal {-min(codes.values())} has ended process {min(codes)} of {count}"
            raise SettingError("lost-process", message) from None
        return max(ended)
    except SignalException as stop:
        return 128 + stop.sigval
    return 0
