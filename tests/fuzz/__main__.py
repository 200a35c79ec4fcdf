"""Tests thousands of random programs and texts.

`python -m tests.fuzz --nets 20000 --texts 500000 --jobs 2 --seed 0 --minutes 60`.

Every option may be left out. `--setting NAME` verifies the programs in one setting of
`settings.py`, and `--setting all` in all of them, one after the other.

Separate processes test a number of programs or texts each, until the counts or the minutes are
reached. For each kind of failure, a smaller example is written to tests/regress/. The counts and
the failures are appended to RESULTS.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tests.support.paths import REGRESS, ROOT

from .generate import program
from .settings import SETTINGS, applied
from .shrink import shrunk_program, shrunk_text
from .texts import text

CHUNK = {"nets": 40, "check": 1000}
WORD = {"nets": "programs", "check": "texts"}


class Tally:
    """The totals of all chunks of programs, or of all chunks of texts."""

    def __init__(self, module: str, setting: str) -> None:
        self.module = module
        self.setting = setting if module == "nets" else ""
        self.done = self.layers = self.peak = 0
        self.slowest: tuple[float, int] = (0.0, 0)
        self.seeds: tuple[int, int] = (sys.maxsize, 0)
        self.failures: dict[str, list[int]] = {}
        self.names: Counter[str] = Counter()

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Add the counts and failures that one process printed."""
        *failures, end = lines
        for f in failures:
            self.failures.setdefault(f["name"], []).append(f["seed"])
            print(f"seed {f['seed']}, {f['name']}: {f['story']}", file=sys.stderr)
            if self.module == "nets":
                self.names[f["name"]] += 1
        self.names.update(end.get("names", {}))
        count = end["nets"] if self.module == "nets" else end["texts"]
        self.done += count
        self.layers += end.get("layers", 0)
        self.peak = max(self.peak, end.get("peak_mb", 0))
        self.slowest = max(self.slowest, (end["slowest"], end["slowest_seed"]))
        self.seeds = (
            min(self.seeds[0], end["first"]),
            max(self.seeds[1], end["first"] + count - 1),
        )

    def line(self) -> str:
        """The totals as a sentence."""
        counts = (
            f"{self.done:,} {WORD[self.module]} (seeds {self.seeds[0]:,} to {self.seeds[1]:,})"
            if self.done
            else f"no {WORD[self.module]}"
        )
        more = (
            f", {self.layers:,} layers"
            if self.layers
            else f", at most {self.peak} MB"
            if self.peak
            else ""
        )
        kinds = "; ".join(
            f"{n} x {name} (seeds {', '.join(map(str, self.failures.get(name, [])[:3]))})"
            for name, n in self.names.items()
        )
        setting = f", {self.setting}" if self.setting else ""
        return (
            f"{counts}{more}{setting}: {sum(self.names.values())}"
            f" failures{f' - {kinds}' if kinds else ''}; the slowest {self.slowest[0]} s of the"
            f" processor (seed {self.slowest[1]})"
        )


def _chunk(module: str, first: int, count: int, until: float, setting: str) -> list[dict[str, Any]]:
    """Run one process and return its lines of JSON; a crash is a failure of its first seed."""
    minutes = max(0.0, (until - time.monotonic()) / 60)
    if minutes == 0:
        return []
    command = [sys.executable, "-W", "ignore", "-m", f"{__package__}.{module}"]
    command += [str(first), str(count), str(minutes)]
    environment = dict(os.environ)
    if module == "nets":
        command.append(setting)
        environment |= SETTINGS[setting].environment
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
    if process.returncode or not lines or "first" not in lines[-1]:
        crash = {
            "seed": first,
            "name": f"process ended with {process.returncode}",
            "story": process.stderr[-2000:],
        }
        return [
            *lines,
            crash,
            {
                "first": first,
                "nets": 0,
                "texts": 0,
                "slowest": 0.0,
                "slowest_seed": first,
                "names": {crash["name"]: 1},
            },
        ]
    return lines


def _keep(tally: Tally) -> list[str]:
    """Write a shrunk example of each kind of failure, from its first seed, to tests/regress."""
    kept = []
    for name, seeds in tally.failures.items():
        stem = re.sub(r"\W+", "_", name.lower()).strip("_")[:40] + f"_{seeds[0]}"
        if tally.module == "nets":
            with applied(SETTINGS[tally.setting]):
                data = shrunk_program(program(seeds[0])).encode()
        else:
            data = shrunk_text(text(seeds[0]))
        path = REGRESS / f"{stem}.net"
        path.write_bytes(data)
        kept.append(path.name)
    return kept


def _commit() -> str:
    marker = ROOT / "COMMIT"
    if marker.exists():
        return marker.read_text().strip()
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "netdsl", "tests/fuzz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return head + (" with changes" if changed else "")


def _run(arguments: argparse.Namespace, setting: str, texts: int) -> list[Tally]:
    """Test the programs in one setting, and the texts, in chunks."""
    until = time.monotonic() + 60 * arguments.minutes
    tallies = {module: Tally(module, setting) for module in CHUNK}
    counts = {"nets": arguments.nets, "check": texts}
    work = [
        (module, arguments.seed + i, min(CHUNK[module], count - i))
        for module, count in counts.items()
        for i in range(0, count, CHUNK[module])
    ]
    work.sort(key=lambda chunk: (chunk[1] - arguments.seed) / counts[chunk[0]])
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda c: _chunk(c[0], c[1], c[2], until, setting), work)
        for (module, _, _), lines in zip(work, results, strict=True):
            if lines:
                tallies[module].add(lines)
                print(tallies[module].line(), flush=True)
    return list(tallies.values())


def main() -> int:
    """Run, print and append to the results; returns 1 if anything failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--nets", type=int, default=0)
    parser.add_argument("--texts", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, default=60, help="for each setting")
    parser.add_argument("--no-keep", action="store_true", help="leave failures as they are")
    parser.add_argument("--setting", default="one thread", choices=[*SETTINGS, "all"])
    arguments = parser.parse_args()
    started = datetime.now(UTC)
    settings = list(SETTINGS) if arguments.setting == "all" else [arguments.setting]
    tallies = []
    for setting in settings:
        tallies += _run(arguments, setting, texts=arguments.texts if setting == settings[0] else 0)
    kept = [] if arguments.no_keep else [k for t in tallies for k in _keep(t)]
    versions = ", ".join(f"{p} {version(p)}" for p in ("torch", "onnx", "onnxruntime-gpu", "lark"))
    processor = torch.backends.cpu.get_cpu_capability()
    minutes = (datetime.now(UTC) - started).total_seconds() / 60
    report = [
        (
            f"- {started:%Y-%m-%d %H:%M} UTC, {minutes:.0f} minutes, commit {_commit()}, Python"
            f" {sys.version.split()[0]}, {versions}, vectors: {processor}."
        )
    ]
    report += [f"  {t.line()}." for t in tallies if t.done] + (
        [f"  Kept: {', '.join(kept)}."] if kept else []
    )
    print("\n".join(report))
    results = Path(__file__).with_name("RESULTS.md")
    before = (
        results.read_text()
        if results.exists()
        else "# Deep runs\n\nEach entry is what `python -m tests.fuzz` printed at its end.\n\n"
    )
    results.write_text(before + "\n".join(report) + "\n")
    return 1 if any(t.names for t in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
