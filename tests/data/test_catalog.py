"""Datasets: what is shipped, what is read from files, and what is said of bad ones."""

import gzip
import hashlib
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from netdsl.config import Call
from netdsl.data import catalog as catalog_module
from netdsl.data import download
from netdsl.data.catalog import open_dataset
from netdsl.data.cifar import RECORD, TEST_FILES, TRAIN_FILES
from netdsl.data.dataset import check_classes, check_shape
from netdsl.data.evaluate import evaluate
from netdsl.data.idx import NAMES, read_idx
from netdsl.data.metrics import Accuracy
from netdsl.errors import SettingError
from tests.support.memory import peak_of


def fails(code: str, call: Call) -> SettingError:
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


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    for name, content in idx_contents().items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def write_cifar(folder: Path) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    records = np.random.default_rng(0).integers(0, 256, (6, 10, RECORD), np.uint8)
    records[:, :, 0] = np.arange(10)
    for name, part in zip(TRAIN_FILES + TEST_FILES, records, strict=True):
        part.tofile(folder / name)
    return records


def test_sample_is_balanced_and_normalised() -> None:
    data = open_dataset(Call("fashion_mnist_sample"))
    assert data.train.images.shape == (10_000, 1, 28, 28)
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int64
    assert np.bincount(data.train.labels).tolist() == [1000] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10
    assert data.shape == (1, 28, 28)
    assert data.classes[0] == "T-shirt/top" and len(data.classes) == 10
    assert data.note == "Fashion-MNIST sample: 10,000 training and 2,000 test images shipped with netdsl"
    values = data.normalise(data.train.images)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02


def test_sample_is_the_published_data() -> None:
    # The classes of the first images of the published files, and a digest of the sample's pixels.
    data = open_dataset(Call("fashion_mnist_sample"))
    assert data.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    digest = hashlib.sha256(data.train.images.tobytes() + data.test.images.tobytes()).hexdigest()
    assert digest == "67ac0de77cb2a9b5a6a638c2663b7e4f6cb555664a0cfd1063d3cb7b5eb6177f"


def test_padding_adds_zero_pixels_around() -> None:
    plain = open_dataset(Call("fashion_mnist_sample"))
    data = open_dataset(Call("fashion_mnist_sample", (), {"pad": 2}))
    assert data.shape == (1, 32, 32)
    assert np.array_equal(data.test.images[:, :, 2:-2, 2:-2], plain.test.images)
    assert data.test.images.sum() == plain.test.images.sum()
    assert "padded by 2" in data.note


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_reads_plain_and_gzipped_files(idx_folder: Path, packed: bool) -> None:
    if packed:
        for name in NAMES:
            (idx_folder / f"{name}.gz").write_bytes(gzip.compress((idx_folder / name).read_bytes()))
            (idx_folder / name).unlink()
    data = open_dataset(Call("mnist", (str(idx_folder),)))
    assert data.train.images[:, 0].tobytes() == idx_contents()[NAMES[0]][16:]
    assert data.test.labels.tolist() == list(range(10))
    assert data.classes == tuple("0123456789")


def test_mnist_needs_a_root() -> None:
    assert "root" in (fails("data-not-found", Call("mnist")).help or "")


def test_missing_folder_and_file_are_named(idx_folder: Path) -> None:
    assert (
        "nowhere" in fails("data-not-found", Call("mnist", (), {"root": str(idx_folder / "nowhere")})).message
    )
    (idx_folder / NAMES[3]).unlink()
    error = fails("data-not-found", Call("mnist", (), {"root": str(idx_folder)}))
    assert NAMES[3] in error.message and "root" in (error.help or "")


@pytest.mark.parametrize(
    ("index", "change", "expected"),
    [
        (0, lambda b: b[:-1], "expected 15,680 bytes after the header, found 15,679"),
        (0, lambda b: b + b"x", "expected 15,680 bytes after the header, found more"),
        (0, lambda b: b[:7], "expected a header of 16 bytes, found 7 bytes"),
        (0, lambda b: b"\0\0\x08\x01" + b[4:], "expected the magic number 0x00000803, found 0x00000801"),
        (0, lambda b: b[:4] + b"\xff" * 12, "in the header"),
        (1, lambda b: b[:-1] + b"\x0a", "holds the label 10; 10 classes have labels 0 to 9"),
        (1, lambda b: idx_bytes(np.zeros(19, np.uint8)), "expected 19 images, as many as labels, found 20"),
        (2, lambda b: idx_bytes(np.zeros((10, 32, 32), np.uint8)), "images of two sizes"),
    ],
)
def test_damaged_idx_is_explained(idx_folder: Path, index: int, change: Callable[[bytes], bytes], expected: str) -> None:
    path = idx_folder / NAMES[index]
    path.write_bytes(change(path.read_bytes()))
    message = fails("corrupt-data", Call("mnist", (str(idx_folder),))).message
    assert expected in message
    assert str(idx_folder) in message


