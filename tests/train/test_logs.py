"""The logs of a run: each epoch is in them once, whatever happened in between."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from netdsl.errors import SettingError
from netdsl.train import logs
from netdsl.train.journal import Subject
from netdsl.train.loop import Result, StartMode
from netdsl.train.run import Run
from tests.support.training import config, net, run

ALL = Subject(logs=("csv", "tensorboard"))
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the package tensorboard


def trained(out: Path, epochs: int, **options: Any) -> Result:
    options = {"subject": ALL, **options}
    return run(net(), out, config(epochs=epochs), **options)


def scalars(out: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves that TensorBoard shows: the steps and values of each, by its name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(out / "tensorboard"))
    board.Reload()
    names = board.Tags()["scalars"]
    return {name: [(e.step, e.value) for e in board.Scalars(name)] for name in names}


def check(out: Path, result: Result) -> None:
    """Every log has the records of the result, once each and in order."""
    lines = (out / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(result.history)
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{k: float(v) for k, v in row.items()} for row in rows] == list(result.history)
    curves = scalars(out)
    for tag, key in {
        "loss/train": "train_loss",
        "loss/test": "test_loss",
        "accuracy/train": "train_accuracy",
        "accuracy/test": "accuracy",
        "learning rate": "lr",
        "cost/seconds": "seconds",
    }.items():
        assert [step for step, _ in curves[tag]] == [r["epoch"] for r in result.history]
        values = [value for _, value in curves[tag]]
        assert values == pytest.approx([r[key] for r in result.history], abs=1e-6)


def test_all_logs_have_every_epoch(tmp_path: Path) -> None:
    """JSON lines, CSV and TensorBoard have the same numbers."""
    check(tmp_path, trained(tmp_path, 3))


def test_gradient_norms_have_a_curve_for_each_layer(tmp_path: Path) -> None:
    """They are of the training, so their names in TensorBoard have no split."""
    setup = config(epochs=1, gradient_norms=True)
    result = run(net(), tmp_path, setup, subject=Subject(logs=("tensorboard",)))
    layers = [key for key in result.final if key.startswith("gradient_norm.")]
    curves = scalars(tmp_path)
    for key in layers:
        [(_, value)] = curves[key.replace("gradient_norm.", "gradient norm/")]
        assert value == pytest.approx(result.final[key])
    assert layers
    assert not any(name.startswith("gradient_norm") for name in curves)


def test_only_json_lines_are_written_unasked(tmp_path: Path) -> None:
    """The others are written only if they are named."""
    trained(tmp_path, 1, subject=Subject())
    assert {p.name for p in tmp_path.iterdir()} & {"log.jsonl", "log.csv", "tensorboard"} == {
        "log.jsonl"
    }


@pytest.mark.parametrize("place", ["the step", "the log"])
def test_logs_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """After a run that ended in a step, or between two logs, each epoch is in each log once."""
    calls = 0

    def failing(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 5:
                raise KeyboardInterrupt
            return function(*arguments)

        return call

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if place == "the step":
            patch.setattr(Run, "_step", failing(Run._step))
        else:
            patch.setattr(logs._Csv, "write", failing(logs._Csv.write))
        trained(tmp_path, 5)
    check(tmp_path, trained(tmp_path, 5, start=StartMode.RESUME))


def test_a_log_that_is_added_later_has_all_epochs(tmp_path: Path) -> None:
    """`--log` of a resumed run includes the epochs before."""
    trained(tmp_path, 2, subject=Subject())
    changed = trained(tmp_path, 4, start=StartMode.RESUME_CHANGED)
    assert len(changed.history) == 4
    check(tmp_path, changed)


def test_a_resumed_run_goes_on_with_its_logs(tmp_path: Path) -> None:
    """The logs that a folder has are written on, although the options are not repeated."""
    trained(tmp_path, 2)
    check(tmp_path, trained(tmp_path, 4, start=StartMode.RESUME_CHANGED, subject=Subject()))


def test_overwriting_removes_the_events_of_the_old_run(tmp_path: Path) -> None:
    """TensorBoard shows only the new run; without `--log`, it shows none."""
    trained(tmp_path, 3)
    check(tmp_path, trained(tmp_path, 2, start=StartMode.OVERWRITE))
    trained(tmp_path, 1, start=StartMode.OVERWRITE, subject=Subject())
    assert not list(tmp_path.rglob("events.*"))
    assert not (tmp_path / "log.csv").exists()


def test_a_missing_package_is_reported_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names what to install, and no file is written."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "netdsl.train.tensorboard", raising=False)
    with pytest.raises(SettingError) as caught:
        trained(tmp_path / "out", 1)
    assert caught.value.code == "missing-package"
    assert "netdsl[tensorboard]" in (caught.value.help or "")
    assert not (tmp_path / "out").exists()
