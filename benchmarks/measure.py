"""Times whole processes side by side: in turns, in one run. Bounds are on medians of ratios.

A bound in seconds would depend on the machine. Each round runs everything once, and a ratio compares
two times of one round, so that what slows the machine down for a while slows both.
"""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import netdsl


def header(*packages: str) -> None:
    """Say what is measured where."""
    versions = ", ".join(f"{p} {version(p)}" for p in ("netdsl", *packages))
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {platform.machine()}, {versions}")


def warm_up() -> None:
    """Write netdsl's bytecode, as installing a wheel does (an editable install may not)."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", *netdsl.__path__], check=True)


def seconds(command: list[str], stdin: str | None = None) -> float:
    """The wall time of one process; raises where it fails."""
    start = time.perf_counter()
    subprocess.run(command, input=stdin, text=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def in_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """The wall times of each command, all of them run once a round; prints the medians."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(seconds(command))
    for name, values in times.items():
        print(f"{1000 * median(values):8.0f} ms  {name}")
    return times


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the ratios of two times of one round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def peak_bytes(command: list[str]) -> int:
    """The peak resident memory of one process."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    made = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return int(made.stdout) * (1 if sys.platform == "darwin" else 1024)


class Memory(NamedTuple):
    """The peak of one process: all of its resident memory, pages of mapped files among it, and what is its own (anonymous) alone."""

    resident: int
    own: int


def peak_memory(command: list[str]) -> Memory:
    """The peaks of one process, on Linux. The system keeps the first one; the second is looked at every 2 ms while the process runs."""
    process, own = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0
    while True:
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(code)
            assert process.returncode == 0, command
            return Memory(usage.ru_maxrss * 1024, own)
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        own = max(own, 1024 * int(found.group(1)) if found else 0)
        time.sleep(0.002)


def own_peak_bytes() -> int:
    """The peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def verdict(what: str, value: float, bound: float, *, at_most: bool) -> bool:
    """Print a figure beside its bound; returns whether it is met."""
    met = value <= bound if at_most else value >= bound
    print(f"  {'met   ' if met else 'MISSED'}  {what}: {value:.3g} ({'at most' if at_most else 'at least'} {bound:g})")
    return met
