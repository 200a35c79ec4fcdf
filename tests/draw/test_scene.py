"""The styles `volumes` and `neurons`: scale, places, texts, and errors."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from itertools import combinations, pairwise
from shutil import which
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import netdsl
from netdsl.cli import run
from netdsl.draw import formats
from netdsl.draw.metrics import text_width
from netdsl.draw.options import DrawOptions
from netdsl.draw.scene import scene_of
from netdsl.draw.sheet import Bounds, Text
from netdsl.draw.volumes import Volumes
from netdsl.errors import NetdslError
from tests.support.library import FIRST, NETS
from tests.support.markup import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

VOLUMES = [
    ("lenet5", {}),
    ("alexnet:AlexNet", {}),
    ("vgg:VGG16", {}),
    ("zfnet", {}),
    ("unet:UNet", {"image": (1, 572, 572)}),
    ("resnet:ResNet50", {"image": (3, 224, 224)}),
    ("googlenet:GoogLeNet", {}),
]
NEURONS = ["perceptron:Perceptron", "perceptron:MLP"]


def volumes_of(name: str, inputs: dict[str, tuple[int, ...]]) -> Volumes:
    """The volumes of a net of the library."""
    return Volumes(netdsl.load(name, inputs=inputs).graph, DrawOptions(style="volumes"))


@pytest.mark.parametrize(("name", "inputs"), VOLUMES)
def test_volumes_are_to_scale_and_apart(name: str, inputs: dict[str, tuple[int, ...]]) -> None:
    """Heights are in the ratio of the maps; boxes follow each other without overlaps."""
    volumes = volumes_of(name, inputs).volumes
    maps = [v for v in volumes if len(v.shape) == 3 and v.high > 3]
    ratios = {round(v.high / v.shape[1], 6) for v in maps}
    assert len(ratios) == 1
    thick = [v for v in maps if v.thick > 2 and not v.apart]
    assert len({round(v.thick / v.shape[0], 6) for v in thick}) <= 1
    for before, after in pairwise(volumes):
        assert before.right < after.x


def usual_sizes(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the inputs of a net of the library; open sizes are those of its paper."""
    open_size = 572 if name.startswith("unet:") else 224
    return {
        value.name: tuple(n if isinstance(n, int) else open_size for n in value.type.shape)
        for value in netdsl.load(name).graph.inputs
    }


@pytest.mark.parametrize(
    ("name", "style"),
    [
        *(pytest.param(n, "volumes", marks=[pytest.mark.slow] * (n not in FIRST)) for n in NETS),
        *((n, "neurons") for n in NEURONS),
    ],
)
def test_texts_do_not_overlap_and_are_on_the_page(name: str, style: str) -> None:
    """No text overlaps another, and everything is on the page."""
    graph = netdsl.load(name, inputs=usual_sizes(name)).graph
    if name == "resnet:CifarResNet1202" and style == "volumes":
        with pytest.raises(NetdslError, match="at most 60 maps"):
            scene_of(graph, DrawOptions(style=style))
        return
    sheet = scene_of(graph, DrawOptions(style=style))
    page = Bounds(0, 0, sheet.width, sheet.height)
    shapes = [shape for item in sheet.items for shape in item.shapes()]
    assert all(page.contains(shape.bounds) for shape in shapes)
    texts = [shape for shape in shapes if isinstance(shape, Text)]
    for one, other in combinations(texts, 2):
        assert not one.bounds.overlaps(other.bounds, 0.5), (one.text, other.text)


def test_lenet_has_the_sizes_of_the_paper() -> None:
    """Figure 2 of the paper: the maps and their sizes, from left to right."""
    sheet = scene_of(netdsl.load("lenet5").graph, DrawOptions(style="volumes"))
    texts = [s.text for g in sheet.groups("volume") for s in g.shapes() if isinstance(s, Text)]
    sizes = [t for t in texts if re.fullmatch(r"\d+@\d+x\d+|\d+", t)]
    assert sizes == [
        *("1@32x32", "6@28x28", "6@14x14", "16@10x10", "16@5x5", "120@1x1", "84", "10"),
    ]


