"""The datasets that a `train` section or `--data` can name.

The modules that read files are imported only when a dataset is read: `netdsl check` needs only the
names and arguments.
"""

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from netdsl.config import SettingCall
from netdsl.data.arguments import Padding
from netdsl.data.calls import invoke
from netdsl.data.images import Described, described
from netdsl.data.own import Archive, ArrayFolder, Arrays, Folder, PictureTable, Segments
from netdsl.data.source import PROGRESS, DataSource
from netdsl.errors import EntryPart, SettingError
from netdsl.habits.training import TAKEN, TakenPictures

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset, Split

SAMPLE_FOLDER = Path(__file__).parent / "fashion_mnist_sample"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FASHION_NORMALISATION = ((0.2860,), (0.3530,))
MNIST_NORMALISATION = ((0.1307,), (0.3081,))
# These are ImageNet's constants: published weights of CIFAR-10 ResNets were trained with them.
CIFAR_NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR_100_NORMALISATION = ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
DIGITS_NORMALISATION = ((0.3050,), (0.3757,))
FASHION_HELP = (
    'run `apt install dataset-fashion-mnist` on Debian or Ubuntu, or give `root = "DIR"`, a folder'
    " with its four IDX files, or use `fashion_mnist_sample()`, which is shipped with netdsl"
)
MNIST_HELP = (
    "download the four IDX files of MNIST, gzipped or not, for example from"
    " https://ossci-datasets.s3.amazonaws.com/mnist/, and put them into that folder, or give the"
    ' folder that has them: `root = "DIR"`'
)


def open_dataset(call: SettingCall, *, progress: bool = True) -> "Dataset":
    """Read the dataset that `call` names.

    With `progress`, a download shows a progress bar on a terminal.

    Raises SettingError: `unknown-dataset`, `unknown-argument`, `wrong-type`, `data-not-found`,
    `corrupt-data`, `bad-checksum`.
    """
    before = PROGRESS.set(progress)
    try:
        return _opened(source_of(call))
    except SettingError as error:
        error.key = error.key or "data"
        error.part = error.part or EntryPart(call.name)
        raise
    finally:
        PROGRESS.reset(before)


def _opened(source: DataSource) -> "Dataset":
    """The dataset of a source, with its validation set and its limit; raises SettingError."""
    from netdsl.data.findings import described_counts
    from netdsl.data.split import divided

    if isinstance(source, Published):
        return divided(source.read(), source.val, source.limit)
    dataset = _read(source)
    _check_several(dataset, source)
    dataset = divided(dataset, source.val, source.limit)
    return replace(dataset, note=described_counts(dataset))


def _check_several(dataset: "Dataset", source: DataSource) -> None:
    """Raise SettingError `data-not-found` for a target with a single class.

    Such a target has nothing to learn, and the metrics are about at least two classes.
    """
    for name, target in dataset.targets.items():
        if len(target.classes) != 1:
            continue
        place = f"the target `{name}` of {dataset.name}"
        message = f"{place} has only the class `{target.classes[0]}`"
        help_ = "add samples of other classes"
        if isinstance(source, PictureTable):
            help_ += ", or predict the numbers of that column: `numbers = true`"
        elif isinstance(source, Segments):
            help_ = (
                "store the number of its class in each pixel of a mask, such as 0 and 1; pixels of"
                f" {source.ignored} are ignored, if `ignored` does not name another number"
            )
        elif isinstance(source, Arrays):
            help_ += "; store numbers to predict as floats"
        message += "; training needs at least two classes"
        raise SettingError("data-not-found", message, "data", help_)


def _read(source: DataSource) -> "Dataset":
    """All samples of the user's own data; raises SettingError."""
    from netdsl.data import array_files, folder, segments, table

    match source:
        case Folder():
            return folder.read_folder(source)
        case PictureTable():
            return table.read_table(source)
        case Segments():
            return segments.read_segments(source)
        case Archive():
            return array_files.read_archive(source)
        case ArrayFolder():
            return array_files.read_array_folder(source)
    raise TypeError(source)


def source_of(call: SettingCall, pictures: TakenPictures = TAKEN) -> DataSource:
    """The source that `call` names, without reading any data.

    Raises SettingError for an unknown dataset or wrong arguments; `pictures` are for its advice.
    """
    return invoke(call, DATASETS, "dataset", "data", pictures)


def call_for(path: str, pictures: TakenPictures = TAKEN) -> str | None:
    """The data that a file or a folder of the user probably is, as a section names it, or None.

    `pictures` are those that the net takes.
    """
    if os.path.isdir(path):
        if any(name.endswith(".npy") for name in os.listdir(path)):
            return f'npy("{path}")'
        return f'folder("{path}", {pictures.form})'
    if path.endswith(".csv"):
        return f'csv("{path}", images = "DIR", {pictures.form})'
    return f'npz("{path}")' if path.endswith(".npz") else None


def takes_padding(name: str) -> bool:
    """Whether the dataset of that name has an argument `pad`."""
    source = DATASETS.get(name)
    return source is None or "pad" in inspect.signature(source).parameters


def describe_dataset(call: SettingCall) -> Described | None:
    """What is known about the dataset that `call` names, without reading any data, if anything."""
    return source_of(call).described()


@dataclass(frozen=True, kw_only=True)
class Published(DataSource, ABC):
    """Pictures of a known size in known classes, padded by `pad` pixels on each side."""

    pad: Padding = 0
    # The mean and the standard deviation of each channel, by which the pictures are normalised.
    normalisation: ClassVar[tuple[tuple[float, ...], tuple[float, ...]]]

    def described(self) -> Described:
        return described(NAMES[type(self)], self.pad)

    @abstractmethod
    def read(self) -> "Dataset":
        """All samples; raises SettingError."""


