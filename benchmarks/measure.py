"""Times whole processes in turns, and compares their times.

A benchmark has bounds on ratios, because a bound in seconds would depend on the machine. Each round
runs every command once. A ratio compares two times of the same round, so that a slow phase of the
machine affects both; the bound is on the median over all rounds.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import netdsl


def header(*packages: str) -> None:
    """Print the date, the machine, and the versions of Python, netdsl and the given packages."""
    versions = ", ".join(f"{p} {version(p)}" for p in ("netdsl", *packages))
    print(
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {platform.machine()},"
        f" {versions}"
    )


def warm_up() -> None:
    """Compile netdsl to bytecode. Installing a wheel does this; an editable install may not."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", *netdsl.__path__], check=True)


def seconds(command: list[str], stdin: str | None = None) -> float:
    """The wall time of one process. Raises an exception if the process fails."""
    start = time.perf_counter()
    subprocess.run(
        command,
        input=stdin,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def in_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Run every command once per round; prints the medians and returns the wall times."""
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
    """The median, over all rounds, of the ratio of two times."""
    return median(a / b for a, b in zip(above, below, strict=True))


class Memory(NamedTuple):
    """The peak memory of a process; `resident` includes pages of mapped files, `own` does not."""

    resident: int
    own: int


def peak_memory(command: list[str]) -> Memory:
    """The peak memory of one process, on Linux.

    The system records `resident`. `own` is the largest of the values read every 2 ms.
    """
    process, own = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0
    while True:
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(code)
            assert process.returncode == 0, command
            return Memory(usage.ru_maxrss * 1024, own)
        status = Path(f"/proc/{process.pid}/status").read_text()
        private = re.search(r"RssAnon:\s+(\d+) kB", status)
        if private:
            own = max(own, 1024 * int(private.group(1)))
        time.sleep(0.002)


def verdict(name: str, value: float, bound: float, *, at_most: bool) -> bool:
    """Print a figure and its bound; returns whether the bound is met."""
    if at_most:
        met, relation = value <= bound, "at most"
    else:
        met, relation = value >= bound, "at least"
    mark = "met   " if met else "MISSED"
    print(f"  {mark}  {name}: {value:.3g} ({relation} {bound:g})")
    return met
