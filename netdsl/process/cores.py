"""The number of cores that this process may use."""

import os
from pathlib import Path

# A container's limit: microseconds of CPU time in a period, and microseconds of the period.
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """The number of cores that this process may use; more threads than that only slow it down."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text(encoding="ascii").split()
        return max(1, min(count, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # not Linux, not a container, or without a quota (`max`)
        return count