@dataclass(frozen=True)
class FashionSample(Published):
    """The sample of Fashion-MNIST that is shipped with netdsl."""

    normalisation = FASHION_NORMALISATION

    def read(self) -> "Dataset":
        from netdsl.data.idx import read_idx_folder

        splits = read_idx_folder(SAMPLE_FOLDER, len(FASHION_CLASSES))
        title = "Fashion-MNIST sample: {counts} shipped with netdsl"
        return _dataset(self, title, splits, FASHION_CLASSES)


@dataclass(frozen=True)
class StoredData(Published):
    """Data in the folder `root`, or else in the folder of its name in `data_folder`."""

    root: str | None = None

    def folder(self, help_: str) -> Path:
        """The folder; raises SettingError with the advice `help_` if there is none."""
        name = self.root
        if name is None:
            name = str(data_folder() / NAMES[type(self)])
        # Unlike Path, os.path does not raise for an unknown user or an unreadable folder.
        found = os.path.expanduser(name)
        if not os.path.isdir(found):
            raise SettingError("data-not-found", f"there is no folder {found}", "data", help_)
        return Path(found)


@dataclass(frozen=True)
class FashionMNIST(StoredData):
    """All of Fashion-MNIST.

    Without `root`, it is read from the folder of all data, from Debian's package or from the user's
    cache, into which it is downloaded if necessary.
    """

    normalisation = FASHION_NORMALISATION

    def read(self) -> "Dataset":
        from netdsl.data.idx import read_idx_folder

        folder = _fashion_folder() if self.root is None else self.folder(FASHION_HELP)
        splits = read_idx_folder(folder, len(FASHION_CLASSES), FASHION_HELP)
        title = "Fashion-MNIST: {counts}"
        return _dataset(self, title, splits, FASHION_CLASSES)


@dataclass(frozen=True)
class MNIST(StoredData):
    """MNIST from its four IDX files."""

    normalisation = MNIST_NORMALISATION

    def read(self) -> "Dataset":
        from netdsl.data.idx import read_idx_folder

        splits = read_idx_folder(self.folder(MNIST_HELP), 10, MNIST_HELP)
        return _dataset(self, "MNIST: {counts}", splits, tuple("0123456789"))


@dataclass(frozen=True)
class CIFAR10(StoredData):
    """CIFAR-10 from its binary files, or from the archive that has them."""

    normalisation = CIFAR_NORMALISATION

    def read(self) -> "Dataset":
        from netdsl.data import cifar

        splits = cifar.read_cifar_folder(self.folder(cifar.CIFAR10.help), cifar.CIFAR10)
        return _dataset(self, "CIFAR-10: {counts}", splits, cifar.CLASSES)


@dataclass(frozen=True)
class CIFAR100(StoredData):
    """CIFAR-100 from its binary files, or from the archive that has them."""

    normalisation = CIFAR_100_NORMALISATION

    def read(self) -> "Dataset":
        from netdsl.data import cifar

        splits = cifar.read_cifar_folder(self.folder(cifar.CIFAR100.help), cifar.CIFAR100)
        return _dataset(self, "CIFAR-100: {counts}", splits, cifar.CLASSES_100)


@dataclass(frozen=True)
class Digits(StoredData):
    """The handwritten digits of scikit-learn, of which a fifth is the test set."""

    normalisation = DIGITS_NORMALISATION

    def read(self) -> "Dataset":
        from netdsl.data import digits

        folder = None if self.root else digits.packaged_folder()
        splits = digits.read_digits(folder or self.folder(digits.HELP))
        title = "Digits of scikit-learn: {counts}"
        return _dataset(self, title, splits, tuple("0123456789"))


DATASETS: dict[str, Callable[..., DataSource]] = {
    "fashion_mnist_sample": FashionSample,
    "fashion_mnist": FashionMNIST,
    "mnist": MNIST,
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "digits": Digits,
    "folder": Folder,
    "csv": PictureTable,
    "segments": Segments,
    "npz": Archive,
    "npy": ArrayFolder,
}
NAMES = {source: name for name, source in DATASETS.items()}


def _dataset(
    source: Published,
    title: str,
    splits: "tuple[Split, Split]",
    classes: tuple[str, ...],
) -> "Dataset":
    from netdsl.data.dataset import Dataset, InputData, TargetData

    train, test = splits
    note = title.format(counts=f"{len(train):,} training and {len(test):,} test images")
    if source.pad:
        note += f", padded by {source.pad} on each side"
    mean, std = source.normalisation
    return Dataset(
        NAMES[type(source)],
        note,
        {"image": InputData(mean=mean, std=std)},
        {"label": TargetData(classes)},
        _padded(train, source.pad),
        _padded(test, source.pad),
        pad=source.pad,
    )


def _padded(split: "Split", pad: int) -> "Split":
    """A split with `pad` zero pixels on each side of every image."""
    import numpy as np

    if not pad:
        return split
    sides = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    return type(split).of(np.pad(split.images, sides), split.labels)


def data_folder() -> Path:
    """The folder of all data: `NETDSL_DATA` in the environment, or else the user's data folder."""
    from platformdirs import user_data_path

    return Path(os.environ.get("NETDSL_DATA") or user_data_path("netdsl"))


def _fashion_folder() -> Path:
    """The folder that has the files, or else the user's cache, filled."""
    from netdsl.data.download import download
    from netdsl.data.idx import has_idx

    for folder in (data_folder() / "fashion_mnist", DEBIAN_FOLDER):
        if has_idx(folder):
            return folder
    from platformdirs import user_cache_path

    cache = user_cache_path("netdsl") / "fashion-mnist"
    download(cache, FASHION_HELP, progress=PROGRESS.get())
    return cache
