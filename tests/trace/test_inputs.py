"""The input of a trace: pictures, arrays, and text files of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import netdsl
from netdsl.errors import NetdslError
from netdsl.trace.inputs import examples_of, read_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.ir.graph import Graph

ONE = "net N {\n    input image: SIZES\n    relu\n}\n"
TWO = "net N {\n    input a: 2\n    input b: 3\n    relu\n    output t: @b -> relu\n}\n"


def graph(sizes: str) -> Graph:
    kind = "relu"
    if "int" in sizes:
        kind = "embedding(9, 2)"
    return netdsl.loads(ONE.replace("SIZES", sizes).replace("relu", kind)).graph


def read(net: Graph, *files: str, resize: bool = False) -> dict[str, np.ndarray]:
    pairs = [file.rpartition("=")[::2] for file in files]
    return read_inputs(net, dict(pairs), {}, resize=resize)


@pytest.mark.parametrize(
    ("text", "sizes", "shape"),
    [
        ("1 2\n3 4\n", "1x2x2", (1, 2, 2)),
        ("1, 2\n3, 4", "1xHxW", (1, 2, 2)),
        ("1 2\n3 4\n\n5 6\n7 8", "2xHxH", (2, 2, 2)),
        ("[[1, 2],\n [3, 4]]", "2x2", (2, 2)),
        ("1 2 3 4 5 6", "1x2x3", (1, 2, 3)),
        ("1\n2\n3", "3", (3,)),
        ("1 2 3", "D", (3,)),
        ("1 2 # words\n3 4", "T int64", (4,)),
        ("1 2\n3 4\n5 6", "Tx2", (3, 2)),
    ],
)
def test_numbers_of_a_text(folder: Path, text: str, sizes: str, shape: tuple[int, ...]) -> None:
    """Rows are lines, channels are separated by empty lines; a fixed shape takes any layout."""
    (folder / "n.txt").write_text(text)
    array = read(graph(sizes), "n.txt")["image"]
    assert array.shape == shape
    assert list(range(1, array.size + 1)) == array.ravel().tolist()


@pytest.mark.parametrize(
    ("text", "sizes", "message"),
    [
        ("1 2\n3 x", "1x2x2", "line 2 has `x`"),
        ("1 2\n3", "1xHxW", "has 3 numbers, but the input `image` is 1xHxW"),
        ("1 2 3", "1x2x2", "numbers, but the input `image` is 1x2x2"),
        ("1 2 3\n4 5 6", "1xHxH", "the input `image` is 1xHxH"),
        ("", "1x2x2", "numbers, but the input `image` is 1x2x2"),
        ("1.5", "1 int64", "takes whole numbers"),
        ("1e39 0", "2", "a number that is too large"),
        ("nan 0", "2", "line 1 has `nan`"),
    ],
)
def test_wrong_texts(folder: Path, text: str, sizes: str, message: str) -> None:
    """One diagnostic, with the place where that helps."""
    (folder / "n.txt").write_text(text)
    with pytest.raises(NetdslError, match=message) as caught:
        read(graph(sizes), "n.txt")
    assert len(caught.value.diagnostics) == 1
    assert caught.value.help


def test_bytes_are_no_text(folder: Path) -> None:
    """A file of bytes is refused as such."""
    (folder / "n.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(NetdslError, match="it is not a text"):
        read(graph("2"), "n.txt")


def test_pictures(folder: Path) -> None:
    """A picture has numbers from 0 to 1, is normalised, and is resized only if the user asks."""
    pixels = np.array([[0, 51], [102, 255]], np.uint8)
    Image.fromarray(pixels, "L").save("p.png")
    wanted = [[0, 0.2], [0.4, 1]]
    np.testing.assert_allclose(read(graph("1x2x2"), "p.png")["image"][0], wanted, atol=1e-6)
    np.testing.assert_allclose(read(graph("1xHxW"), "p.png")["image"][0], wanted, atol=1e-6)
    constants = {"image": ((0.2,), (0.5,))}
    array = read_inputs(graph("1xHxW"), {"": "p.png"}, constants, resize=False)["image"]
    np.testing.assert_allclose(array[0], (np.array(wanted) - 0.2) / 0.5, atol=1e-6)
    with pytest.raises(
        NetdslError, match="has 2 x 2 pixels, but the input `image` is 1x4x4"
    ) as caught:
        read(graph("1x4x4"), "p.png")
    assert "--resize" in str(caught.value.help)
    assert read(graph("1x4x4"), "p.png", resize=True)["image"].shape == (1, 4, 4)
    for sizes in ("5x2x2", "4"):
        with pytest.raises(NetdslError, match=r"p\.png is a picture"):
            read(graph(sizes), "p.png")


def test_arrays(folder: Path) -> None:
    """An array with or without a batch of one, alone or in an archive."""
    array = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    np.save("a.npy", array)
    np.save("b.npy", array[None])
    np.savez("c.npz", image=array)
    np.save("d.npy", np.zeros((3, 1, 2, 2), np.float32))
    for file in ("a.npy", "b.npy", "c.npz"):
        np.testing.assert_array_equal(read(graph("1xHxW"), file)["image"], array)
    with pytest.raises(NetdslError, match=r"d\.npy has 3x1x2x2 numbers"):
        read(graph("1xHxW"), "d.npy")
    with pytest.raises(NetdslError, match=r"there is no file e\.npy"):
        read(graph("1xHxW"), "e.npy")


def test_two_inputs(folder: Path) -> None:
    """Each by its name, or all from one archive; one alone is refused, with the option to write."""
    net = netdsl.loads(TWO).graph
    (folder / "a.txt").write_text("1 2")
    (folder / "b.txt").write_text("3 4 5")
    both = read(net, "a=a.txt", "b=b.txt")
    assert ([1, 2], [3, 4, 5]) == (both["a"].tolist(), both["b"].tolist())
    np.savez("ab.npz", a=np.ones(2, np.float32), b=np.ones(3, np.float32))
    assert read(net, "ab.npz")["b"].tolist() == [1, 1, 1]
    for files in (("a.txt",), ("a=a.txt",), ("b=b.txt",)):
        with pytest.raises(NetdslError, match="has 2 inputs") as caught:
            read(net, *files)
        assert "--input a=FILE --input b=FILE" in str(caught.value.help)
    with pytest.raises(NetdslError, match="has no input `c`"):
        read(net, "c=a.txt")


def test_no_input() -> None:
    """Without a file and without an example, the diagnostic has both ways."""
    with pytest.raises(NetdslError, match="no numbers for the input `image`") as caught:
        examples_of(graph("1xHxW"))
    assert "input image: 1xHxW = [[...]]" in str(caught.value.help)
