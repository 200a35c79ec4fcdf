"""Folders of pictures: what is read, what is refused, and what is reported."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from netdsl.cli import run
from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.findings import warnings_about
from netdsl.pictures import decode
from tests.support.datasets import fails
from tests.support.photos import CLASSES, write_net, write_photos

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.data.dataset import Dataset


def call(path: Path, **arguments: object) -> SettingCall:
    return SettingCall("folder", (str(path),), {"size": 16, **arguments})


def codes(dataset: Dataset) -> list[str]:
    return [warning.code for warning in warnings_about(dataset)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos")
    return tmp_path / "photos"


def test_a_net_is_trained_on_photos(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names of the classes come from the folders, and reach the weights and `netdsl run`."""
    write_photos(folder / "photos")
    write_net(folder, 'folder("photos", size = 16, test = 0.25)')
    assert run(["train", "small.net"]) == 0
    printed = capsys.readouterr()
    assert "27 training and 9 test samples of 3x16x16 in 3 classes, 9 training" in printed.out
    assert printed.err == ""
    weights = "runs/Small/weights.safetensors"
    with safe_open(weights, "pt") as file:
        assert json.loads(file.metadata()["classes"]) == list(CLASSES)
    assert run(["test", "small.net", "--weights", weights]) == 0
    assert "accuracy 100.00 %" in capsys.readouterr().out
    assert run(["export", "small.net", "--weights", weights, "-o", "small.onnx"]) == 0
    assert run(["run", "small.onnx", "photos/owl/03.jpg"]) == 0
    assert capsys.readouterr().out.splitlines()[-3].endswith("2  owl")


def test_pictures_are_decoded_as_run_decodes_them(photos: Path) -> None:
    """Grey, palettes, transparency and rotation by EXIF are as for `netdsl run`."""
    shutil.rmtree(photos / "cat")
    (photos / "cat").mkdir()
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (20, 12, 3), np.uint8))
    transparent = picture.convert("RGBA")
    transparent.putalpha(100)
    exif = Image.Exif()
    exif[0x112] = 6
    picture.convert("L").save(photos / "cat" / "a.png")
    picture.convert("P").save(photos / "cat" / "b.png")
    transparent.save(photos / "cat" / "c.png")
    picture.save(photos / "cat" / "d.jpg", exif=exif)
    for channels, mode in ((1, "L"), (3, "RGB")):
        data = open_dataset(call(photos, channels=channels, size=[8, 10], test=0.1))
        assert data.shape == (channels, 8, 10)
        images = [*data.train.images, *data.test.images]
        for path in sorted((photos / "cat").iterdir()):
            own = np.asarray(decode(path, mode, (10, 8))).reshape(8, 10, channels)
            assert any(np.array_equal(image, own.transpose(2, 0, 1)) for image in images)


def test_constants_are_those_of_the_training_pictures(photos: Path) -> None:
    """The mean and the deviation normalise the training pictures, in memory or not."""
    data = open_dataset(call(photos))
    values = data.normalise(data.train.images)
    assert np.abs(values.mean((0, 2, 3))).max() < 1e-3
    assert np.abs(values.std((0, 2, 3)) - 1).max() < 1e-3


def test_the_shares_of_test_and_validation_are_stratified(photos: Path) -> None:
    """Every class has its share of each split, and no picture is in two of them."""
    data = open_dataset(call(photos, test=0.25, val=1 / 3, limit=18))
    assert data.val is not None
    for split, count in ((data.train, 4), (data.val, 2), (data.test, 3)):
        assert np.bincount(split.labels).tolist() == [count] * 3
    assert codes(data) == []
    again = open_dataset(call(photos, test=0.25, val=1 / 3, limit=18))
    assert data.sum() == again.sum()


