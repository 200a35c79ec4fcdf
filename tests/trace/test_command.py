"""`netdsl trace`: what it prints, and what it refuses."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import run_command

RGB = """\
result (conv) at 0,0,0 of 1x5x5: sum of window * kernel over all channels + bias

channel 0
  window         kernel      products
  (0) (0) (0)    −1 −1  1       0    0    0
  (0) 156 155     0  1 −1       0  156 −155
  (0) 153 154     0  1  1       0  153  154
  sum 308

channel 1
  window         kernel      products
  (0) (0) (0)     1  0  0       0    0    0
  (0) 167 166     1 −1 −1       0 −167 −166
  (0) 164 165     1  0 −1       0    0 −165
  sum −498

channel 2
  window         kernel      products
  (0) (0) (0)     0  1  1       0    0    0
  (0) 163 162     0  1  0       0  163    0
  (0) 160 161     1 −1  1       0 −160  161
  sum 164

308 − 498 + 164 + 1 = −25
PyTorch: −25
"""

NETS = """
net Two {
    input image: 1xHxW
    a: conv(2, 3)
    b: conv(2, 3) -> relu
    output c: upsample(2)
}
net Joined {
    input left: 2
    input right: 2
    output s: add(@right)
}
net Values {
    input x: 4 = [1, 2, 3, 4]
    output y: dense(2, weight = [[1, 2, 3, 4], [0.5, 0, 0, -0.5]], bias = [0, 1])
    z: softmax
}
net Shapes {
    input x: 2x2 = [[1, 2], [3, 4]]
    output y: permute([2, 1])
}
"""


@pytest.fixture
def nets(folder: Path) -> Path:
    """A folder with nets and a picture."""
    (folder / "n.net").write_text(NETS)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8), "L").save("p.png")
    return folder


def test_the_slide_of_three_channels(capsys: pytest.CaptureFixture[str]) -> None:
    """Window, kernel, products, the sum of each channel, the bias and the result."""
    out, _ = run_command(capsys, "trace", "kernels:RGB", "--at", "0,0")
    assert out == RGB


def test_backward(capsys: pytest.CaptureFixture[str]) -> None:
    """The gradient by the window is the kernel, and that by the kernel is the window."""
    out, _ = run_command(capsys, "trace", "kernels:Binary", "--at", "1,1", "--backward")
    after = out.partition("backward")[2]
    assert "by the window: the kernel\n  channel 0\n  1 0 1\n  0 1 0\n  1 0 1\n" in after
    assert "by the kernel: the window\n  channel 0\n  1 1 1\n  0 1 1\n  0 1 1\n" in after
    plain, _ = run_command(capsys, "trace", "kernels:Binary", "--at", "1,1")
    assert "backward" not in plain


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("kernels:MaxPooling --at 1,0", "max(3, 2, 1, 2) = 3"),
        ("kernels:AveragePooling --at 0,0", "sum 0 + 2 + 4 + 3 = 9; divided by 4: 2.25"),
        ("kernels:Volume --at 1,1,1", "−5 + 0 + 0 + 0 = −5"),
        ("n.net:Values y --at 1", "0.5 + 0 + 0 − 2 + 1 = −0.5"),
    ],
)
def test_lines(nets: Path, capsys: pytest.CaptureFixture[str], words: str, line: str) -> None:
    """The last line but one is the calculation."""
    out, err = run_command(capsys, "trace", *words.split())
    assert line in out.splitlines()
    assert not err


def test_a_single_number(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net from a number to a number: there is no place to name."""
    (nets / "s.net").write_text("net S {\n    input x: [] = -2\n    relu\n}\n")
    out, _ = run_command(capsys, "trace", "s.net")
    assert out.startswith("0 (relu): max(0, x)\n")
    assert "leave `--at` out" in run_command(capsys, "trace", "s.net", "--at", "0", code=1)[1]
    run_command(capsys, "trace", "s.net", "-o", "s.html")
    assert "The output, worked by hand" in (nets / "s.html").read_text(encoding="utf-8")


