"""Mistakes of new users: each is refused, or warned of, with the fact and the way out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from netdsl.cli import run
from tests.support.photos import write_net, write_photos

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = """net Vec {
    input x: 6
    dense(4) -> relu
    output y: dense(1)
}
train Vec {
    data = npz("reg.npz")
    loss = mse
    epochs = 1
}
"""
NORMED = VECTORS.replace("relu", "bn -> relu").replace("epochs = 1", "epochs = 1\n    batch = 3")
TWO = """net Two {
    input left: 6
    input right: 3
    concat { | @left -> dense(4) | @right -> dense(4) }
    output y: dense(2)
}
"""
GREY = """net Grey {
    input image: 1x8x8
    flatten
    output y: dense(3)
}
"""
WORDS = """net Words {
    input x: 5 int64
    embedding(10, 4) -> lstm(4, last = true)
    output y: dense(3)
}
"""
SMALL, RESUMED = "train small.net --out new", "train small.net --out done --resume"
# The words of a command, and what its error or its warning has.
MISTAKES = {
    "another folder": (
        ["--data", 'folder("photo", size=16)'],
        ["there is no folder photo", "did you mean `photos`?"],
    ),
    "a folder that is like none": (
        ["--data", 'folder("pics", size=16)'],
        ["there is no folder pics", "a relative name begins at the current folder"],
    ),
    "a pattern": (
        ["--data", 'folder("photos/*/*.png", size=16)'],
        ['has those of the classes, without a pattern: "photos"'],
    ),
    "another table": (
        ["--data", 'csv("label.csv", images="photos", size=16)'],
        ["there is no file label.csv", "did you mean `labels.csv`?"],
    ),
    "another archive": (
        ["--data", 'npz("regs.npz")'],
        ["there is no file regs.npz", "did you mean `reg.npz`?"],
    ),
    "the folder of another table": (
        ["--data", 'csv("labels.csv", images="done", size=16)'],
        [
            "3 of the 3 pictures of labels.csv cannot be read, but only a share of 0.01 may be",
            "there is no file done/cat/00.png; ",
            "correct the folder or the names",
        ],
    ),
    "a damaged picture": (
        ["--data", 'folder("damaged", size=16)'],
        ["1 of the 25 pictures of damaged cannot", "larger share: `unreadable = 0.04`"],
    ),
    "a folder as data": (["--data", "photos"], ['write `folder("photos", size = 16)`']),
    "a folder with a slash": (["--data", "photos/"], ['write `folder("photos/", size = 16)`']),
    "a path as data": (["--data", "photos/cat"], ['write `folder("photos/cat", size = 16)`']),
    "a folder in quotes": (["--data", '"photos"'], ['write `folder("photos", size = 16)`']),
    "a picture as data": (
        ["--data", "photos/cat/00.png"],
        ['for your own data write `folder("DIR", size = 16)`'],
    ),
    "a path that is not there": (
        ["--data", "pictures/train"],
        ['for your own data write `folder("DIR", size = 16)`'],
    ),
    "a data set of torchvision": (
        ["--data", 'ImageFolder("photos")'],
        ['it is called `folder` here: write `folder("photos", size = 16)`'],
    ),
    "a table as data": (
        ["--data", "labels.csv"],
        ['write `csv("labels.csv", images = "DIR", size = 16)`'],
    ),
    "an archive as data": (["--data", "reg.npz"], ['write `npz("reg.npz")`']),
    "weights without quotes": (
        ["--set", "train.weights=done/best"],
        ["there is no `done`", "write `--weights done/best`"],
    ),
    "an argument by its long name": (
        ["--set", "train.optimizer.learning_rate=0.1"],
        ["it is called `lr` here, and has a value already"],
    ),
    "arguments without names": (
        ["--set", "train.optimizer=adam(0.1, 0.2, 0.3)"],
        ["but 3 are given", "write the names of the others: `betas`, `eps`, `no_decay`"],
    ),
    "few samples": (
        ["--data", 'folder("photos", size=16, limit=2)'],
        ["`limit` is 2, but photos has 3 classes"],
    ),
    "unfrozen, but not frozen": (
        ["--set", "train.freeze=[conv]", "--set", "train.unfreeze=[(bn, 1)]"],
        ["`unfreeze` names `bn`, which is not in `freeze`", "add it: `freeze = [conv, bn]`"],
    ),
    "a file as the folder of results": (
        ["--out", "small.net"],
        ["small.net: it is a file, not a folder"],
    ),
}
OTHERS = {
    "a folder of arrays without its kind": (
        ["train", "vec.net", "--data", "arrays", "--out", "new"],
        1,
        ["there is no dataset named `arrays`", '`npy("arrays")`'],
    ),
    "a net that has a parameter for the classes": (
        ["train", "lenet5", "--data", 'folder("photos", size=32, channels=1)', "--out", "new"],
        1,
        ["the net gives 10 numbers per image, but photos has 3 classes", "`-D classes=3`"],
    ),
    "a net that is made of another one, with a parameter for the classes": (
        ["train", "member.net", "--data", 'folder("photos", size=32)', "--out", "new"],
        1,
        ["has 3 classes", "write `net Small = CifarResNet(3, classes = 3)`"],
    ),
    "a folder with a run, before the data is read": (
        ["train", "small.net", "--data", 'folder("nowhere", size=16)', "--out", "done"],
        1,
        ["done has the files of another run"],
    ),
    "a setting of the resumed run": (
        [*RESUMED.split(), "--set", "train.optimizer.lr=0.5"],
        1,
        [
            "error[resume-mismatch]: `optimizer.lr` is 0.5, but done/checkpoint.safetensors",
            " was written with 0.02\nhelp: ",
        ],
    ),
    "another optimizer of the resumed run": (
        [*RESUMED.split(), "--set", "train.optimizer=sgd(0.5)"],
        1,
        ["`optimizer` is sgd(lr = 0.5, ", "was written with adam(lr = 0.02, "],
    ),
    "a batch larger than the data": (
        [*SMALL.split(), "--set", "train.batch=100", "--set", "train.epochs=1"],
        0,
        [
            "warning[large-setting]: `batch` is 100, but photos has 29 training samples",
            "write a `batch` below 29, such as 7",
        ],
    ),
    "a batch too small for batch norms": (
        ["train", "normed.net", "--out", "new"],
        0,
        ["warning[small-batch]: `batch` is 3: with so few samples, the mean that a `bn` uses"],
    ),
    "labels from 1": (
        ["train", "vec.net", "--data", 'npz("from1.npz")', "--set", "train.loss=cross_entropy"],
        1,
        [
            "`y` of from1.npz has the labels 1 to 2, but labels begin at 0",
            "subtract 1 from all of them, or name",
        ],
    ),
    "rows of pixels": (
        ["train", "grey.net", "--data", 'npz("rows.npz")'],
        1,
        ["of rows.npz are 64, but the net takes 1x8x8", "`x.reshape(-1, 1, 8, 8)`"],
    ),
    "pixels of 64 bits": (
        ["train", "grey.net", "--data", 'npz("long.npz")'],
        1,
        ["`x` of long.npz has int64", "store bytes, which are scaled and normalised"],
    ),
    "the names of Keras": (
        ["train", "vec.net", "--data", 'npz("keras.npz")'],
        1,
        ["has no array `x` or `x_train`", "store them as `x_train`, `y_train`, `x_test` and"],
    ),
    "all that the resumed run changes": (
        [*RESUMED.split(), "--set", "train.optimizer.lr=0.5", "--set", "train.batch=5"],
        1,
        [
            "`optimizer.lr` is 0.5, but done/checkpoint.safetensors was written with 0.02; and ",
            "`batch` is 5, but it was written with ",
        ],
    ),
    "a frozen layer that the file does not have": (
        [*SMALL.split(), "--weights", "half.npz", "--set", "train.freeze=[conv, dense]"],
        0,
        ["warning[frozen-untrained]: ", " frozen and keep", "half.npz has no weights that fit"],
    ),
    "frozen layers without a file": (
        [*SMALL.split(), "--set", "train.freeze=[conv]", "--set", "train.epochs=1"],
        0,
        ["warning[frozen-untrained]: ", "no weights are loaded", "or `--weights FILE`"],
    ),
    "a label that is far too large": (
        ["train", "vec.net", "--data", 'npz("typo.npz")', "--set", "train.loss=cross_entropy"],
        1,
        [
            "warning[missing-class]: typo.npz has no training samples of `2`, `3`, `4`,",
            "the net gives 1 number per sample, but typo.npz has 78 classes",
        ],
    ),
    "cropped vectors": (
        ["train", "vec.net", "--set", "train.augment=[random_crop(32)]"],
        1,
        ["`random_crop` changes images, but the inputs of reg.npz are other numbers"],
    ),
    "normalised vectors": (
        ["train", "vec.net", "--set", "train.augment=[normalize([0.5], [0.5])]"],
        1,
        ["`normalize` changes images, but the inputs of reg.npz are other numbers"],
    ),
    "arrays of one class": (
        ["train", "vec.net", "--data", 'npz("single.npz")', "--set", "train.loss=bce"],
        1,
        [
            "the target `y` of single.npz has only the class `0`; training needs at least two",
            "add samples of other classes; store numbers to predict as floats",
        ],
    ),
    "a table of one class": (
        ["train", "small.net", "--data", 'csv("cats.csv", images = "photos", size = 16)'],
        1,
        [
            "the target `label` of cats.csv has only the class `cat`",
            "or predict the numbers of that column: `numbers = true`",
        ],
    ),
    "masks of one class": (
        ["train", "small.net", "--data", 'segments("photos", "masks", size = 16)'],
        1,
        ["the target `mask` of photos has only the class `0`", "pixels of 255 are ignored"],
    ),
    "classes of samples that are no images": (
        ["train", "vec.net", "--data", 'npz("from0.npz")', "--set", "train.loss=cross_entropy"],
        1,
        ["the net gives 1 number per sample, but from0.npz has 2 classes"],
    ),
    "flipped vectors": (
        ["train", "vec.net", "--set", "train.augment=[hflip]"],
        1,
        ["`hflip` changes images, but the inputs of reg.npz are other numbers"],
    ),
    "balanced numbers": (
        ["train", "vec.net", "--set", "train.loss=bce(weights=balanced)"],
        1,
        ["`weights` of `bce` is `balanced`, but the targets of reg.npz are numbers"],
    ),
    "one input of two": (
        ["train", "two.net", "--data", 'npz("two.npz", inputs=["left"])'],
        1,
        [
            "two.npz has the inputs `left`, but the net takes `left` and `right`",
            'inputs of the net by their names: `inputs = ["left", "right"]`',
        ],
    ),
    "labels in columns": (
        ["train", "vec.net", "--data", 'npz("columns.npz")', "--set", "train.loss=cross_entropy"],
        1,
        ["`y` of columns.npz has 3 numbers for each sample, of which one is 1", "`y.argmax(1)`"],
    ),
    "channels last": (
        ["train", "small.net", "--out", "new", "--data", 'npz("last.npz")'],
        1,
        ["are 16x16x3, but the net takes 3x16x16", "the array with `.transpose(0, 3, 1, 2)`"],
    ),
    "weights for other scores": (
        ["train", "vec.net", "--out", "new", "--set", "train.loss=bce(weights = [1, 2])"],
        1,
        ["error[bad-argument]: `weights` of `bce` has 2 numbers, but the size of `y` is 1"],
    ),
    "an ignored class of numbers": (
        ["train", "vec.net", "--out", "new", "--set", "train.loss=bce(ignore = 1)"],
        1,
        ["`ignore` of `bce` is 1, but the targets of reg.npz are numbers"],
    ),
    "vectors for a net of pictures": (
        ["train", "small.net", "--out", "new", "--data", 'npz("reg.npz")'],
        1,
        ["the samples of reg.npz are 6, but the net takes 3x16x16"],
    ),
    "pictures for two inputs": (
        ["train", "two.net", "--data", "fashion_mnist_sample"],
        1,
        ["`Two` has 2 inputs, but", '`data = npz("FILE", inputs = ["left", "right"])`'],
    ),
    "words without a vector": (
        ["train", "words.net", "--data", 'npz("words.npz")'],
        1,
        ["`x` of words.npz contains 19, but `embedding` takes", "0 to 9", "`embedding(20, ...)`"],
    ),
    "words below 0": (
        ["train", "words.net", "--data", 'npz("below.npz")'],
        1,
        ["`x` of below.npz contains -1, but `embedding` takes", "store integers that count from 0"],
    ),
    "a sum of losses": (
        ["train", "vec.net", "--set", "train.loss=mse + 0.5 * l1"],
        1,
        ["`loss` is `mse + 0.5 * l1`; it must be a name", "`loss = [(a, cross_entropy), "],
    ),
    "the accuracy of numbers": (
        ["train", "vec.net", "--set", "train.metrics=accuracy"],
        1,
        ["`accuracy` is about classes, but the targets of reg.npz are numbers"],
    ),
    "an argument of other tools": (
        ["train", "vec.net", "--data", 'npz("reg.npz", val_split = 0.2)'],
        1,
        ["`npz` has no argument `val_split`", "it is called `val` here"],
    ),
    "a mirror with a number": (
        ["train", "small.net", "--out", "new", "--set", "train.augment=[hflip(0.5)]"],
        1,
        ["`hflip` takes no argument, but 1 is given", "leave it out: write `hflip`"],
    ),
    "a crop with a size": (
        ["train", "small.net", "--set", "train.augment=[random_resized_crop(16)]"],
        1,
        ["`scale` of `random_resized_crop` is 16", "for example, `scale = [0.3, 1]`"],
    ),
    "stopping early without a validation set": (
        ["train", "lenet5", "--data", "cifar10", "--set", "train.early_stopping=3"],
        1,
        ["`early_stopping` needs a validation set", "`data = cifar10(pad = 2, val = 0.1)`"],
    ),
    "the weights of another net": (
        ["test", "vec.net", "--weights", "done", "--data", 'npz("reg.npz")'],
        1,
        ["done/weights.safetensors does not fit", "it has the weights of the net `Small`"],
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data of all kinds, nets for them, and a finished run."""
    folder = tmp_path_factory.mktemp("mistakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_photos(folder / "photos")
        write_photos(folder / "damaged", count=8)
        (folder / "damaged" / "cat" / "none.jpg").write_bytes(b"\xff\xd8\xff")
        files = ["cat/00.png", "dog/00.png", "owl/00.png"]
        rows = [f"{name},{name[:3]}\n" for name in files]
        (folder / "labels.csv").write_text("file,label\n" + "".join(rows))
        rng = np.random.default_rng(0)
        x = rng.normal(size=(40, 6)).astype(np.float32)
        np.savez("reg.npz", x=x, y=x[:, :1])
        (folder / "arrays").mkdir()
        np.save("arrays/x.npy", x)
        np.savez("from1.npz", x=x, y=1 + (x[:, 0] > 0))
        np.savez("two.npz", left=x, right=x[:, :3], y=(x[:, 0] > 0).astype(int))
        grey = np.arange(40 * 64).reshape(40, 64) % 256
        np.savez("rows.npz", x=grey.astype(np.uint8), y=np.arange(40) % 3)
        np.savez("long.npz", x=grey.reshape(40, 1, 8, 8), y=np.arange(40) % 3)
        np.savez("keras.npz", train_images=x, train_labels=x[:, :1])
        np.savez("columns.npz", x=x, y=np.eye(3, dtype=int)[np.arange(40) % 3])
        np.savez("last.npz", x=np.zeros((40, 16, 16, 3), np.uint8), y=np.arange(40) % 3)
        np.savez("from0.npz", x=x, y=(x[:, 0] > 0).astype(int))
        typo = (x[:, 0] > 0).astype(int)
        typo[3] = 77
        np.savez("typo.npz", x=x, y=typo)
        np.savez("single.npz", x=x, y=np.zeros(40, int))
        (folder / "cats.csv").write_text("file,label\n" + 6 * rows[0])
        write_masks(folder / "photos", folder / "masks")
        words = rng.integers(0, 20, (40, 5))
        np.savez("words.npz", x=np.maximum(words, 19 * (words > 17)), y=words[:, 0] % 3)
        np.savez("below.npz", x=words % 10 - 1, y=words[:, 0] % 3)
        (folder / "words.net").write_text(WORDS)
        (folder / "vec.net").write_text(VECTORS)
        (folder / "grey.net").write_text(GREY)
        (folder / "normed.net").write_text(NORMED)
        (folder / "member.net").write_text("import resnet\nnet Small = CifarResNet(3)\n")
        (folder / "two.net").write_text(TWO)
        write_net(folder, 'folder("photos", size = 16)')
        assert run(["train", "small.net", "--out", "done", "--set", "train.epochs=12"]) == 0
        shutil.copy("done/weights.safetensors", "done/best")
        tensors = load_file("done/weights.safetensors")
        *most, _ = [name for name in tensors if "weight" in name]
        np.savez("half.npz", **{name: tensors[name] for name in most})
        yield folder


def write_masks(photos: Path, masks: Path) -> None:
    """Masks of the pictures in which all pixels are of the class 0."""
    for photo in photos.rglob("*.*"):
        path = (masks / photo.relative_to(photos)).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(photo) as opened:
            Image.new("L", opened.size, 0).save(path)


def failed(capsys: pytest.CaptureFixture[str], words: list[str], code: int) -> str:
    shutil.rmtree("new", ignore_errors=True)
    capsys.readouterr()
    assert run(words) == code
    return capsys.readouterr().err


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_in_training_pictures(capsys: pytest.CaptureFixture[str], case: str) -> None:
    """The error names what is wrong, and the advice is about this mistake."""
    words, expected = MISTAKES[case]
    errors = failed(capsys, [*SMALL.split(), *words], 1)
    assert [text for text in expected if text not in errors] == [], errors


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("case", OTHERS)
def test_other_mistakes(capsys: pytest.CaptureFixture[str], case: str) -> None:
    """The same for resumed runs, arrays, several inputs and tests."""
    words, code, expected = OTHERS[case]
    errors = failed(capsys, words, code)
    assert [text for text in expected if text not in errors] == [], errors
