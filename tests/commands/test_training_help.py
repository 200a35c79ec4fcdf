"""`netdsl help training`: what a `train` section can name, with the arguments."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.commands.training_help import registries
from tests.support.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = {name: target for _, registry in registries().values() for name, target in registry.items()}


def test_everything_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each name of each entry has a line."""
    out, _ = run_command(capsys, "help", "training")
    starts = {
        line.strip().partition("(")[0] for line in out.splitlines() if line.startswith("    ")
    }
    assert NAMES.keys() <= starts
    assert {f"{key} = ..." for key in registries()} <= {*out.splitlines()}
    assert "folder(path, size = ..., val = 0" in out


@pytest.mark.parametrize(("name", "target"), NAMES.items(), ids=NAMES)
def test_the_page_of_a_name(
    name: str, target: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has a line for each argument, unless the name is that of a command."""
    out, _ = run_command(capsys, "help", name)
    for parameter in inspect.signature(target).parameters:
        assert f"\n    {parameter}: " in out


def test_the_values_of_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """A page says what an argument takes, and what it is without it; `mse` is in two entries."""
    out, _ = run_command(capsys, "help", "sgd")
    assert out.startswith("optimizer = sgd(lr, momentum = 0, ")
    assert "\n    lr: a number above 0, or a list of pairs" in out
    assert "\n    momentum: a number of at least 0 and below 1; 0 by default\n" in out
    out, _ = run_command(capsys, "help", "mse")
    assert "loss = mse\n" in out
    assert "metrics = mse\n" in out


@pytest.mark.parametrize("topic", ["optimizer", "optimizers"])
def test_one_entry(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of an entry lists its names only."""
    out, _ = run_command(capsys, "help", topic)
    assert out.startswith("optimizer = ...\n    sgd(lr, ")
    assert "cross_entropy" not in out


def test_other_commands_name_this_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A name in the place of a layer or a command is known."""
    assert run(["layers", "adamw"]) == 1
    assert "can name the optimizer: `netdsl help adamw`" in capsys.readouterr().err
    assert run(["plateau"]) == 2
    assert "can name the schedule: `netdsl help plateau`" in capsys.readouterr().err
