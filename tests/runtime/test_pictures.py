"""Pictures as inputs: every mode is converted or refused, and every route gives one result."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netdsl
from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.pictures import decode
from netdsl.runtime.session import open_session

Say = pytest.CaptureFixture[str]
COLOUR = (200, 100, 50)
GREY = 124  # the grey to which Pillow converts COLOUR
SIZE = (5, 4)


def plain(mode: str) -> Image.Image:
    return Image.new("RGB", SIZE, COLOUR).convert(mode)


def clear(mode: str, alpha: int) -> Image.Image:
    picture = plain(mode)
    picture.putalpha(alpha)
    return picture


def array_picture(value: float, dtype: str) -> Image.Image:
    return Image.fromarray(np.full((4, 5), value, dtype))


def seen(path: Path) -> tuple[int, tuple[int, ...]]:
    """The first pixel, decoded as grey and as colour."""
    grey, colour = (np.asarray(decode(path, m, (None, None))) for m in ("L", "RGB"))
    assert (str(grey.dtype), str(colour.dtype), grey.shape) == ("uint8", "uint8", (4, 5))
    return int(grey[0, 0]), tuple(colour[0, 0].tolist())


# ---- modes


PALETTE = Image.new("RGB", SIZE, COLOUR).convert("P", palette=Image.Palette.ADAPTIVE)
HALF = (227, 177, 152)  # on white
HALF_GREY = 189
READ: dict[str, tuple[Image.Image, dict[str, Any], int, tuple[int, ...]]] = {
    "1.png": (Image.new("1", SIZE, 1), {}, 255, (255, 255, 255)),
    "1.tif": (Image.new("1", SIZE, 0), {}, 0, (0, 0, 0)),
    "L.png": (plain("L"), {}, GREY, (GREY,) * 3),
    "P.png": (PALETTE, {}, GREY, COLOUR),
    "P.gif": (PALETTE, {}, GREY, COLOUR),
    "PA.tif": (PALETTE.convert("PA"), {}, GREY, COLOUR),
    "RGB.png": (plain("RGB"), {}, GREY, COLOUR),
    "RGBX.tif": (plain("RGBX"), {}, GREY, COLOUR),
    "CMYK.tif": (plain("CMYK"), {}, GREY, COLOUR),
    "CMYK.jpg": (plain("CMYK"), {"quality": 100}, GREY, COLOUR),
    "YCbCr.tif": (plain("YCbCr"), {}, GREY, (199, 99, 49)),
    "RGBA.png": (clear("RGB", 255), {}, GREY, COLOUR),
    "half.png": (clear("RGB", 128), {}, HALF_GREY, HALF),
    "half.tif": (clear("RGB", 128), {}, HALF_GREY, HALF),
    "half.webp": (clear("RGB", 128), {"lossless": True}, HALF_GREY, HALF),
    "LA.png": (clear("L", 128), {}, HALF_GREY, (HALF_GREY,) * 3),
    "LA.tif": (clear("L", 128), {}, HALF_GREY, (HALF_GREY,) * 3),
    "clear.png": (clear("RGB", 0), {}, 255, (255, 255, 255)),
    "palette.png": (PALETTE, {"transparency": PALETTE.getpixel((0, 0))}, 255, (255, 255, 255)),
    "palette.gif": (PALETTE, {"transparency": PALETTE.getpixel((0, 0))}, 255, (255, 255, 255)),
    "key.png": (plain("RGB"), {"transparency": COLOUR}, 255, (255, 255, 255)),
    "grey key.png": (plain("L"), {"transparency": GREY}, 255, (255, 255, 255)),
    "16.png": (array_picture(51400, "<u2"), {}, 200, (200, 200, 200)),
    "16.tif": (array_picture(51400, "<u2"), {}, 200, (200, 200, 200)),
    "big.tif": (array_picture(51400, ">u2"), {}, 200, (200, 200, 200)),
    "16.pgm": (array_picture(51400, "<u2"), {}, 200, (200, 200, 200)),
    "negative.tif": (array_picture(51400, "<u2"), {"tiffinfo": {262: 0}}, 55, (55, 55, 55)),
    "photo.mpo": (plain("RGB"), {"save_all": True, "append_images": [plain("RGB")]}, GREY, COLOUR),
}


@pytest.mark.parametrize("name", READ)
def test_modes_that_are_read(tmp_path: Path, name: str) -> None:
    """The pixels are those that a viewer shows on white, as grey and as colour."""
    picture, options, grey, colour = READ[name]
    picture.save(tmp_path / name, **options)
    assert seen(tmp_path / name) == (grey, colour)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def deep_png(colour_type: int, value: bytes, *others: bytes) -> bytes:
    """A PNG of 5 x 4 equal pixels, with 16 bits for each channel."""
    lines = (b"\0" + value * 5) * 4
    head = struct.pack(">IIBBBBB", 5, 4, 16, colour_type, 0, 0, 0)
    chunks = [
        chunk(b"IHDR", head),
        *others,
        chunk(b"IDAT", zlib.compress(lines)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def twelve_bits() -> bytes:
    """A TIFF of 4 x 4 pixels of 12 bits, each with the value 2048 of 4095."""
    data = bytes([0x80, 0x08, 0x00]) * 8
    entries = [
        (256, 3, 4),
        (257, 3, 4),
        (258, 3, 12),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 4),
        (279, 4, len(data)),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", t, k, 1, v) for t, k, v in entries
    )
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)


def test_pictures_of_more_than_eight_bits(tmp_path: Path) -> None:
    """Values scale to 8 bits, also if the largest is not 65535; transparency is on white."""
    (tmp_path / "rgb.png").write_bytes(deep_png(2, bytes([200, 0, 100, 0, 50, 0])))
    assert seen(tmp_path / "rgb.png") == (GREY, COLOUR)
    (tmp_path / "la.png").write_bytes(deep_png(4, bytes([GREY, 0, 128, 0])))
    assert seen(tmp_path / "la.png")[0] == HALF_GREY
    (tmp_path / "key.png").write_bytes(deep_png(0, bytes([7, 7]), chunk(b"tRNS", bytes([7, 7]))))
    assert seen(tmp_path / "key.png")[0] == 255
    (tmp_path / "12.tif").write_bytes(twelve_bits())
    assert np.unique(np.asarray(decode(tmp_path / "12.tif", "L", (None, None)))).tolist() == [128]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("dtype", ["<u1", "<u2"])
def test_orientation_of_every_depth(tmp_path: Path, orientation: int, dtype: str) -> None:
    """A rotated picture of 16 bits is turned upright, as one of 8 bits is."""
    values = np.arange(20, dtype=dtype).reshape(4, 5) * np.array(
        257 if dtype == "<u2" else 1, dtype
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / "x.png", exif=exif)
    turned = np.asarray(decode(tmp_path / "x.png", "L", (None, None)))
    turns: dict[int, Callable[[Any], Any]] = {
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a.T, 2),
        8: np.rot90,
    }
    np.testing.assert_array_equal(turned, turns[orientation](np.arange(20).reshape(4, 5)))


RED = Image.new("RGB", SIZE, "red")
SEVERAL: dict[str, Any] = {"save_all": True, "append_images": [RED]}
REFUSED: dict[str, tuple[Image.Image, dict[str, Any], str, str]] = {
    "F.tif": (array_picture(0.5, "<f4"), {}, "contains floats, and does not define", ".npy"),
    "F.pfm": (array_picture(0.5, "<f4"), {}, "contains floats, and does not define", ".npy"),
    "I.tif": (array_picture(51400, "<i4"), {}, "contains signed integers, and does not", ".npy"),
    "I16S.tif": (
        array_picture(51400, "<i4"),
        {"tiffinfo": {339: 2}},
        "contains signed integers",
        ".npy",
    ),
    "LAB.tif": (Image.new("LAB", SIZE), {}, "has LAB colours", "convert it to RGB"),
    "frames.gif": (plain("RGB"), SEVERAL, "has several frames", "save the frame"),
    "frames.png": (plain("RGB"), SEVERAL, "has several frames", "save the frame"),
    "frames.webp": (plain("RGB"), SEVERAL, "has several frames", "save the frame"),
    "pages.tif": (plain("RGB"), SEVERAL, "has several frames or pages", "save the frame"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_modes_that_are_refused(model_folder: Path, capsys: Say, name: str) -> None:
    """The message has the reason, and the help has what to do."""
    picture, options, reason, help_ = REFUSED[name]
    picture.save(name, **options)
    assert run(["run", "m.onnx", name]) == 1
    err = capsys.readouterr().err
    assert f"error[bad-picture]: {name} {reason}" in err
    assert help_ in err.partition("help: ")[2]


# ---- every route into a model gives the same numbers


IDENTITY = "net Same {{\n input image: {shape}\n relu\n}}\n"
SIZES = [
    ((1, 4), (1, 2)),
    ((2, 1), (5, 1)),
    ((1, 1), (4, 3)),
    ((3, 3), (8, 8)),
    ((8, 8), (3, 3)),
    ((7, 5), (14, 10)),
    ((14, 10), (7, 5)),
    ((31, 17), (16, 33)),
    ((100, 9), (9, 100)),
    ((480, 640), (224, 224)),
    ((13, 13), (13, 29)),
    ((24, 24), (24, 24)),
    ((300, 200), (224, 224)),
    ((2, 500), (32, 32)),
]


def samples(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Noise, and pictures of black and white, whose edges show errors most clearly."""
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    corner = np.zeros(shape, np.uint8)
    corner[0, 0] = 255
    return [noise, np.where(noise > 127, np.uint8(255), np.uint8(0)), corner, 255 - corner]


