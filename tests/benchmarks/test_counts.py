"""`benchmarks/counts.py` compares the counts of netdsl and of other programs with the true ones."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import netdsl
from tests.support.paths import ROOT

FOLDER = ROOT / "benchmarks"
NAMES = (
    "LeNet-5",
    "ResNet-18",
    "grouped, depthwise conv",
    "transposed conv",
    "conv applied 3 times",
    "dense on a sequence",
    "bidirectional LSTM",
    "transformer block",
)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("counts")


def cells(line: str) -> list[str]:
    """The cells of a row of a table in Markdown."""
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", NAMES)
def test_netdsl_is_exact(counts: Any, name: str) -> None:
    """The formulas, the products that PyTorch computes, and netdsl's counts are equal.

    The products are counted both in the module written by hand and in that of netdsl. Both have the
    same output shape, so the net is the same.
    """
    import torch

    net = {net.name: net for net in counts.NETS}[name]
    assert counts.computed(net) == (net.macs, net.params)
    compiled = netdsl.loads(net.source)
    assert (compiled.macs, compiled.params) == (net.macs, net.params)
    assert counts.computed(net._replace(module=compiled.torch)) == (net.macs, net.params)
    for module in (net.module(), compiled.torch()):
        assert module.eval()(torch.zeros(1, *net.input)).shape == (1, *net.output)


def test_the_command_compares_the_installed_programs(counts: Any) -> None:
    """Each installed program has counts, and PyTorch's counter on `meta` is as exact as netdsl.

    A program that is not installed has an empty column.
    """
    done = subprocess.run(
        [sys.executable, str(FOLDER / "counts.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [cells(line) for line in done.stdout.splitlines() if line.startswith("|")]
    macs = lines[: len(NAMES) + 3]
    assert [row[0] for row in macs[2:-1]] == list(NAMES)
    last = dict(zip(macs[0], macs[-1], strict=True))
    assert (last["netdsl"], last["on meta"]) == ("8 of 8", "8 of 8")
    for program in counts.PROGRAMS:
        assert (last[program.name] == "-") == (program.version is None)
        assert (f"  {program.name}: not installed" in done.stdout) == (program.version is None)
    assert "PyTorch computes the true number of products for 8 of 8 nets." in done.stdout


def test_a_miscount_of_netdsl_is_an_error(
    counts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If netdsl's count is not the true one, the benchmark prints the ratio and exits with 1."""
    net = counts.NETS[5]
    monkeypatch.setattr(counts, "PROGRAMS", counts.PROGRAMS[:1])
    monkeypatch.setattr(counts, "NETS", [net])
    assert counts.main() == 0
    monkeypatch.setattr(counts, "NETS", [net._replace(macs=net.macs * 2)])
    assert counts.main() == 1
    out = capsys.readouterr().out
    assert " 0.500 |" in out
    assert "products for 0 of 1 nets" in out


def test_cells(counts: Any) -> None:
    """An exact count is marked, a count of 0 is wrong, and a missing count is neither."""
    assert [counts.cell(count, 10) for count in (10, 15, 0, None)] == [
        "exact",
        "1.500",
        "0.000",
        "-",
    ]
    assert counts.within([100, 104, 106, 0, None], [100] * 5) == "2 of 4"
    assert counts.within([None], [1]) == "-"


def test_the_readme_has_the_true_counts(counts: Any) -> None:
    """The rows of the table in the README are those of the benchmark, with netdsl's column."""
    lines = (ROOT / "README.md").read_text().splitlines()
    rows = [row for row in map(cells, lines) if row[0] in NAMES]
    assert [row[:3] for row in rows] == [[n.name, f"{n.macs:,}", "exact"] for n in counts.NETS]
