"""Reads CIFAR-10 and CIFAR-100 in their binary form.

Each record has a label byte, or two in CIFAR-100 of which the second is the class, followed by
3,072 pixel bytes: the red plane, the green, the blue. The formats are described at
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from netdsl.data.dataset import Split, check_labels
from netdsl.data.extract import extract
from netdsl.errors import SettingError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASSES_100 = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
    cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
    lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm
""".split()
)
PIXELS = 3 * 32 * 32


class CifarLayout(NamedTuple):
    """The files of a data set, and their records."""

    folder: str
    archive: str
    title: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    classes: tuple[str, ...]
    labels: int  # bytes before the pixels
    most: int  # images in one file

    @property
    def record(self) -> int:
        """The bytes of an image and its labels."""
        return self.labels + PIXELS

    @property
    def help(self) -> str:
        """Where to get the files."""
        return (
            f'download the "{self.title}", {self.archive}, from'
            " https://www.cs.toronto.edu/~kriz/cifar.html, and put it into that folder, or give"
            ' the folder that has it: `root = "DIR"`'
        )


CIFAR10 = CifarLayout(
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    "CIFAR-10 binary version",
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    ("test_batch.bin",),
    CLASSES,
    1,
    10_000,
)
CIFAR100 = CifarLayout(
    "cifar-100-binary",
    "cifar-100-binary.tar.gz",
    "CIFAR-100 binary version",
    ("train.bin",),
    ("test.bin",),
    CLASSES_100,
    2,
    50_000,
)


def read_cifar_folder(root: Path, layout: CifarLayout) -> tuple[Split, Split]:
    """The training and test split from the files in `root`, its subfolder, or the archive there.

    Images are N x 3 x 32 x 32. Raises SettingError: `data-not-found` for a missing file,
    `corrupt-data` for a wrong length or label, and as `extract`.
    """
    if (root / layout.archive).is_file() and not (root / layout.folder).is_dir():
        extract(root / layout.archive, root)
    folder = root / layout.folder
    if not folder.is_dir():
        folder = root
    missing = [name for name in layout.train + layout.test if not (folder / name).is_file()]
    if missing:
        message = f"{folder} does not contain {', '.join(missing)}"
        raise SettingError("data-not-found", message, "data", layout.help)
    return _read(folder, layout.train, layout), _read(folder, layout.test, layout)


def _read(folder: Path, names: tuple[str, ...], layout: CifarLayout) -> Split:
    records = np.concatenate([_records(folder / name, layout) for name in names])
    images = np.ascontiguousarray(records[:, layout.labels :]).reshape(-1, 3, 32, 32)
    return Split.of(images, records[:, layout.labels - 1].astype(np.int64))


def _records(path: Path, layout: CifarLayout) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The bytes of one file, one row for each image."""
    try:
        _check_size(path, path.stat().st_size, layout)
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SettingError("data-not-found", message, "data") from error
    records = data.reshape(-1, layout.record)
    check_labels(records[:, layout.labels - 1].astype(np.int64), len(layout.classes), path)
    return records


def _check_size(path: Path, size: int, layout: CifarLayout) -> None:
    most = layout.most * layout.record
    if size > most:
        expected = f"at most {most:,}"
    elif size == 0 or size % layout.record:
        expected = f"a multiple of {layout.record:,}"
    else:
        return
    message = f"{path} is damaged: expected {expected} bytes, found {size:,}"
    raise SettingError("corrupt-data", message, "data")
