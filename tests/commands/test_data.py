"""`netdsl data`: what it prints about data, and the sheet of samples that it draws."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from netdsl.cli import run
from tests.support.photos import CLASSES, write_net, write_photos

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photos(folder: Path) -> Path:
    """The current folder, with photos, one of them damaged, and a net that is trained on them."""
    write_photos(folder / "photos")
    (folder / "photos" / "cat" / "00.png").write_bytes(b"nothing")
    write_net(folder, 'folder("photos", size = 16, val = 0.25, unreadable = 0.1)')
    return folder


def test_the_data_of_a_section(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints counts by class and split, the constants, and warnings; and draws samples."""
    assert run(["data", "small.net"]) == 0
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert ["class", "training", "validation", "test"] in lines
    assert ["cat", "7", "2", "2"] in lines
    assert "3x16x16 uint8, mean 0." in printed.out
    assert "checksum of all samples (BLAKE2b): " in printed.out
    assert printed.out.endswith("samples: samples.png\n")
    assert "warning[unreadable-pictures]" in printed.err and "cat/00.png" in printed.err
    with Image.open("samples.png") as sheet:
        width, height = sheet.size
    assert (width, height) == (9 * 66, 12 * 78)


def test_the_sheet_has_augmented_samples(photos: Path) -> None:
    """The first column has the stored images, the others what the net gets in training."""
    for section, is_same in (("[]", True), ("[shift(0.5)]", False)):
        assert (
            run(["data", "small.net", "-q", "-o", "s.png", "--set", f"train.augment={section}"])
            == 0
        )
        with Image.open("s.png") as sheet:
            pixels = np.asarray(sheet, np.int16)
        first, second = (pixels[12:76, left : left + 64] for left in (0, 66))
        assert (np.abs(first - second).max() <= 1) == is_same


def test_the_sheet_shows_masks_and_any_letters(folder: Path) -> None:
    """A class of a mask has a colour where the mask has it; names need not be Latin."""
    for name in ("ножницы", "камень"):
        (folder / "tools" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (16, 16), 20 * number).save(folder / "tools" / name / f"{number}.png")
    mask = np.zeros((16, 16), np.uint8)
    mask[:, 8:] = 1
    (folder / "masks").mkdir()
    for number in range(5):
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    write_net(folder, 'folder("tools", size = 16)')
    assert run(["data", "small.net", "-q", "-o", "names.png"]) == 0
    data = 'segments("tools/камень", "masks", size = 16)'
    assert run(["data", "small.net", "-q", "-o", "masks.png", "--data", data]) == 0
    with Image.open("names.png") as names, Image.open("masks.png") as masks:
        titles = [np.asarray(names.crop((0, 78 * row, 60, 78 * row + 12))) for row in (0, 1)]
        grey, coloured = masks.getpixel((8, 40)), masks.getpixel((56, 40))
    assert (titles[0] != titles[1]).any()  # signs for unknown letters would be equal
    assert len(set(grey)) == 1 < len(set(coloured))


def test_the_data_as_json(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same figures, with the warnings as diagnostics."""
    assert run(["data", "small.net", "--format", "json", "-o", "s.png"]) == 0
    printed = json.loads(capsys.readouterr().out)
    data = printed["data"]
    assert data["samples"] == {"training": 21, "validation": 7, "test": 7}
    assert data["targets"] == [{"name": "label", "shape": [], "classes": list(CLASSES)}]
    assert sum(data["counts"]["training"]) == 21
    assert [d["code"] for d in printed["diagnostics"]] == ["unreadable-pictures"]
    assert data["sheet"] == "s.png"


def test_data_without_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Vectors are described, and not drawn."""
    np.savez("data.npz", x=np.random.default_rng(0).random((9, 4)), y=np.arange(9) / 2)
    write_net(folder, "fashion_mnist_sample")
    assert run(["data", "small.net", "--data", 'npz("data.npz")']) == 0
    printed = capsys.readouterr().out
    assert "input `x`: 4 float64" in printed
    assert "target `y`: 1 float32" in printed
    assert "samples.png" not in printed
    assert not (folder / "samples.png").exists()


def test_wrong_uses(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The suffix must be that of a PNG, and a wrong section is an error at its place."""
    assert run(["data", "small.net", "-o", "samples.jpg"]) == 2
    assert run(["data", "small.net", "--data", 'folder("nowhere", size = 8)']) == 1
    assert run(["data", "small.net", "--set", "train.augment=mixup2"]) == 1
    errors = capsys.readouterr().err
    assert "-o takes a name that ends in .png" in errors
    assert "there is no folder nowhere" in errors
    assert "unknown-augmentation" in errors
