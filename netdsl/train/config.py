"""The checked configuration of a training run, and the check of its entries; imports no torch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeGuard, cast

from netdsl.config import BareWord, SettingCall
from netdsl.data.arguments import (
    Names,
    Pairs,
    Positive,
    convert,
    show,
)
from netdsl.data.calls import called_here, invoke, respelled
from netdsl.data.catalog import DATASETS, call_for, source_of
from netdsl.data.metrics import METRICS, Accuracy, Metric, scores_for
from netdsl.diagnostics import did_you_mean
from netdsl.errors import EntryPart, SettingError
from netdsl.habits import training
from netdsl.habits.training import TAKEN, TakenPictures
from netdsl.train import settings
from netdsl.train.recipe.losses import (
    LOSSES,
    CrossEntropy,
    LossEntry,
    OutputLoss,
)
from netdsl.train.recipe.optimizers import OPTIMIZERS, SGD, Optimizer
from netdsl.train.recipe.options import DATA, FP32, PLAIN
from netdsl.train.recipe.schedules import SCHEDULES, Cosine, Schedule
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.data.images import ImageData

# The entries that name something, each with the noun for messages and the names that it takes.
KINDS: dict[str, tuple[str, Mapping[str, Callable[..., object]]]] = {
    "augment": ("augmentation", settings.AUGMENTS),
    "loss": ("loss", LOSSES),
    "optimizer": ("optimizer", OPTIMIZERS),
    "schedule": ("schedule", SCHEDULES),
    "metrics": ("metric", METRICS),
}
DEFAULT_METRICS: tuple[Metric, ...] = (Accuracy(),)
LISTS = ("augment", "metrics", "freeze", "stages")
# What these entries are if a section leaves them out.
DEFAULT_CALLS: dict[str, SettingCall] = {
    "data": SettingCall("fashion_mnist_sample"),
    "loss": SettingCall("cross_entropy"),
    "optimizer": SettingCall("sgd", (), {"lr": 0.05, "momentum": 0.9}),
    "schedule": SettingCall("cosine"),
}


@dataclass(frozen=True)
class TrainConfig:
    """A checked `train` section. An entry that it leaves out has the default below."""

    data: SettingCall = SettingCall("fashion_mnist_sample")
    augment: tuple[settings.Augment, ...] = ()
    loss: LossEntry = CrossEntropy()
    optimizer: Optimizer = SGD(lr=0.05, momentum=0.9)
    schedule: Schedule = Cosine()
    epochs: int = 10
    batch: int = 128
    metrics: tuple[Metric, ...] = DEFAULT_METRICS
    seed: int = 0
    workers: int | None = None  # processes that decode pictures; by default, by the number of cores
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    ema: float = 0.0
    early_stopping: int | None = None
    checkpoint_epochs: int | None = None
    checkpoint_minutes: float | None = None
    precision: BareWord = FP32
    compile: bool = False
    channels_last: bool = False
    threads: int | None = None
    deterministic: bool = False
    weights: str | None = None
    freeze: Names = ()
    unfreeze: int | Pairs | None = None
    train_metrics: bool = False
    gradient_norms: bool = False
    strategy: BareWord = DATA
    stages: tuple[BareWord | Names, ...] = ()
    micro_batches: int | None = None  # by default, by the number of stages
    sync_bn: bool = False

    def adapt(self, dataset: "Dataset") -> "Dataset":
        """`dataset` with the constants of `normalize`, if that is among the augmentations.

        Raises as `check_augment`; data without images have nothing to check here.
        """
        if dataset.constants:
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

    def check_metrics(self, classes: int | None, data: str) -> None:
        """Raise SettingError `bad-argument` for a metric that needs classes, or more of them.

        `classes` is None for a target of numbers, and `data` is the name of the data. The default,
        the accuracy, is left out for numbers.
        """
        if classes is None and self.metrics is DEFAULT_METRICS:
            return
        for metric in self.metrics:
            if classes is not None:
                if isinstance(metric, Accuracy):
                    metric.check(classes)
            elif metric not in scores_for(self.metrics, classes=False):
                name = next(name for name, kind in METRICS.items() if type(metric) is kind)
                message = f"`{name}` is about classes, but the targets of {data} are numbers"
                raise SettingError("bad-argument", message, "metrics", "write `metrics = mae`")


def _check_constants(images: "ImageData", constants: Mapping[str, tuple[float, ...]]) -> None:
    channels = images.shape[0]
    for name, values in constants.items():
        if len(values) != channels:
            message = (
                f"`{name}` of `normalize` has {counted(len(values), 'value')}, but the images"
                f" of {images.name} have {counted(channels, 'channel')}"
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
    own = f"those of {images.name} are {height}x{width}"
    message = f"`random_crop` makes {size}x{size} images, but {own}"
    help_ = "the test uses whole images, so give `random_crop` their size"
    if height == width:
        help_ += f": `random_crop({height}, pad = {pad or pad_of_crop(height, size)})`"
    raise SettingError("data-mismatch", message, "augment", help_)


def pad_of_crop(side: int, size: int) -> int:
    """The padding with which a crop of the whole `side` moves images as far as one of `size`."""
    if size >= side:
        return 4
    return max(1, (side - size) // 2)


def registry_of(key: str) -> Mapping[str, Callable[..., object]]:
    """The calls that an entry takes, by their names; none for an entry that takes no calls."""
    if key == "data":
        return DATASETS
    return KINDS[key][1] if key in KINDS else {}


def check_entry(key: str, value: object, pictures: TakenPictures = TAKEN) -> object:
    """The value of one entry, with the type of that field of `TrainConfig`.

    `pictures` are those that the net takes, for advice.

    Raises SettingError with the entry as its `key`: `unknown-entry`, `wrong-type`,
    `bad-argument`, `unknown-argument`, `missing-argument`, `duplicate-argument`, or for an unknown
    name a code such as `unknown-optimizer`.
    """
    known = [field.name for field in fields(TrainConfig)]
    if key not in known:
        raise _unknown_entry(key, known)
    if key == "data":
        call = _call(key, value, pictures)
        source_of(call, pictures)
        return call
    if key == "weights" and isinstance(value, SettingCall) and not training.means_none(value):
        help_ = 'netdsl has no trained weights: write the file that has them, `weights = "FILE"`'
        message = f"`weights` is {show(value)}; it must be the name of a file in quotes"
        raise SettingError("wrong-type", message, key, help_)
    if key in PLAIN:
        try:
            return convert(value, PLAIN[key], f"`{key}`", key)
        except SettingError as error:
            item = value[0] if isinstance(value, list) and len(value) == 1 else value
            if training.means_none(item) and key in training.WITHOUT:
                error.diagnostic.help = f"leave it out: {training.WITHOUT[key]}"
            raise
    if key == "loss" and is_mapping(value):
        return losses_of(value)
    if key in LISTS:
        return _check_list(key, value, pictures)
    kind, registry = KINDS[key]
    return invoke(_call(key, value), registry, kind, key)


def is_mapping(value: object) -> TypeGuard[list[object]]:
    """Whether a value is a list of pairs, or a pair that begins with no loss."""
    if not isinstance(value, list) or not value:
        return False
    first = value[0]
    return isinstance(first, list) or (
        isinstance(first, SettingCall) and first.name not in LOSSES and len(value) > 1
    )


def losses_of(value: list[object]) -> tuple[OutputLoss, ...]:
    """The losses of a list of pairs of an output and its loss, each with a weight or without."""
    pairs = value if isinstance(value[0], list) else [value]
    found = [_output_loss(pair) for pair in pairs]
    names = [part.output for part in found]
    for name in names:
        if names.count(name) > 1:
            message = f"`loss` has the output `{name}` {counted(names.count(name), 'time')}"
            raise SettingError("bad-argument", message, "loss", "keep one of them")
    return tuple(found)


def _output_loss(pair: object) -> OutputLoss:
    if not isinstance(pair, list) or len(pair) not in (2, 3):
        message = f"`loss` has {show(pair)}; it must be an output and its loss"
        help_ = "write pairs: `loss = [(logits, cross_entropy), (boxes, l1, 0.5)]`"
        raise SettingError("wrong-type", message, "loss", help_)
    output = convert(pair[0], BareWord, "the output in `loss`", "loss")
    loss = invoke(_call("loss", pair[1]), LOSSES, "loss", "loss")
    weight = convert(
        (pair[2:] or [1.0])[0], Positive, f"the weight of `{output}` in `loss`", "loss"
    )
    return OutputLoss(cast("str", output), loss, cast("float", weight))


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


def _check_list(key: str, value: object, pictures: TakenPictures) -> tuple[object, ...]:
    if isinstance(value, SettingCall) or not isinstance(value, list | tuple):
        message, text = f"`{key}` is {show(value)}; it must be a list", show(value).strip("`")
        raise SettingError("wrong-type", message, key, f"write `{key} = [{text}]`")
    kind, registry = KINDS[key]
    calls = [_call(key, item) for item in value]
    try:
        items = tuple(invoke(call, registry, kind, key, pictures) for call in calls)
    except SettingError as error:
        unknown = [call for call in calls if call.name not in registry]
        if error.code == f"unknown-{kind}" and len(unknown) > 1:
            error.diagnostic.help = _all_called_here(unknown, registry, kind, pictures)
        raise
    if sum(isinstance(item, settings.Normalize) for item in items) > 1:
        message = "`augment` contains `normalize` twice"
        raise SettingError("bad-argument", message, key, "keep one of them")
    return items


def _all_called_here(
    calls: Iterable[SettingCall],
    registry: Mapping[str, Callable[..., object]],
    kind: str,
    pictures: TakenPictures,
) -> str:
    """Help for several names that are not in the registry; those with the same help share it."""
    names: dict[str, list[str]] = {}
    for call in calls:
        advice = called_here(call, registry, kind, pictures)[0]
        names.setdefault(advice, []).append(f"`{call.name}`")
    return "; ".join(f"{listed(found)}: {advice}" for advice, found in names.items())


def _call(key: str, value: object, pictures: TakenPictures = TAKEN) -> SettingCall:
    if isinstance(value, SettingCall):
        return value
    if value is False:
        return SettingCall("false")
    message = f"`{key}` is {show(value)}; it must be a name with its arguments"
    if key == "data" and isinstance(value, str) and value not in DATASETS:
        own = call_for(value, pictures) or f'folder("{value}", {pictures.form})'
        help_ = f"for your own data write `data = {own}`"
        raise SettingError("wrong-type", message, key, help_)
    if isinstance(value, str) and value.isidentifier():
        help_ = f"leave out the quotes: `{value}`"
        raise SettingError("wrong-type", message, key, help_, (f'"{value}"', value))
    help_ = f"for example, `{key} = {training.CALLS[key]}`"
    if isinstance(value, list) and value and isinstance(value[0], SettingCall):
        message = f"`{key}` has {counted(len(value), 'value')} in a list; it must be one name"
        help_ = f"write only one: `{key} = {show(value[0]).strip('`')}`"
    raise SettingError("wrong-type", message, key, help_)
