"""Runs that begin with the weights of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import netdsl
from netdsl.cli import run
from netdsl.errors import SettingError
from netdsl.train.pretrained import Loaded, load_pretrained

if TYPE_CHECKING:
    from pathlib import Path

NET = """net Small(classes = 10) {
    input image: 1x28x28
    conv1: conv(4, 5, stride = 2) -> bn -> relu
    conv2: conv(6, 3) -> relu -> gap -> flatten
    output fc: dense(classes)
}
train Small {
    data = fashion_mnist_sample
    epochs = 1
    batch = 500
}
"""


def begun(path: str, **parameters: Any) -> tuple[Loaded, torch.nn.Module]:
    net = netdsl.loads(NET, **parameters)
    module = net.torch()
    return load_pretrained(module, net._compiled.graph, path), module


@pytest.fixture
def file(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a net with 10 classes, and the file `w.safetensors` that has them."""
    torch.manual_seed(5)
    tensors = dict(netdsl.loads(NET).torch().state_dict())
    save_file(tensors, folder / "w.safetensors")
    (folder / "small.net").write_text(NET)
    return tensors


def test_all_tensors_are_loaded(file: dict[str, torch.Tensor]) -> None:
    """The module has the tensors of the file, and one line reports it."""
    loaded, module = begun("w.safetensors")
    for name, value in module.state_dict().items():
        assert torch.equal(value, file[name]), name
    (line,) = loaded.lines("w.safetensors")
    assert line.startswith("w.safetensors: 10 tensors loaded: conv1.weight, ")


def test_the_classifier_is_replaced_for_other_classes(file: dict[str, torch.Tensor]) -> None:
    """The last layer keeps fresh weights; all others are those of the file."""
    loaded, module = begun("w.safetensors", classes=3)
    assert loaded.new == ("fc.weight", "fc.bias")
    assert set(loaded.left) == set(loaded.new)
    assert module.state_dict()["fc.weight"].shape == (3, 6)
    assert torch.equal(module.state_dict()["conv2.weight"], file["conv2.weight"])


def test_reshaped_new_and_left(file: dict[str, torch.Tensor]) -> None:
    """A classifier that was a 1x1 convolution is reshaped; the rest is named."""
    file["fc.weight"] = file["fc.weight"].reshape(10, 6, 1, 1)
    file["head.weight"] = file.pop("conv2.bias")
    save_file(file, "other.safetensors")
    loaded, module = begun("other.safetensors")
    assert (loaded.reshaped, loaded.new, loaded.left) == (
        ("fc.weight",),
        ("conv2.bias",),
        ("head.weight",),
    )
    lines = loaded.lines("other.safetensors")
    assert [line.partition(": ")[2] for line in lines[1:]] == [
        "1 tensor reshaped: fc.weight",
        "1 tensor new, with fresh numbers: conv2.bias",
        "1 tensor left in the file: head.weight",
    ]
    assert torch.equal(module.state_dict()["fc.weight"], file["fc.weight"].flatten(1))


OTHERS = {
    "colours": (
        ("conv1.weight", (4, 3, 5, 5)),
        "they are of the net `Other`, which takes 3 channels: write `input image: 3x28x28`, and",
    ),
    "width": (
        ("conv1.weight", (8, 1, 5, 5)),
        "they are of the net `Other`, whose layer `conv1` has 8 outputs: write `conv(8, ...)`",
    ),
    "kernel": (
        ("conv2.weight", (6, 4, 5, 5)),
        "they are of the net `Other`, whose layer `conv2` has a kernel of 5x5",
    ),
    "several sizes": (("conv2.weight", (7, 9, 3, 3)), "they are of the net `Other`; only the last"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_advice_says_how_the_net_of_the_file_differs(
    file: dict[str, torch.Tensor], case: str
) -> None:
    """It names that net, and what to write where one size explains the difference."""
    (name, shape), help_ = OTHERS[case]
    save_file({**file, name: torch.zeros(shape)}, "other.safetensors", {"net": "Other"})
    with pytest.raises(SettingError, match=f"`{name}` is ") as caught:
        begun("other.safetensors")
    assert (caught.value.help or "").startswith(help_)


def test_other_layers_must_fit(file: dict[str, torch.Tensor]) -> None:
    """A shape that differs inside the net is an error, and so is a file of another net."""
    save_file({**file, "conv2.weight": torch.zeros(7, 4, 3, 3)}, "wide.safetensors")
    with pytest.raises(SettingError, match=r"`conv2.weight` is 7x4x3x3 in wide.* 6x4x3x3 in the"):
        begun("wide.safetensors")
    with pytest.raises(SettingError, match="no file widr") as caught:
        begun("widr.safetensors")
    assert (caught.value.key, caught.value.help) == (
        "weights",
        "did you mean `wide.safetensors`?",
    )
    save_file({"layer.weight": torch.zeros(2)}, "strange.safetensors")
    with pytest.raises(SettingError, match="has no tensor of the net"):
        begun("strange.safetensors")


@pytest.mark.parametrize("option", [["--weights", "w.safetensors"], []])
def test_the_command_fine_tunes(
    file: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    """`--weights` and the entry `weights` begin with the file; frozen layers then keep it."""
    settings = ["--set", "train.freeze=[conv1, bn]"]
    if not option:
        settings += ["--set", 'train.weights="w.safetensors"']
    assert run(["train", "small.net", *option, *settings]) == 0
    assert "w.safetensors: 10 tensors loaded: conv1.weight" in capsys.readouterr().out
    trained = load_file("runs/Small/weights.safetensors")
    same = {name for name, value in trained.items() if torch.equal(value, file[name])}
    own = {name for name in file if name.partition(".")[0] not in ("conv2", "fc")}
    assert same == own


def test_a_run_that_goes_on_does_not_need_the_file(
    file: dict[str, torch.Tensor], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoint has the weights, so the file may be gone by then."""
    assert file
    command = ["train", "small.net", "--weights", "w.safetensors", "--resume"]
    schedule = ["--set", "train.schedule=constant"]
    assert run([*command, *schedule]) == 0
    (folder / "w.safetensors").unlink()
    capsys.readouterr()
    assert run([*command, *schedule, "--set", "train.epochs=2"]) == 0
    printed = capsys.readouterr().out
    assert "tensors loaded" not in printed
    assert "epoch 2/2" in printed


def test_a_missing_file(file: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file, and nothing is trained."""
    assert len(file) > 1
    assert run(["train", "small.net", "--weights", "none.safetensors"]) == 1
    assert "there is no file none.safetensors" in capsys.readouterr().err