def test_folders_of_splits(tmp_path: Path) -> None:
    """The folders `train`, `val` and `test` are the splits, with the classes of `train`."""
    for number, part in enumerate(("train", "val", "test")):
        write_photos(tmp_path / part, 3 - number, seed=number)
    data = open_dataset(call(tmp_path))
    assert {name: len(split) for name, split in data.splits.items()} == {
        "training": 9,
        "validation": 6,
        "test": 3,
    }
    (tmp_path / "val").rename(tmp_path / "valid")  # another tool's name
    assert open_dataset(call(tmp_path)).sum() == data.sum()
    shutil.copytree(tmp_path / "valid", tmp_path / "validation")
    assert "all for the split `val`" in fails("data-mismatch", call(tmp_path)).message
    shutil.rmtree(tmp_path / "validation")
    assert "test set of its own" in fails("bad-argument", call(tmp_path, test=0.1)).message
    assert "validation set of its own" in fails("bad-argument", call(tmp_path, val=0.1)).message
    shutil.copytree(tmp_path / "test" / "cat", tmp_path / "test" / "elk")
    message = fails("unknown-class", call(tmp_path)).message
    assert "has the class elk" in message
    for name in ("elk", "cat"):
        (tmp_path / "test" / name).rename(tmp_path / "test" / name.upper())
    assert "has the classes CAT and ELK" in fails("unknown-class", call(tmp_path)).message
    shutil.rmtree(tmp_path / "test" / "ELK")
    error = fails("unknown-class", call(tmp_path))
    assert error.help == f"did you mean the same classes? rename {tmp_path / 'test' / 'CAT'} to cat"


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """Only a folder `train` with folders of classes is a split."""
    write_photos(tmp_path)
    (tmp_path / "owl").rename(tmp_path / "train")
    assert open_dataset(call(tmp_path)).classes == ("cat", "dog", "train")


def test_unreadable_files_are_named_and_left_out(photos: Path) -> None:
    """They are skipped up to the share `unreadable`, beyond which the data is refused."""
    (photos / "dog" / "03.jpg").write_bytes(b"nothing")
    whole = (photos / "owl" / "05.jpg").read_bytes()
    (photos / "owl" / "05.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "dog" / "notes.txt").write_text("not a picture")
    error = fails("unreadable-pictures", call(photos, unreadable=0.05))
    assert "2 of the 36 pictures" in error.message
    data = open_dataset(call(photos, unreadable=0.06))
    assert len(data.train) + len(data.test) == 34
    (warning,) = warnings_about(data)
    assert warning.code == "unreadable-pictures"
    assert "dog/03.jpg" in warning.message and "owl/05.jpg" in warning.message


def test_equal_pictures_in_two_splits_are_reported(tmp_path: Path) -> None:
    """A test picture that is also a training picture is found by its pixels."""
    write_photos(tmp_path / "train", 3)
    write_photos(tmp_path / "test", 3, seed=1)
    with Image.open(tmp_path / "train" / "dog" / "00.png") as picture:
        picture.save(tmp_path / "test" / "dog" / "copy.bmp")
    (warning,) = warnings_about(open_dataset(call(tmp_path)))
    assert warning.code == "shared-samples"
    copy, first = tmp_path / "test" / "dog" / "copy.bmp", tmp_path / "train" / "dog" / "00.png"
    fact = f"1 of the 10 test samples of {tmp_path} occurs in the training set too:"
    assert warning.message == f"{fact} {copy} is {first}"


def test_missing_and_rare_classes_are_reported(tmp_path: Path) -> None:
    """A class without pictures and a class with very few of them are named."""
    write_photos(tmp_path / "train", 20)
    write_photos(tmp_path / "test", 2, seed=1)
    shutil.rmtree(tmp_path / "test" / "cat")
    (tmp_path / "train" / "elk").mkdir()
    for path in sorted((tmp_path / "train" / "dog").iterdir())[2:]:
        path.unlink()
    found = {warning.message for warning in warnings_about(open_dataset(call(tmp_path)))}
    assert any("no training samples of `elk`" in message for message in found)
    assert any("no test samples of `cat` and `elk`" in message for message in found)
    assert any("2 training samples of `dog`, but 20 of `cat`" in message for message in found)


@pytest.mark.parametrize("made", ["nothing", "one class", "no folders"])
def test_a_folder_without_classes_is_refused(tmp_path: Path, made: str) -> None:
    """The help shows the layout."""
    root = tmp_path / "photos"
    if made != "nothing":
        root.mkdir()
    if made == "one class":
        (root / "cat").mkdir()
    elif made == "no folders":
        Image.new("L", (4, 4)).save(root / "a.png")
    error = fails("data-not-found", call(root))
    assert ("there is no folder" in error.message) == (made == "nothing")
    assert ("/cat/1.jpg" in (error.help or "")) == (made != "nothing")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"size": 0}, "bad-argument"),
        ({"size": [8]}, "bad-argument"),
        ({"size": "8"}, "wrong-type"),
        ({"channels": 4}, "bad-argument"),
        ({"test": 1.0}, "bad-argument"),
        ({"val": 0.001}, "bad-argument"),
        ({"limit": 0}, "bad-argument"),
        ({"limit": True}, "wrong-type"),
        ({"pad": 2}, "unknown-argument"),
    ],
)
def test_wrong_arguments_of_a_folder(photos: Path, arguments: dict[str, object], code: str) -> None:
    """Wrong values are refused with the values that are allowed."""
    fails(code, call(photos, **arguments))


