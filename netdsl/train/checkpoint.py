"""The state of a training run on disk, in safetensors files so that nothing is unpickled."""

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
# The entries that may change when a run is resumed.
FREE = ("epochs", "metrics")
START_ANEW = "train without --resume to start over"
Record = dict[str, float]


@dataclass
class Progress:
    """The epochs done so far: a record for each, with its number, losses, metrics and times."""

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
    """Write the checkpoint file of the folder `out`, replacing the previous one.

    It contains no state of a random generator: every epoch seeds the generators from the seed of
    the run. Raises OSError if it cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": value
            for name, value in state.items()
            if isinstance(value, Tensor)
        }
    scalars = {"history": progress.history, "config": _texts(config)}
    write_tensors(out / FILE, tensors, {"state": json.dumps(scalars)})


def load(
    out: Path, module: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig
) -> Progress:
    """Load the checkpoint of the folder `out` into `module` and `optimizer`.

    Raises SettingError: `no-checkpoint`, `corrupt-checkpoint`, or `resume-mismatch` if another net
    or other settings wrote it.
    """
    path = out / FILE
    if not path.is_file():
        help = "train without --resume first"
        raise SettingError("no-checkpoint", f"there is no {path} to resume from", None, help)
    tensors, history, saved = _read(path)
    _check_config(path, saved, config)
    model = {
        name.removeprefix("model."): value
        for name, value in tensors.items()
        if name.startswith("model.")
    }
    _check_model(path, model, module)
    module.load_state_dict(model)
    _load_optimizer(optimizer, tensors)
    return Progress(history)


def save_weights(path: Path, module: nn.Module, dataset: Dataset, name: str) -> None:
    """Write the state_dict of `module` to a safetensors file.

    The metadata contain the name of the net, the dataset, and the constants of its normalisation.
    Raises OSError if the file cannot be written.
    """
    metadata = {"format": "pt", "net": name, "dataset": dataset.name}
    metadata |= {
        key: json.dumps(getattr(dataset, key)) for key in ("mean", "std", "classes", "shape")
    }
    write_tensors(path, module.state_dict(), metadata)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, replacing `path`; raises OSError if it cannot be written."""
    # Cloned because safetensors refuses tensors that share memory, such as tied weights.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata)
        except SafetensorError as error:  # the tensors are valid, so the file cannot be written
            raise _system_error(error) from error
        _sort_metadata(temporary)


def _system_error(error: SafetensorError) -> OSError:
    """The operating system's error, from the number at the end of the library's message."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))


def _sort_metadata(path: Path) -> None:
    """Sort the metadata of a safetensors file, which the library writes in random order.

    The header keeps its length: sorting does not make it longer, and blanks fill it up.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > length:
            raise ValueError(f"the header of {path} has grown from {length} to {len(text)} bytes")
        file.seek(8)
        file.write(text.ljust(length))


def _texts(config: TrainConfig) -> dict[str, str]:
    """The entries as texts, which are compared when a run is resumed."""
    return {f.name: repr(getattr(config, f.name)) for f in fields(config)}


def _read(path: Path) -> tuple[dict[str, Tensor], list[Record], dict[str, str]]:
    """The tensors, the history, and the entries of the configuration as texts."""
    try:
        with safe_open(path, "pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            return tensors, state["history"], state["config"]
    except (SafetensorError, KeyError, ValueError) as error:
        message = f"{path} is not a complete checkpoint: {error}"
        raise SettingError("corrupt-checkpoint", message, None, "train without --resume") from error


def _check_config(path: Path, saved: dict[str, str], config: TrainConfig) -> None:
    for name, value in _texts(config).items():
        if name not in FREE and saved.get(name) != value:
            message = f"`{name}` is {value}, and {path} was written with {saved.get(name)}"
            raise SettingError("resume-mismatch", message, name, START_ANEW)


def _check_model(path: Path, model: dict[str, Tensor], module: nn.Module) -> None:
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    saved = {name: tuple(value.shape) for name, value in model.items()}
    for name in [*shapes, *saved]:
        if shapes.get(name) != saved.get(name):
            message = (
                f"`{name}` has the shape {saved.get(name)} in {path} and {shapes.get(name)} in"
                " the net"
            )
            raise SettingError("resume-mismatch", message, None, START_ANEW)


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}  # by the index of the parameter
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
