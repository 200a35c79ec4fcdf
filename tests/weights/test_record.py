"""The record in trained weights: commands use the net and the data of the training."""

import json
from pathlib import Path

import numpy as np
import pytest

from netdsl.cli import run

NET = """net Small(classes = 10, act = relu) {
    input image: 1x28x28
    conv(4, 5, stride = 2) -> act -> flatten
    output logits: dense(classes)
}
train Small {
    data = fashion_mnist_sample
    augment = normalize([0.9], [0.1])
    epochs = 1
}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained net, whose parameter `act` is `tanh`."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "net.net").write_text(NET)
    arguments = ["train", str(folder / "net.net"), "--out", str(folder / "run"), "-D", "act=tanh"]
    assert run(arguments) == 0
    return folder


def accuracy(out: str) -> str:
    return out.rpartition("accuracy ")[2].partition(" %")[0]


@pytest.fixture
def expected(trained: Path) -> str:
    """The accuracy that training reported, in percent."""
    log = (trained / "run" / "log.jsonl").read_text()
    return f"{100 * json.loads(log)['accuracy']:.2f}"


@pytest.mark.parametrize(
    ("before", "now"),
    [("", ""), ("0.9], [0.1", "0.1], [0.9"), ("data = fashion_mnist_sample", "data = mnist")],
    ids=["the same text", "another normalisation", "other data"],
)
def test_the_test_is_that_of_the_training(
    trained: Path, expected: str, before: str, now: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The data, the normalisation and the parameters are those of the training."""
    path = trained / "other.net"
    path.write_text(NET.replace(before, now))
    assert run(["test", str(path), "--weights", str(trained / "run")]) == 0
    captured = capsys.readouterr()
    taken = f"{trained / 'run'}: `Small` was trained with -D act=tanh\n"
    assert (accuracy(captured.out), captured.err) == (expected, taken)


@pytest.mark.parametrize("command", ["test", "export", "bench", "verify"])
def test_the_net_and_the_parameters_that_a_command_takes_are_printed(
    trained: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several nets the command takes that of the training; `-D` of the user needs no line."""
    path, run_ = tmp_path / "several.net", str(trained / "run")
    path.write_text(f"{NET}net Other {{\n input x: 3\n dense(2)\n}}\n")
    options = {
        "export": ["-o", str(tmp_path / "net.onnx")],
        "bench": ["--rounds", "1", "--batch", "1"],
    }
    words = [command, str(path), "--weights", run_, *options.get(command, [])]
    assert run(words) == 0
    messages = capsys.readouterr().err
    assert f"{run_}: `Small` was trained with -D act=tanh\n" in messages
    assert f"{run_}: the net is `Small`, as in the training\n" in messages
    assert run([*words, "-D", "act=tanh"]) == 0
    assert "-D act" not in capsys.readouterr().err


def test_weights_that_do_not_fit_name_the_trained_net(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error has the name, also if most tensors fit."""
    path = tmp_path / "net.net"
    path.write_text(NET.replace("conv(4", "conv(4, 5) -> conv(4"))
    assert run(["test", str(path), "--weights", str(trained / "run")]) == 1
    advice = "the net `Small`: name the text that was trained, or train this net"
    assert advice in capsys.readouterr().err


def test_other_classes_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights for the classes of one data set say nothing about those of another."""
    from tests.support.datasets import idx_contents

    for name, content in idx_contents().items():
        (tmp_path / name).write_bytes(content)
    arguments = ["test", str(trained / "net.net"), "--weights", str(trained / "run")]
    assert run([*arguments, "--data", f'mnist(root = "{tmp_path}")']) == 1
    message = capsys.readouterr().err
    assert "was trained on 10 classes (T-shirt/top, Trouser, Pullover, Dress, ...)" in message
    assert "but mnist has 10 classes (0, 1, 2, 3, ...)" in message


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("-> act", "-> sigmoid"), "`1` was `tanh` and is `sigmoid`"),
        (
            ("5, stride = 2)", "5, stride = 2, pad = 2) -> avgpool(3, stride = 1)"),
            "`0` now has `pad=2`",
        ),
        (("-> act", "-> act -> dropout(0.5)"), "`2` was `flatten` and is `dropout`"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["test", "export", "bench"])
def test_another_net_is_a_warning(
    trained: Path,
    tmp_path: Path,
    command: str,
    change: tuple[str, str],
    fact: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Weights that fit a net are used, but a difference from the trained net is reported."""
    path = tmp_path / "net.net"
    path.write_text(NET.replace(*change))
    options = {
        "export": ["-o", str(tmp_path / "net.onnx")],
        "bench": ["--rounds", "1", "--batch", "1"],
    }
    arguments = [command, str(path), "--weights", str(trained / "run"), *options.get(command, [])]
    assert run(arguments) == 0
    assert f"was trained with another net: {fact}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["export", "run"])
def test_weights_that_do_not_fit_are_one_error(
    trained: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error tells that they are of another net; a warning of that would repeat it."""
    path = tmp_path / "net.net"
    path.write_text(NET.replace("conv(4", "conv(3"))
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 28, 28), np.float32))
    output = {"export": ["-o", str(tmp_path / "net.onnx")], "run": [str(tmp_path / "x.npy")]}
    assert run([command, str(path), *output[command], "--weights", str(trained / "run")]) == 1
    error = capsys.readouterr().err
    assert "error[weights-mismatch]" in error
    assert "other-net" not in error
