"""`netdsl look`: the files that it writes, and what it refuses."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl.commands import look as command
from netdsl.commands.look_arguments import VIEWS as NAMES
from netdsl.look import views
from netdsl.look.views import VIEWS
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

NET = """net Tiny {
    input image: 3x16x16
    c: conv(4, 3) -> relu -> d: conv(5, 3) -> relu
    gap -> flatten
    output logits: dense(3)
}
net Box {
    input image: 3x16x16
    conv(4, 3) -> relu -> gap -> flatten
    output corners: dense(3)
}
train Box { loss = mse }
net Two { input image: 3x8x8
    input size: 2
    conv(4, 3) -> flatten -> concat(@size) -> dense(3)
}
net Words { input words: 8 int64
    embedding(100, 4) -> flatten -> dense(3)
}
"""


OPEN = """net Open {
    input image: 3xHxW
    c: conv(4, 3) -> relu -> gap -> flatten
    output logits: dense(3)
}
"""
DATA = 'folder("pictures", size = 16)'
NAMED = ("shape<1>", "猫 $x^2$\x07", "a very long name of a class of pictures")


@pytest.fixture
def data_folder(net_folder: Path) -> Path:
    """The folder of the net, with 24 pictures of three classes, and a net with open sizes."""
    rng = np.random.default_rng(0)
    for number in range(24):
        path = net_folder / "pictures" / NAMED[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(net_folder / "photo.png")
    (net_folder / "open.net").write_text(OPEN)
    return net_folder


def look(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run the command on random weights; returns what it prints to standard error."""
    return run_command(capsys, "look", *words, "--weights", "random", code=code)[1]


def test_help_lists_the_views() -> None:
    """The command takes the views that exist, in their order."""
    assert tuple(VIEWS) == NAMES


