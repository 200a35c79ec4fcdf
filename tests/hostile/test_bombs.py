"""Texts that would need endless time or memory are refused quickly and in little memory.

The error names the limit and explains how to raise it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from netdsl import limits
from tests.support.bombs import HEAD, Bomb, bombs, generated

BOMBS = bombs()
MEMORY = 200e6  # the bound in bytes
# The bound as a multiple of the CPU time of a small net. It is generous, since other work on the
# machine can slow either.
SLACK = 60


# A process measures its own memory, since `wait4` includes the memory of the parent, which the
# child has until it starts another program.
PEAK = """
import re, resource, sys
def peak():
    try:
        return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
"""
ONE = (
    PEAK
    + """
from netdsl.cli import run
code = run(["check", sys.argv[1], "--format", "json"])
print(peak(), file=open(sys.argv[2], "w"))
sys.exit(code)
"""
)


class Ended(NamedTuple):
    """The result of a process; `seconds` is its CPU time and `peak` its memory in bytes."""

    code: int
    seconds: float
    peak: float
    diagnostics: list[dict[str, str]]
    printed: str


def check(target: Path | str, folder: Path) -> Ended:
    """Run `netdsl check` in a new process and measure it."""
    out, err, size = folder / "out.json", folder / "err.txt", folder / "peak.txt"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", ONE, str(target), str(size)], stdout=stdout, stderr=stderr
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(
        process.returncode,
        used.ru_utime + used.ru_stime,
        float(size.read_text()),
        json.loads(out.read_text())["diagnostics"],
        err.read_text(),
    )


def write_bomb(bomb: Bomb, folder: Path) -> Path:
    """Write the files of a bomb and return the path of the one to check."""
    for name, text in (("n.net", bomb.text), *bomb.files):
        (folder / name).write_text(text)
    return folder / "n.net"


def refused(bomb: Bomb, diagnostics: list[dict[str, str]]) -> bool:
    """Whether one of the diagnostics has the expected code and names the limit."""
    return any(
        d["code"] == bomb.code and bomb.names in f"{d['message']} {d['help']}" for d in diagnostics
    )


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The CPU time of LeNet-5 in seconds, the least of three runs."""
    return min(check("lenet5", tmp_path_factory.mktemp("usual")).seconds for _ in range(3))


def _marked() -> list[object]:
    """The names of the bombs; of two with the same code and limit, the second is a slow test."""
    seen: set[tuple[str, str]] = set()
    marked: list[object] = []
    for name, bomb in BOMBS.items():
        is_first = (bomb.code, bomb.names) not in seen
        seen.add((bomb.code, bomb.names))
        marked.append(name if is_first else pytest.param(name, marks=pytest.mark.slow))
    return marked


@pytest.mark.parametrize("name", _marked())
def test_bomb(name: str, usual: float, tmp_path: Path) -> None:
    """A bomb is refused with its code, and the error names the limit and how to raise it.

    The messages are short, there is no traceback, and time and memory are small.
    """
    bomb = BOMBS[name]
    ended = check(write_bomb(bomb, tmp_path), tmp_path)
    assert (ended.code, ended.printed) == (1, "")
    assert refused(bomb, ended.diagnostics), ended.diagnostics[:2]
    assert ended.peak < MEMORY
    assert ended.seconds < SLACK * usual
    assert sum(len(d["message"]) for d in ended.diagnostics) < 100_000
    if bomb.names in limits.DEFAULTS:
        assert f"NETDSL_MAX_{bomb.names.upper()}" in next(
            d["help"] for d in ended.diagnostics if d["code"] == bomb.code
        )


@cache
def _long(count: int) -> str:
    return HEAD + "\n    ".join(["relu"] * count) + "\n}\n"


@pytest.mark.parametrize(
    ("limit", "value", "text"),
    [
        ("layers", 9, HEAD + "repeat 10 { relu }\n}\n"),
        ("steps", 30, HEAD + "relu\n    repeat 20 { let a = 1 }\n}\n"),
        ("nesting", 3, HEAD + "{ { { relu } } }\n}\n"),
        ("depth", 3, HEAD + "{ { { relu } } }\n}\n"),
        ("name_length", 4, HEAD + "label: relu\n}\n"),
        ("list_length", 4, HEAD + "let a = range(5)\n    relu\n}\n"),
        ("tokens", 50, _long(60)),
        ("source_bytes", 99, _long(60)),
    ],
)
def test_limits_can_be_set(
    limit: str,
    value: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A text that passes with the default of a limit is refused with a lower value."""
    from netdsl.cli import run

    path = tmp_path / "n.net"
    path.write_text(text)
    assert run(["check", str(path), "--format", "json"]) == 0
    monkeypatch.setenv(f"NETDSL_MAX_{limit.upper()}", str(value))
    capsys.readouterr()
    assert run(["check", str(path), "--format", "json"]) == 1
    (diagnostic,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert f"the limit `{limit}` is {value}; set NETDSL_MAX_{limit.upper()}" in diagnostic["help"]


RUNNER = (
    PEAK
    + """
import contextlib, io, json
from netdsl.cli import run
for line in sys.stdin:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(["check", json.loads(line), "--format", "json"])
    print(json.dumps([code, json.loads(out.getvalue())["diagnostics"][:101]]), flush=True)
print(json.dumps([peak(), sorted(m for m in ("torch", "onnxruntime") if m in sys.modules)]))
"""
)


def not_refused(bombs_to_try: list[tuple[str, Bomb]], folder: Path) -> tuple[list[str], float]:
    """The bombs that were not refused as expected, and the peak memory of one process for all."""
    path = folder / "n.net"
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    passed = []
    for i, (family, bomb) in enumerate(bombs_to_try):
        path.write_text(bomb.text)
        process.stdin.write(json.dumps(str(path)) + "\n")
        process.stdin.flush()
        code, diagnostics = json.loads(process.stdout.readline())
        if code != 1 or not refused(bomb, diagnostics):
            passed.append(f"{i} {family}: {code} {diagnostics[:1]} {bomb.text[:200]!r}")
    process.stdin.close()
    peak, loaded = json.loads(process.stdout.readline())
    assert (process.wait(), loaded) == (0, [])
    process.stdout.close()
    return passed, peak


def test_generated_bombs(tmp_path: Path) -> None:
    """Random bombs are all refused by one process, whose memory stays small."""
    passed, peak = not_refused(generated(100), tmp_path)
    assert passed == []
    assert peak < MEMORY


@pytest.mark.slow
def test_ten_thousand_generated_bombs(tmp_path: Path) -> None:
    """All of 10,000 bombs; `pytest -m slow -s tests/hostile/test_bombs.py` prints the count."""
    passed, peak = not_refused(generated(10_000, seed=1), tmp_path)
    print(
        f"bombs: 10,000 generated, {len(passed)} got through; peak memory of the process that read"
        f" them {peak / 1e6:.0f} MB"
    )
    assert passed == []
    assert peak < MEMORY
