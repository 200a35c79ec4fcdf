"""What a launcher such as `torchrun` passes to each process that it starts; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdsl.config import text_of
from netdsl.errors import SettingError
from netdsl.train.recipe.optimizers import Muon
from netdsl.train.recipe.options import FP16, SHARDED
from netdsl.words import are, counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.train.config import TrainConfig

HELP = (
    "start all processes with `netdsl train --nproc N` or with `torchrun`; for one process, run"
    " `unset RANK WORLD_SIZE`"
)
GO_ON = "`--resume` continues from the last checkpoint, also with another number of processes"
ADDRESS = ("MASTER_ADDR", "MASTER_PORT")  # where the processes meet


@dataclass(frozen=True)
class Launched:
    """The number of this process among `count`, and its number among those on this machine."""

    rank: int
    count: int
    on_machine_rank: int
    on_machine: int


def launched(environment: Mapping[str, str]) -> Launched | None:
    """What the launcher has passed, or None if this process is the only one.

    Raises SettingError `bad-launch` for numbers that are missing or wrong.
    """
    if "WORLD_SIZE" not in environment and "RANK" not in environment:
        return None
    count, rank = _number(environment, "WORLD_SIZE"), _number(environment, "RANK")
    if not 0 <= rank < count:
        fact = f"RANK is {rank} and WORLD_SIZE is {count} in the environment"
        raise SettingError("bad-launch", f"{fact}: processes are numbered from 0", None, HELP)
    if count == 1:
        return None
    missing = [name for name in ADDRESS if name not in environment]
    if missing:
        fact = f"WORLD_SIZE is {count} in the environment, but {missing[0]} is missing"
        raise SettingError("bad-launch", fact, None, HELP)
    local = {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count), **environment}
    return Launched(rank, count, _number(local, "LOCAL_RANK"), _number(local, "LOCAL_WORLD_SIZE"))


def check_processes(config: TrainConfig, count: int) -> None:
    """Raise SettingError unless the recipe can be trained by so many processes."""
    if config.stages:
        _check_one_each(config, count)
    elif count > config.batch:
        message = f"`batch` is {config.batch}, but there are {count} processes to divide it among"
        help_ = f"write a `batch` of at least {count}, or start fewer processes"
        raise SettingError("bad-argument", message, "batch", help_)
    if config.strategy == SHARDED:
        _check_sharded(config)


def _check_one_each(config: TrainConfig, count: int) -> None:
    """Raise SettingError unless there is a process for each stage."""
    stages = len(config.stages)
    if count != stages:
        there = f"there {are(count)} {counted(count, 'process')}"
        message = f"`stages` has {stages} stages, but {there}"
        help_ = (
            f"start {stages} processes with `netdsl train --nproc {stages}`, or train in one"
            " process without stages: `stages = []`"
        )
        raise SettingError("bad-argument", message, "stages", help_)


def _check_sharded(config: TrainConfig) -> None:
    """Raise SettingError for what cannot be computed on parts of a weight."""
    for key, is_used, help_ in (
        ("ema", config.ema, "leave it out, or write `strategy = data`"),
        ("precision", config.precision == FP16, "write `precision = bf16`"),
        ("optimizer", isinstance(config.optimizer, Muon), "write `adamw`, or `strategy = data`"),
    ):
        if is_used:
            value = text_of(getattr(config, key)) if key != "optimizer" else "muon"
            message = f"`{key}` is {value}, which `strategy = sharded` does not permit"
            raise SettingError("bad-argument", message, key, help_)


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name)
    if text is None:
        other = "RANK" if name == "WORLD_SIZE" else "WORLD_SIZE"
        fact = f"{other} is {environment[other]} in the environment, but {name} is missing"
        raise SettingError("bad-launch", fact, None, HELP)
    if not text.isascii() or not text.isdecimal():
        fact = f"{name} is `{text}` in the environment; it must be a number"
        raise SettingError("bad-launch", fact, None, HELP)
    return int(text)
