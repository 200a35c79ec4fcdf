"""The datasets that a `train` section or `--data` can name.

The modules that read files are imported only when a dataset is read: `netdsl check` needs only the
names and arguments.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, cast

import platformdirs

from netdsl.config import SettingCall
from netdsl.data.arguments import Padding, bind, invoke
from netdsl.data.images import Described, described
from netdsl.errors import SettingError

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset, Split

# The functions of `DATASETS` have only the arguments that a `train` section can give.
_PROGRESS: ContextVar[bool] = ContextVar("progress", default=True)
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
FASHION_HELP = (
    'run `apt install dataset-fashion-mnist` on Debian or Ubuntu, or give `root = "DIR"`, a folder'
    " with its four IDX files, or use `fashion_mnist_sample()`, which is shipped with netdsl"
)
MNIST_HELP = 'give `root = "DIR"`, a folder with the four IDX files of MNIST, gzipped or not'


def open_dataset(call: SettingCall, *, progress: bool = True) -> "Dataset":
    """Read the dataset that `call` names into memory.

    With `progress`, a download shows a progress bar on a terminal.

    Raises SettingError: `unknown-dataset`, `unknown-argument`, `wrong-type`, `data-not-found`,
    `corrupt-data`, `bad-checksum`.
    """
    before = _PROGRESS.set(progress)
    try:
        return invoke(call, DATASETS, "dataset", "data")
    finally:
        _PROGRESS.reset(before)


def check_dataset(call: SettingCall) -> None:
    """Raise SettingError for an unknown dataset or wrong arguments, without reading any data."""
    bind(call, DATASETS, "dataset", "data")


def describe_dataset(call: SettingCall) -> Described:
    """What is known about the dataset that `call` names, without reading any data."""
    _, arguments = bind(call, DATASETS, "dataset", "data")
    return described(call.name, cast("int", arguments.get("pad", 0)))


def fashion_mnist_sample(pad: Padding = 0) -> "Dataset":
    """The sample of Fashion-MNIST that is shipped with netdsl."""
    from netdsl.data.idx import read_idx_folder

    splits = read_idx_folder(SAMPLE_FOLDER, len(FASHION_CLASSES))
    title = "Fashion-MNIST sample: {counts} shipped with netdsl"
    return _dataset(
        "fashion_mnist_sample", title, splits, pad, FASHION_CLASSES, FASHION_NORMALISATION
    )


def fashion_mnist(root: str | None = None, pad: Padding = 0) -> "Dataset":
    """All of Fashion-MNIST.

    It is read from `root`, or else from Debian's package or the user's cache, into which it is
    downloaded if necessary.
    """
    from netdsl.data.idx import read_idx_folder

    if root is None:
        folder = _fashion_folder()
    else:
        folder = _root(root, FASHION_HELP)
    splits = read_idx_folder(folder, len(FASHION_CLASSES), FASHION_HELP)
    return _dataset(
        "fashion_mnist",
        "Fashion-MNIST: {counts}",
        splits,
        pad,
        FASHION_CLASSES,
        FASHION_NORMALISATION,
    )


def mnist(root: str | None = None, pad: Padding = 0) -> "Dataset":
    """MNIST from the four IDX files in `root`."""
    from netdsl.data.idx import read_idx_folder

    splits = read_idx_folder(_root(root, MNIST_HELP), 10, MNIST_HELP)
    return _dataset(
        "mnist", "MNIST: {counts}", splits, pad, tuple("0123456789"), MNIST_NORMALISATION
    )


def cifar10(root: str | None = None, pad: Padding = 0) -> "Dataset":
    """CIFAR-10 from its binary files in `root` or in `root`/cifar-10-batches-bin."""
    from netdsl.data import cifar

    splits = cifar.read_cifar_folder(_root(root, cifar.HELP))
    return _dataset(
        "cifar10", "CIFAR-10: {counts}", splits, pad, cifar.CLASSES, CIFAR_NORMALISATION
    )


DATASETS: dict[str, Callable[..., "Dataset"]] = {
    "fashion_mnist_sample": fashion_mnist_sample,
    "fashion_mnist": fashion_mnist,
    "mnist": mnist,
    "cifar10": cifar10,
}


def _dataset(
    name: str,
    title: str,
    splits: "tuple[Split, Split]",
    pad: int,
    classes: tuple[str, ...],
    normalisation: tuple[tuple[float, ...], tuple[float, ...]],
) -> "Dataset":
    from netdsl.data.dataset import Dataset

    train, test = splits
    counts = f"{len(train.labels):,} training and {len(test.labels):,} test images"
    note = title.format(counts=counts)
    if pad:
        note += f", padded by {pad} on each side"
    mean, std = normalisation
    return Dataset(name, classes, train.padded(pad), test.padded(pad), note, mean, std, pad)


def _root(root: str | None, help: str) -> Path:
    """The folder `root`; raises SettingError with the advice `help` if it is not a folder."""
    if root is None:
        raise SettingError("data-not-found", "no folder is given for the data", "data", help)
    # Unlike Path, os.path does not raise for an unknown user or an unreadable folder.
    folder = os.path.expanduser(root)
    if not os.path.isdir(folder):
        raise SettingError("data-not-found", f"there is no folder {folder}", "data", help)
    return Path(folder)


def _fashion_folder() -> Path:
    """The folder of Debian's package if it is installed, else the user's cache, filled."""
    from netdsl.data.download import download
    from netdsl.data.idx import has_idx

    if has_idx(DEBIAN_FOLDER):
        return DEBIAN_FOLDER
    cache = platformdirs.user_cache_path("netdsl") / "fashion-mnist"
    download(cache, FASHION_HELP, progress=_PROGRESS.get())
    return cache
