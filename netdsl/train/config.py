"""The checked configuration of a training run, and the check of its entries; imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from netdsl.config import SettingCall
from netdsl.data.arguments import Count, Natural, convert, invoke, respelled, show, suggest
from netdsl.data.catalog import check_dataset
from netdsl.data.metrics import METRICS, Accuracy
from netdsl.errors import SettingError
from netdsl.train import settings
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset

# The entries that name something, each with the noun for messages and the names that it takes.
KINDS: dict[str, tuple[str, Mapping[str, Callable[..., object]]]] = {
    "augment": ("augmentation", settings.AUGMENTS),
    "loss": ("loss", settings.LOSSES),
    "optimizer": ("optimizer", settings.OPTIMIZERS),
    "schedule": ("schedule", settings.SCHEDULES),
    "metrics": ("metric", METRICS),
}
LISTS = ("augment", "metrics")
# What other tools call an entry.
RENAMED = {
    "batch_size": "batch",
    "batchsize": "batch",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "dataset": "data",
    "criterion": "loss",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "augmentation": "augment",
    "transforms": "augment",
    "random_seed": "seed",
}
INTEGERS: dict[str, object] = {"epochs": Count, "batch": Count, "seed": Natural}


@dataclass(frozen=True)
class TrainConfig:
    """A checked `train` section. An entry that it leaves out has the default below."""

    data: SettingCall = SettingCall("fashion_mnist_sample")
    augment: tuple[settings.Augment, ...] = ()
    loss: settings.Loss = settings.CrossEntropy()
    optimizer: settings.Optimizer = settings.SGD(lr=0.05, momentum=0.9)
    schedule: settings.Schedule = settings.Cosine()
    epochs: int = 10
    batch: int = 128
    metrics: tuple[Accuracy, ...] = (Accuracy(),)
    seed: int = 0

    def adapt(self, dataset: "Dataset") -> "Dataset":
        """`dataset` with the constants of `normalize`, if that is among the augmentations.

        Raises SettingError `bad-argument` unless there is one constant for each channel.
        """
        chosen = next((a for a in self.augment if isinstance(a, settings.Normalize)), None)
        if chosen is None:
            return dataset
        channels = dataset.shape[0]
        for name, values in (("mean", chosen.mean), ("std", chosen.std)):
            if len(values) != channels:
                message = (
                    f"`{name}` of `normalize` has {counted(len(values), 'value')}, images have"
                    f" {counted(channels, 'channel')}"
                )
                raise SettingError("bad-argument", message, "augment")
        return replace(dataset, mean=chosen.mean, std=chosen.std)


def check_entry(key: str, value: object) -> object:
    """The value of one entry, with the type of that field of `TrainConfig`.

    Raises SettingError with the entry as its `key`: `unknown-entry`, `wrong-type`,
    `bad-argument`, `unknown-argument`, `missing-argument`, `duplicate-argument`, or for an unknown
    name a code such as `unknown-optimizer`.
    """
    known = [field.name for field in fields(TrainConfig)]
    if key not in known:
        raise _unknown_entry(key, known)
    if key == "data":
        call = _call(key, value)
        check_dataset(call)
        return call
    if key in INTEGERS:
        return convert(value, INTEGERS[key], f"`{key}`", key)
    if key in LISTS:
        return _check_list(key, value)
    kind, registry = KINDS[key]
    return invoke(_call(key, value), registry, kind, key)


def _unknown_entry(key: str, known: list[str]) -> SettingError:
    message = f"a train section has no entry `{key}`"
    if key in RENAMED:
        help_, respelling = f"it is called `{RENAMED[key]}` here", (key, RENAMED[key])
        return SettingError("unknown-entry", message, key, help_, respelling)
    return SettingError("unknown-entry", message, key, suggest(key, known), respelled(key, known))


def _check_list(key: str, value: object) -> tuple[object, ...]:
    if isinstance(value, SettingCall) or not isinstance(value, list | tuple):
        raise SettingError(
            "wrong-type", f"`{key}` is {show(value)}; it must be a list", key, "put it in [ ]"
        )
    kind, registry = KINDS[key]
    items = tuple(invoke(_call(key, item), registry, kind, key) for item in value)
    if sum(isinstance(item, settings.Normalize) for item in items) > 1:
        raise SettingError("bad-argument", "`augment` contains `normalize` twice", key)
    return items


def _call(key: str, value: object) -> SettingCall:
    if isinstance(value, SettingCall):
        return value
    example = "fashion_mnist_sample"
    if key in KINDS:
        example = next(iter(KINDS[key][1]))
    message = f"`{key}` is {show(value)}; it must be a name with its arguments"
    if isinstance(value, str) and value.isidentifier():
        help_ = f"leave out the quotes: `{value}`"
        raise SettingError("wrong-type", message, key, help_, (f'"{value}"', value))
    raise SettingError("wrong-type", message, key, f"for example `{example}()`")
