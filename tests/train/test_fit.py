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
        "are 1x28x28, but the net takes 3xHxW",
    ),
    "rank": (
        "input image: 784\n output y: dense(10)",
        "data-mismatch",
        "are 1x28x28, but the net takes 784",
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


UNTRAINABLE = {
    "a head with other classes": (
        "input image: 1x28x28\n flatten\n aux s(weight = 0.3) { dense(7) }\n output y: dense(10)",
        [],
        "data-mismatch",
        "the auxiliary head `s` gives 7 numbers per image, but fashion_mnist_sample has 10 classes",
    ),
    "a batch of one image": (
        "input image: 1x28x28\n flatten -> dense(8) -> bn\n output y: dense(10)",
        ["--set", "train.batch=1"],
        "cannot-train",
        "`batch` is 1, so `bn` has one value of each channel",
    ),
    "a batch of one image of 1x1": (
        "input image: 1x28x28\n conv(8, 28) -> bn -> flatten\n output y: dense(10)",
        ["--set", "train.batch=1"],
        "cannot-train",
        "`batch` is 1, so `bn` has one value of each channel",
    ),
    "only frozen weights": (
        "input image: 1x28x28\n flatten\n output y: dense(10) -> frozen",
        [],
        "nothing-to-train",
        "all weights of the net are frozen",
    ),
    "a loss of an output that is not there": (
        "input image: 1x28x28\n flatten\n output y: dense(10)",
        ["--set", "train.loss=[(z, mse)]"],
        "bad-argument",
        "`loss` names the output `z`",
    ),
    "two outputs and one target": (
        "input image: 1x28x28\n flatten\n output a: dense(10)\n output b: dense(10)",
        ["--set", "train.loss=[(a, mse), (b, mse)]"],
        "data-mismatch",
        "`loss` trains `a`, `b`, but the targets of fashion_mnist_sample are `label`",
    ),
    "weights of classes": (
        "input image: 1x28x28\n flatten\n output y: dense(10)",
        ["--set", "train.loss=cross_entropy(weights = [1, 2])"],
        "bad-argument",
        "has 2 numbers, but fashion_mnist_sample has 10 classes",
    ),
    "a rate for a layer that is not there": (
        "input image: 1x28x28\n flatten\n output y: dense(10)",
        ["--set", "train.optimizer.lr=[(fc, 0.1)]"],
        "unknown-layer",
        "the label or the kind `fc`",
    ),
}


@pytest.mark.parametrize("case", UNTRAINABLE)
def test_nets_that_cannot_be_trained(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    """A net and a recipe that do not fit each other are refused with a reason, at a place."""
    body, options, code, reason = UNTRAINABLE[case]
    (folder / "a.net").write_text(f"net A {{\n {body}\n}}\n")
    assert run(["train", "a.net", *SAMPLE, *options]) == 1
    errors = capsys.readouterr().err
    assert f"error[{code}]: " in errors
    assert reason in errors
    assert not list(folder.glob("runs/*/*.safetensors"))


def test_a_net_with_two_outputs_trains_the_one_that_the_loss_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The metrics are about that output, and the layers of the other one do not change."""
    (folder / "a.net").write_text(
        "net A {\n input image: 1x28x28\n flatten -> dense(32)\n shared: relu\n"
        " output features: dense(5)\n output kind: @shared -> dense(10)\n}\n"
        "train A {\n data = fashion_mnist_sample\n loss = [(kind, cross_entropy)]\n"
        " epochs = 1\n batch = 500\n optimizer = adam\n}\n"
    )
    before = netdsl.load("a.net")
    assert run(["check", "a.net"]) == 0
    assert run(["train", "a.net"]) == 0
    assert "accuracy" in capsys.readouterr().out
    result = netdsl.load("a.net").torch("runs/A").state_dict()
    torch.manual_seed(0)
    fresh = before.torch().state_dict()
    changed = {name for name, value in result.items() if not torch.equal(value, fresh[name])}
    assert {name.partition(".")[0] for name in changed} == {
        name.partition(".")[0] for name in result
    } - {"features"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2 in the environment, but RANK is missing"),
        ({"RANK": "1"}, "RANK is 1 in the environment, but WORLD_SIZE is missing"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "processes are numbered from 0"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK is `x` in the environment"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "but MASTER_ADDR is missing"),
    ],
)
def test_an_incomplete_launch_is_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
) -> None:
    """A process alone would wait for others that never come, or train the whole run."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(["train", "lenet5"]) == 1
    messages = capsys.readouterr().err
    assert "error[bad-launch]" in messages and message in messages
    assert not list(folder.iterdir())


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
    with pytest.raises(SettingError, match="are 1x28x28, but the net takes 1xHx30"):
        check_shape(data, (1, height, 30))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("net", "fits"), [("resnet:ResNet50", True), ("vgg:VGG11", False), ("alexnet", False)]
)
def test_a_net_of_the_library(capsys: pytest.CaptureFixture[str], net: str, fits: bool) -> None:
    """The advice is to edit a copy, if the net could then take the data, which are announced."""
    assert run(["train", net]) == 1
    printed = capsys.readouterr()
    assert "error[data-mismatch]" in printed.err
    copy = f"a copy of the net, which `netdsl fmt {net.partition(':')[0]} -o my.net` makes"
    assert (f"write `input image: 1x28x28` in {copy}" in printed.err) == fits
    assert printed.err.count("--data") == 2
    assert "has no `train` section: 10 epochs on fashion_mnist_sample" in printed.out


@pytest.mark.usefixtures("folder")
def test_the_settings_that_are_given_are_no_default_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line about a net without a section names them."""
    given = ["--set", "train.batch=4", "--set", "train.optimizer.lr=0.1"]
    assert run(["train", "vgg:VGG11", *given, "--set", "train.epochs=1"]) == 1
    line, *_ = capsys.readouterr().out.splitlines()
    assert line == (
        "VGG11 has no `train` section: 1 epoch on fashion_mnist_sample, with default settings"
        " except for `batch` and `optimizer`"
    )
