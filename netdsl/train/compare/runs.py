"""The runs of a comparison: each variant with each seed, in a folder whose name identifies it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.train.checkpoint import identity_in
from netdsl.train.folder import LOG, RUN
from netdsl.train.identity import RunIdentity, settings_of
from netdsl.train.run_file import DIVERGED, FAILED, FINISHED, read_run
from netdsl.train.written import texts_of_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from netdsl.train.compare.variants import Variant
    from netdsl.train.config import TrainConfig
    from netdsl.train.records import Record

# Settings that change what a run records, or the rounding of its sums, or when it ends.
RECORDED = ("metrics", "train_metrics", "gradient_norms", "early_stopping", "threads")
THREADS = 1  # of a run that says nothing else, so that results do not depend on the machine
LONGEST = 60  # characters of a label in the name of a folder
_UNSAFE = re.compile(r"[^\w.=+-]+")


@dataclass(frozen=True, eq=False)
class Trial:
    """A variant with a seed, and the folder of its run."""

    variant: Variant
    config: TrainConfig
    folder: Path
    identity: RunIdentity

    @property
    def name(self) -> str:
        """The name for people: `ResDeep, seed 0`."""
        return f"{self.variant.label}, seed {self.config.seed}"


class Ended(NamedTuple):
    """How a run ended: a state of `run_file`, the reason if it failed, and its epochs."""

    trial: Trial
    state: str
    reason: str
    history: Sequence[Record]


def trials_of(variants: Sequence[Variant], seeds: int, out: Path, device: str) -> list[Trial]:
    """All variants with `seeds` seeds each, which count from the one of the section.

    The name of a folder ends with a sum of what defines the run: other settings have another
    folder, and a run is found again whatever it is compared with.
    """
    found = []
    for variant in variants:
        threads = variant.config.threads or THREADS
        for number in range(seeds):
            seed = variant.config.seed + number
            config = replace(variant.config, seed=seed, threads=threads)
            identity: RunIdentity = {
                "net": dict(variant.layers),
                "settings": settings_of(config),
                "data": variant.data_sum,
            }
            label = variant.label.replace(", ", "-").replace(" = ", "=")
            label = _UNSAFE.sub("_", label)[:LONGEST].strip("_")
            name = f"{label}-seed{seed}-{_sum_of(identity, config, device)}"
            found.append(Trial(variant, config, out / name, identity))
    return found


def _sum_of(identity: RunIdentity, config: TrainConfig, device: str) -> str:
    texts = texts_of_config(config)
    recorded = {name: texts.get(name) for name in RECORDED}
    text = json.dumps([identity, recorded, device], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:8]


def kept(trial: Trial) -> Ended | None:
    """The outcome of a run that is in its folder already, or None if it has to be trained.

    A run that diverged would do so again; one that failed for another reason is tried again.
    """
    if not (trial.folder / RUN).exists():
        return None
    try:
        file = read_run(trial.folder)
    except NetdslError:
        return None
    if file["state"] not in (FINISHED, DIVERGED):
        return None
    stops_early = trial.config.early_stopping is not None
    is_whole = file["done"] >= trial.config.epochs or stops_early
    if file["state"] == FINISHED and not is_whole:
        return None
    outcome = outcome_of(trial)
    return None if outcome.state == FAILED else outcome


def outcome_of(trial: Trial, complaint: str = "") -> Ended:
    """The outcome of a run that has ended; `complaint` is what its process printed about errors."""
    history: list[Record] = []
    try:
        file = read_run(trial.folder)
        state, reason = file["state"], file["reason"]
        if file["done"]:
            history = _records(trial.folder / LOG)
    except (NetdslError, OSError, ValueError) as error:
        message = getattr(error, "message", str(error))
        return Ended(trial, FAILED, complaint or message, history)
    if state == DIVERGED:
        return Ended(trial, DIVERGED, reason, history)
    if state != FINISHED or complaint:
        return Ended(trial, FAILED, complaint or reason or "it has not ended", history)
    if identity_in(trial.folder) != trial.identity:
        return Ended(trial, FAILED, "the file or the data changed while it was read", history)
    return Ended(trial, FINISHED, "", history[: trial.config.epochs])


def _records(path: Path) -> list[Record]:
    """The records of a log; raises OSError and ValueError."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
