"""The checked configuration of a training run, and the check of its entries; imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from netdsl.config import SettingCall
from netdsl.data.arguments import Count, Natural, Workers, convert, invoke, respelled, show
from netdsl.data.catalog import source_of
from netdsl.data.metrics import METRICS, Accuracy
from netdsl.diagnostics import did_you_mean
from netdsl.errors import EntryPart, SettingError
from netdsl.habits import training
from netdsl.train import settings
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.data.images import ImageData

# The entries that name something, each with the noun for messages and the names that it takes.
KINDS: dict[str, tuple[str, Mapping[str, Callable[..., object]]]] = {
    "augment": ("augmentation", settings.AUGMENTS),
    "loss": ("loss", settings.LOSSES),
    "optimizer": ("optimizer", settings.OPTIMIZERS),
    "schedule": ("schedule", settings.SCHEDULES),
    "metrics": ("metric", METRICS),
}
LISTS = ("augment", "metrics")
INTEGERS: dict[str, object] = {"epochs": Count, "batch": Count, "seed": Natural, "workers": Workers}


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
    workers: int | None = None  # processes that decode pictures; by default, by the number of cores

    def adapt(self, dataset: "Dataset") -> "Dataset":
        """`dataset` with the constants of `normalize`, if that is among the augmentations.

        Raises as `check_augment`.
        """
        self.check_augment(dataset)
        for chosen in self.augment:
            if isinstance(chosen, settings.Normalize):
                return dataset.normalised_by(chosen.mean, chosen.std)
        return dataset

    def check_augment(self, images: "ImageData") -> None:
        """Raise SettingError unless the augmentations fit the images.

        It is `bad-argument` unless `normalize` has one constant for each channel, and
        `data-mismatch` for a crop whose size is not that of the images.
        """
        for item in self.augment:
            match item:
                case settings.Normalize(mean=mean, std=std):
                    _check_constants(images, {"mean": mean, "std": std})
                case settings.RandomCrop(size=size, pad=pad):
                    _check_crop(images, size, pad)

    def check_metrics(self, classes: int | None) -> None:
        """Raise SettingError `bad-argument` for a metric that needs more classes, if known."""
        if classes is not None:
            for metric in self.metrics:
                metric.check(classes)


def _check_constants(images: "ImageData", constants: Mapping[str, tuple[float, ...]]) -> None:
    channels = images.shape[0]
    for name, values in constants.items():
        if len(values) != channels:
            message = (
                f"`{name}` of `normalize` has {counted(len(values), 'value')}, the images of"
                f" {images.name} have {counted(channels, 'channel')}"
            )
            example = ", ".join(["0.5"] * channels)
            written = f"`normalize([{example}], [{example}])`"
            help_ = f"write one number for each channel, as in {written}"
            part = EntryPart("normalize")
            raise SettingError("bad-argument", message, "augment", help_, part=part)


def _check_crop(images: "ImageData", size: int, pad: int) -> None:
    _, height, width = images.shape
    if (size, size) == (height, width):
        return
    message = f"`random_crop` makes {size}x{size} images, {images.name} has {height}x{width}"
    help_ = "the test uses whole images, so give `random_crop` their size"
    if height == width:
        kept = f", pad = {pad}" if pad else ""
        help_ += f": `random_crop({height}{kept})`"
    raise SettingError("data-mismatch", message, "augment", help_)


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
        source_of(call)
        return call
    if key in INTEGERS:
        return convert(value, INTEGERS[key], f"`{key}`", key)
    if key in LISTS:
        return _check_list(key, value)
    kind, registry = KINDS[key]
    return invoke(_call(key, value), registry, kind, key)


def _unknown_entry(key: str, known: list[str]) -> SettingError:
    message = f"a train section has no entry `{key}`"
    squeezed = training.squeezed(key)
    if squeezed in training.ENTRIES:
        ours = training.ENTRIES[squeezed]
        help_, respelling = f"it is called `{ours}` here", (key, ours)
        return SettingError("unknown-entry", message, key, help_, respelling)
    if squeezed in training.REMOVED_ENTRIES:
        return SettingError("unknown-entry", message, key, training.REMOVED_ENTRIES[squeezed])
    help_ = did_you_mean(key, known) or f"the entries are {', '.join(f'`{n}`' for n in known)}"
    return SettingError("unknown-entry", message, key, help_, respelled(key, known))


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
    message = f"`{key}` is {show(value)}; it must be a name with its arguments"
    if isinstance(value, str) and value.isidentifier():
        help_ = f"leave out the quotes: `{value}`"
        raise SettingError("wrong-type", message, key, help_, (f'"{value}"', value))
    help_ = f"for example `{key} = {training.CALLS[key]}`"
    if isinstance(value, list) and value and isinstance(value[0], SettingCall):
        message = f"`{key}` has {counted(len(value), 'value')} in a list; it must be one name"
        help_ = f"write only one: `{key} = {show(value[0]).strip('`')}`"
    raise SettingError("wrong-type", message, key, help_)
