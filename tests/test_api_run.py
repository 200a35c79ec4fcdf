"""`run`, `verify`, `train` and `draw`: the commands, from Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl.cli import run
from netdsl.verify import values

TWO = """
net Two {
    input image: 3x8x8
    input code: 4
    a: @image -> conv(2, 3) -> flatten -> dense(5)
    b: @code -> dense(5)
    output sum: add { | @a | @b }
    output half: @sum -> dense(2)
}
"""
OPEN = "net Open {\n input x: 3xHxW\n conv(4, 3) -> bn -> relu -> gap -> flatten -> dense(2)\n}"


@pytest.fixture(scope="module")
def small() -> netdsl.Net:
    """A net with one input, of open size, and one output."""
    return netdsl.loads(OPEN)


# ---- run


@pytest.mark.parametrize("kind", ["numpy", "double", "torch"])
def test_run_gives_what_pytorch_gives(small: netdsl.Net, kind: str, tmp_path: Path) -> None:
    """Arrays and tensors are taken, and weights may be a state dict or a file."""
    module = small.torch().eval()
    x = torch.rand(3, 3, 9, 10)
    given: Any = {"numpy": x.numpy(), "double": x.double().numpy(), "torch": x}[kind]
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    expected = module(x).detach().numpy()
    for weights in (module.state_dict(), tmp_path / "weights.safetensors"):
        output = small.run(given, weights)
        assert isinstance(output, np.ndarray)
        np.testing.assert_allclose(expected, output, rtol=1e-4, atol=1e-5)


def test_run_with_fresh_weights(small: netdsl.Net) -> None:
    """They depend only on the seed, and are those of `onnx`."""
    x = np.ones((1, 3, 8, 8), np.float32)
    first, again, other = (small.run(x, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_run_takes_a_single_sample(small: netdsl.Net) -> None:
    """It is a batch of one."""
    x = np.ones((3, 8, 8), np.float32)
    assert np.array_equal(small.run(x), small.run(x[None]))


def test_run_with_several_ends() -> None:
    """A dict of arrays gives a dict of arrays, by the names of the text."""
    net = netdsl.loads(TWO)
    module = net.torch().eval()
    image, code = torch.rand(2, 3, 8, 8), torch.rand(2, 4)
    outputs = net.run({"code": code, "image": image.numpy()}, module.state_dict())
    assert ["sum", "half"] == list(outputs)
    for expected, output in zip(module(image, code), outputs.values(), strict=True):
        np.testing.assert_allclose(expected.detach().numpy(), output, rtol=1e-4, atol=1e-5)
    one = netdsl.loads("net A { input x: 4\n y: dense(3)\n output u: @y\n output v: @y -> relu }")
    with pytest.raises(ValueError, match=re.escape("the outputs are u and v: give a dict")):
        one.run(np.ones((1, 4), np.float32))
    assert {"u", "v"} == set(one.run({"x": np.ones((1, 4), np.float32)}))


FLOATS = np.ones((2, 3, 8, 8), np.float32)
CODE = np.ones((2, 4), np.float32)
ARRAYS: list[tuple[str, Any, type[Exception], str]] = [
    (OPEN, [1.0], TypeError, "x must be an array or a tensor, not list"),
    (OPEN, None, TypeError, "x must be an array or a tensor, not NoneType"),
    (OPEN, FLOATS[:, :1], ValueError, "x must be N x 3 x H x W, not 2x1x8x8"),
    (OPEN, FLOATS[0].transpose(1, 2, 0), ValueError, "write `numpy.moveaxis(array, -1, -3)`"),
    (OPEN, FLOATS[0, 0], ValueError, "x must be N x 3 x H x W, not 8x8"),
    (OPEN, FLOATS[:0], ValueError, "x is empty: its shape is 0x3x8x8"),
    (OPEN, FLOATS.astype("uint8"), TypeError, "convert it with `.astype('float32')`"),
    (OPEN, torch.ones(1, 3, 8, 8, dtype=torch.int64), TypeError, "not int64"),
    (OPEN, FLOATS.astype("U1"), TypeError, "x must have numbers of float32"),
    (OPEN, {"y": FLOATS}, ValueError, "the net has no input 'y'; it has x"),
    (OPEN, {}, ValueError, "there is no array for x"),
    (OPEN, FLOATS[:, :, :2], netdsl.CompileError, "a kernel of 3 is larger than the input's 2"),
    (TWO, FLOATS, ValueError, 'the net has 2 inputs: give a dict, {"image": ..., "code": ...}'),
    (TWO, {"image": FLOATS}, ValueError, "there is no array for code"),
    (TWO, {"imag": FLOATS, "code": CODE}, ValueError, "did you mean `image`?"),
    (
        TWO,
        {"image": FLOATS, "code": CODE[:1]},
        ValueError,
        "the inputs have different numbers of samples: image has 2, code has 1",
    ),
]


@pytest.mark.parametrize(("text", "arrays", "error", "message"), ARRAYS)
def test_arrays_that_do_not_fit(
    text: str, arrays: Any, error: type[Exception], message: str
) -> None:
    """An array is refused by the name of its input, with what the input takes."""
    with pytest.raises(error, match=re.escape(message)):
        netdsl.loads(text).run(arrays)


def test_weights_that_do_not_fit(small: netdsl.Net) -> None:
    """Wrong weights are errors of the kinds that `onnx` has."""
    with pytest.raises(netdsl.CompileError, match="is missing"):
        small.run(FLOATS, {})
    wrong: Any = 3
    with pytest.raises(TypeError, match="weights must be a state dict or the path of a file"):
        small.run(FLOATS, wrong)


# ---- verify


def test_verify_returns_its_report(small: netdsl.Net) -> None:
    """The report says what was compared; weights may be given."""
    report = small.verify()
    assert report.ok
    assert repr(report).startswith("<Report of Open: ")
    assert re.search(r"^  params +agree +\S", repr(report), re.MULTILINE)
    assert small.verify(small.torch().state_dict()).ok
    assert small.verify(seed=3).ok


def test_verify_raises_if_back_ends_differ(
    small: netdsl.Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that calls it cannot miss a difference; the error names the layer."""
    monkeypatch.setattr(values, "LIMIT", 1e-9)
    with pytest.raises(netdsl.CompileError, match=r"`0` \(conv\)") as caught:
        small.verify()
    assert caught.value.diagnostics[0].span is not None


