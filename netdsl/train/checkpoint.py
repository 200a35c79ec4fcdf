"""The state of a training run on disk, in safetensors files so that nothing is unpickled."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from netdsl.data.dataset import Dataset
from netdsl.errors import SettingError
from netdsl.ir.types import shape_text
from netdsl.pipes import refuse_pipe
from netdsl.train.folder import CHECKPOINT
from netdsl.train.identity import RunIdentity, changes_of, check_same
from netdsl.train.numerics import Scaler
from netdsl.train.parallel import placed_like, whole
from netdsl.train.processes import ALONE, Processes
from netdsl.train.records import Record
from netdsl.weights.sums import DamagedError, check_sums
from netdsl.weights.write import write_tensors

MODEL, OPTIMIZER, AVERAGE = "model.", "optimizer.", "average."
TOTAL, CORRECT = "loss.total", "accuracy.correct"


@dataclass
class Progress:
    """How far a run is: a record for each epoch done, and the state of the epoch at hand.

    `step` counts the steps of that epoch that are done, `total` is the sum of the losses of its
    `seen` samples, `correct` how many of these were classified correctly, and `seconds` the time
    that it has taken. `norms` are those of the gradients of its last step, by layer, if they are
    wanted. `first` is the loss of the run's first step.
    """

    history: list[Record] = field(default_factory=list)
    step: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    correct: Tensor = field(default_factory=lambda: torch.zeros(()))
    seen: int = 0
    seconds: float = 0.0
    first: float | None = None
    norms: dict[str, float] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return len(self.history)

    def move_to(self, device: torch.device) -> None:
        """Move the sums to the device that computes what is added to them."""
        self.total, self.correct = self.total.to(device), self.correct.to(device)

    def end_epoch(self, record: Record) -> None:
        """Add the record of the epoch at hand, and begin the next one."""
        self.history.append(record)
        self.step = self.seen = 0
        self.total = torch.zeros_like(self.total)
        self.correct = torch.zeros_like(self.correct)
        self.seconds = 0.0
        self.norms = {}


class Parts(NamedTuple):
    """What the steps of a run change: the module, the optimizer, and what belongs to these.

    `average` is the module with averaged weights, if there is one, and `scaler` scales the loss.
    `holders` are the processes that divide the layers of the net: each has the parts of its own.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None
    scaler: Scaler
    holders: Processes = ALONE


def save(
    out: Path, parts: Parts, progress: Progress, identity: RunIdentity, processes: Processes = ALONE
) -> None:
    """Write the checkpoint file of the folder `out`, replacing the previous one.

    It contains no state of a random generator: every step seeds the generators from the seed of
    the run. All processes must call this if they have shards or stages; the first one writes.

    Raises OSError if the file cannot be written.
    """
    tensors = {f"{MODEL}{name}": value for name, value in parts.module.state_dict().items()}
    if parts.average is not None:
        average = parts.average.state_dict()
        tensors |= {f"{AVERAGE}{name}": value for name, value in average.items()}
    tensors |= _optimizer_tensors(parts.optimizer)
    tensors |= {TOTAL: progress.total, CORRECT: progress.correct}
    tensors = parts.holders.gathered({name: whole(value) for name, value in tensors.items()})
    if not processes.is_first:
        return
    names = ("step", "seen", "seconds", "first", "norms")
    numbers = {name: getattr(progress, name) for name in names}
    state: _State = {
        "history": progress.history,
        "progress": numbers,
        "scaler": parts.scaler.state(),
        "identity": identity,
    }
    write_tensors(out / CHECKPOINT, tensors, {"state": json.dumps(state)})


def load(
    out: Path,
    parts: Parts,
    identity: RunIdentity,
    processes: Processes = ALONE,
    *,
    tell: Callable[[str], None] | None = None,
) -> Progress:
    """Load the checkpoint of the folder `out` into the parts of a run.

    The first process reads the file, and the others get it from there.

    Raises SettingError: `corrupt-checkpoint`, or `resume-mismatch` if another net or other settings
    wrote it. With `tell`, these are permitted as long as the weights have the same shapes, and
    `tell` gets a line about what has changed.
    """
    path = out / CHECKPOINT
    tensors, state = _given(path, processes)
    if tell is None:
        check_same(path, state["identity"], identity)
    elif (changes := changes_of(path, state["identity"], identity)) is not None:
        tell(f"note: {changes}")
    model = _part(tensors, MODEL)
    _check_model(path, model, parts)
    _load_module(parts.module, model)
    average = _part(tensors, AVERAGE)
    if parts.average is not None and average:
        _load_module(parts.average, average)
    if _kind(state["identity"]) == _kind(identity):
        _load_optimizer(parts.optimizer, _part(tensors, OPTIMIZER))
    elif tell is not None:
        tell("note: another optimizer begins without the averages of the last one")
    parts.scaler.load(state["scaler"])
    total, correct = tensors[TOTAL], tensors[CORRECT]
    return Progress(state["history"], total=total, correct=correct, **state["progress"])


