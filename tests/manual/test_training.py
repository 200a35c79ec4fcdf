"""The figures of `docs/training.md`: those of commands, and those that it derives from others."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from netdsl.cli import run
from netdsl.commands.parallel_options import BANDWIDTH, COMPUTE, DEVICES, OPTIONS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
BLOCKS = re.findall(r"```console\n\$ netdsl (.*?)\n(.*?)```", PAGE, re.DOTALL)
NETS = {
    "ResNet-50": ["resnet:ResNet50", "--input", "3x224x224"],
    "ResNet-101": ["resnet:ResNet101", "--input", "3x224x224"],
    "VGG-16": ["vgg:VGG16"],
}
IMAGES = 1_281_167  # of ImageNet


def figures(capsys: pytest.CaptureFixture[str], net: str, *options: str) -> dict[str, object]:
    """What a check prints as JSON about a net on several devices."""
    words = ["check", *NETS[net], "--show", "parallel", "--format", "json", *options]
    assert run(words) == 0
    return json.loads(capsys.readouterr().out)["nets"][0]["parallel"]


def rows(title: str) -> dict[str, list[str]]:
    """The rows of the table whose head begins with that title."""
    lines = PAGE[PAGE.index(f"| {title} |") :].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: others for first, *others in cells}


def operations(figures: dict[str, object]) -> int:
    """The operations of both passes for one image."""
    return 2 * (figures["forward_macs"] + figures["backward_macs"])  # type: ignore[operator]


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[words for words, _ in BLOCKS])
def test_commands(
    command: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command prints the lines that are shown below it, in their order."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run(shlex.split(command)) == 0
    printed = iter(capsys.readouterr().out.splitlines())
    assert [line for line in shown.splitlines() if line != "..." and line not in printed] == []


def test_options() -> None:
    """Every option has a row, with its default."""
    described = rows("option")
    assert [name.partition(" ")[0].strip("`-") for name in described] == list(OPTIONS)
    defaults = [others[1] for others in described.values()]
    assert defaults[0] == f"{', '.join(map(str, DEVICES[:3]))} and so on to {DEVICES[-1]:,}"
    assert defaults[2:] == [f"{BANDWIDTH / 1e9:g} GB/s", f"{COMPUTE / 1e12:g} TFLOPS"]


def test_links() -> None:
    """The list at the top has every heading."""
    heads = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    links = re.findall(r"^- \[(.*)\]\(#(.*)\)$", PAGE, re.MULTILINE)
    assert links == [(head, head.lower().replace(" ", "-")) for head in heads]


@pytest.mark.parametrize("column", [0, 1])
def test_both_nets(capsys: pytest.CaptureFixture[str], column: int) -> None:
    """The table of ResNet-50 and VGG-16 follows from their parameters and products alone."""
    net = ("ResNet-50", "VGG-16")[column]
    found = figures(capsys, net, "--batch", "32")
    table = {figure: cells[column] for figure, cells in rows("figure").items()}
    size, count = found["gradient_bytes"], operations(found)
    assert isinstance(size, int)
    assert size == 4 * int(table["learned parameters"].replace(",", ""))
    assert table["gradients of a step"] == f"{size / 1e6:.1f} MB"
    assert table["operations of a sample"] == f"{count / 1e9:.4g} GFLOP"
    ratio = 32 * count / size
    assert table["operations for each byte of gradients"] == f"{ratio:,.0f}"
    seconds = 32 * count / 20e12
    assert table["computation of a step"] == f"{1000 * seconds:.4g} ms"
    forward = seconds * found["forward_macs"] * 2 / count  # type: ignore[operator]
    for start, bandwidth in (
        ("efficiency of 256 devices", 25e9),
        ("the same with 25 Gbit/s", 25e9 / 8),
    ):
        for way, factor, first in (("data parallel", 2, 0), ("sharded", 3, 1)):
            sent = factor * size * 255 / 256
            text = table[f"sent by each of 256 devices, {way}"]
            assert text in (f"{sent / 1e6:.1f} MB", f"{sent / 1e9:.1f} GB")
            after = seconds / (seconds + sent / bandwidth)
            part = sent / factor / bandwidth
            during = seconds / (max(forward, first * part) + max(seconds - forward, 2 * part))
            assert table[f"{start}, {way}"] == f"{100 * after:.1f} % to {100 * during:.1f} %"


def test_dense_layers(capsys: pytest.CaptureFixture[str]) -> None:
    """The shares of the dense layers of VGG-16, and the balance of its two parts."""
    vgg, resnet = figures(capsys, "VGG-16"), figures(capsys, "ResNet-50")
    weights = [25088 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 1000 + 1000]
    products = 25088 * 4096 + 4096 * 4096 + 4096 * 1000
    share = products / vgg["forward_macs"]  # type: ignore[operator]
    for text in (
        f"{vgg['learned'] / resnet['learned']:.1f} times the gradients",  # type: ignore[operator]
        f"{operations(vgg) / operations(resnet):.1f} times as much",
        f"{100 * sum(weights) / vgg['learned']:.0f} % of the parameters",  # type: ignore[operator]
        f"and {100 * share:.1f} % of the computation",
        f"sends {32 * 4 * 25088 / 1e6:.1f} MB for a batch of 32",
        f"{4 * sum(weights) / 1e6:.1f} MB of their gradients",
        f"have {100 * (1 - share):.1f} % of the computation",
        f"at most {100 / (2 * (1 - share)):.1f} %",
    ):
        assert text in TEXT


def test_stages_of_resnet(capsys: pytest.CaptureFixture[str]) -> None:
    """The shares of the four stages, the largest of which limits the pipeline, and its bubbles."""
    found = figures(capsys, "ResNet-50")
    whole = found["forward_macs"]
    ends = [cut["macs_before"] for cut in found["cuts"]]  # type: ignore[attr-defined]
    parts = [b - a for a, b in zip([0, *ends], [*ends, whole], strict=True)]
    shares = [part / whole for part in parts]
    first, second, third, last = (f"{100 * share:.1f} %" for share in shares)
    assert f"{first}, {second}, {third} and {last} of the computation" in TEXT
    assert f"at most {100 / (4 * max(shares)):.1f} %" in TEXT
    assert f"with 8 micro-batches bubbles take another {100 * 3 / 11:.1f} %" in TEXT


def test_delays() -> None:
    """A ring of 1,024 devices with 5 microseconds for each message."""
    assert f"lose {2 * 1023 * 5e-3:.1f} ms in every ring" in TEXT


def test_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """The rates that the page derives from published times, and the efficiencies with them."""
    table = rows("net")
    resnet = figures(capsys, "ResNet-50")
    speed = 90 * IMAGES / (29 * 3600) / 8
    assert f"we derive {speed:.0f} images per second" in TEXT
    goyal = f"{speed * operations(resnet) / 1e12:.4g}"
    assert f"this is {goyal} TFLOPS. ```console" in TEXT
    options = ["--batch", "32", "--bandwidth", "50Gbit/s", "--compute", f"{goyal}TFLOPS"]
    assert_row(capsys, table["ResNet-50 (Goyal et al.)"], "ResNet-50", options)
    resnet = figures(capsys, "ResNet-101")
    assert f"1,656.82 images per second, or {1656.82 / 16:.1f} on each GPU" in TEXT
    horovod = f"{1656.82 / 16 * operations(resnet) / 1e12:.4g}"
    assert f"{operations(resnet) / 1e9:.4g} GFLOP for each image this is {horovod} TFLOPS" in TEXT
    options = ["--batch", "64", "--bandwidth", "25Gbit/s", "--compute", f"{horovod}TFLOPS"]
    for net in ("ResNet-101", "VGG-16"):
        assert_row(capsys, table[f"{net} (Horovod)"], net, options)
    assert f"in place of {horovod} TFLOPS" in TEXT


def assert_row(
    capsys: pytest.CaptureFixture[str], cells: list[str], net: str, options: list[str]
) -> None:
    """A row of published figures has the efficiencies that the model gives."""
    devices, _, after, during = cells
    found = figures(capsys, net, *options, "--devices", devices)
    (row,) = found["devices"]  # type: ignore[misc]
    way = row["data_parallel"]
    assert after == f"{100 * way['efficiency_after']:.1f} %"
    assert during == f"{100 * way['efficiency_during']:.1f} %"


def test_rate_of_the_published_efficiency(capsys: pytest.CaptureFixture[str]) -> None:
    """With a rate of 7.9 TFLOPS, the model gives the published efficiency of VGG-16."""
    options = ["--batch", "64", "--bandwidth", "25Gbit/s", "--compute", "7.9TFLOPS"]
    found = figures(capsys, "VGG-16", *options, "--devices", "512")
    (row,) = found["devices"]  # type: ignore[misc]
    assert f"{100 * row['data_parallel']['efficiency_after']:.0f} %" == "68 %"
    assert "With a rate of 7.9 TFLOPS in place of" in TEXT