# ---- train


def test_train_returns_its_result(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The result has the path of the weights and a record for each epoch."""
    net = netdsl.load("lenet5")
    result = net.train(
        tmp_path / "run",
        data="fashion_mnist_sample(pad = 2, limit = 2000)",
        epochs=1,
        batch=50,
        quiet=True,
    )
    assert "" == capfd.readouterr().out
    assert tmp_path / "run" / "weights.safetensors" == result.weights
    assert [1] == [record["epoch"] for record in result.history]
    assert result.final["accuracy"] > 0.2
    module = net.torch(weights=result.weights)
    images = np.zeros((2, 1, 32, 32), np.float32)
    expected = module.eval()(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(expected, net.run(images, result.weights), atol=1e-5)


def test_train_writes_logs(tmp_path: Path) -> None:
    """`log` names other logs than JSON lines."""
    net = netdsl.loads("net A { input image: 1x28x28\nflatten\noutput logits: dense(10) }")
    data = "fashion_mnist_sample(limit = 200)"
    result = net.train(tmp_path, data=data, epochs=1, batch=1000, log=["csv"], quiet=True)
    assert ["large-setting"] == [warning.code for warning in result.warnings]
    assert (tmp_path / "log.csv").read_text().startswith("epoch,train_loss,train_accuracy,")
    with pytest.raises(ValueError, match="log must be a list"):
        net.train(tmp_path, log=["wandb"])


def test_train_continues_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`resume` trains only the epochs that are missing, and the progress is printed."""
    net = netdsl.load("lenet5")
    entries: dict[str, Any] = {"batch": 1000, "optimizer": "adam(lr = 0.001)", "augment": ["hflip"]}
    data = "fashion_mnist_sample(pad = 2, limit = 200)"
    net.train(tmp_path, data=data, epochs=1, quiet=True, **entries)
    result = net.train(tmp_path, data=data, epochs=2, resume=True, allow_changes=True, **entries)
    assert 2 == len(result.history)
    printed = capfd.readouterr().out
    assert "epoch 2/2" in printed
    assert "epoch 1/2" not in printed
    assert "note: `epochs` is 2, but" in printed


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ({"epoch": 3}, netdsl.CompileError, "a train section has no entry `epoch`"),
        ({"epochs": "many"}, netdsl.CompileError, "`epochs`"),
        ({"optimizer": "adm()"}, netdsl.CompileError, "did you mean `adam`"),
        ({"data": "mnst"}, netdsl.CompileError, "did you mean `mnist`"),
        ({"optimizer": {"lr": -1}}, netdsl.CompileError, "`lr` of `sgd` is -1"),
        ({"optimizer.lr": -1}, netdsl.CompileError, "`lr` of `sgd` is -1"),
        ({"optimizer": {3: 1}}, TypeError, "the keys of a dict must be str, not int"),
        ({"lr": 0.5}, netdsl.CompileError, 'write `train(optimizer={"lr": 0.5})`'),
        (
            {"epochs": object()},
            TypeError,
            "epochs must be a text as in a `train` section, a number",
        ),
    ],
)
def test_wrong_entries(
    folder: Path, entries: dict[str, Any], error: type[Exception], message: str
) -> None:
    """An entry that the section cannot have is an error, and nothing is written."""
    with pytest.raises(error, match=re.escape(message)) as caught:
        netdsl.load("lenet5").train(**entries)
    assert "--" not in str(caught.value).replace("-->", "")
    assert not list(folder.iterdir())