def test_the_advice_for_another_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures of another size or of other colours than the input can be decoded to its own."""
    write_photos(folder / "photos")
    write_net(folder, 'folder("photos", size = 12, channels = 1)')
    for command in ("check", "train"):
        assert run([command, "small.net"]) == 1
        assert "give the data `channels = 3` and `size = 16`" in capsys.readouterr().err


def test_workers_do_not_change_results(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures in memory, or decoded by any number of workers, train the same weights."""
    write_photos(folder / "photos")
    write_net(folder, 'folder("photos", size = 16, val = 0.2)')
    assert run(["train", "small.net", "--out", "memory"]) == 0
    expected = (folder / "memory" / "weights.safetensors").read_bytes()
    monkeypatch.setenv("NETDSL_MAX_DECODED_BYTES", "1000")
    for workers in ("0", "1", "3"):
        options = ["--set", f"train.workers={workers}", "--out", f"workers{workers}"]
        assert run(["train", "small.net", *options]) == 0
        found = (folder / f"workers{workers}" / "weights.safetensors").read_bytes()
        assert found == expected


def test_the_help_for_a_missing_size_has_the_folder() -> None:
    """What the user has given stays in the call that the help shows."""
    error = fails("missing-argument", SettingCall("folder", ("photos",)))
    assert error.help == 'write `folder("photos", size = 64)`'


def test_the_folder_of_one_class_is_given(photos: Path) -> None:
    """The advice names the folder above, which has the classes, not a new one below."""
    error = fails("data-not-found", call(photos / CLASSES[0]))
    assert f"{photos / CLASSES[0]} has no folders" in error.message
    assert error.help is not None
    assert f'write `folder("{photos}", ...)`' in error.help


def test_a_folder_among_others_is_not_taken_for_a_class(photos: Path, tmp_path: Path) -> None:
    """A folder of pictures beside folders without pictures is not one of several classes."""
    for name in ("flat", "scans"):
        shutil.copytree(photos / CLASSES[0], tmp_path / name)
    (tmp_path / "runs").mkdir()
    error = fails("data-not-found", call(tmp_path / "flat"))
    assert error.help is not None
    assert error.help.startswith("put the pictures of each class into a folder of its own")


def test_the_folder_around_the_classes_folder_is_given(photos: Path) -> None:
    """An unpacked archive often has one folder, which has those of the classes."""
    error = fails("data-not-found", call(photos.parent))
    assert error.help is not None
    assert f'write `folder("{photos}", ...)`' in error.help


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.csv", 'csv("{}", images'), ("a.npz", 'npz("{}")'), ("a.zip", "unpack"), ("a.x", "folder")],
)
def test_a_file_in_place_of_a_folder(tmp_path: Path, name: str, advice: str) -> None:
    """The error says that it is a file, and not that nothing is there."""
    file = tmp_path / name
    file.touch()
    error = fails("data-not-found", call(file))
    assert error.message == f"{file} is a file, not a folder"
    assert error.help is not None
    assert advice.format(file) in error.help