def test_the_layer_behind_an_option(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The layer may be the last word."""
    words = ("trace", "n.net:Two", "--input", "p.png", "--at", "1,1", "b")
    assert run_command(capsys, *words)[0].startswith("b (conv) at 0,1,1 of 2x4x4")


def test_json(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All numbers of the text, and the gradients if they are asked for."""
    words = ("trace", "kernels:RGB", "--format", "json")
    found = json.loads(run_command(capsys, *words)[0])
    assert (found["net"], found["layer"], found["kind"]) == ("RGB", "result", "conv")
    assert [found["at"], found["shape"]] == [[0, 0, 0], [1, 5, 5]]
    assert [found["result"], found["pytorch"]] == [-25, -25]
    assert found["parts"][0]["grids"][2]["rows"] == [[0, 0, 0], [0, 156, -155], [0, 153, 154]]
    assert found["parts"][0]["grids"][0]["outside"][0] == [True] * 3
    assert [t["value"] for t in found["terms"]] == [308, -498, 164, 1]
    assert "gradients" not in found
    found = json.loads(run_command(capsys, *words, "--backward")[0])
    assert [g["of"] for g in found["gradients"]] == ["x0", "weight", "bias"]


def test_a_layer_in_the_middle_of_an_open_net(
    nets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture gives the open sizes; random weights are named as such."""
    out, err = run_command(capsys, "trace", "n.net:Two", "b", "--input", "p.png", "--at", "1,3,2")
    assert out.startswith("b (conv) at 1,3,2 of 2x4x4")
    assert "the weights are random" in err
    _, err = run_command(capsys, "trace", "kernels:SobelX", "--input", "p.png")
    assert not err


@pytest.mark.parametrize(
    ("words", "message", "help_"),
    [
        (
            "n.net:Two c --input p.png",
            "`netdsl trace` does not work out `upsample`",
            "name one of a (conv)",
        ),
        ("n.net:Two --input p.png", "`Two` has 3 layers that can be traced", "a (conv), b (conv)"),
        ("n.net:Two d --input p.png", "`Two` has no layer `d`", "name one of"),
        (
            "n.net:Shapes",
            "`Shapes` has no layer that `netdsl trace` works out",
            "the kinds that it works out: conv",
        ),
        ("resnet:ResNet18 layer1 --input p.png", "no layer `layer1`", "such as `layer1.0.conv1`"),
        ("kernels:RGB --at 0,9", "`--at 0,9` is outside of `result`", "it can be 0 to 4"),
        ("kernels:RGB --at 0,0,0,0", "is not a place in `result`, which is 1x5x5", "--at 0,2,2"),
        ("kernels:RGB --at x", "is not a place in `result`", "write 3 numbers from 0"),
        ("n.net:Two a", "no numbers for the input `image`", "--input FILE"),
        ("kernels:RGB --input p.png", "p.png has 8 x 8 pixels", "--resize"),
        ("n.net:Joined --input p.png", "has 2 inputs", "--input left=FILE --input right=FILE"),
        ("n.net:Joined", "no numbers for the input `left`", "--input left=FILE"),
    ],
)
def test_refused(
    nets: Path, capsys: pytest.CaptureFixture[str], words: str, message: str, help_: str
) -> None:
    """Each has one diagnostic, which contains the fix."""
    out, err = run_command(capsys, "trace", *words.split(), code=1)
    assert not out
    assert err.count("error[") == 1
    assert message in err
    assert help_ in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("kernels:RGB -o trace.pdf", "-o takes a name that ends in .html"),
        ("kernels:RGB --input a=p.png --input a=p.png", "--input is given twice for `a`"),
    ],
)
def test_wrong_command_lines(
    nets: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    """Exit code 2, and the usage."""
    assert message in run_command(capsys, "trace", *words.split(), code=2)[1]


def test_a_full_disk(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that was there stays, and one message names it."""
    (folder / "t.html").write_text("old")
    write = Path.write_text

    def full(path: Path, text: str, **how: str) -> int:
        if path.suffix != ".html":
            return write(path, text, **how)
        write(path, text[:100], **how)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    _, err = run_command(capsys, "trace", "kernels:RGB", "-o", "t.html", code=1)
    assert err.startswith("error[cannot-write]: t.html: No space left on device")
    assert (folder / "t.html").read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["t.html"]


def test_trained_weights_and_their_normalisation(
    nets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The logits are those of `netdsl run`, which normalises the picture as in the training."""
    tiny = "net Tiny {\n    input image: 1x8x8\n    flatten\n    output logits: dense(2)\n}\n"
    (nets / "t.net").write_text(tiny)
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), np.uint8)
    np.savez("data.npz", x=images, y=np.arange(40) % 2)
    words = ("train", "t.net", "--data", 'npz("data.npz")')
    run_command(capsys, *words, "--set", "train.epochs=1", "--out", "trained", "-q")
    run_command(capsys, "run", "t.net", "p.png", "--weights", "trained", "-o", "o.npz", "-q")
    wanted = np.load("o.npz")["logits"][0]
    for k in range(2):
        traced = ("trace", "t.net", "--weights", "trained", "--input", "p.png", "--at", str(k))
        out, err = run_command(capsys, *traced, "--format", "json")
        assert "random" not in err
        assert json.loads(out)["pytorch"] == pytest.approx(float(wanted[k]), rel=1e-5)
