"""`check` compares a `train` section with what is known about its dataset, and reads no data."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

from netdsl.analysis.lint import schedules
from netdsl.analysis.lint import training as lint
from netdsl.config import SettingCall
from netdsl.data.catalog import DATASETS, describe_dataset, open_dataset
from netdsl.data.images import KNOWN
from netdsl.driver import compile_net, program_of
from netdsl.source import SourceFile
from netdsl.train.config import TrainConfig
from netdsl.train.fit import errors_of_section
from netdsl.train.rates import rate_factor
from netdsl.train.recipe.schedules import SCHEDULES, Plateau

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic

FITS = {
    "a padded dataset": ("1x32x32", "dense(10)", "data = fashion_mnist(pad = 2)"),
    "colours": ("3x32x32", "dense(10)", 'data = cifar10(root = "DIR")'),
    "no data": ("3x8x8", "dense(3)", "epochs = 1"),
    "open sizes": ("1xHxW", "gap -> flatten -> dense(10)", "data = fashion_mnist"),
    "mixed vectors": ("6", "dense(3)", 'data = npz("V")\naugment = mixup'),
    "arrays that may be images": (
        "3xHxW",
        "gap -> flatten -> dense(3)",
        'data = npz("V")\naugment = hflip',
    ),
    "colours of pictures": (
        "3x32x32",
        "dense(3)",
        'data = npz("F")\naugment = rand_augment -> cutmix',
    ),
    "a crop of the size": ("1x28x28", "dense(10)", 'data = mnist(root = "D")\naugment = hflip'),
}
KIND = ("bad-argument", "leave it out; in an array, images are bytes")
MISFITS = {
    "size": ("1x32x32", "dense(10)", "data = fashion_mnist", "data-mismatch", "fashion_mnist(pad"),
    "padding": (
        "1x32x32",
        "dense(10)",
        "data = fashion_mnist(pad = 3)",
        "data-mismatch",
        "pad = 2",
    ),
    "odd": (
        "1x31x31",
        "dense(10)",
        "data = fashion_mnist",
        "data-mismatch",
        "input image: 1x28x28",
    ),
    "channels": (
        "3x32x32",
        "dense(10)",
        "data = fashion_mnist",
        "data-mismatch",
        "`data = cifar10`",
    ),
    "classes": ("1x28x28", "dense(5)", "data = fashion_mnist", "data-mismatch", "dense(10)"),
    "pixels": (
        "1x28x28",
        "conv(10, 3)",
        "data = fashion_mnist",
        "data-mismatch",
        "gap -> flatten",
    ),
    "a picture as a sequence": (
        "28x28",
        "lstm(8, last = true) -> dense(10)",
        "data = fashion_mnist",
        "data-mismatch",
        "write `input image: 1x28x28`, and first `reshape([28, 28])`",
    ),
    "maps": (
        "1x28x28",
        "conv(4, 3)",
        "data = fashion_mnist",
        "data-mismatch",
        'with `flatten -> dense(10)`; for a class in each pixel, give it masks: `data = segments("',
    ),
    "top": (
        "1x28x28",
        "dense(10)",
        "data = fashion_mnist\nmetrics = accuracy(top = 11)",
        "bad-argument",
        "below 10",
    ),
    "crop": (
        "1x28x28",
        "dense(10)",
        "data = fashion_mnist\naugment = random_crop(32)",
        "data-mismatch",
        "random_crop(28, pad = 4)",
    ),
    "a crop without data": (
        "1x28x28",
        "dense(10)",
        "augment = random_crop(32, pad = 4)",
        "bad-argument",
        "write `random_crop(28, pad = 4)`",
    ),
    "a crop out of larger images": (
        "3x64x64",
        "dense(10)",
        'data = folder("F", size = 72)\naugment = random_crop(64)',
        "data-mismatch",
        "give the data `size = 64`, and pad the crop: `random_crop(64, pad = 4)`",
    ),
    "a crop that is smaller": (
        "3x64x64",
        "dense(10)",
        'data = folder("F", size = 64)\naugment = random_crop(56)',
        "data-mismatch",
        "`random_crop(64, pad = 4)`",
    ),
    "a folder without a size": (
        "1x32x48",
        "dense(10)",
        'data = folder("F")',
        "missing-argument",
        'write `folder("F", size = [32, 48], channels = 1)`',
    ),
    "a folder as text": (
        "3x32x32",
        "dense(10)",
        'data = "F"',
        "wrong-type",
        'write `data = folder("F", size = 32)`',
    ),
    "changes that the data make": (
        "1x32x32",
        "dense(10)",
        "augment = [Resize(36), Pad(2)]",
        "unknown-augmentation",
        "size = 32, channels = 1)`; `Pad`: write it in the crop: `random_crop(32, pad = 4)`",
    ),
    "a name of no layer": (
        "1x28x28",
        "dense(10)",
        "optimizer = adam(no_decay = [bn])",
        "unknown-layer",
        "`dense`, `bias`",
    ),
    "a frozen layer that is not there": (
        "1x28x28",
        "dense(10)",
        "freeze = [layer1]",
        "unknown-layer",
        "`dense`, `bias`",
    ),
    "weights of classes": (
        "1x28x28",
        "dense(10)",
        "data = fashion_mnist\nloss = cross_entropy(weights = [1, 1])",
        "bad-argument",
        "write one number for each class",
    ),
    "a mirror of vectors": ("6", "dense(3)", 'data = npz("V")\naugment = hflip', *KIND),
    "a crop of vectors": ("6", "dense(3)", 'data = npy("V")\naugment = random_crop(6)', *KIND),
    "mixed masks": (
        "3x32x32",
        "conv(2, 1)",
        'data = segments("P", "M", size = 32)\naugment = hflip -> cutmix',
        "bad-argument",
        "leave it out",
    ),
    "mixed targets": (
        "1x28x28",
        "dense(3)",
        'data = npz("A", targets = ["a", "b"])\naugment = mixup',
        "bad-argument",
        "leave it out",
    ),
    "colours of grey pictures": (
        "1x28x28",
        "dense(10)",
        "data = fashion_mnist\naugment = color_jitter(hue = 0.1)",
        "bad-argument",
        "grey images can have",
    ),
    "colours of a grey folder": (
        "1x32x32",
        "dense(10)",
        'data = folder("F", size = 32, channels = 1)\naugment = rand_augment',
        "bad-argument",
        "grey images can have",
    ),
    "colours of grey arrays": (
        "1x32x32",
        "dense(10)",
        'data = npz("F")\naugment = rand_augment',
        "bad-argument",
        "grey images can have",
    ),
    "constants": (
        "1x28x28",
        "dense(10)",
        "data = fashion_mnist\naugment = normalize(mean = [0.5, 0.5], std = [1])",
        "bad-argument",
        "`normalize([0.5], [0.5])`",
    ),
}


def errors(sizes: str, end: str, section: str, *, define: bool = False) -> list[Diagnostic]:
    """The errors of the section of a net with this input and these last layers."""
    start = "flatten ->" if end.startswith("dense") else ""
    text = (
        f"net A(n = 1) {{\n input image: {sizes}\n {start} {end}\n}}\ntrain A {{\n{section}\n}}\n"
    )
    program = program_of(SourceFile("a.net", text), {"n": "2"} if define else None)
    return errors_of_section(compile_net(program, "A"))


@pytest.mark.parametrize("case", FITS)
def test_data_that_fits(case: str) -> None:
    """There is no error for data that fits, and none where the section names no data."""
    assert errors(*FITS[case]) == []


@pytest.mark.parametrize("case", MISFITS)
def test_data_that_does_not_fit(case: str) -> None:
    """The error is in the section, and its help has the text to write."""
    sizes, end, section, code, help_ = MISFITS[case]
    (error,) = errors(sizes, end, section)
    assert (error.code, error.line is not None and error.line > 5) == (code, True)
    assert help_ in (error.help or "")


def test_a_net_that_the_user_changes() -> None:
    """With parameters of the user, the section may be meant for other data."""
    sizes, end, section, _, _ = MISFITS["classes"]
    assert errors(sizes, end, section, define=True) == []


def test_several_ends_and_members() -> None:
    """A net with two outputs gets the error of `netdsl train`, a net made of another one none."""
    text = (
        "net B(n = 10) {\n input image: 1x28x28\n flatten -> dense(n)\n}\nnet A = B(5)\n"
        "net C {\n input image: 1x9x9\n flatten\n output a: dense(3)\n output b: dense(4)\n}\n"
        "train B { data = fashion_mnist }\ntrain C { data = fashion_mnist }\n"
    )
    program = program_of(SourceFile("a.net", text))
    for name in ("A", "B"):
        assert errors_of_section(compile_net(program, name)) == []
    (error,) = errors_of_section(compile_net(program, "C"))
    assert (error.code, error.line) == ("cannot-train", 10)


def test_default_data() -> None:
    """What `check` takes for the default data and epochs are those of `netdsl train`."""
    data = describe_dataset(TrainConfig().data)
    assert data is not None
    assert (data.name, data.shape, data.class_count) == (
        lint.DEFAULT_DATA,
        lint.DEFAULT_IMAGES,
        lint.DEFAULT_CLASSES,
    )
    assert TrainConfig().epochs == schedules.DEFAULT_EPOCHS


def test_the_arguments_of_schedules_that_the_warnings_need() -> None:
    """They are those of the classes, in the same order; so is the patience without a number."""
    assert schedules.ARGUMENTS == {
        name: tuple(inspect.signature(kind).parameters) for name, kind in SCHEDULES.items()
    }
    assert Plateau().patience == schedules.DEFAULT_PATIENCE


def test_the_patience_in_the_advice_is_just_enough() -> None:
    """With it, a loss that never falls lowers the rate of the last epoch, and of no other."""
    for epochs in (3, 4, 12):
        (late,) = schedules.late_arguments("plateau", {"patience": epochs - 2}, epochs)
        patience = int(re.findall(r"`patience = (\d+)`", late.help)[0])
        assert not list(schedules.late_arguments("plateau", {"patience": patience}, epochs))
        rates = [
            rate_factor(Plateau(patience), epoch, 1, epochs, [1.0] * epoch)
            for epoch in range(epochs)
        ]
        assert rates == [1.0] * (epochs - 1) + [0.1]


def test_images_too_small_for_the_net() -> None:
    """The error of a net with open sizes at the size of the images names these images."""
    (error,) = errors("1xHxW", "conv(4, 40) -> gap -> flatten -> dense(10)", "data = fashion_mnist")
    assert error.code == "window-too-large"
    assert "the images of this data are 1x28x28" in [note.message for note in error.notes]


def test_what_is_known_about_datasets() -> None:
    """Every dataset is known, and the sample has the shape and classes that are known."""
    assert KNOWN.keys() < DATASETS.keys()
    sample = open_dataset(SettingCall("fashion_mnist_sample"))
    assert (sample.shape, sample.class_count) == KNOWN["fashion_mnist_sample"]


def test_arguments_as_entries() -> None:
    """The help has the whole entry with all of them, and the fix is one of the first."""
    section = "lr = 0.1\nmomentum = 0.8\noptimizer = sgd(weight_decay = 1e-4)"
    first, second = errors("1x8x8", "dense(3)", section)
    wanted = "write `optimizer = sgd(lr = 0.1, momentum = 0.8, weight_decay = 1e-4)`"
    assert first.help == second.help == wanted
    assert [edit.text for edit in first.fix] == [wanted.split("`")[1], "", ""]
    assert second.fix == ()


def test_an_argument_that_the_call_has() -> None:
    """A second value of an argument is not taken over."""
    (error,) = errors("1x8x8", "dense(3)", "optimizer = adam(lr = 0.1)\nlr = 0.2")
    written = "write `optimizer = adam(lr = 0.2)`, or remove it"
    assert error.help == f"`optimizer = adam(lr = 0.1)` has another value: {written}"
    assert error.fix == ()
