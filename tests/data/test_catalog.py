"""Data sets by name: the sample that netdsl contains, and the errors of wrong calls."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from tests.support.datasets import fails


def test_sample_is_balanced_and_normalised() -> None:
    data = open_dataset(SettingCall("fashion_mnist_sample"))
    assert data.train.images.shape == (10_000, 1, 28, 28)
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int64
    assert np.bincount(data.train.labels).tolist() == [1000] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10
    assert data.shape == (1, 28, 28)
    assert data.classes[0] == "T-shirt/top" and len(data.classes) == 10
    assert (
        data.note
        == "Fashion-MNIST sample: 10,000 training and 2,000 test images shipped with netdsl"
    )
    values = data.normalise(data.train.images)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02


def test_sample_is_the_published_data() -> None:
    """The first labels are those of the published files, and the pixels have the known digest."""
    data = open_dataset(SettingCall("fashion_mnist_sample"))
    assert data.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    digest = hashlib.sha256(data.train.images.tobytes() + data.test.images.tobytes()).hexdigest()
    assert digest == "67ac0de77cb2a9b5a6a638c2663b7e4f6cb555664a0cfd1063d3cb7b5eb6177f"


def test_padding_adds_zero_pixels_around() -> None:
    plain = open_dataset(SettingCall("fashion_mnist_sample"))
    data = open_dataset(SettingCall("fashion_mnist_sample", (), {"pad": 2}))
    assert data.shape == (1, 32, 32)
    assert np.array_equal(data.test.images[:, :, 2:-2, 2:-2], plain.test.images)
    assert data.test.images.sum() == plain.test.images.sum()
    assert "padded by 2" in data.note


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (SettingCall("cifar"), "unknown-dataset", "`cifar10`"),
        (SettingCall("fashion_mnist_sample", (), {"padd": 2}), "unknown-argument", "`pad`"),
        (SettingCall("fashion_mnist_sample", (), {"pad": "2"}), "wrong-type", '"2"'),
        (SettingCall("fashion_mnist_sample", (), {"pad": True}), "wrong-type", "true"),
        (SettingCall("fashion_mnist_sample", (), {"pad": -1}), "bad-argument", "-1"),
        (SettingCall("fashion_mnist_sample", (1, 2)), "unknown-argument", "at most 0"),
        (SettingCall("mnist", ("D",), {"root": "D"}), "duplicate-argument", "twice"),
        (SettingCall("mnist", (3,)), "wrong-type", "a string"),
    ],
)
def test_wrong_calls_are_explained(call: SettingCall, code: str, text: str) -> None:
    error = fails(code, call)
    assert text in f"{error.message} {error.help}"


def test_data_sets_do_not_import_torch() -> None:
    code = "import sys, netdsl.data, netdsl.train.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
