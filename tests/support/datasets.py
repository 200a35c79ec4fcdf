"""Files of datasets that tests write, and the errors of wrong datasets."""

import struct

import numpy as np
import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.idx import NAMES
from netdsl.errors import SettingError


def fails(code: str, call: SettingCall) -> SettingError:
    with pytest.raises(SettingError) as caught:
        open_dataset(call)
    assert caught.value.code == code
    assert caught.value.key == "data"
    return caught.value


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def idx_contents() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (20, 28, 28), np.uint8),
        np.arange(20, dtype=np.uint8) % 10,
        rng.integers(0, 256, (10, 28, 28), np.uint8),
        np.arange(10, dtype=np.uint8),
    ]
    return {name: idx_bytes(array) for name, array in zip(NAMES, arrays, strict=True)}
