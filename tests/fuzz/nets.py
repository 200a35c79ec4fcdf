"""Random programs through the whole verification: `python -m fuzz.nets FIRST COUNT MINUTES` prints failures and coverage as JSON lines."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from .coverage import Coverage
from .generate import program
from .verdict import Failure, verdict


def run_seeds(first: int, count: int, minutes: float = 1e9) -> tuple[Coverage, list[tuple[int, Failure]], dict[str, Any]]:
    """Verify the programs of these seeds until the time is over."""
    torch.set_num_threads(1)
    coverage, failures = Coverage(), []
    until = time.monotonic() + 60 * minutes
    done, slowest, slowest_seed = 0, 0.0, first
    for seed in range(first, first + count):
        if time.monotonic() > until:
            break
        started = time.process_time()
        failure, made = verdict(program(seed))
        took = time.process_time() - started
        if took > slowest:
            slowest, slowest_seed = took, seed
        if made is not None:
            coverage.add(made)
        if failure is not None:
            failures.append((seed, failure))
        done += 1
    return coverage, failures, {"first": first, "nets": done, "slowest": round(slowest, 1), "slowest_seed": slowest_seed}


if __name__ == "__main__":
    reached, found, summary = run_seeds(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    for number, what in found:
        print(json.dumps({"seed": number, "name": what.name, "story": what.story}), flush=True)
    print(json.dumps({**summary, "failures": len(found), "layers": reached.layers, "pairs": len(reached.pairs), "never": reached.never(), "table": reached.table()}))
