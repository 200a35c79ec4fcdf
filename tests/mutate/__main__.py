"""Plant faults in netdsl, one at a time, and check that a test fails.

    python -m tests.mutate --count 240 --seed 1 --jobs 2

A fault is one small change of one expression: `<` for `<=`, `+` for `-`, a constant off by one, a
keyword argument left out, a check that never fires, a diagnostic with another code. Faults are
drawn evenly from the shape rules, the counters, the emitters and the diagnostics. A separate
process loads each changed module; the files themselves do not change.

The whole suite runs once to record which tests reach which line. Then the tests that reach the line
of a fault run with the fault: first at most `--most` of them, starting with those that reach few
other lines, and if none fails, the rest. Faults that no test notices are printed. Those without any
observable effect are listed in `mutations.md` beside this file, each with the reason.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.util
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.mutate.faults import FAMILIES, Fault, drawn
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPLAINED = Path(__file__).parent / "mutations.md"
BOUND = 0.99
# These tests read the text of the code, or start processes that do not have the fault.
LEFT_OUT = ("code", "hostile")


class Reached:
    """Which tests reach which line, from one run of the suite under `coverage`."""

    def __init__(self, path: Path) -> None:
        import coverage

        if not path.is_file():
            left_out = [f"--ignore=tests/{n}" for n in LEFT_OUT]
            report = ["--cov=netdsl", "--cov-context=test", "--cov-report="]
            environment = {**os.environ, "COVERAGE_FILE": str(path), "PYTHONPATH": str(ROOT)}
            subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-n", "2", *left_out, *report],
                cwd=ROOT,
                env=environment,
                check=False,
            )
        self.data = coverage.CoverageData(str(path))
        self.data.read()
        self.files: dict[str, dict[int, list[str]]] = {}
        self.size: Counter[str] = Counter()
        for name in self.data.measured_files():
            self.files[name.rpartition("/netdsl/")[2]] = lines = self.data.contexts_by_lineno(name)
            for tests in lines.values():
                self.size.update(tests)

    def tests(self, fault: Fault) -> list[str]:
        """The tests that reach the line of a fault, starting with those that reach few others.

        If the line has no code of its own, these are the tests that reach its function.
        """
        lines = self.files.get(str(fault.path.relative_to(ROOT / "netdsl")), {})
        begin, end = fault.function
        reaching = set(lines.get(fault.line, ())) or {
            t for n in range(begin + 1, end + 1) for t in lines.get(n, ())
        }
        names = {t.rpartition("|")[0] for t in reaching if t}
        return sorted(names, key=lambda t: (self.size[f"{t}|run"], t))


class Planted(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads a module with the changed text."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        del path, target
        if fullname != self.fault.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.fault.path, loader=self)

    def get_source(self, fullname: str) -> str:
        del fullname
        return self.fault.source


def child(fault: Fault | None, selected: Sequence[str], limit: int, report: Any) -> None:
    """Run the tests with the fault; sends the exit code and the first test that failed."""
    import resource

    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    if fault is not None:
        sys.meta_path.insert(0, Planted(fault))
    os.chdir(ROOT)

    class First:
        failed = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed and not self.failed:
                self.failed = str(report.nodeid)

    first = First()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = pytest.main(
            ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *selected], plugins=[first]
        )
    report.send((int(code), first.failed))
    report.close()


def try_one(fault: Fault | None, selected: Sequence[str], limit: int) -> tuple[bool, str]:
    """Whether the fault was noticed, and by which test."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(fault, selected, limit, send))
    process.start()
    send.close()
    process.join(limit * 4)
    if process.is_alive():
        process.kill()
        return True, "no end"
    if not receive.poll():
        return True, "the interpreter ended"
    code, failed = receive.recv()
    if code and not failed and (fault is None or try_one(None, selected, limit)[0]):
        sys.exit(f"these tests do not run even without a fault: {' '.join(selected)}")
    return code != 0, failed or ("" if code == 0 else "the tests could not be collected")


def explained() -> dict[str, str]:
    """The faults without any observable effect, and the reasons.

    Each is a line `- file function: before => after`, a dash, and the reason.
    """
    if not EXPLAINED.is_file():
        return {}
    rows = [
        line[2:]
        for line in EXPLAINED.read_text(encoding="utf-8").splitlines()
        if line.startswith("- ")
    ]
    return {
        key.strip("`"): reason
        for key, _, reason in (row.partition("` \N{EM DASH} ") for row in rows)
    }


def main() -> int:
    """Plant the faults and print the results; returns 1 if too few were noticed."""
    parser = argparse.ArgumentParser(description="plant faults and see whether the tests notice")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cpu-seconds", type=int, default=420, help="of one run of the tests")
    parser.add_argument("--list", action="store_true", help="print the faults and plant none")
    parser.add_argument("--most", type=int, default=80, help="tests that run first for a fault")
    parser.add_argument(
        "--coverage",
        type=Path,
        help="a file that keeps which tests reach which line; it is used if it exists",
    )
    parser.add_argument(
        "--also",
        nargs="*",
        default=[],
        metavar="TEST",
        help="tests that run first for every fault, such as tests newer than the coverage file",
    )
    parser.add_argument("--only", help="only faults whose printed line contains this text")
    arguments = parser.parse_args()
    faults = [
        f
        for f in drawn(arguments.count, arguments.seed)
        if not arguments.only or arguments.only in f.key
    ]
    if arguments.list:
        print(
            *(f"{f.family:12} {f.path.name}:{f.line}  {f.before}  =>  {f.after}" for f in faults),
            sep="\n",
        )
        return 0
    import kornia  # noqa: F401  # loaded once, before the processes fork
    import onnxruntime  # noqa: F401
    import torch.utils.flop_counter  # noqa: F401

    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        reached = Reached(arguments.coverage or Path(folder) / "coverage")
    reasons, started = explained(), time.monotonic()

    def meet(fault: Fault) -> tuple[bool, str]:
        selected = [*arguments.also, *reached.tests(fault)]
        noticed, by = (
            try_one(fault, selected[: arguments.most], arguments.cpu_seconds)
            if selected
            else (False, "no test reaches it")
        )
        return (
            (noticed, by)
            if noticed or len(selected) <= arguments.most
            else try_one(fault, selected[arguments.most :], arguments.cpu_seconds)
        )

    killed: Counter[str] = Counter()
    survivors = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for i, (fault, (noticed, by)) in enumerate(
            zip(faults, pool.map(meet, faults), strict=True), start=1
        ):
            killed[fault.family] += noticed
            if not noticed:
                survivors.append(fault)
            print(
                f"{i:4} {time.monotonic() - started:6.0f} s "
                f" {'killed  ' if noticed else 'SURVIVED'}  {fault.key}  [{fault.line}] {by}",
                flush=True,
            )
    total = Counter(f.family for f in faults)
    print(*(f"{family:12} {killed[family]} of {total[family]}" for family in FAMILIES), sep="\n")
    harmless = [f for f in survivors if f.key in reasons]
    share = (sum(killed.values()) + len(harmless)) / max(1, len(faults))
    print(
        f"{sum(killed.values())} of {len(faults)} planted faults noticed, {len(harmless)} more"
        f" change nothing that can be observed: {share:.1%}; bound {BOUND:.0%}; seed"
        f" {arguments.seed}"
    )
    return 0 if share >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