def test_alexnet_has_two_towers() -> None:
    """All maps but the input and the result are halved; only `conv3` and the dense layers cross."""
    made = volumes_of("alexnet:AlexNet", {})
    assert [len(v.middles()) for v in made.volumes] == [1, *[2] * (len(made.volumes) - 2), 1]
    heights = {v.middles()[0] for v in made.volumes[1:-1]}
    assert len(heights) == 1


def test_unet_is_a_u() -> None:
    """Its levels go down four times, and up again; each skip is level."""
    made = volumes_of("unet:UNet", {"image": (1, 572, 572)})
    levels = [v.level for v in made.volumes]
    down, up = [0, 1, 2, 3, 4], [3, 2, 1, 0]
    assert levels == [*(n for n in [*down, *up] for _ in range(3)), 0]
    joins = [v for v in made.volumes if len(v.sources) == 2]
    assert len(joins) == 4
    assert all(made.volumes[n].y == v.y for v in joins for n in v.sources)


def test_units_are_folded() -> None:
    """A layer shows at most so many circles, and its number of units below."""
    graph = netdsl.load("perceptron:MLP").graph
    for units in (0, 3, 6):
        sheet = scene_of(graph, DrawOptions(style="neurons", units=units))
        circles = [
            [s for s in group.shapes() if hasattr(s, "across") and s.across > 2]
            for group in sheet.groups("units")
        ]
        assert {len(c) for c in circles} == {(units or 8) - 1}
        texts = [s.text for g in sheet.groups("units") for s in g.shapes() if isinstance(s, Text)]
        assert {"784", "128", "10"} <= set(texts)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["lenet5", "--style", "neurons"], "wrong-style", "`--style volumes`"),
        (["unet:UNet", "--style", "volumes"], "open-size", "--input 1x224x224"),
        (["densenet", "--style", "volumes"], "", ""),
    ],
)
def test_nets_that_a_style_cannot_draw(
    arguments: list[str],
    code: str,
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One error with the fix, and no file."""
    if arguments[0] == "densenet":
        (tmp_path / "deep.net").write_text(
            "net Deep {\n input x: 1x9x9\n repeat 70 { conv(2, 3, pad = 1) }\n"
            " output y: conv(2, 1)\n}"
        )
        arguments = [str(tmp_path / "deep.net"), *arguments[1:]]
        code, line = "wrong-style", "--depth N"
    path = tmp_path / "net.svg"
    assert run(["draw", *arguments, "-o", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.count("error[") == 1
    assert f"error[{code}]" in err
    assert line in err
    assert not path.exists()
    assert run(["draw", "lenet5", "--style", "volumes", "-o", str(tmp_path / "net.mmd")]) == 2


@pytest.mark.parametrize("suffix", [".svg", ".png", ".dot", ".html"])
@pytest.mark.parametrize("style", ["volumes", "neurons"])
def test_every_format_has_the_styles(style: str, suffix: str, tmp_path: Path) -> None:
    """The files are the same each time."""
    path = tmp_path / f"net{suffix}"
    made = []
    for _ in range(2):
        assert run(["draw", "perceptron:MLP", "--style", style, "-o", str(path)]) == 0
        made.append(path.read_bytes())
    assert made[0] == made[1]


PDFS = [
    ["alexnet", "--style", "volumes"],  # its shapes are more than `dot` reads in one string
    ["unet:UNet", "--style", "volumes", "--input", "1x572x572"],
    ["lenet5:LeNet5", "--style", "volumes", "--field", "C3:5,5"],
    ["perceptron:MLP", "--style", "neurons", "--units", "64"],
]


@pytest.mark.skipif(which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("words", PDFS, ids=" ".join)
def test_pdf(words: list[str], tmp_path: Path) -> None:
    """A PDF is one page of the size of the SVG picture, with its texts."""
    for suffix in ("svg", "pdf"):
        assert run(["draw", *words, "-o", str(tmp_path / f"net.{suffix}")]) == 0
    root = ET.parse(tmp_path / "net.svg").getroot()
    pdf = (tmp_path / "net.pdf").read_bytes()
    (page,) = re.findall(rb"/MediaBox \[ *([\d. ]+)\]", pdf)
    size = [float(number) for number in root.attrib["viewBox"].split()[2:]]
    assert [float(number) for number in page.split()[2:]] == pytest.approx(size, abs=3)
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        with suppress(zlib.error):
            streams.append(zlib.decompress(found[1]))
    (content,) = (stream for stream in streams if b" Tf" in stream)
    texts = [e for e in root.iter() if e.tag.endswith("}text")]
    # Texts beside each other in one line can be one text of the PDF.
    assert content.count(b" Tj") + content.count(b"TJ") >= 0.9 * len(texts)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_stay_text(text: str, tmp_path: Path) -> None:
    """Names with markup add no element to an SVG, and `graphviz-pure` draws them as they are."""
    graph = netdsl.load("perceptron:MLP").graph
    graph.inputs[0].name = graph.name = text
    formats.draw(graph, tmp_path / "net.svg", DrawOptions(style="volumes"))
    root = ET.fromstring((tmp_path / "net.svg").read_text(encoding="utf-8"))
    allowed = {"svg", "g", "a", "title", "rect", "polygon", "polyline", "ellipse", "text"}
    assert allowed >= {e.tag.rpartition("}")[2] for e in root.iter()}
    formats.draw(graph, tmp_path / "net.png", DrawOptions(style="volumes"))
    assert (tmp_path / "net.png").stat().st_size > 2000


def test_widths_are_those_of_helvetica() -> None:
    """Adobe's metrics: 10 points of `Ag` are 6.67 + 5.56 wide, in bold 7.22 + 6.11."""
    assert text_width("Ag", 10) == pytest.approx(12.23)
    assert text_width("Ag", 10, bold=True) == pytest.approx(13.33)


@pytest.mark.parametrize("style", ["layers", "volumes", "blocks"])
def test_the_field_is_shaded(style: str, tmp_path: Path) -> None:
    """The pixels that a unit sees are shaded to scale, and the picture says how many they are."""
    path = tmp_path / "net.svg"
    assert run(["draw", "lenet5", "-o", str(path), "--style", style, "--field", "C3:5,5"]) == 0
    svg = path.read_text(encoding="utf-8")
    assert "C3:5,5 sees 14x14 pixels of image" in svg
    found = re.findall(r'<polygon(?=[^>]*fill="#c0392b")[^>]*points="([^"]*)"', svg)
    places = [[tuple(map(float, p.split(","))) for p in f.split()] for f in found]
    heights = [max(y for _, y in p) - min(y for _, y in p) for p in places]
    if style == "volumes":  # the input, C1, S2, and C3 itself; each face is 120 points high
        slant = 0.36
        expected = [n * 120 / 32 * (1 + slant) for n in (14, 10, 5, 1)]
        assert heights == pytest.approx(expected, abs=0.02)
    else:
        assert heights == pytest.approx([42], abs=1)  # of 96


def test_fields_that_cannot_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown layer is one error; formats without pixels are wrong usage."""
    svg, mmd = str(tmp_path / "net.svg"), str(tmp_path / "net.mmd")
    for style in ("layers", "volumes"):
        command = ["draw", "lenet5", "-o", svg, "--style", style, "--field", "C9:1,1"]
        assert run(command) == 1
        assert capsys.readouterr().err.count("error[wrong-field]") == 1
    assert run(["draw", "lenet5", "-o", mmd, "--field", "C3:5,5"]) == 2
    assert run(["draw", "lenet5", "-o", svg, "--style", "neurons", "--field", "C3:5,5"]) == 2
