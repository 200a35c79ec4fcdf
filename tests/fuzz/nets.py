"""Random programs through the whole verification.

`python -m tests.fuzz.nets FIRST COUNT MINUTES [SETTING]` prints failures and coverage as JSON
lines. The environment variables of a setting must be set before it starts.
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
    """Verify the programs of these seeds in a setting until the time is over."""
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
        failure, made = verdict(program(seed), threads)
        took = time.process_time() - started
        if took > slowest:
            slowest, slowest_seed = took, seed
        if made is not None:
            coverage.add(made)
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
    reached, found, summary = run_seeds(
        int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), chosen
    )
    for number, what in found:
        print(json.dumps({"seed": number, "name": what.name, "story": what.story}), flush=True)
    print(
        json.dumps(
            {
                **summary,
                "failures": len(found),
                "layers": reached.layers,
                "pairs": len(reached.pairs),
                "never": reached.never(),
                "table": reached.table(),
            }
        )
    )
