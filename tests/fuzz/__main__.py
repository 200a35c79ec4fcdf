"""The deep run:

`python -m tests.fuzz --nets 20000 --texts 500000 --jobs 2 --seed 0 --minutes 60`.

Every option may be left out. `--setting all` verifies the programs in each setting of
`settings.py`, one after the other; `--setting NAME` in one of them.

Programs and texts are tried in processes of their own, some hundreds in each, until the counts or
the minutes are reached. Each kind of failure is shrunk into tests/regress/. What was run, and what
was found, is appended to RESULTS.md beside this file.
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
    """What the chunks of one sort have come to."""

    def __init__(self, module: str, setting: str) -> None:
        self.module = module
        self.setting = setting if module == "nets" else ""
        self.done = self.layers = self.peak = 0
        self.slowest: tuple[float, int] = (0.0, 0)
        self.seeds: tuple[int, int] = (sys.maxsize, 0)
        self.failures: dict[str, list[int]] = {}
        self.names: Counter[str] = Counter()

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Count what one process printed."""
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
        """For people."""
        what = (
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
        found = "; ".join(
            f"{n} x {name} (seeds {', '.join(map(str, self.failures.get(name, [])[:3]))})"
            for name, n in self.names.items()
        )
        where = f", {self.setting}" if self.setting else ""
        return (
            f"{what}{more}{where}: {sum(self.names.values())}"
            f" failures{f' - {found}' if found else ''}; the slowest {self.slowest[0]} s of the"
            f" processor (seed {self.slowest[1]})"
        )


def _chunk(module: str, first: int, count: int, until: float, setting: str) -> list[dict[str, Any]]:
    """One process; its lines of JSON. A process that dies is a failure of its first seed."""
    minutes = max(0.0, (until - time.monotonic()) / 60)
    if minutes == 0:
        return []
    command = [sys.executable, "-W", "ignore", "-m", f"{__package__}.{module}"]
    command += [str(first), str(count), str(minutes)]
    environment = dict(os.environ)
    if module == "nets":
        command.append(setting)
        environment |= SETTINGS[setting].environment
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines or "first" not in lines[-1]:
        died = {
            "seed": first,
            "name": f"process ended with {done.returncode}",
            "story": done.stderr[-2000:],
        }
        return [
            *lines,
            died,
            {
                "first": first,
                "nets": 0,
                "texts": 0,
                "slowest": 0.0,
                "slowest_seed": first,
                "names": {died["name"]: 1},
            },
        ]
    return lines


def _keep(tally: Tally) -> list[str]:
    """Shrink the first seed of each kind of failure into tests/regress."""
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


def _run(given: argparse.Namespace, setting: str, texts: int) -> list[Tally]:
    """Try the programs in one setting, and the texts, in chunks."""
    until = time.monotonic() + 60 * given.minutes
    tallies = {module: Tally(module, setting) for module in CHUNK}
    counts = {"nets": given.nets, "check": texts}
    work = [
        (module, given.seed + i, min(CHUNK[module], count - i))
        for module, count in counts.items()
        for i in range(0, count, CHUNK[module])
    ]
    work.sort(key=lambda chunk: (chunk[1] - given.seed) / counts[chunk[0]])
    with ThreadPoolExecutor(given.jobs) as pool:
        results = pool.map(lambda c: _chunk(c[0], c[1], c[2], until, setting), work)
        for (module, _, _), lines in zip(work, results, strict=True):
            if lines:
                tallies[module].add(lines)
                print(tallies[module].line(), flush=True)
    return list(tallies.values())


def main() -> int:
    """Run, print, write down; 1 where something failed."""
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
    given = parser.parse_args()
    started = datetime.now(UTC)
    settings = list(SETTINGS) if given.setting == "all" else [given.setting]
    tallies = []
    for setting in settings:
        tallies += _run(given, setting, texts=given.texts if setting == settings[0] else 0)
    kept = [] if given.no_keep else [k for t in tallies for k in _keep(t)]
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
