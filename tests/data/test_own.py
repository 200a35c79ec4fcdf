"""Tables, arrays and masks of the user's own, from real files to trained weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from netdsl.cli import run
from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.errors import NetdslError
from tests.support.datasets import fails
from tests.support.photos import CLASSES, write_net, write_photos

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = """net Small {
    input x: 4
    dense(8) -> relu
    output y: dense(3)
}
train Small {
    data = DATA
    optimizer = adam(lr = 0.05)
    epochs = 10
    batch = 16
}
"""


def log(folder: Path) -> list[dict[str, float]]:
    text = (folder / "runs" / "Small" / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def vectors(count: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose class is the place of their largest number."""
    x = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return x, x[:, :3].argmax(1)


def write_table(folder: Path, header: str = "file,label", split: bool = False) -> None:
    """Write a table of the photos of `write_photos`."""
    lines = [header + ",split" * split]
    for name in CLASSES:
        for number, path in enumerate(sorted((folder / "photos" / name).iterdir())):
            part = f",{('train', 'val', 'test')[number % 3]}" if split else ""
            lines.append(f"{name}/{path.name},{name}{part}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def test_a_table_of_classes_is_trained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The classes are the names in the column, and `split` gives the splits."""
    write_photos(folder / "photos")
    write_table(folder, split=True)
    write_net(folder, 'csv("labels.csv", images = "photos", size = 16)')
    assert run(["train", "small.net"]) == 0
    printed = capsys.readouterr()
    assert "12 training, 12 validation and 12 test samples of 3x16x16" in printed.out
    assert {"val_loss", "val_accuracy"} <= log(folder)[0].keys()
    data = open_dataset(SettingCall("csv", ("labels.csv", "photos"), {"size": 16}))
    assert data.classes == CLASSES


def test_a_number_of_a_table_is_predicted(folder: Path) -> None:
    """With `numbers`, the column is a number, and the loss is its squared error."""
    write_photos(folder / "photos")
    lines = ["file,name,age"]
    for number, name in enumerate(CLASSES):
        paths = sorted((folder / "photos" / name).iterdir())
        lines += [f"{name}/{path.name},{name},{number}.5" for path in paths]
    (folder / "ages.csv").write_text("\n".join(lines))
    data = 'csv("ages.csv", images = "photos", target = "age", numbers = true, size = 16)'
    write_net(folder, data)
    text = (folder / "small.net").read_text().replace("dense(classes)", "dense(1)")
    (folder / "small.net").write_text(text)
    assert run(["train", "small.net"]) == 1  # cross entropy needs classes
    assert run(["train", "small.net", "--set", "train.loss=mse"]) == 0
    records = log(folder)
    assert records[-1]["test_loss"] < records[0]["test_loss"]
    assert "accuracy" not in records[0]


@pytest.mark.parametrize(
    ("text", "arguments", "code", "expected"),
    [
        (
            "file\na.png\n",
            {},
            "corrupt-data",
            "has 1 column and 1 row, but needs at",
        ),
        ("file,label\n", {}, "corrupt-data", "0 rows"),
        ("file;label\na.png;x\n", {}, "corrupt-data", "no commas between its fields"),
        ("file\tlabel\na.png\tx\n", {}, "corrupt-data", "no commas between its fields"),
        ("b/a.JPG,x\na.png,y\n", {}, "corrupt-data", "has the picture `b/a.JPG`, not the names"),
        ("file,label\na.png\n", {}, "corrupt-data", "has 1 field, but the first row has 2"),
        ("file,label\na.png,b,c\n", {}, "corrupt-data", "has 3 fields, but the first row has 2"),
        (
            "file,label,split\na.png,b,tset\n",
            {},
            "corrupt-data",
            "has the split `tset`",
        ),
        (
            "file,label\na.png,x\n",
            {"numbers": True},
            "corrupt-data",
            "`x`, which is not a",
        ),
        (
            "file,label\na.png,nan\n",
            {"numbers": True},
            "corrupt-data",
            "`nan`, which is not a",
        ),
        ("file,label\na.png,x\n", {"target": "labels"}, "data-not-found", "no column `labels`"),
        ("file,label\na.png,x\n", {}, "unreadable-pictures", "1 of the 1 picture"),
        ("file,label\n../../a.png,x\n", {}, "corrupt-data", "outside"),
        ("file,label\n/etc/a.png,x\n", {}, "corrupt-data", "outside"),
    ],
)
def test_wrong_tables_are_explained(
    tmp_path: Path, text: str, arguments: dict[str, object], code: str, expected: str
) -> None:
    """The message has the row and what is wrong with it."""
    (tmp_path / "labels.csv").write_text(text)
    call = SettingCall(
        "csv", (str(tmp_path / "labels.csv"), str(tmp_path)), {"size": 8, **arguments}
    )
    assert expected in fails(code, call).message


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_arrays_are_trained(folder: Path, kind: str) -> None:
    """Vectors and their classes come from an archive, or from a folder of mapped files."""
    x, y = vectors()
    if kind == "npz":
        np.savez(folder / "data.npz", x=x, y=y)
    else:
        (folder / "data").mkdir()
        np.save(folder / "data" / "x.npy", x)
        np.save(folder / "data" / "y.npy", y)
    path = {"npz": "data.npz", "npy": "data"}[kind]
    write_net(folder, f'{kind}("{path}", val = 0.2)', net=VECTORS)
    assert run(["check", "small.net"]) == 0
    assert run(["train", "small.net"]) == 0
    assert log(folder)[-1]["accuracy"] > 0.8
    assert run(["test", "small.net", "--weights", "runs/Small/weights.safetensors"]) == 0


def test_mapped_arrays_and_arrays_in_memory_train_the_same(folder: Path) -> None:
    """Where the numbers come from does not change the weights."""
    x, y = vectors()
    np.savez(folder / "data.npz", x_train=x, y_train=y, x_test=x[:9] + 1, y_test=y[:9])
    (folder / "data").mkdir()
    with np.load(folder / "data.npz") as archive:
        for name, array in archive.items():
            np.save(folder / "data" / f"{name}.npy", array)
    saved = []
    for data in ('npz("data.npz")', 'npy("data")'):
        write_net(folder, data, net=VECTORS)
        assert run(["train", "small.net", "--overwrite"]) == 0
        with open("runs/Small/weights.safetensors", "rb") as file:
            content = file.read()
        saved.append(content[8 + int.from_bytes(content[:8], "little") :])
    assert saved[0] == saved[1]


def test_several_inputs_are_matched_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The order of the data's inputs does not matter; a missing one is named."""
    x, y = vectors()
    images = np.random.default_rng(1).integers(0, 256, (300, 1, 6, 6), np.uint8)
    np.savez(folder / "data.npz", images=images, more=x, y=y)
    net = (
        "net Small {\n input more: 4\n input images: 1x6x6\n"
        " a: @images -> flatten\n concat { | @a | @more }\n output y: dense(3)\n}\n"
        "train Small {\n data = DATA\n epochs = 15\n batch = 16\n optimizer = adam(lr = 0.05)\n}\n"
    )
    write_net(folder, 'npz("data.npz", inputs = ["images", "more"])', net=net)
    assert run(["train", "small.net"]) == 0, capsys.readouterr().err
    assert log(folder)[-1]["train_loss"] < 0.5
    for engine in ("torch", "onnxruntime"):
        options = ["--weights", "runs/Small/weights.safetensors", "--engine", engine]
        assert run(["test", "small.net", *options]) == 0
    capsys.readouterr()
    write_net(folder, 'npz("data.npz", inputs = ["images"])', net=net)
    assert run(["train", "small.net", "--overwrite"]) == 1
    message = "has the inputs `images`, but the net takes `more` and `images`"
    assert message in capsys.readouterr().err


def test_integers_are_inputs_of_integer_nets(folder: Path) -> None:
    """Word numbers are not scaled, and go to an embedding as int64."""
    words = np.random.default_rng(0).integers(0, 9, (60, 5))
    np.savez(folder / "data.npz", x=words, y=words[:, 0] % 3)
    net = (
        "net Small {\n input ids: 5 int64\n embedding(9, 4) -> flatten\n output y: dense(3)\n}\n"
        "train Small {\n data = DATA\n epochs = 2\n}\n"
    )
    write_net(folder, 'npz("data.npz")', net=net)
    assert run(["train", "small.net"]) == 0


@pytest.mark.parametrize("ignored", [255, -1])
def test_masks_in_arrays_have_pixels_without_a_class(
    folder: Path, capsys: pytest.CaptureFixture[str], ignored: int
) -> None:
    """They count neither in the losses nor in the metrics, and errors lead to the argument."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (40, 8, 8)).astype(np.int16)
    pixels = (60 + 120 * masks[:, None]).astype(np.uint8)
    masks[:, :4] = ignored
    np.savez(folder / "data.npz", x=pixels, y=masks)
    net = (
        "net Small {\n input x: 1x8x8\n output y: conv(2, 1)\n}\n"
        "train Small {\n data = DATA\n metrics = mean_iou, accuracy\n epochs = 3\n batch = 8\n}\n"
    )
    write_net(folder, 'npz("data.npz")', net=net)
    assert run(["train", "small.net"]) == 1
    assert f"write `ignored = {ignored}`" in capsys.readouterr().err
    write_net(folder, f'npz("data.npz", ignored = {ignored})', net=net)
    for loss in ("cross_entropy", "cross_entropy(ignore = 1)", "bce", "dice", "mse"):
        words = ["--overwrite", "--set", f"train.loss={loss}"]
        words += ["--set", "train.augment=[rotation(20)]"]
        assert run(["train", "small.net", *words]) == 0, capsys.readouterr().err
    assert run(["train", "small.net", "--overwrite"]) == 0
    assert log(folder)[-1]["accuracy"] > 0.9
    assert log(folder)[-1]["train_accuracy"] > 0.9


def test_only_pixels_are_ignored(folder: Path) -> None:
    """A number for pixels without a class has no meaning for labels of samples."""
    np.savez(folder / "data.npz", x=np.zeros((9, 2), "f4"), y=np.arange(9) % 3)
    call = SettingCall("npz", ("data.npz",), {"ignored": 255})
    assert "data.npz has no masks" in fails("bad-argument", call).message


ARRAYS: dict[str, tuple[dict[str, np.ndarray], str, str]] = {
    "missing": ({"y": np.zeros(4, int)}, "data-not-found", "no array `x` or `x_train`"),
    "lengths": (
        {"x": np.zeros((4, 2), "f4"), "y": np.zeros(5, int)},
        "corrupt-data",
        "`y` of data.npz has 5 samples, but `x` has 4 samples",
    ),
    "negative": (
        {"x": np.zeros((4, 2), "f4"), "y": np.array([0, 1, -1, -2])},
        "label-out-of-range",
        "label -1 in sample 2, but the labels of 2 classes are 0 to 1 (2 labels",
    ),
    "large": (
        {"x": np.zeros((2, 2), "f4"), "y": np.array([0, 10**9])},
        "label-out-of-range",
        "the label 1,000,000,000",
    ),
    "nan": (
        {"x": np.full((4, 2), np.nan, "f4"), "y": np.zeros(4, int)},
        "corrupt-data",
        "`x` of data.npz has numbers that are not finite",
    ),
    "nan in a split": (
        {
            "x_train": np.zeros((4, 2), "f4"),
            "x_test": np.array([[0, 1], [0, np.inf]], "f4"),
            "y_train": np.zeros(4, int),
            "y_test": np.zeros(2, int),
        },
        "corrupt-data",
        "`x_test` of data.npz has numbers that are not finite: inf in sample 1, counted from 0",
    ),
    "text": ({"x": np.array(["a"] * 4), "y": np.zeros(4, int)}, "wrong-dtype", "contains text"),
    "empty": ({"x": np.zeros((0, 2), "f4"), "y": np.zeros(0, int)}, "corrupt-data", "no samples"),
    "sizes": (
        {
            "x_train": np.zeros((4, 2), "f4"),
            "x_test": np.zeros((2, 3), "f4"),
            "y_train": np.zeros(4, int),
            "y_test": np.zeros(2, int),
        },
        "corrupt-data",
        "samples of different shapes: 2 and 3",
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_wrong_arrays_are_explained(folder: Path, case: str) -> None:
    """The message names the array, the sample and both values."""
    arrays, code, expected = ARRAYS[case]
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(NetdslError) as caught:
        open_dataset(SettingCall("npz", ("data.npz",)))
    assert caught.value.code == code
    assert expected in caught.value.message


def test_names_without_their_suffix(tmp_path: Path) -> None:
    """A table whose names nearly name the files says which file is there."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for name, advice in (("a", f"with their suffix: there is a file {tmp_path}/a.png"), ("b", "")):
        (tmp_path / "labels.csv").write_text(f"file,label\n{name},x\n")
        call = SettingCall("csv", (str(tmp_path / "labels.csv"), str(tmp_path)), {"size": 8})
        assert (advice or "correct the folder") in (fails("unreadable-pictures", call).help or "")


@pytest.mark.parametrize("kind", ["u1", "f4"])
def test_channels_last(folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """Pictures H x W x C are explained by their layout, whatever their type is."""
    np.savez(folder / "data.npz", x=np.zeros((9, 8, 9, 3), kind), y=np.arange(9) % 3)
    write_net(folder, 'npz("data.npz")')
    assert run(["train", "small.net"]) == 1
    message = capsys.readouterr().err
    assert "are 8x9x3, but the net takes 3x16x16" in message
    assert "store the array with `.transpose(0, 3, 1, 2)`" in message


SCALES = {
    "pixels": ("1x4x4", "conv(4, 3) -> relu -> flatten", 255, "`conv` takes them as they are"),
    "columns": ("5", "dense(4) -> relu", 9000, "`dense` takes them as they are"),
    "after other layers": ("1x4x4", "maxpool(2) -> flatten", 255, "`dense` takes them"),
    "a norm": ("1x4x4", "bn -> flatten", 255, None),
    "arithmetic": ("1x4x4", "(@ / 255) -> flatten", 255, None),
    "scaled": ("1x4x4", "flatten", 1, None),
}


@pytest.mark.parametrize("case", SCALES)
@pytest.mark.parametrize("command", ["train", "data"])
def test_numbers_of_a_large_scale(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    """Floats such as pixels up to 255 are warned of, unless the net itself scales them."""
    shape, layers, scale, fact = SCALES[case]
    sizes = [int(size) for size in shape.split("x")]
    x = np.random.default_rng(0).random((30, *sizes), np.float32) * scale
    np.savez(folder / "data.npz", x=x, y=np.arange(30) % 3)
    text = f"net Small {{\n input image: {shape}\n {layers}\n output y: dense(3)\n}}\n"
    text += 'train Small {\n data = npz("data.npz")\n epochs = 1\n batch = 8\n}\n'
    (folder / "small.net").write_text(text)
    assert run([command, "small.net"]) == 0
    messages = capsys.readouterr().err
    assert ("warning[unscaled-input]" in messages) == (fact is not None)
    assert fact is None or fact in messages


def test_labels_beyond_the_given_classes(folder: Path) -> None:
    """With `classes`, a label that none of them has is an error."""
    np.savez(folder / "data.npz", x=np.zeros((4, 2), "f4"), y=np.array([0, 1, 2, 1]))
    call = SettingCall("npz", ("data.npz",), {"classes": ["a", "b"]})
    message = fails("label-out-of-range", call).message
    assert message.endswith("the label 2 in sample 2, but the labels of 2 classes are 0 to 1")


SEGMENTS = """net Small {
    input image: 3x16x16
    conv(8, 3, pad = 1) -> relu
    output y: conv(2, 1)
}
train Small {
    data = DATA
    optimizer = adam(lr = 0.02)
    epochs = 8
    batch = 4
}
"""


def write_segments(folder: Path, count: int = 12) -> None:
    """Write grey noise with a bright square, which the masks mark, in a frame without a class."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for number in range(count):
        pixels = rng.integers(0, 100, (16, 16, 3), np.uint8)
        mask = np.zeros((16, 16), np.uint8)
        top, left = rng.integers(2, 8, 2)
        pixels[top : top + 6, left : left + 6] += 140
        mask[top : top + 6, left : left + 6] = 1
        mask[0] = 255
        Image.fromarray(pixels).save(folder / "images" / f"{number}.jpg", quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")


def test_masks_are_trained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every pixel has a class, and those with the ignored number do not count."""
    write_segments(folder)
    data = 'segments("images", "masks", size = 16, classes = ["ground", "square"])'
    write_net(folder, data, net=SEGMENTS)
    assert run(["train", "small.net"]) == 0, capsys.readouterr().err
    assert log(folder)[-1]["accuracy"] > 0.9
    assert run(["test", "small.net", "--weights", "runs/Small/weights.safetensors"]) == 0
    write_net(folder, data, net=SEGMENTS.replace("conv(2, 1)", "conv(3, 1)"))
    assert run(["train", "small.net", "--overwrite"]) == 1
    assert "needs 2x16x16" in capsys.readouterr().err
    write_net(folder, data, net=SEGMENTS.replace("conv(2, 1)", "conv(2, 3)"))
    assert run(["train", "small.net", "--overwrite"]) == 1
    assert "a convolution keeps it with `pad = same`" in capsys.readouterr().err


def test_wrong_masks_are_explained(folder: Path) -> None:
    """A mask with colours, with an unknown number or without a picture is named."""
    write_segments(folder)
    call = SettingCall("segments", ("images", "masks"), {"size": 16, "classes": ["a"]})
    assert "masks/0.png has the label 1" in fails("label-out-of-range", call).message
    with Image.open("masks/0.png") as mask:
        mask.convert("RGB").save("masks/0.png")
    assert "has RGB colours" in fails("corrupt-data", call).message
    (folder / "masks" / "0.png").unlink()
    assert "images/0.jpg has no mask in masks" in fails("data-not-found", call).message
