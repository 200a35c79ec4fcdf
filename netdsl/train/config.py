"""Reads a `train` section into a checked configuration; imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from netdsl.config import SettingCall
from netdsl.data.arguments import Count, Natural, convert, invoke, show, suggest
from netdsl.data.catalog import check_dataset
from netdsl.data.metrics import METRICS, Accuracy
from netdsl.errors import SettingError
from netdsl.train import settings
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset

KINDS: dict[str, tuple[str, Mapping[str, Callable[..., Any]]]] = {
    "augment": ("augmentation", settings.AUGMENTS),
    "loss": ("loss", settings.LOSSES),
    "optimizer": ("optimizer", settings.OPTIMIZERS),
    "schedule": ("schedule", settings.SCHEDULES),
    "metrics": ("metric", METRICS),
}
INTEGERS: dict[str, Any] = {"epochs": Count, "batch": Count, "seed": Natural}


@dataclass(frozen=True)
class TrainConfig:
    """A checked `train` section; what it leaves out has the values below."""

    data: SettingCall = SettingCall("fashion_mnist_sample")
    augment: tuple[settings.Augment, ...] = ()
    loss: settings.Loss = settings.CrossEntropy()
    optimizer: settings.Optimizer = settings.SGD(lr=0.05, momentum=0.9)
    schedule: settings.Schedule = settings.Cosine()
    epochs: int = 10
    batch: int = 128
    metrics: tuple[Accuracy, ...] = (Accuracy(),)
    seed: int = 0

    @classmethod
    def from_section(
        cls, section: Mapping[str, object], overrides: Mapping[str, object] | None = None
    ) -> "TrainConfig":
        """Check the entries of a section and of the command line, which win unless they are None.

        Raises SettingError with the entry as its `key`: `unknown-entry`, `wrong-type`,
        `bad-argument`, `unknown-argument`, `missing-argument`, `duplicate-argument`, or, for a
        name, such as `unknown-optimizer`.
        """
        entries = {**section, **{k: v for k, v in (overrides or {}).items() if v is not None}}
        return cls(**{key: check_entry(key, value) for key, value in entries.items()})

    def adapt(self, dataset: "Dataset") -> "Dataset":
        """`dataset` with the constants of a `normalize` among the augmentations, if there is one.

        Raises SettingError `bad-argument` where they are not one for each channel.
        """
        chosen = [a for a in self.augment if isinstance(a, settings.Normalize)]
        if not chosen:
            return dataset
        channels = dataset.shape[0]
        for name, values in (("mean", chosen[-1].mean), ("std", chosen[-1].std)):
            if len(values) != channels:
                message = (
                    f"`{name}` of `normalize` has {counted(len(values), 'value')}, images have"
                    f" {counted(channels, 'channel')}"
                )
                raise SettingError("bad-argument", message, "augment")
        return replace(dataset, mean=chosen[-1].mean, std=chosen[-1].std)


def check_entry(key: str, value: object) -> Any:
    """The value of one entry as `TrainConfig` holds it; raises SettingError as
    `TrainConfig.from_section` does.
    """
    known = [field.name for field in fields(TrainConfig)]
    if key not in known:
        raise SettingError(
            "unknown-entry", f"a train section has no entry `{key}`", key, suggest(key, known)
        )
    if key == "data":
        check_dataset(call := _call(key, value))
        return call
    if key in INTEGERS:
        return convert(value, INTEGERS[key], f"`{key}`", key)
    what, registry = KINDS[key]
    if key not in ("augment", "metrics"):
        return invoke(_call(key, value), registry, what, key)
    if isinstance(value, SettingCall) or not isinstance(value, list | tuple):
        raise SettingError(
            "wrong-type", f"`{key}` is {show(value)}; it must be a list", key, "put it in [ ]"
        )
    built = tuple(invoke(_call(key, item), registry, what, key) for item in value)
    if sum(isinstance(item, settings.Normalize) for item in built) > 1:
        raise SettingError("bad-argument", "`normalize` stands twice in `augment`", key)
    return built


def _call(key: str, value: object) -> SettingCall:
    if isinstance(value, SettingCall):
        return value
    example = {"data": "fashion_mnist_sample()"}.get(key) or next(iter(KINDS[key][1])) + "()"
    message = f"`{key}` is {show(value)}; it must be a name with its arguments"
    raise SettingError("wrong-type", message, key, f"for example `{example}`")
