"""Reads the handwritten digits that come with scikit-learn."""

from __future__ import annotations

import gzip
import importlib.util
import io
import zlib
from pathlib import Path

import numpy as np

from netdsl.data.dataset import Split, check_labels
from netdsl.data.split import parted
from netdsl.errors import SettingError
from netdsl.pipes import refuse_pipe

FILE = "digits.csv.gz"
HELP = (
    f'run `pip install scikit-learn`, which contains {FILE}, or give `root = "DIR"`, the folder of'
    " that file"
)
WHITE = 16  # pixels have the values 0 to 16
MOST = 1 << 24  # bytes of the unpacked file; the published one has 300,000
TEST = 0.2


def packaged_folder() -> Path | None:
    """The folder of the file in an installed scikit-learn, which is not imported."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "datasets" / "data"


def read_digits(folder: Path) -> tuple[Split, Split]:
    """The training and the test split; images are N x 1 x 8 x 8 with bytes.

    Raises SettingError: `data-not-found`, or `corrupt-data` for a damaged file.
    """
    path = folder / FILE
    try:
        refuse_pipe(path)
        with gzip.open(path, "rb") as file:
            text = file.read(MOST).decode("ascii")
        table = np.loadtxt(io.StringIO(text), np.int64, delimiter=",", ndmin=2)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        message = f"{path} is not a packed table of integers: {error}"
        raise SettingError("corrupt-data", message, "data") from None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SettingError("data-not-found", message, "data", HELP) from None
    if table.shape[1] != 65 or table[:, :64].min() < 0 or table[:, :64].max() > WHITE:
        message = f"{path} is damaged: expected rows of 64 numbers from 0 to {WHITE} and a label"
        raise SettingError("corrupt-data", message, "data")
    labels = table[:, 64]
    check_labels(labels, 10, path)
    images = (table[:, :64] * 255 / WHITE).round().astype(np.uint8).reshape(-1, 1, 8, 8)
    rest, chosen = parted(labels, TEST, "test")
    return Split.of(images[rest], labels[rest]), Split.of(images[chosen], labels[chosen])
