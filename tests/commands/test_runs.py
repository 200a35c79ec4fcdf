"""`netdsl runs`: the runs of a folder, their states, and what differs between them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from netdsl.cli import run
from netdsl.train.folder import locked
from netdsl.train.run_file import DIVERGED, FAILED, FINISHED, RUNNING, STOPPED
from netdsl.train.runs import KILLED
from tests.support.commands import run_command
from tests.support.paths import ROOT
from tests.support.small_nets import TRAINED

COMMANDS = ROOT / "docs" / "commands.md"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three runs: two finished ones, and one that diverged."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "flat.net").write_text(TRAINED, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        train = ["train", "flat.net", "-q", "--device", "cpu", "--set", "train.epochs=2"]
        assert run([*train, "--out", "runs/first"]) == 0
        slow = ["--set", "train.optimizer=sgd(lr = 0.0001)", "--set", "train.epochs=1"]
        assert run([*train, *slow, "--out", "runs/more/second"]) == 0
        wild = ["--set", "train.optimizer=sgd(lr = 1e30)"]
        assert run([*train, *wild, "--out", "runs/third"]) == 1
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def runs(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the three runs, which is the current one."""
    monkeypatch.chdir(trained)
    return trained


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    out, err = run_command(capsys, "runs", *words, "--format", "json", code=code)
    assert err == ""
    made: dict[str, Any] = json.loads(out)
    return made


def test_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the runs have in common, a line for each, why one ended early, and what differs."""
    out, err = run_command(capsys, "runs")
    lines = out.splitlines()
    assert err == "" and lines == [line.rstrip() for line in lines]
    assert re.fullmatch(r"all runs: net \w+, data \w+", lines[0])
    assert lines[1].split() == "run epochs best epoch started state".split()
    rows = [re.split(r" {2,}", line) for line in lines[2:5]]
    assert [row[0] for row in rows] == ["runs/first", "runs/more/second", "runs/third"]
    assert [row[1] for row in rows] == ["2/2", "1/1", "0/2"]
    assert [row[-1] for row in rows] == ["finished", "finished", "diverged"]
    assert re.fullmatch(r"accuracy \d\d\.\d\d %", rows[0][2])
    assert [row[3] for row in rows] == ["2", "1", "-"]
    assert lines[5].startswith("runs/third: the training loss is")
    assert max(map(len, lines[:5])) <= 80
    different = [re.split(r" {2,}", line) for line in lines[7:]]
    assert different[0] == ["difference", "value", "runs"]
    assert ["epochs", "2", "runs/first, runs/third"] in different
    assert ["", "1", "runs/more/second"] in different
    assert {row[0] for row in different[1:]} == {"optimizer", "epochs", ""}


def test_one_run_has_no_differences(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder of a run is a list with that run."""
    assert len(run_command(capsys, "runs", "runs/first")[0].splitlines()) == 3


def test_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every run has the keys of its file, its folder, and its state."""
    made = document(capsys)
    assert made["diagnostics"] == []
    first = made["runs"][0]
    last = json.loads((runs / "runs/first/log.jsonl").read_text().splitlines()[-1])
    assert first["folder"] == "runs/first" and first["last"] == last
    assert first["best"] == {"key": "accuracy", "value": last["accuracy"], "epoch": 2}
    assert [one["best"] for one in made["runs"][2:]] == [None]
    file = json.loads((runs / "runs/first/run.json").read_text())
    assert {*file, "folder"} == set(first)


def test_the_manual_names_every_key_and_file(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/runs.md has the keys of `run.json`, its states, the files of a run, and the options."""
    manual = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+)`", manual))
    first = document(capsys)["runs"][0]
    assert {*first} - {"folder", "format"} <= named
    assert {*first["data"]} <= named
    assert {RUNNING, FINISHED, STOPPED, DIVERGED, FAILED, KILLED} <= named
    last = set(first["last"]) - {"accuracy"}
    assert last <= named
    files = {path.name for path in (runs / "runs/first").iterdir()} - {".lock"}
    assert files <= named
    for option in ("--sort best", "--sort name", "--csv", "--log csv", "--log tensorboard"):
        assert f"`{option}`" in manual
    row = next(x for x in COMMANDS.read_text().splitlines() if x.startswith("| `runs` |"))
    assert {"runs", "folder", "best", "key", "value", "epoch"} <= set(re.findall(r"`(\w+)`", row))


def test_csv_and_names(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--csv` has all settings, also with `-q`, which alone prints only folders."""
    out, _ = run_command(capsys, "runs", "--csv", "-q")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["state"] for row in rows] == ["finished", "finished", "diverged"]
    assert [row["epochs"] for row in rows] == ["2", "1", "2"]
    assert rows[1]["optimizer"].startswith("sgd(lr = 0.0001")
    assert float(rows[0]["best_value"]) > 0.3 and rows[2]["best_value"] == ""
    out, _ = run_command(capsys, "runs", "-q")
    assert out.splitlines() == ["runs/first", "runs/more/second", "runs/third"]
    _, err = run_command(capsys, "runs", "--csv", "--format", "json", code=2)
    assert "--csv and --format json" in err


def test_order(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best first, and last those without an epoch; or by name."""
    made = document(capsys, "--sort", "best")
    values = [one["best"] and one["best"]["value"] for one in made["runs"]]
    assert values[0] > values[1] and values[2] is None
    named = document(capsys, "--sort", "name")
    assert [one["folder"] for one in named["runs"]] == [
        *("runs/first", "runs/more/second", "runs/third")
    ]