@pytest.mark.parametrize(("size", "target"), SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_in_the_graph_matches_pillow(
    model_folder: Path, size: tuple[int, int], target: tuple[int, int], channels: int
) -> None:
    """Every pixel is within one level of 255; a model of floats gets Pillow's exact pixels."""
    (model_folder / "same.net").write_text(
        IDENTITY.format(shape=f"{channels}x{target[0]}x{target[1]}")
    )
    assert run(["export", "same.net", "-o", "bytes.onnx", "--with-preprocess"]) == 0
    assert run(["export", "same.net", "-o", "floats.onnx"]) == 0
    session = open_session(Path("bytes.onnx"))
    for picture in samples((*size, channels)):
        image = Image.fromarray(picture if channels == 3 else picture[..., 0])
        image.save("x.png")
        pillow = np.asarray(image.resize(target[::-1], Image.Resampling.BILINEAR), np.float64)
        pillow = pillow.reshape(*target, channels).transpose(2, 0, 1)
        graph = session.run({"image": picture[None]})[0][0].astype(np.float64) * 255
        assert np.abs(graph - pillow).max() <= 1 + 1e-4
        for model, bound in (("bytes.onnx", 1.0), ("floats.onnx", 0.0)):
            assert run(["run", model, "x.png", "-o", "out.npz"]) == 0
            assert np.abs(np.load("out.npz")["output"][0] * 255.0 - pillow).max() <= bound + 1e-4


def test_a_picture_of_its_own_size_is_not_changed(model_folder: Path) -> None:
    """The graph, `run` and the data of training give the same numbers for a picture."""
    from netdsl.data.catalog import MNIST_NORMALISATION
    from netdsl.data.dataset import InputData

    mean, std = MNIST_NORMALISATION
    picture = np.random.default_rng(0).integers(0, 256, (1, 1, 9, 7), dtype=np.uint8)
    data = InputData(mean=mean, std=std).prepare(picture)
    (model_folder / "same.net").write_text("net Same {\n input image: 1x9x7\n pad(1)\n}\n")
    Image.fromarray(picture[0, 0]).save("x.png")
    options = ["--mean", str(mean[0]), "--std", str(std[0])]
    for extra in ([], ["--with-preprocess"]):
        assert run(["export", "same.net", "-o", "same.onnx", *options, *extra]) == 0
        assert run(["run", "same.onnx", "x.png", "-o", "out.npz"]) == 0
        np.testing.assert_allclose(np.load("out.npz")["output"][..., 1:-1, 1:-1], data, atol=1e-5)


def test_the_memory_of_a_picture_is_bounded(tmp_path: Path) -> None:
    """In every format, a picture with more pixels than Pillow's limit is refused."""
    for name in ("x.png", "x.tif", "x.gif", "x.bmp"):
        Image.new("L", (40, 40)).save(tmp_path / name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Image, "MAX_IMAGE_PIXELS", 1599)
            with pytest.raises(NetdslError, match="picture-too-large"):
                decode(tmp_path / name, "L", (None, None))


def test_the_resizing_of_an_exported_net() -> None:
    """The `Resize` node is antialiased, and gives no weight to pixels outside the picture."""
    from netdsl.backends.onnx.form import Form, Pixels
    from netdsl.backends.onnx.graph import skeleton

    net = netdsl.loads("net N {\n input image: 1x1x2\n relu\n}")
    resize = next(
        n
        for n in skeleton(net.graph, Form(pixels=Pixels())).model.graph.node
        if n.op_type == "Resize"
    )
    assert {
        a.name: a.i for a in resize.attribute if a.name in ("antialias", "exclude_outside")
    } == {"antialias": 1, "exclude_outside": 1}


def test_signed_numbers_are_refused(tmp_path: Path) -> None:
    """Pillow reads the signed bytes of a TIFF as unsigned: -1 would become white."""
    path = tmp_path / "signed.tif"
    signed = 2  # of the tag SampleFormat
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path, tiffinfo={339: signed})
    with pytest.raises(NetdslError, match="contains signed integers, and does not define"):
        decode(path, "L", (None, None))


def test_unknown_kinds_of_tiff(tmp_path: Path) -> None:
    """The message calls a TIFF that Pillow cannot read a TIFF of an unsupported kind."""
    path = tmp_path / "unknown.tif"
    path.write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(NetdslError, match="is a TIFF of an unsupported kind"):
        decode(path, "L", (None, None))