# ---- draw


def test_draw_without_a_path() -> None:
    """The result is an SVG picture that notebooks show, and a text that can be written."""
    picture = netdsl.load("lenet5").draw()
    assert picture.startswith("<svg ")
    assert picture == picture._repr_svg_()
    assert re.fullmatch(r"<SVG picture, [\d,]+ characters>", repr(picture))
    net = netdsl.load("resnet:ResNet18")
    assert len(net.draw(depth=1)) < len(net.draw())


OPTIONS: list[dict[str, Any]] = [
    {"style": "volumes"},
    {"style": "volumes", "field": "C3:5,5"},
    {"style": "blocks", "direction": "right"},
    {"theme": "dark"},
    {"field": "C3:5,5"},
    {"style": "layers", "direction": "right", "depth": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_draw_takes_the_options_of_the_command(options: dict[str, Any], folder: Path) -> None:
    """The picture is that of the command, in a file and without one."""
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    assert run(["draw", "lenet5:LeNet5", "-o", "command.svg", *words]) == 0
    net = netdsl.load("lenet5:LeNet5")
    net.draw("api.svg", **options)
    drawn = (folder / "api.svg").read_text(encoding="utf-8")
    assert drawn == (folder / "command.svg").read_text(encoding="utf-8")
    net.draw("plain.svg")
    assert drawn != (folder / "plain.svg").read_text(encoding="utf-8")
    shown = net.draw(**options)
    assert shown.startswith("<svg ")
    assert shown.count("<text") == drawn.count("<text")


def test_draw_with_more_pixels_and_units(folder: Path) -> None:
    """`dpi` is the resolution of a PNG, and `units` the circles of a layer of neurons."""
    net = netdsl.load("perceptron:MLP")
    widths = []
    for dpi in (72, 144):
        net.draw(f"{dpi}.png", style="neurons", dpi=dpi)
        with Image.open(folder / f"{dpi}.png") as picture:
            widths.append(picture.width)
    small, large = widths
    assert large == pytest.approx(2 * small, abs=3)
    few, many = (net.draw(style="neurons", units=units) for units in (3, 8))
    assert few.count("<ellipse") < many.count("<ellipse")


def test_draw_of_a_net_that_has_no_such_picture() -> None:
    """Volumes need sizes; the error is that of the command."""
    with pytest.raises(netdsl.CompileError, match="size"):
        netdsl.load("resnet:ResNet18").draw(style="volumes")