def test_state_of_a_run_without_an_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run whose folder is locked is running; otherwise its process was killed. Looking at a run
    changes nothing.
    """
    (folder / "flat.net").write_text(TRAINED, encoding="utf-8")
    assert run(["train", "flat.net", "-q", "--out", "out", "--set", "train.epochs=1"]) == 0
    path = folder / "out" / "run.json"
    path.write_text(path.read_text().replace('"finished"', '"running"'))
    before = {p: p.read_bytes() for p in (folder / "out").iterdir()}
    with locked(folder / "out"):
        assert document(capsys, "out")["runs"][0]["state"] == "running"
    assert document(capsys, "out")["runs"][0]["state"] == "killed"
    (folder / "out" / ".lock").unlink()
    assert document(capsys, "out")["runs"][0]["state"] == "killed"
    del before[folder / "out" / ".lock"]
    assert {p: p.read_bytes() for p in (folder / "out").iterdir()} == before


def test_states_of_real_processes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is running while its process trains, killed after SIGKILL, stopped after SIGTERM."""
    (folder / "flat.net").write_text(TRAINED, encoding="utf-8")
    command = [sys.executable, "-m", "netdsl", "train", "flat.net", "--out", "out", "--resume"]
    command += ["--set", "train.epochs=100000", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def state_after(number: signal.Signals) -> str:
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        while not (folder / "out" / "run.json").exists() or state() != "running":
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, number)
        process.wait(timeout=120)
        while state() == "running":  # the child that trains ends a moment after its parent
            time.sleep(0.1)
        return state()

    def state() -> str:
        return str(document(capsys, "out")["runs"][0]["state"])

    assert state_after(signal.SIGKILL) == "killed"
    assert state_after(signal.SIGTERM) == "stopped"


def test_a_run_that_starts_while_another_process_looks(folder: Path) -> None:
    """The lock that `netdsl runs` takes for a moment does not keep a run from starting."""
    from threading import Timer

    from filelock import FileLock

    (folder / "out").mkdir()
    lock = FileLock(folder / "out" / ".lock", thread_local=False)
    lock.acquire()
    timer = Timer(0.05, lock.release)
    timer.start()
    with locked(folder / "out"):
        pass
    timer.join()


def test_damaged_and_missing_runs(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged file is an error, and the other runs are listed; a folder without runs is one."""
    path = runs / "runs" / "broken" / "run.json"
    path.parent.mkdir()
    path.write_text("{}")
    made = document(capsys, code=1)
    out, err = run_command(capsys, "runs", code=1)
    path.unlink()
    path.parent.rmdir()
    assert len(made["runs"]) == 3
    assert [d["code"] for d in made["diagnostics"]] == ["bad-run"]
    assert "runs/third" in out and "error[bad-run]: runs/broken/run.json is not" in err
    _, err = run_command(capsys, "runs", str(tmp_path), code=1)
    assert f"there is no run in `{tmp_path}`" in err and "`netdsl train` writes" in err
    _, err = run_command(capsys, "runs", "none", code=1)
    assert "error[file-not-found]: there is no folder `none`" in err


def test_a_folder_that_cannot_be_read(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error, and the runs in other folders are listed."""
    scan = os.scandir

    def denied(path: str) -> Any:
        if path.endswith("more"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    made = document(capsys, code=1)
    assert [one["folder"] for one in made["runs"]] == ["runs/first", "runs/third"]
    assert [d["code"] for d in made["diagnostics"]] == ["cannot-read"]


def test_hostile_text_cannot_control_the_terminal(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters in a file from elsewhere are replaced, and markup is not interpreted."""
    file = json.loads((runs / "runs/first/run.json").read_text())
    file["net"], file["reason"] = "\x1b[31mred", "[bold]\x07\x1b]0;title\x07"
    (tmp_path / "run.json").write_text(json.dumps(file))
    out, _ = run_command(capsys, "runs", str(tmp_path))
    assert "\x1b" not in out and "\x07" not in out
    assert "[bold]" in out


def test_it_loads_neither_torch_nor_numpy(runs: Path) -> None:
    """It starts as fast as the other lists."""
    code = "import sys\nfrom netdsl.cli import run\nrun(['runs'])\nprint(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert "netdsl.commands.runs" in modules
    assert not {"torch", "numpy", "matplotlib", "kornia"} & set(modules)


def test_nets_that_differ_have_a_column(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that all runs have in common is one line above; others stay."""
    for name in ("one", "two"):
        shutil.copytree(runs / "runs" / "first", tmp_path / name)
    path = tmp_path / "two" / "run.json"
    file = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**file, "net": "Other"}), encoding="utf-8")
    lines = run_command(capsys, "runs", str(tmp_path))[0].splitlines()
    assert lines[0] == f"all runs: data {file['data']['name']}"
    assert lines[1].split()[:3] == ["run", "net", "epochs"]
