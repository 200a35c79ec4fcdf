"""`netdsl check` on arbitrary texts: exit code 0, 1 or 2, no traceback, every error at a place
inside the file, in bounded time and memory.

`python -m tests.fuzz.check FIRST COUNT MINUTES` runs the texts of those seeds in this process and
prints what it found as JSON lines: the memory of the whole process is limited, so that a text that
needs too much of it fails.
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
# Bounds on processor time, as multiples of what `usual_seconds` measures.
# What each net of a text may take, and what long texts may take besides.
EACH_NET, EACH_BYTE = (200, 1 / 250)
LAYERS = "10000"  # a tenth of the usual bound, so that texts which reach it are soon done
HANG = 3_000
EACH = 3  # times that one fault is told
FORMATS = ("text", "github", "sarif", "text")
PLACELESS = {"not-text", "file-too-large", "no-net", "too-many-errors"}  # about the whole file


class Failure(NamedTuple):
    """What is wrong: a short name that is the same for the same fault, and the whole story."""

    name: str
    story: str


def verdict(data: bytes, other_format: str | None = None) -> Failure | None:
    """What is wrong with how `check` takes these bytes; None where nothing is."""
    with _file(data) as path:
        try:
            code, out, err = _check(path, "json")
            if other_format is not None:
                again, _, message = _check(path, other_format)
                if again != code or (
                    other_format == "text"
                    and code == 1
                    and not message.startswith(("error[", "warning["))
                ):
                    return Failure(
                        "formats differ",
                        f"exit code {code} with json, {again} with {other_format}: {message[:300]}",
                    )
        except Exception as error:
            return Failure(_where(error), traceback.format_exc())
        if code not in (0, 1, 2):
            return Failure(f"exit code {code}", err)
        return _misplaced(json.loads(out), code, data, path)


def report_of(data: bytes) -> dict[str, Any]:
    """What `check --format json` prints of these bytes."""
    with _file(data) as path:
        made: dict[str, Any] = json.loads(_check(path, "json")[1])
        return made


@contextmanager
def _file(data: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as folder:
        path = os.path.join(folder, "text.net")
        with open(path, "wb") as file:
            file.write(data)
        yield path


def _check(path: str, form: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    unforeseen = patch.object(failures, "_report_fault", _raise)
    with redirect_stdout(out), redirect_stderr(err), unforeseen:
        code = run(["check", path, "--format", form])
    return code, out.getvalue(), err.getvalue()


def _raise(error: BaseException, _words: list[str]) -> int:
    """What no command foresees is a failure here, and not a message."""
    raise error


def _where(error: BaseException) -> str:
    """The exception and the last functions of the compiler that it came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "netdsl" in f.filename]
    return f"{type(error).__name__} in " + " < ".join(
        f"{os.path.basename(f.filename)}:{f.name}" for f in reversed(frames[-2:])
    )


def _misplaced(report: dict[str, Any], code: int, data: bytes, path: str) -> Failure | None:
    """Whether an error points outside the file, or nowhere."""
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
    """The text takes longer than any does."""


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
    """Check the texts of these seeds until the time is over; prints each failure as a line of
    JSON.
    """
    signal.signal(signal.SIGPROF, _stop)
    until, usual = time.monotonic() + 60 * minutes, usual_seconds()
    done, slowest, slowest_seed, failures = 0, 0.0, first, 0
    size, names = 0, dict[str, int]()
    for seed in range(first, first + count):
        if time.monotonic() > until:
            break
        data = text(seed)
        size += len(data)
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG * usual)
        try:
            found = verdict(data, FORMATS[seed % 12] if seed % 12 < 4 else None)
        except Hang:
            found = Failure("hang", f"over {HANG * usual:.0f} s of the processor")
        signal.setitimer(signal.ITIMER_PROF, 0)
        took = time.process_time() - started
        most = EACH_NET * max(1, data.count(b"\nnet ")) + EACH_BYTE * len(data)
        if found is None and took > most * usual:
            found = Failure("slow", f"{took:.1f} s of the processor for {len(data):,} bytes")
        if took > slowest:
            slowest, slowest_seed = took, seed
        if found is not None:
            failures += 1
            names[found.name] = names.get(found.name, 0) + 1
            if names[found.name] <= EACH:
                print(
                    json.dumps({"seed": seed, "name": found.name, "story": found.story}), flush=True
                )
        done += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "first": first,
        "texts": done,
        "failures": failures,
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
