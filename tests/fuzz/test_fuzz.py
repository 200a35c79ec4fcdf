"""Random programs agree in every back end, and arbitrary texts never crash `check`.

`python -m tests.fuzz` tests tens of thousands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import netdsl.commands.check
from netdsl.ops import LAYERS
from tests.fuzz import check
from tests.fuzz.coverage import Coverage
from tests.fuzz.generate import program
from tests.fuzz.nets import run_seeds
from tests.fuzz.settings import SETTINGS
from tests.fuzz.shrink import shrunk_program, shrunk_text
from tests.fuzz.texts import text
from tests.fuzz.verdict import compiled, verdict
from tests.support.paths import ROOT

NETS, NET_CHUNK = 100, 20
COVERING = 800  # nets that use every argument
TEXTS, TEXT_CHUNK = 240, 120
PAIRS = 1_200  # the least number of pairs of adjacent kinds in those nets
MINIMA = {
    "open_sizes": 40,
    "auxiliary": 10,
    "shared": 8,
    "frozen": 20,
    "outputs": 330,
    "inputs": 400,
    "name": 300,
    "expression": 400,
    "sizes": 100,
    "list": 150,
    "in.size": 10,
}


@pytest.mark.parametrize("first", range(0, NETS, NET_CHUNK))
def test_programs(first: int) -> None:
    """Random programs pass the verification."""
    _, failures, summary = run_seeds(first, NET_CHUNK)
    print(f"{summary['nets']} programs, {len(failures)} failures")
    assert [] == failures
    assert summary["nets"] == NET_CHUNK


@pytest.mark.parametrize("setting", ["ATen without vectors", "onnxruntime flushes"])
def test_programs_in_other_settings(setting: str) -> None:
    """Random programs also pass if PyTorch sums in another order or subnormal numbers become 0."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.fuzz.nets",
        str(NETS),
        "20",
        "60",
        setting,
    ]
    environment = os.environ | SETTINGS[setting].environment
    process = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert (process.returncode, process.stderr) == (0, "")
    assert [] == lines[:-1]
    assert lines[-1]["nets"] == 20


def test_coverage() -> None:
    """The programs use every kind, every argument, every library block, and many adjacent pairs.

    Every optional argument is also left out at least once.
    """
    coverage = Coverage()
    for seed in range(COVERING):
        coverage.add(compiled(program(seed))[2])
    print(coverage.table())
    assert [] == coverage.never()
    assert len(coverage.pairs) >= PAIRS
    assert {} == {k: coverage.forms[k] for k, least in MINIMA.items() if coverage.forms[k] < least}


def test_a_seed_is_a_program() -> None:
    """A seed always gives the same text, whatever was generated before."""
    first = program(17)
    assert program(17) == first
    assert text(17) == text(17)
    assert len({program(s) for s in range(50)}) == 50


@pytest.mark.parametrize("first", range(0, TEXTS, TEXT_CHUNK))
def test_texts(first: int) -> None:
    """On arbitrary texts, `check` has a documented exit code, errors with places, no traceback.

    Its time and memory are bounded.
    """
    command = [sys.executable, "-m", "tests.fuzz.check", str(first), str(TEXT_CHUNK), "60"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    print(lines[-1] if lines else process.stderr)
    # Other work on the machine can make a text slow.
    assert [] == [f for f in lines[:-1] if f["name"] != "slow"]
    assert process.returncode == 0
    assert lines[-1]["texts"] == TEXT_CHUNK


# ---- planted faults are found


def test_a_wrong_layer_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong limit in the ONNX of one kind is found and shrunk to less than half the program."""

    def wrong(self: Any, g: Any, *xs: Any) -> str:
        return str(g.op("Clip", xs[0], g.floats(0.0), g.floats(0.5)))

    seeds = [
        s
        for s in range(500)
        if "relu6" in program(s)
        and len(program(s)) < 1500
        and any(n.op.kind == "relu6" for n in compiled(program(s))[2].graph.nodes)
    ]
    monkeypatch.setattr(LAYERS["relu6"], "onnx", wrong)
    # In some nets, no value is above the wrong limit.
    seed = next(s for s in seeds[:9] if verdict(program(s))[0] is not None)
    failure, _ = verdict(program(seed))
    assert failure is not None
    assert failure.name == "values in onnxruntime: relu6"
    small = shrunk_program(program(seed))
    assert "relu6" in small
    assert len(small) < len(program(seed)) / 2
    assert verdict(small)[0] is not None


def test_a_wrong_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape rule that is off by one makes an `expect` of the shape fail."""
    right = LAYERS["slice"].infer

    def wrong(self: Any, *xs: Any) -> Any:
        type_ = right(self, *xs)
        return type_._replace(
            shape=tuple(
                d + 1 if i == 0 and isinstance(d, int) else d for i, d in enumerate(type_.shape)
            )
        )

    monkeypatch.setattr(LAYERS["slice"], "infer", wrong)
    text_ = "net A {\n    input image: 4x5x5\n    s: slice(1, 3)\n    expect shape(s) == 2x5x5\n}\n"
    failure, _ = verdict(text_)
    assert failure is not None
    assert failure.name == "expect"


@pytest.mark.parametrize("error", [ValueError("no"), RecursionError("deep"), KeyError("key")])
def test_a_traceback_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """An exception in `check` is a failure, and shrinking keeps only the text that causes it."""
    right = vars(netdsl.commands.check)["open_file"]

    def wrong(file: str, *rest: Any) -> Any:
        if b"@@" in Path(file).read_bytes():
            raise error
        return right(file, *rest)

    monkeypatch.setattr(netdsl.commands.check, "open_file", wrong)
    assert check.verdict(b"net A { input x: 3\nrelu }") is None
    failure = check.verdict(b"net A { @@ }")
    assert failure is not None
    assert failure.name.startswith(type(error).__name__)
    assert shrunk_text(b"net A { @@ }" * 20) == b"@@"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ((9, 1, 9, 2), "place outside the file: x"),
        ((1, 1, 1, 99), "place outside the file: x"),
        ((1, 5, 1, 2), "place outside the file: x"),
        ((None,) * 4, "no place: x"),
    ],
)
def test_a_wrong_place_is_found(
    monkeypatch: pytest.MonkeyPatch, place: tuple[int | None, ...], name: str
) -> None:
    """An error without a place, or with one outside the file or backwards, is a failure."""

    def wrong(arguments: Any) -> int:
        keys = dict(zip(("line", "column", "end_line", "end_column"), place, strict=True))
        print(
            json.dumps(
                {
                    "nets": [],
                    "diagnostics": [
                        {
                            "code": "x",
                            "severity": "error",
                            "message": "m",
                            "file": arguments.files[0],
                            **keys,
                        }
                    ],
                }
            )
        )
        return 1

    monkeypatch.setattr(netdsl.commands.check, "run", wrong)
    failure = check.verdict(b"relu")
    assert failure is not None
    assert failure.name == name