def test_formats(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A view is written as a page or a picture, with the same bytes every time."""
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, start in starts.items():
        made = []
        for name in ("one", "two"):
            look(capsys, "tiny.net:Tiny", "filters", "-o", f"{name}.{suffix}")
            made.append((net_folder / f"{name}.{suffix}").read_bytes())
        assert made[0].startswith(start)
        assert made[0].replace(b"one.", b"two.") == made[1]


def test_picture_is_large(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture is large enough for a projector."""
    look(capsys, "tiny.net:Tiny", "filters", "--layer", "c", "-o", "f.png")
    with Image.open("f.png") as picture:
        assert picture.width > 900


def test_view_after_options(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of the view can follow options."""
    run_command(capsys, *"look tiny.net:Tiny --weights random filters -o f.png".split())
    assert (net_folder / "f.png").exists()


def test_page(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page has every view, needs no other file, and is the same every time."""
    pages = []
    for name in ("a", "b"):
        look(capsys, "tiny.net:Tiny", "--data", DATA, "-o", f"{name}.html", "--seed", "3")
        pages.append((data_folder / f"{name}.html").read_text(encoding="utf-8"))
    assert pages[0].replace("a.html", "") == pages[1].replace("b.html", "")
    for name in NAMES:
        assert f'<h2 id="{name}">' in pages[0]
        assert f'href="#{name}"' in pages[0]
    assert "random, from the seed 3: the net is untrained" in pages[0]
    assert "<script" not in pages[0]
    assert "default-src &#x27;none&#x27;; img-src data:" in pages[0]
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', pages[0])
    assert all(source.startswith(("#", "data:image/png;base64")) for source in sources)
    names = re.findall(r' id="([^"]+)"', pages[0])
    assert len(names) == len(set(names)) > 100
    for name in re.findall(r'(?:href="#|url\(#)([^")]+)', pages[0]):
        assert name in names
    assert "shape&lt;1&gt;" in pages[0]
    assert "shape<1>" not in pages[0]
    assert "猫 $x^2$\ufffd" in pages[0]
    assert "a very long name of a…" in pages[0]


def test_own_picture(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture of another size is resized, and the command says so; open sizes are its own."""
    err = look(capsys, "tiny.net:Tiny", "maps", "--input", "photo.png", "-o", "m.png")
    assert "warning[wrong-shape]: photo.png has 20x30 pixels, and is resized to 16x16" in err
    assert "not normalised" in err
    words = ["maps", "--data", DATA, "--input", "photo.png", "-o", "m.png"]
    assert "not normalised" not in look(capsys, "tiny.net:Tiny", *words)
    err = look(capsys, "open.net", "maps", "--input", "photo.png", "-o", "m.svg")
    assert "resized" not in err
    assert "of 18x28" in (data_folder / "m.svg").read_text(encoding="utf-8")
    err = look(capsys, "open.net", "--input", "photo.png", "-o", "page.html")
    page = (data_folder / "page.html").read_text(encoding="utf-8")
    assert "excite, shift, errors" in page
    assert '<h2 id="saliency">' in page
    assert '<h2 id="errors">' not in page


def test_constants(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mean, the deviation and the names of classes can be given, with or without data."""
    (data_folder / "names.txt").write_text("first\nsecond\nthird\n")
    words = ["tiny.net:Tiny", "maps", "--input", "photo.png", "-o", "m.svg"]
    given = ["--mean", "0.5", "--std", "0.2,0.25,0.3", "--labels", "names.txt"]
    assert "not normalised" not in look(capsys, *words, *given)
    text = svg_text(data_folder / "m.svg")
    assert {"first", "second", "third"} <= set(text.split())
    pages = set()
    for more in ([], given, ["--data", DATA], ["--data", DATA, *given]):
        look(capsys, *words, *more)
        pages.add((data_folder / "m.svg").read_text(encoding="utf-8"))
    assert 4 == len(pages)
    err = look(capsys, *words, "--mean", "0.5,0.5", code=1)
    assert "error[bad-metadata]: `mean` has 2 numbers, `image` has 3 channels" in err
    (data_folder / "names.txt").write_text("first\n")
    err = look(capsys, *words, "--labels", "names.txt", code=1)
    assert "error[labels-mismatch]" in err


def test_sizes(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes that are open come from the command, or from the pictures of the data."""
    look(capsys, "open.net", "maximise", "--input", "3x12x14", "-o", "m.png")
    look(capsys, "open.net", "errors", "--data", DATA, "-o", "e.png")
    err = look(capsys, "open.net", "maximise", "-o", "made.png", code=1)
    assert "error[open-size]" in err
    assert "`--input 3x224x224`" in err
    look(capsys, "open.net", "filters", "-o", "f.png")


def test_recorded_weights(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights of a training know their data; the accuracy is that of `netdsl test`."""
    train = ["--data", DATA, "--set", "train.epochs=1", "--device", "cpu", "--out", "run"]
    run_command(capsys, "train", "tiny.net:Tiny", *train)
    test, _ = run_command(capsys, "test", "tiny.net:Tiny", "--weights", "run")
    accuracy = re.findall(r"accuracy ([\d.]+ %)", test)[0]
    words = ["tiny.net:Tiny", "errors", "--weights", "run", "-o", "e.svg"]
    run_command(capsys, "look", *words)
    assert f"classified correctly: {accuracy}" in svg_text(data_folder / "e.svg")
    words = ["tiny.net:Tiny", "saliency", "--weights", "run", "--input", "photo.png"]
    _, err = run_command(capsys, "look", *words, "-o", "s.svg")
    assert "not normalised" not in err
    assert any(n[:6] in svg_text(data_folder / "s.svg") for n in NAMED)
    (data_folder / "other.net").write_text(OPEN)
    words = ["other.net", "filters", "--weights", "run", "-o", "made.png"]
    assert "error[weights-mismatch]" in run_command(capsys, "look", *words, code=1)[1]


def svg_text(path: Path) -> str:
    """The words of a picture."""
    words = re.findall(r"<text[^>]*>([^<]*)", path.read_text(encoding="utf-8"))
    return html.unescape(" ".join(words))


def test_without_captum(
    data_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package, the gradient is shown, and the extra that has the rest is named."""
    for module in (views, command):
        monkeypatch.setattr(module, "is_installed", lambda: False)
    err = look(capsys, "tiny.net:Tiny", "saliency", "--input", "photo.png", "-o", "s.svg")
    assert "pip install 'netdsl[look]'" in err
    text = svg_text(data_folder / "s.svg")
    assert "gradient" in text
    assert "Grad-CAM need" in text


def test_no_classes(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures without classes have no errors and no shift; the page has the other views."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (12, 3, 16, 16), np.uint8)
    np.savez("boxes.npz", x=pixels, y=rng.random((12, 3), np.float32))
    words = ["tiny.net:Box", "--data", 'npz("boxes.npz")']
    err = look(capsys, *words, "errors", "-o", "made.png", code=1)
    assert "error[data-mismatch]: `errors` needs a class for each picture" in err
    look(capsys, *words, "-o", "page.html")
    page = (data_folder / "page.html").read_text(encoding="utf-8")
    assert (
        "<code>shift</code> needs a class for each picture, and those of boxes.npz have none."
        in page
    )


OTHERS = """net Many {
    input image: 3x16x16
    c: conv(4, 3) -> relu -> gap -> flatten
    output logits: dense(1000)
}
net Parted {
    input image: 3x16x16
    c: conv(4, 3) -> relu
    output corners: gap -> flatten -> dense(4)
    output logits: @c -> gap -> flatten -> dense(3)
}
"""


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        ("Many", "the net gives 1000 numbers per image, but pictures has 3 classes"),
        ("Parted", "`Parted` has 2 outputs, but `loss` names none of them"),
    ],
)
def test_other_classes(
    net: str, reason: str, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A net can look at pictures whose classes it does not give, except where it is judged.

    The true classes are those of the pictures, and the answers those of the net.
    """
    (data_folder / "others.net").write_text(OTHERS)
    words = [f"others.net:{net}", "--data", DATA]
    look(capsys, *words, "excite", "-o", "e.svg")
    assert "shape" in svg_text(data_folder / "e.svg")
    look(capsys, *words, "maps", "-o", "m.svg")
    assert "class " in svg_text(data_folder / "m.svg")
    err = look(capsys, *words, "errors", "-o", "made.png", code=1)
    assert err.count("error[") == 1 and reason in err
    look(capsys, *words, "-o", "page.html")
    page = html.unescape((data_folder / "page.html").read_text(encoding="utf-8"))
    assert f"shift, errors: {reason}" in page
    assert '<h2 id="saliency">' in page and '<h2 id="errors">' not in page


def test_a_layer_of_the_whole_net(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A view that is about no layer does not take one."""
    words = ["tiny.net:Tiny", "errors", "--data", DATA, "--layer", "c", "-o", "e.png"]
    assert "`errors` is about the whole net: leave --layer out" in look(capsys, *words, code=2)


def test_no_such_device(
    net_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that is not there is one diagnostic."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    err = look(capsys, "tiny.net:Tiny", "filters", "--device", "cuda", "-o", "f.png", code=1)
    assert err.startswith("error[no-device]")


REFUSED = {
    "tiny.net:Two filters": ("several-inputs", "write a net with only that input"),
    "tiny.net:Words filters": ("no-images", "channels, rows and columns"),
    "tiny.net:Tiny filters --layer conv": ("wrong-unit", "layers are `c`, `d` and `logits`"),
    "tiny.net:Tiny filters --layer logit": ("wrong-unit", "did you mean `logits`?"),
    "tiny.net:Tiny filters --layer c --unit 4": ("wrong-unit", "the units of `c` are 0 to 3"),
    "tiny.net:Tiny filters --unit 4": ("wrong-unit", "name its layer"),
    "tiny.net:Tiny filters --layer logits": ("wrong-unit", "layers with filters are `c` and `d`"),
    "tiny.net:Tiny maps": ("data-not-found", "a picture: `--input photo.jpg`"),
    "tiny.net:Tiny errors --input photo.png": ("data-not-found", "name one: `--data"),
    "tiny.net:Tiny": ("data-not-found", "a picture: `--input photo.jpg`"),
    "tiny.net:Tiny maps --input none.png": ("bad-picture", ""),
    "tiny.net:Tiny maps --input a.npy": ("bad-picture", "as data: `--data 'npz("),
    "tiny.net:Tiny maps --data nothing": ("unknown-dataset", ""),
    "tiny.net:Tiny maps --data fashion_mnist_sample": ("data-mismatch", "write `input image"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words: str, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be shown is one diagnostic with its fix."""
    code, help_ = REFUSED[words]
    err = look(capsys, *words.split(), "-o", "made.html", code=1)
    assert err.count("error[") == 1
    assert f"error[{code}]" in err
    assert help_ in err.partition("help: ")[2]
    assert not (data_folder / "made.html").exists()


def test_no_weights(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net without weights has learned nothing, unless all its weights are in its text."""
    words = ["look", "tiny.net:Tiny", "filters", "-o", "made.png"]
    err = run_command(capsys, *words, code=2)[1]
    assert "train it with `netdsl train tiny.net:Tiny`" in err
    run_command(capsys, "look", "kernels:SobelX", "filters", "-o", "sobel.png")


def test_missing_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Without `-o`, the message has an example."""
    err = look(capsys, "lenet5", "filters", code=2)
    assert "for example, write `-o lenet5.html`" in err


def test_not_finite(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that are not a number are refused, or drawn if the user accepts them."""
    weights = netdsl.load("tiny.net", "Tiny").torch().state_dict()
    weights["c.weight"][0, 0, 0, 0] = torch.nan
    weights["c.weight"][1, 0, 0, 0] = torch.inf
    save_file(weights, "w.safetensors")
    words = ["look", "tiny.net:Tiny", "maximise", "--weights", "w.safetensors", "-o", "f.html"]
    assert "error[not-finite]" in run_command(capsys, *words, code=1)[1]
    for view in ("filters", "maximise"):
        words[2] = view
        run_command(capsys, *words, "--allow-nonfinite")
    assert (net_folder / "f.html").exists()


def test_page_needs_html(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All views are one page, and not a picture."""
    err = look(capsys, "tiny.net:Tiny", "-o", "all.png", code=2)
    assert "all views are on one page, which is .html" in err
