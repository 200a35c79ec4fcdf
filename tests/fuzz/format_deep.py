"""Tests the formatter on texts with random layout.

`python -m tests.fuzz.format_deep [COUNT] [SEED]` tests COUNT layouts, by default 100,000.

Half of the texts are random programs, the others are definitions of the library; each gets four
layouts. The result is appended to RESULTS.md beside this file.
"""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import Pool
from pathlib import Path
from random import Random

from tests.fuzz.generate import program
from tests.support.paths import ROOT
from tests.support.relayout import Relayout, definitions_in, round_trip

HERE = Path(__file__).parent
PROCESSES, CHUNK, LAYOUTS = 2, 500, 4
PARTS = [
    part
    for path in sorted((ROOT / "nets").rglob("*.net"))
    for part in definitions_in(path.read_text(encoding="utf-8"))
]


def check_seed(seed: int) -> None:
    """One round trip, which depends only on the seed."""
    random = Random(seed)
    round_trip(
        Relayout(random, random.choice([0, 0.05, 0.3, 0.8]), random.choice([0, 0.1, 0.5])).text(
            _text(seed // LAYOUTS)
        )
    )


@lru_cache(maxsize=4)
def _text(number: int) -> str:
    return (
        program(number)
        if number % 2
        else "\n".join(Random(number).choices(PARTS, k=1 + number % 4 // 2))
    )


def chunk(first: int) -> list[str]:
    """The failures of `CHUNK` seeds from `first` on."""
    failed = []
    gc.set_threshold(100_000, 20, 100)
    for seed in range(first, first + CHUNK):
        try:
            check_seed(seed)
        except Exception as error:
            failed.append(f"seed {seed}: {type(error).__name__}: {str(error)[:200]}")
    return failed


def main(count: int, seed: int) -> int:
    """Run, print and append to the results; returns 1 if anything failed."""
    started = time.monotonic()
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    failed: list[str] = []
    done = 0
    with Pool(PROCESSES) as pool:
        for failures in pool.imap_unordered(chunk, range(seed, seed + count, CHUNK)):
            done += CHUNK
            failed += failures
            for line in failures:
                print(line, flush=True)
            if done % 5_000 == 0:
                print(f"{done:,} of {count:,}, {len(failed)} failed", flush=True)
    result = (
        f"- {datetime.now(UTC):%Y-%m-%d} `python -m tests.fuzz.format_deep {count} {seed}`:"
        f" {done:,} texts laid out at random, formatted and formatted again; {len(failed)} failed;"
        f" {time.monotonic() - started:.0f} s; netdsl {version('netdsl')} at {commit}, lark"
        f" {version('lark')}, Python {platform.python_version()}"
    )
    print(result)
    with (HERE / "RESULTS.md").open("a", encoding="utf-8") as file:
        file.write("\n".join([result, *(f"  - {line}" for line in failed[:20])]) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]]
    sys.exit(main(*(numbers + [100_000, 0][len(numbers) :])))
