"""`netdsl run` from picture to picture, and without weights or inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from netdsl.runtime.output_pictures import SCALES
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

BINARY = """
net Binary {
    input image: 1x5x5 = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0],
                          [0, 1, 1, 0, 0]]
    output result: conv(1, 3, bias = false, weight = [[1, 0, 1], [0, 1, 0], [1, 0, 1]])
}
net Colours {
    input image: 3xHxW
    output same: identity -> relu
    output all: @image -> flatten
}
net Two {
    input image: 1xHxW
    output a: relu
    output b: @image -> relu
}
net Many {
    input image: 1xHxW
    output a: conv(2, 1, bias = false, weight = [[[[1]]], [[[1]]]])
}
"""


@pytest.fixture
def pictures(folder: Path) -> Path:
    """A folder with nets, and a grey and a coloured picture."""
    (folder / "n.net").write_text(BINARY)
    columns = np.tile(np.array([0, 0, 255, 255, 0, 0], np.uint8), (5, 1))
    Image.fromarray(columns, "L").save("grey.png")
    colours = np.random.default_rng(0).integers(0, 256, (4, 7, 3), np.uint8)
    Image.fromarray(colours, "RGB").save("colours.png")
    np.save("two.npy", np.zeros((2, 1, 5, 5), np.float32))
    return folder


def test_edges_of_a_picture(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Edges have 0 as mid-grey, black and white at equal distances; the command says so."""
    _, err = run_command(capsys, "run", "kernels:SobelX", "grey.png", "-o", "edges.png")
    assert "edges.png: -4 is black, 0 is mid-grey, 4 is white (--scale signed)\n" in err
    edges = np.asarray(Image.open(pictures / "edges.png"))
    assert edges.shape == (5, 6)
    assert [128, 255, 255, 0, 0, 128] == edges[2].tolist()


def test_inputs_behind_an_option(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The input may come before or after an option, although it may also be missing."""
    for words in (("grey.png", "-o", "o.png"), ("-o", "o.png", "grey.png")):
        run_command(capsys, "run", "kernels:Blur", *words)
        assert (pictures / "o.png").exists()
        (pictures / "o.png").unlink()
    out, _ = run_command(capsys, "run", "kernels:Blur", "grey.png", "--top", "2", "grey.png")
    assert out.count("grey.png: ") == 2


def test_a_picture_in_colours_stays_as_it_is(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture of three channels has the pixels that went in, in the same order."""
    out, err = run_command(capsys, "run", "n.net:Colours", "colours.png", "-o", "same.png")
    assert "colours.png: same: 1x3x4x7" in out
    assert "same.png: 0 is black, 1 is white (--scale clip)\n" in err
    before, after = (np.asarray(Image.open(pictures / n)) for n in ("colours.png", "same.png"))
    np.testing.assert_array_equal(before, after)
    run_command(capsys, "run", "n.net:Colours", "colours.png", "-o", "same.jpg")
    with Image.open(pictures / "same.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize(
    ("values", "name", "black", "white"),
    [
        ([0, 0.5, 1], "clip", 0, 1),
        ([-0.01, 0.5, 1.02], "clip", 0, 1),
        ([0, 0, 0], "clip", 0, 1),
        ([-1, 0.5, 1], "signed", -1, 1),
        ([0, 4, 9], "stretch", 0, 9),
        ([9, 9, 9], "stretch", 8, 10),
    ],
)
def test_automatic_scale(values: list[float], name: str, black: float, white: float) -> None:
    """What is outside 0 to 1 decides: much that is negative, much that is large, or little."""
    scale = SCALES["auto"](np.array(values, np.float64))
    assert scale.name == name
    assert (scale.black, scale.white) == pytest.approx((black, white), abs=0.1)


def test_extreme_numbers_do_not_determine_the_scale() -> None:
    """The few numbers at a padded border would otherwise make all edges pale."""
    values = np.concatenate([np.linspace(-1, 1, 1000), np.full(5, 50.0)])
    assert SCALES["signed"](values).white == pytest.approx(1, abs=0.02)
    assert SCALES["stretch"](values).white == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("n.net:Many grey.png -o x.png", 1, "no output is a picture: the model gives a 2x5x6"),
        ("n.net:Two grey.png -o x.png", 1, "several outputs are pictures: the model gives a 1x5x6"),
        ("n.net:Two grey.png grey.png -o x.png", 2, "one picture, and there are 2 inputs"),
        ("n.net:Binary two.npy -o x.png", 2, "one picture, and there are 2 inputs"),
        ("n.net:Two grey.png -o x.gif", 2, "ends in .npz, or in .png, .jpg, .jpeg for a picture"),
        ("n.net:Two grey.png --scale clip", 2, "--scale is for -o with a picture"),
        ("n.net:Two", 2, "there is no input: name a picture or an array, or give `image` an ex"),
        (
            "lenet5",
            2,
            "without weights: train it with `netdsl train lenet5`, and add `--weights runs/LeNet5`",
        ),
    ],
)
def test_refused(
    pictures: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, message: str
) -> None:
    """Each has one message, and no picture is written."""
    _, err = run_command(capsys, "run", *words.split(), code=code)
    assert message in err
    assert not (pictures / "x.png").exists()


def test_the_example_without_input(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net with an example and literal weights runs as it is, and prints its numbers."""
    out, _ = run_command(capsys, "run", "n.net:Binary")
    assert out == "example: 1x1x3x3 float32, from 2 to 4, mean 3.22222\n  4 3 4\n  2 4 3\n  2 3 4\n"
    run_command(capsys, "run", "n.net:Binary", "-o", "o.npz")
    assert np.load(pictures / "o.npz")["result"].tolist() == [[[[4, 3, 4], [2, 4, 3], [2, 3, 4]]]]
