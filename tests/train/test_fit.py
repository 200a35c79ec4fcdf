"""Nets that cannot be trained or tested on the images of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

import netdsl
from netdsl.cli import run
from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.images import check_shape
from netdsl.errors import SettingError
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = ["--data", "fashion_mnist_sample"]
MISFITS = {
    "colours": (
        "input image: 3xHxW\n conv(4, 3) -> gap -> flatten\n output y: dense(10)",
        "data-mismatch",
        "are 1x28x28, the net takes 3xHxW",
    ),
    "rank": (
        "input image: 784\n output y: dense(10)",
        "data-mismatch",
        "are 1x28x28, the net takes 784",
    ),
    "one open size": (
        "input image: 1xHx32\n conv(4, 3) -> gap -> flatten\n output y: dense(10)",
        "data-mismatch",
        "pad the images: `data = fashion_mnist_sample(pad = 2)`",
    ),
    "small images": (
        "input image: 1xHxW\n conv(4, 40) -> gap -> flatten\n output y: dense(10)",
        "window-too-large",
        "use a kernel of at most 28",
    ),
    "words": (
        "input ids: 1x28x28 int64\n embedding(9, 4) -> flatten\n output y: dense(10)",
        "cannot-train",
        "takes int64",
    ),
    "inputs": (
        "input a: 1x28x28\n input b: 1x28x28\n add { | @a | @b } -> flatten\n output y: dense(10)",
        "cannot-train",
        "has 2 inputs",
    ),
    "outputs": (
        "input image: 1x28x28\n flatten\n output a: dense(10)\n output b: dense(10)",
        "cannot-train",
        "has 2 outputs",
    ),
}


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("case", MISFITS)
def test_misfits_are_errors_of_the_user(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, case: str
) -> None:
    """A net that does not fit the images is refused with a reason before anything is trained."""
    body, code, reason = MISFITS[case]
    (folder / "a.net").write_text(f"net A {{\n {body}\n}}\n")
    options = []
    if command == "test":
        torch.save(netdsl.load("a.net").torch().state_dict(), "a.pt")
        options = ["--weights", "a.pt"]
    assert run([command, "a.net", *SAMPLE, *options]) == 1
    errors = capsys.readouterr().err
    assert f"error[{code}]" in errors
    assert reason in errors
    assert not (folder / "runs").exists()


def test_open_sizes_fit_images() -> None:
    """An open size fits every number, and the others must be equal."""
    data = open_dataset(SettingCall("fashion_mnist_sample"))
    height, width = Sym.var("H"), Sym.var("W")
    check_shape(data, (1, height, width))
    check_shape(data, (1, 28, width))
    with pytest.raises(SettingError, match="are 1x28x28, the net takes 1xHx30"):
        check_shape(data, (1, height, 30))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("net", ["resnet:ResNet50", "vgg:VGG11"])
def test_a_net_of_the_library(capsys: pytest.CaptureFixture[str], net: str) -> None:
    """The advice does not tell the user to edit it, and the default data is announced."""
    assert run(["train", net]) == 1
    printed = capsys.readouterr()
    assert "error[data-mismatch]" in printed.err
    assert "in your own copy of the net" in printed.err
    assert "has no `train` section: 10 epochs on fashion_mnist_sample" in printed.out
