"""Reads CIFAR-10 in its binary form.

Each record is a label byte followed by 3,072 pixel bytes: the red plane, the green, the blue.
The format is described at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from pathlib import Path

import numpy as np

from netdsl.data.dataset import Split, check_labels
from netdsl.errors import SettingError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SUBFOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
RECORD = 1 + 3 * 32 * 32
MAX_BYTES = 10_000 * RECORD  # of one file: each published file has 10,000 images
HELP = 'give `root = "DIR"`, the folder of the unpacked "CIFAR-10 binary version"'


def read_cifar_folder(root: Path) -> tuple[Split, Split]:
    """The training and test split from the files in `root` or in `root`/cifar-10-batches-bin.

    Images are N x 3 x 32 x 32. Raises SettingError: `data-not-found` for a missing file,
    `corrupt-data` for a wrong length or label.
    """
    folder = root / SUBFOLDER
    if not folder.is_dir():
        folder = root
    missing = [name for name in TRAIN_FILES + TEST_FILES if not (folder / name).is_file()]
    if missing:
        message = f"{folder} does not contain {', '.join(missing)}"
        raise SettingError("data-not-found", message, "data", HELP)
    return _read(folder, TRAIN_FILES), _read(folder, TEST_FILES)


def _read(folder: Path, names: tuple[str, ...]) -> Split:
    records = np.concatenate([_records(folder / name) for name in names])
    images = np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32)
    return Split.of(images, records[:, 0].astype(np.int64))


def _records(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The bytes of one file, one row for each image."""
    try:
        _check_size(path, path.stat().st_size)
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SettingError("data-not-found", f"{path} cannot be read: {error}", "data") from error
    records = data.reshape(-1, RECORD)
    check_labels(records[:, 0].astype(np.int64), len(CLASSES), path)
    return records


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        expected = f"at most {MAX_BYTES:,}"
    elif size == 0 or size % RECORD:
        expected = f"a multiple of {RECORD:,}"
    else:
        return
    message = f"{path} is damaged: expected {expected} bytes, found {size:,}"
    raise SettingError("corrupt-data", message, "data")
