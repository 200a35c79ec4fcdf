"""State of a training run on disk: safetensors files only, so that nothing has to be unpickled."""

import json
import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from netdsl.data.dataset import Dataset
from netdsl.errors import SettingError
from netdsl.files import replacing
from netdsl.train.config import TrainConfig

FILE = "checkpoint.safetensors"
# What may differ when a run goes on: more epochs, and what is measured.
FREE = ("epochs", "metrics")
Record = dict[str, float]


@dataclass
class Progress:
    """How far a run is: a record for each epoch that is done, with its epoch, losses, metrics and
    times.
    """

    history: list[Record] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """The number of epochs done."""
        return len(self.history)


def save(
    out: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: TrainConfig,
) -> None:
    """Write the checkpoint of `out`, one file, in place of the one before.

    No state of a random generator is in it: every epoch seeds its own from the seed of the run.
    """
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items() if isinstance(v, Tensor)}
    scalars = {"history": progress.history, "config": _texts(config)}
    write_tensors(out / FILE, tensors, {"state": json.dumps(scalars)})


def load(
    out: Path, module: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig
) -> Progress:
    """Put the checkpoint of `out` into `module` and `optimizer`.

    Raises SettingError: `no-checkpoint`, `corrupt-checkpoint`, or `resume-mismatch` where it is of
    another net or of a run with other settings.
    """
    path = out / FILE
    if not path.is_file():
        help = "train without --resume first"
        raise SettingError("no-checkpoint", f"{out} holds no {FILE} to go on from", None, help)
    tensors, history, saved = _read(path)
    _check_config(path, saved, config)
    model = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    _check_model(path, model, module)
    module.load_state_dict(model)
    _load_optimizer(optimizer, tensors)
    return Progress(history)


def save_weights(path: Path, module: nn.Module, dataset: Dataset, name: str) -> None:
    """Write the state_dict of `module`; the metadata say what net and data it is of, and how to
    normalise.
    """
    metadata = {"format": "pt", "net": name, "dataset": dataset.name}
    metadata |= {
        key: json.dumps(getattr(dataset, key)) for key in ("mean", "std", "classes", "shape")
    }
    write_tensors(path, module.state_dict(), metadata)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file in place of `path`."""
    # Cloned because safetensors refuses tensors that share memory, as tied weights do.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata)
        except SafetensorError as error:  # here it can only mean that the file cannot be written
            raise _system_error(error) from error
        _sort_metadata(temporary)


def _system_error(error: SafetensorError) -> OSError:
    """The error of the system, whose number stands at the end of the library's message."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))


def _sort_metadata(path: Path) -> None:
    """Give the metadata of a safetensors file an order: the library writes them in a random one.

    The header keeps its length: JSON in another order has the same length, or blanks fill it up.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        head = json.loads(file.read(length))
        head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > length:
            raise ValueError(f"the header of {path} has grown from {length} to {len(text)} bytes")
        file.seek(8)
        file.write(text.ljust(length))


def _texts(config: TrainConfig) -> dict[str, str]:
    return {f.name: repr(getattr(config, f.name)) for f in fields(config)}


def _read(path: Path) -> tuple[dict[str, Tensor], list[Record], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            names = file.keys()
            return (
                {name: file.get_tensor(name) for name in names},
                state["history"],
                state["config"],
            )
    except (SafetensorError, KeyError, ValueError) as error:
        message = f"{path} is not a whole checkpoint: {error}"
        raise SettingError("corrupt-checkpoint", message, None, "train without --resume") from error


def _check_config(path: Path, saved: dict[str, str], config: TrainConfig) -> None:
    for name, value in _texts(config).items():
        if name not in FREE and saved.get(name) != value:
            message = f"`{name}` is {value}, and {path} was written with {saved.get(name)}"
            raise SettingError(
                "resume-mismatch", message, name, "train without --resume to start anew"
            )


def _check_model(path: Path, model: dict[str, Tensor], module: nn.Module) -> None:
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    saved = {name: tuple(value.shape) for name, value in model.items()}
    for name in [*shapes, *saved]:
        if shapes.get(name) != saved.get(name):
            message = (
                f"`{name}` has the shape {saved.get(name)} in {path} and {shapes.get(name)} in"
                " the net"
            )
            raise SettingError(
                "resume-mismatch", message, None, "train without --resume to start anew"
            )


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
