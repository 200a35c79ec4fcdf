"""Verifies random programs.

`python -m tests.fuzz.nets FIRST COUNT MINUTES [SETTING]` prints failures and coverage as JSON
lines. The environment variables of the setting must be set before the process starts.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from .coverage import Coverage
from .generate import program
from .settings import SETTINGS, applied
from .verdict import Failure, verdict


def run_seeds(
    first: int, count: int, minutes: float = 1e9, setting: str = "one thread"
) -> tuple[Coverage, list[tuple[int, Failure]], dict[str, Any]]:
    """Verify the programs of these seeds in a setting until the time is up."""
    with applied(SETTINGS[setting]):
        return _run_seeds(first, count, minutes, SETTINGS[setting].threads)


def _run_seeds(
    first: int, count: int, minutes: float, threads: int
) -> tuple[Coverage, list[tuple[int, Failure]], dict[str, Any]]:
    coverage, failures = Coverage(), []
    until = time.monotonic() + 60 * minutes
    done, slowest, slowest_seed = 0, 0.0, first
    for seed in range(first, first + count):
        if time.monotonic() > until:
            break
        started = time.process_time()
        failure, net = verdict(program(seed), threads)
        seconds = time.process_time() - started
        if seconds > slowest:
            slowest, slowest_seed = seconds, seed
        if net is not None:
            coverage.add(net)
        if failure is not None:
            failures.append((seed, failure))
        done += 1
    return (
        coverage,
        failures,
        {"first": first, "nets": done, "slowest": round(slowest, 1), "slowest_seed": slowest_seed},
    )


if __name__ == "__main__":
    chosen = sys.argv[4] if len(sys.argv) > 4 else "one thread"
    reached, failed, summary = run_seeds(
        int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), chosen
    )
    for number, failure in failed:
        print(
            json.dumps({"seed": number, "name": failure.name, "story": failure.story}), flush=True
        )
    print(
        json.dumps(
            {
                **summary,
                "failures": len(failed),
                "layers": reached.layers,
                "pairs": len(reached.pairs),
                "never": reached.never(),
                "table": reached.table(),
            }
        )
    )