@pytest.mark.parametrize(
    "change", [lambda b: b[:-20], lambda b: b"plain" + b, lambda b: b[:40] + b"\xff" * 60]
)
def test_broken_gzip_is_explained(idx_folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = idx_folder / NAMES[0]
    packed = change(gzip.compress(path.read_bytes()))
    path.unlink()
    (idx_folder / f"{NAMES[0]}.gz").write_bytes(packed)
    assert f"{NAMES[0]}.gz" in fails("corrupt-data", Call("mnist", (str(idx_folder),))).message


def test_packed_data_beyond_its_labels_is_not_unpacked(idx_folder: Path) -> None:
    """A gzip file of zeros that does not fit the labels is refused from its header."""
    zeros = idx_bytes(np.zeros((40_000, 28, 28), np.uint8))
    (idx_folder / NAMES[0]).unlink()
    (idx_folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(zeros, 1))
    call = Call("mnist", (str(idx_folder),))
    assert peak_of(lambda: fails("corrupt-data", call)) < 8 << 20
    message = fails("corrupt-data", call).message
    assert "expected 20 images, as many as labels, found 40,000" in message


def test_images_are_held_once(idx_folder: Path) -> None:
    """Reading packed images takes the memory of the images."""
    zeros = np.zeros((40_000, 28, 28), np.uint8)
    path = idx_folder / f"{NAMES[0]}.gz"
    path.write_bytes(gzip.compress(idx_bytes(zeros), 1))
    assert peak_of(lambda: read_idx(path, 3)) < zeros.nbytes + (8 << 20)


def test_a_large_cifar_file_is_not_read(tmp_path: Path) -> None:
    """A file of more than 10,000 images is none of CIFAR-10: it is refused by its size."""
    write_cifar(tmp_path)
    with (tmp_path / TRAIN_FILES[0]).open("r+b") as file:
        file.truncate(3073 * 100_000)
    call = Call("cifar10", (str(tmp_path),))
    assert peak_of(lambda: fails("corrupt-data", call)) < 8 << 20
    message = fails("corrupt-data", call).message
    assert "expected at most 30,730,000 bytes, found 307,300,000" in message


def test_a_packed_download_is_bounded(published: Path, tmp_path: Path) -> None:
    """A download that unpacks to far more than the data is refused without unpacking all of it."""
    (published / f"{NAMES[0]}.gz").write_bytes(gzip.compress(bytes(200 << 20), 1))
    call = Call("fashion_mnist")
    assert peak_of(lambda: fails("bad-checksum", call)) < 2 * download.MOST + (8 << 20)


@pytest.mark.parametrize("subfolder", ["", "cifar-10-batches-bin"])
def test_cifar_is_read_in_order(tmp_path: Path, subfolder: str) -> None:
    records = write_cifar(tmp_path / subfolder)
    data = open_dataset(Call("cifar10", (), {"root": str(tmp_path), "pad": 1}))
    assert data.shape == (3, 34, 34)
    assert data.train.images.shape[0] == 50
    assert np.array_equal(data.train.images[10, 0, 1, 1:33], records[1, 0, 1:33])
    assert np.array_equal(data.test.images[9, 2, 32, 1:33], records[5, 9, -32:])
    assert data.test.labels.tolist() == list(range(10))
    assert data.mean == (0.485, 0.456, 0.406) and data.std == (0.229, 0.224, 0.225)


def test_damaged_cifar_is_explained(tmp_path: Path) -> None:
    records = write_cifar(tmp_path)
    call = Call("cifar10", (str(tmp_path),))
    path = tmp_path / TRAIN_FILES[2]
    path.write_bytes(path.read_bytes()[:-1])
    assert "expected a multiple of 3,073 bytes, found 30,729" in fails("corrupt-data", call).message
    records[2, 4, 0] = 11
    records[2].tofile(path)
    assert "label 11" in fails("corrupt-data", call).message
    path.unlink()
    assert TRAIN_FILES[2] in fails("data-not-found", call).message


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (Call("cifar"), "unknown-dataset", "`cifar10`"),
        (Call("fashion_mnist_sample", (), {"padd": 2}), "unknown-argument", "`pad`"),
        (Call("fashion_mnist_sample", (), {"pad": "2"}), "wrong-type", '"2"'),
        (Call("fashion_mnist_sample", (), {"pad": True}), "wrong-type", "true"),
        (Call("fashion_mnist_sample", (), {"pad": -1}), "bad-argument", "-1"),
        (Call("fashion_mnist_sample", (1, 2)), "unknown-argument", "at most 1"),
        (Call("fashion_mnist_sample", (1,), {"pad": 2}), "duplicate-argument", "twice"),
        (Call("mnist", (3,)), "wrong-type", "a text"),
    ],
)
def test_wrong_calls_are_explained(call: Call, code: str, text: str) -> None:
    error = fails(code, call)
    assert text in f"{error.message} {error.help}"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the publisher, with no Debian package and an empty cache."""
    source = tmp_path / "source"
    source.mkdir()
    digests = {}
    for name, content in idx_contents().items():
        (source / f"{name}.gz").write_bytes(gzip.compress(content))
        digests[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(download, "SHA256", digests)
    monkeypatch.setattr(download, "SOURCE", source.as_uri())
    monkeypatch.setattr(catalog_module, "DEBIAN_FOLDER", tmp_path / "none")
    monkeypatch.setattr(
        platformdirs, "user_cache_path", lambda name: tmp_path / "cache" / name
    )
    return source


def cached(tmp_path: Path) -> list[Path]:
    return sorted(p for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_fashion_mnist_prefers_the_debian_folder(published: Path, idx_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "DEBIAN_FOLDER", idx_folder)
    assert len(open_dataset(Call("fashion_mnist")).train.labels) == 20
    assert not cached(idx_folder)


def test_fashion_mnist_is_downloaded_once(published: Path, tmp_path: Path) -> None:
    data = open_dataset(Call("fashion_mnist"))
    assert data.train.images[:, 0].tobytes() == idx_contents()[NAMES[0]][16:]
    assert len(cached(tmp_path)) == 4
    for path in published.iterdir():
        path.unlink()
    assert len(open_dataset(Call("fashion_mnist")).test.labels) == 10


def test_failed_download_says_what_to_do(published: Path, tmp_path: Path) -> None:
    (published / f"{NAMES[0]}.gz").unlink()
    error = fails("data-not-found", Call("fashion_mnist"))
    assert f"{NAMES[0]}.gz" in error.message
    assert "apt install dataset-fashion-mnist" in (error.help or "") and "root" in (error.help or "")
    assert not cached(tmp_path)


@pytest.mark.parametrize("content", [gzip.compress(b"other"), b"no gzip"], ids=["other", "no gzip"])
def test_changed_download_is_refused(published: Path, tmp_path: Path, content: bytes) -> None:
    (published / f"{NAMES[0]}.gz").write_bytes(content)
    assert f"{NAMES[0]}.gz" in fails("bad-checksum", Call("fashion_mnist")).message
    assert not cached(tmp_path)


def test_shape_mismatch_advises_padding() -> None:
    data = open_dataset(Call("fashion_mnist_sample"))
    check_shape(data, (1, 28, 28))
    with pytest.raises(SettingError, match="are 1 x 28 x 28, the net takes 1 x 32 x 32") as caught:
        check_shape(data, (1, 32, 32))
    assert caught.value.code == "data-mismatch"
    assert "the `pad` of the dataset by 2" in (caught.value.help or "")
    for expects in [(3, 32, 32), (1, 27, 27), (1, 30, 32), (784,)]:
        with pytest.raises(SettingError) as caught:
            check_shape(data, expects)
        assert "pad" not in (caught.value.help or "")


def test_class_mismatch_is_explained() -> None:
    data = open_dataset(Call("fashion_mnist_sample"))
    check_classes(data, (10,))
    with pytest.raises(SettingError, match=r"gives 1000 numbers .* has 10 classes"):
        check_classes(data, (1000,))


def test_top_k_ranks_ties_in_order_and_nan_last() -> None:
    logits = np.array([[3, 2, 1], [1, 1, 1], [np.nan, 0, 0]], np.float32)
    labels = np.array([1, 2, 0])
    assert [Accuracy(top)(logits, labels) for top in (1, 2, 3)] == [0, pytest.approx(1 / 3), 1]
    assert Accuracy(1)(logits, np.array([0, 0, 1])) == pytest.approx(2 / 3)
    with pytest.raises(SettingError, match="is 4, the net has 3 classes"):
        Accuracy(4)(logits, labels)


def test_evaluate_passes_normalised_batches() -> None:
    data = open_dataset(Call("fashion_mnist_sample"))
    seen: list[np.ndarray] = []

    def forward(images: np.ndarray) -> np.ndarray:
        start = sum(len(images) for images in seen)
        seen.append(images)
        logits = np.eye(10, dtype=np.float32)[data.test.labels[start : start + len(images)]]
        logits[::2] = np.roll(logits[::2], 1, axis=1)
        return logits

    results = evaluate(forward, data.test, data, [Accuracy(), Accuracy(10)], batch=300)
    assert [len(images) for images in seen] == [300] * 6 + [200]
    assert np.array_equal(np.concatenate(seen), data.normalise(data.test.images))
    assert results == {"accuracy": 0.5, "top10_accuracy": 1.0}


def test_data_does_without_torch() -> None:
    code = "import sys, netdsl.data, netdsl.train.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
