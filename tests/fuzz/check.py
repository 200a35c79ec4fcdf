"""Runs `netdsl check` on arbitrary texts, in bounded time and memory.

The exit code must be 0, 1 or 2, there must be no traceback, and every error must have a place
inside the file. `python -m tests.fuzz.check FIRST COUNT MINUTES` checks the texts of those seeds in
one process and prints failures and a summary as JSON lines. The memory of the process is limited,
so a text that needs too much fails.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from netdsl.cli import run
from netdsl.commands import failures
from tests.support.paths import ROOT

from .texts import text

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = 512 << 20
# Bounds on processor time, as multiples of `usual_seconds`: for each net and each byte of a text.
EACH_NET, EACH_BYTE = (200, 1 / 250)
LAYERS = "10000"  # a tenth of the usual limit, so that texts which reach it finish quickly
HANG = 3_000
EACH = 3  # examples that are printed of one kind of failure
FORMATS = ("text", "github", "sarif", "text")
# Errors about the whole file, which have no line.
PLACELESS = {"not-text", "wrong-format", "file-too-large", "no-net", "too-many-errors"}


class Failure(NamedTuple):
    """A failure: a short name, the same for every failure of this kind, and the details."""

    name: str
    story: str


def verdict(data: bytes, other_format: str | None = None) -> Failure | None:
    """How `check` fails on these bytes, or None if it behaves well."""
    with _file(data) as path:
        try:
            code, out, err = _check(path, "json")
            if other_format is not None:
                other_code, _, message = _check(path, other_format)
                if other_code != code or (
                    other_format == "text"
                    and code == 1
                    and not message.startswith(("error[", "warning["))
                ):
                    return Failure(
                        "formats differ",
                        f"exit code {code} with json, {other_code} with {other_format}:"
                        f" {message[:300]}",
                    )
        except Exception as error:
            return Failure(_where(error), traceback.format_exc())
        if code not in (0, 1, 2):
            return Failure(f"exit code {code}", err)
        return _misplaced(json.loads(out), code, data, path)


def report_of(data: bytes) -> dict[str, Any]:
    """What `check --format json` prints for these bytes."""
    with _file(data) as path:
        report: dict[str, Any] = json.loads(_check(path, "json")[1])
        return report


@contextmanager
def _file(data: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as folder:
        path = os.path.join(folder, "text.net")
        with open(path, "wb") as file:
            file.write(data)
        yield path


def _check(path: str, format_name: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    unhandled = patch.object(failures, "_report_fault", _raise)
    with redirect_stdout(out), redirect_stderr(err), unhandled:
        code = run(["check", path, "--format", format_name])
    return code, out.getvalue(), err.getvalue()


def _raise(error: BaseException, _words: list[str]) -> int:
    """Replaces the report of an internal error, which here is a failure."""
    raise error


def _where(error: BaseException) -> str:
    """The type of an exception and the last functions of netdsl on its traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "netdsl" in f.filename]
    return f"{type(error).__name__} in " + " < ".join(
        f"{os.path.basename(f.filename)}:{f.name}" for f in reversed(frames[-2:])
    )


def _misplaced(report: dict[str, Any], code: int, data: bytes, path: str) -> Failure | None:
    """A failure if the exit code, or the place or message of an error, is wrong."""
    errors = [d for d in report["diagnostics"] if d["severity"] == "error"]
    if bool(errors) != (code == 1):
        return Failure("exit code and errors", f"exit code {code}, {len(errors)} errors")
    lines = data.decode("utf-8-sig", "replace").split("\n")
    for d in errors:
        if d["line"] is None:
            if d["code"] not in PLACELESS:
                return Failure(f"no place: {d['code']}", json.dumps(d))
        elif d["file"] == path and not _inside(d, lines):
            return Failure(f"place outside the file: {d['code']}", json.dumps(d))
        if (
            not d["message"].strip()
            or len(d["message"]) > 2000
            or "Traceback" in d["message"]
            or " object at 0x" in d["message"]
        ):
            return Failure(f"message: {d['code']}", json.dumps(d)[:2000])
    return None


def _inside(d: dict[str, Any], lines: list[str]) -> bool:
    first, last = (d["line"], d["column"]), (d["end_line"], d["end_column"])
    return first <= last and all(
        1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1
        for line, column in (first, last)
    )


class Hang(BaseException):
    """A text takes far longer than any text should."""


def _stop(*_: object) -> None:
    raise Hang


def usual_seconds() -> float:
    """The processor time of one small net on this machine."""
    data = (ROOT / "nets" / "lenet5.net").read_bytes()
    times = []
    for _ in range(5):
        started = time.process_time()
        assert verdict(data) is None
        times.append(time.process_time() - started)
    return min(times)


def run_seeds(first: int, count: int, minutes: float) -> dict[str, Any]:
    """Check the texts of these seeds until the time is up; prints failures as lines of JSON."""
    signal.signal(signal.SIGPROF, _stop)
    until, usual = time.monotonic() + 60 * minutes, usual_seconds()
    done, slowest, slowest_seed, failed = 0, 0.0, first, 0
    size, names = 0, dict[str, int]()
    for seed in range(first, first + count):
        if time.monotonic() > until:
            break
        data = text(seed)
        size += len(data)
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG * usual)
        try:
            failure = verdict(data, FORMATS[seed % 12] if seed % 12 < 4 else None)
        except Hang:
            failure = Failure("hang", f"over {HANG * usual:.0f} s of the processor")
        signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.process_time() - started
        bound = EACH_NET * max(1, data.count(b"\nnet ")) + EACH_BYTE * len(data)
        if failure is None and seconds > bound * usual:
            failure = Failure("slow", f"{seconds:.1f} s of the processor for {len(data):,} bytes")
        if seconds > slowest:
            slowest, slowest_seed = seconds, seed
        if failure is not None:
            failed += 1
            names[failure.name] = names.get(failure.name, 0) + 1
            if names[failure.name] <= EACH:
                print(
                    json.dumps({"seed": seed, "name": failure.name, "story": failure.story}),
                    flush=True,
                )
        done += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "first": first,
        "texts": done,
        "failures": failed,
        "slowest": round(slowest, 2),
        "slowest_seed": slowest_seed,
        "peak_mb": peak,
        "bytes": size,
        "names": names,
    }


if __name__ == "__main__":
    os.environ["NETDSL_MAX_LAYERS"] = LAYERS
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(json.dumps(run_seeds(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
