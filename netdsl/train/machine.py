"""The machine that a run is trained on, and the versions of what computes."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import kornia
import numpy as np
import torch

from netdsl.version import __version__

CPU_INFO = Path("/proc/cpuinfo")


def machine(device: torch.device, processes: int) -> dict[str, str]:
    """The processor, the system, and the device, by name, and the number of processes."""
    found = {
        "device": device.type,
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "processes": str(processes),
        "system": platform.platform(),
    }
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    return found


def versions() -> dict[str, str]:
    """The versions by the name of the package."""
    return {
        "netdsl": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "kornia": kornia.__version__,
    }


def _processor() -> str:
    """The name of the processor; on Linux, Python only has that of its architecture."""
    if CPU_INFO.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", CPU_INFO.read_text(), re.MULTILINE)
        if found is not None:
            return found[1]
    return platform.processor() or platform.machine()