def identity_in(out: Path) -> RunIdentity | None:
    """What defines the run whose checkpoint is in the folder `out`; None without a checkpoint."""
    try:
        with safe_open(out / CHECKPOINT, "pt") as file:
            state: _State = json.loads(file.metadata()["state"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return state["identity"]


def _load_module(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    likes = module.state_dict()
    module.load_state_dict({name: placed_like(tensors[name], own) for name, own in likes.items()})


def save_weights(
    path: Path,
    module: nn.Module,
    dataset: Dataset,
    about: Mapping[str, str],
    processes: Processes = ALONE,
    holders: Processes = ALONE,
) -> None:
    """Write the state_dict of `module` to a safetensors file, with all that is needed to use it.

    The metadata contain the name of the dataset, its classes, the constants of its normalisation,
    and what the caller has to add `about` the net. All processes must call this if they have
    shards or are `holders` of stages; the first one writes. Raises OSError if the file cannot be
    written.
    """
    tensors = holders.gathered({name: whole(v) for name, v in module.state_dict().items()})
    if not processes.is_first:
        return
    metadata = {"format": "pt", "dataset": dataset.name, **about}
    metadata |= {
        key: json.dumps(getattr(dataset, key))
        for key in ("mean", "std", "constants", "classes", "shape", "pad")
    }
    write_tensors(path, tensors, metadata)


class _State(TypedDict):
    """What a checkpoint has besides tensors; `progress` are the numbers of `Progress`."""

    history: list[Record]
    progress: dict[str, Any]
    scaler: dict[str, float]
    identity: RunIdentity


def _given(path: Path, processes: Processes) -> tuple[dict[str, Tensor], _State]:
    """The tensors of a file that the first process can read, and the state besides them."""
    tensors: dict[str, Tensor] = {}
    text = ""
    if processes.is_first:
        tensors, own = _read(path)
        text = json.dumps(own)
    state: _State = json.loads(processes.texts(text)[0])
    return processes.tensors(tensors), state


def _read(path: Path) -> tuple[dict[str, Tensor], _State]:
    """The tensors, and the state besides them."""
    refuse_pipe(path)
    try:
        with safe_open(path, "pt") as file:
            check_sums(path, required=True)
            state: _State = json.loads(file.metadata()["state"])
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, state
    except (SafetensorError, DamagedError, KeyError, ValueError) as error:
        message = f"{path} is not a complete checkpoint: {error}"
        help_ = "train from the start with `--overwrite`, or into another folder"
        raise SettingError("corrupt-checkpoint", message, None, help_) from error


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names have a prefix, without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _check_model(path: Path, model: dict[str, Tensor], parts: Parts) -> None:
    own = {name: tuple(value.shape) for name, value in parts.module.state_dict().items()}
    shapes = {
        name: tuple(shape)
        for text in parts.holders.texts(json.dumps(own))
        for name, shape in json.loads(text).items()
    }
    saved = {name: tuple(value.shape) for name, value in model.items()}
    for name in [*shapes, *saved]:
        if shapes.get(name) != saved.get(name):
            message = f"`{name}` {_where(saved, name, str(path))}, but {_where(shapes, name)}"
            help_ = "train from the start with `--overwrite`, or into another folder"
            raise SettingError("resume-mismatch", message, None, help_)


def _where(shapes: Mapping[str, tuple[int, ...]], name: str, place: str = "the net") -> str:
    """Which shape a tensor has in a file or in the net, or that it is missing there."""
    if name not in shapes:
        return f"is missing in {place}"
    return f"is {shape_text(shapes[name])} in {place}"


def _kind(identity: RunIdentity) -> str:
    """The kind of optimizer: another one has another state, so it starts without any."""
    return identity["settings"].get("optimizer", "").partition("(")[0]


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer, by the names of the parameters and of their tensors."""
    names = _names(optimizer)
    return {
        f"{OPTIMIZER}{names[index]}.{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def _names(optimizer: torch.optim.Optimizer) -> list[str]:
    """The names of the parameters, in the order of their numbers in the optimizer's state."""
    return [name for group in optimizer.param_groups for name in group["param_names"]]


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    numbers = {name: number for number, name in enumerate(_names(optimizer))}
    likes = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}  # by the number of the parameter
    for path, value in tensors.items():
        name, _, key = path.rpartition(".")
        if name not in numbers:
            continue  # it is of another stage
        number = numbers[name]
        state.setdefault(number, {})[key] = placed_like(value, likes[number])
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
