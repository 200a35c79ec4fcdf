"""The benchmarks have bounds on ratios of times, and fail if a bound is missed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "benchmarks"


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that the benchmarks share."""
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("measure")


def test_a_ratio_is_the_median_of_pairs(measure: Any) -> None:
    """The two times of a round are compared with each other, so a slow round does not matter."""
    assert measure.ratio([1.0, 10.0, 3.0], [2.0, 20.0, 4.0]) == 0.5


def test_every_command_runs_once_per_round(
    measure: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands run in turns, after a first run of each that does not count."""
    ran: list[str] = []

    def seconds(command: list[str]) -> int:
        ran.append(command[0])
        return len(ran)

    monkeypatch.setattr(measure, "seconds", seconds)
    times = measure.in_turns({"a": ["a"], "b": ["b"]}, 2)
    assert ran == ["a", "b"] * 3
    assert times == {"a": [3, 5], "b": [4, 6]}
    assert "4000 ms  a" in capsys.readouterr().out


@pytest.mark.parametrize(("factor", "code"), [(0.01, 0), (1.0, 1)])
def test_check_fails_if_a_bound_is_missed(
    factor: float,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measure: Any,
) -> None:
    """`check.py` prints each ratio with its bound, and exits with 1 if one is missed."""
    monkeypatch.setattr(sys, "argv", ["check.py"])
    monkeypatch.delitem(sys.modules, "check", raising=False)
    check = import_module("check")

    names = ["fifty", "eighteen", "torch", "info", "library", "hndl"]
    ours = {"fifty", "eighteen"}
    times = {name: [factor if name in ours else 1.0] for name in names}
    monkeypatch.setattr(check, "in_turns", lambda commands, rounds: times)
    monkeypatch.setattr(check, "commands", lambda folder: {})
    monkeypatch.setattr(check, "warm_up", lambda: None)
    monkeypatch.setattr(check, "header", lambda *packages: None)
    monkeypatch.setattr(check, "printed", lambda command: type("Done", (), {"stdout": "0.5"}))
    assert check.main() == code
    out = capsys.readouterr().out
    assert ("MISSED  check of ResNet-50 / import torch: 1 (at most 0.12)" in out) == bool(code)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_no_bound_is_a_time(path: Path) -> None:
    """Bounds are on ratios or on sizes in bytes, never on seconds or rates."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "verdict":
            assert not re.search(r"second|\bms\b|rate|a minute", ast.unparse(node.args[0]))


def test_phases_of_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that times the phases of `check` uses the functions that `check` uses."""
    monkeypatch.syspath_prepend(FOLDER)
    program = import_module("check").PHASES
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = [name for name, _ in json.loads(done.stderr)]
    assert names[0] == "Python itself"
    assert {"parsing", "typing and counting", "warnings", "printing"} <= set(names)
