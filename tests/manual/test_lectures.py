"""The commands and code of the course in `examples/lectures` print what the pages show.

PyTorch and onnxruntime compute the numbers of the worked examples.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import netdsl
from netdsl.cli import run
from tests.support.back_ends import run_onnx, run_torch
from tests.support.paths import ROOT

PAGES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples" / "lectures").glob("*.md"))
}
BLOCKS = {
    name: re.findall(r"^```(\S.*)\n((?:(?!```).*\n)*)```$", text, re.MULTILINE)
    for name, text in PAGES.items()
}
QUICK, SLOW = "console", "console slow"


class Command(NamedTuple):
    """A command of a page with its output."""

    page: str
    argv: tuple[str, ...]
    shown: str

    @property
    def name(self) -> str:
        """The page, and the words of the command."""
        return "-".join([self.page, *re.findall(r"[\w:.]+", " ".join(self.argv[1:]))])


def commands(kind: str) -> list[Command]:
    """The commands of all console blocks of a kind, which begin with `$`."""
    found = []
    for page, blocks in BLOCKS.items():
        bodies = [body for info, body in blocks if info == kind]
        for part in chain.from_iterable(
            re.split(r"^\$ ", b, flags=re.MULTILINE)[1:] for b in bodies
        ):
            head, _, shown = part.partition("\n")
            found.append(Command(page, tuple(shlex.split(head)), shown.strip("\n")))
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def write_files(page: str, folder: Path) -> None:
    """Write the files of a page."""
    for info, body in BLOCKS[page]:
        if info.startswith("net file "):
            (folder / info.removeprefix("net file ")).write_text(body, encoding="utf-8")


# ---- the pages


def test_the_contents_list_all_pages() -> None:
    """The pages are numbered in their order, and each leads to the next."""
    contents = (ROOT / "examples" / "lectures.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\d+)\. \[(.*)\]\(lectures/(.*)\.md\)$", contents, re.MULTILINE)
    assert sorted(PAGES) == sorted(name for _, _, name in listed)
    for (number, title, name), following in zip(listed, [*listed[1:], None], strict=True):
        assert PAGES[name].startswith(f"# {number}. {title}\n")
        assert name.startswith(f"{number}-")
        if following is not None:
            assert PAGES[name].endswith(f" · [{following[1]}]({following[2]}.md)\n")


def test_links_lead_somewhere() -> None:
    """Every picture and every file that a page links to exists."""
    for text in PAGES.values():
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert (ROOT / "examples" / "lectures" / target).exists(), target


@pytest.mark.parametrize("command", commands(QUICK), ids=lambda c: c.name)
def test_a_command_prints_what_the_page_shows(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command prints exactly the lines of the page and exits with 1 if they show an error."""
    write_files(command.page, folder)
    assert command.argv[0] == "netdsl"
    code = run(list(command.argv[1:]))
    printed = capsys.readouterr()
    assert command.shown == "\n".join(
        line.rstrip() for line in (printed.out + printed.err).splitlines()
    )
    assert code == ("error[" in command.shown)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({command.page for command in commands(SLOW)}))
def test_the_experiments_of_a_page(page: str, folder: Path) -> None:
    """Commands that train a net, one after the other; their figures depend on the machine."""
    write_files(page, folder)
    own = [command for command in commands(SLOW) if command.page == page]
    if any("experiments:Digits" in command.argv for command in own):
        pytest.importorskip("sklearn", reason="scikit-learn has the digits")
    for command in own:
        assert run(list(command.argv[1:])) == 0


@pytest.mark.parametrize(
    "page", [page for page, blocks in BLOCKS.items() if "python" in dict(blocks)]
)
def test_the_python_of_a_page(page: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block prints the text block after it."""
    write_files(page, folder)
    scope: dict[str, Any] = {}
    blocks = BLOCKS[page]
    for i, (info, body) in enumerate(blocks):
        if info != "python":
            continue
        exec(compile(body, f"{page}.md", "exec"), scope)
        assert ("text", capsys.readouterr().out) == blocks[i + 1]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_read(page: str) -> None:
    """Every block of a page has a kind that these tests read, and every file is used."""
    blocks = BLOCKS[page]
    assert PAGES[page].count("```") == 2 * len(blocks)
    kinds = {"net", "console", "python", "text"}
    assert {info.partition(" ")[0] for info, _ in blocks} <= kinds
    used = "".join(body for info, body in blocks if info in (QUICK, SLOW, "python"))
    for info, _ in blocks:
        assert not info.startswith("net") or info.removeprefix("net file ") in used


# ---- columns and rows of a table


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--columns", "colour"], "there is no column `colour`; the columns are kind, window,"),
        (["--only", "conv,colour"], "no row has this kind; the kinds are conv, dense,"),
    ],
)
def test_unknown_columns_and_kinds(
    options: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown column or kind is wrong usage, and the message lists the known ones."""
    try:
        code = run(["check", "alexnet", *options])
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert expected in printed.err


@pytest.mark.parametrize("width", ["70", "60"])
def test_figures_are_never_shortened(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Further figures are in a table of their own, below the usual one, with the layers' names.

    No line of the tables is wider than the terminal, and shapes are never shortened.
    """
    monkeypatch.setenv("COLUMNS", width)
    assert run(["check", "alexnet:AlexNet", "--show", "weights,units"]) == 0
    usual, further = (part.splitlines() for part in capsys.readouterr().out.split("\n\n")[:2])
    assert "96x55x55" in usual[3].split()
    assert further[0].split() == ["layer", "weights", "units"]
    assert further[2].split()[-2:] == ["34,848", "290,400"]
    assert max(map(len, usual + further)) <= int(width)


# ---- the numbers


def rows(text: str) -> np.ndarray:
    """An array from a text such as `1 2 / 3 4`."""
    return np.array([[float(v) for v in row.split()] for row in text.split("/")], dtype=np.float32)


@cache
def load(text: str) -> netdsl.Net:
    """The net of a text, or a net of the library."""
    return netdsl.loads(text) if "{" in text else netdsl.load(text)


def both(text: str, image: np.ndarray) -> list[np.ndarray]:
    """The outputs of PyTorch and onnxruntime for one image."""
    net = load(text)
    module = net.torch().eval()
    inputs = [torch.from_numpy(image.reshape(-1, *image.shape[-2:]).astype(np.float32))[None]]
    return [
        run_torch(module, inputs)[0][0],
        run_onnx(net.onnx(weights=module.state_dict()), inputs)[0][0],
    ]


MAPS, AVERAGES = "1 1 2 4 / 5 6 7 8 / 3 2 1 0 / 1 2 3 4", "0 2 2 1 / 4 3 0 1 / 2 1 3 2 / 3 1 2 0"
BINARY, SHADED = (
    "1 1 1 0 0 / 0 1 1 1 0 / 0 0 1 1 1 / 0 0 1 1 0 / 0 1 1 0 0",
    "3 3 2 1 0 / 0 0 1 3 1 / 3 1 2 2 3 / 2 0 0 2 2 / 2 0 0 0 1",
)
WORKED = [
    ("kernels:Binary", BINARY, "4 3 4 / 2 4 3 / 2 3 4"),
    ("kernels:Shaded", SHADED, "12 12 17 / 10 17 19 / 9 6 14"),
    ("kernels:MaxPooling", MAPS, "6 8 / 3 4"),
    ("kernels:AveragePooling", AVERAGES, "2.25 1 / 1.75 1.75"),
    ("net Pool { input image: 1x4x4\n sumpool(2) }", AVERAGES, "9 4 / 7 7"),
    (
        "net Pool { input image: 1x4x4\n l2pool(2) }",
        "3 0 0 0 / 4 0 0 5 / 1 1 0 0 / 1 1 0 0",
        "5 5 / 2 0",
    ),
    ("net Pool { input image: 1x4x4\n gap }", AVERAGES, "1.6875"),
]


@pytest.mark.parametrize(
    ("net", "image", "result"), WORKED, ids=[n.split("{")[-1].strip() for n, _, _ in WORKED]
)
def test_worked_examples(net: str, image: str, result: str) -> None:
    """Convolutions and poolings give the numbers on the slides."""
    for output in both(net, rows(image)):
        np.testing.assert_allclose(output[0], rows(result), rtol=1e-6)


FIFTH, NINTH = "1 4 6 4 1", " / ".join(["1 1 1"] * 3)
KERNELS = {
    "Same": rows("0 0 0 / 0 1 0 / 0 0 0"),
    "Blur": rows(NINTH) / 9,
    "Gaussian": rows(FIFTH).T @ rows(FIFTH) / 256,
    "Sharpen": rows("0 -1 0 / -1 5 -1 / 0 -1 0"),
    "SharpenMore": rows("-1 -1 -1 / -1 9 -1 / -1 -1 -1"),
    "Edge": rows("-1 -1 -1 / -1 8 -1 / -1 -1 -1"),
    "EdgeLeft": rows("0 0 0 / -1 1 0 / 0 0 0"),
    "SobelX": rows("-1 0 1 / -2 0 2 / -1 0 1"),
    "SobelY": rows("1 2 1 / 0 0 0 / -1 -2 -1"),
    "Emboss": rows("-2 -1 0 / -1 1 1 / 0 1 2"),
}


def correlate(volume: np.ndarray, kernel: np.ndarray, pad: int, stride: int = 1) -> np.ndarray:
    """Cross-correlation by its definition, window by window; the kernel is not flipped."""
    padded = np.pad(volume, ((0, 0), (pad, pad), (pad, pad)))
    k = kernel.shape[-1]
    height, width = ((d + 2 * pad - k) // stride + 1 for d in volume.shape[1:])
    sums = [
        [
            float((padded[:, i * stride :, j * stride :][:, :k, :k] * kernel).sum())
            for j in range(width)
        ]
        for i in range(height)
    ]
    return np.array(sums)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_on_a_picture(name: str) -> None:
    """Each filter gives the same picture as the kernel on the slides."""
    picture = np.random.default_rng(0).random((1, 11, 8)).astype(np.float32)
    kernel = KERNELS[name]
    expected = correlate(picture, kernel, kernel.shape[0] // 2)
    for output in both(f"kernels:{name}", picture):
        np.testing.assert_allclose(output[0], expected, rtol=1e-4, atol=1e-5)


def test_letter_x() -> None:
    """The three filters on the slides give 9 where they match completely."""
    letter = np.full((9, 9), -1.0)
    letter[range(1, 8), range(1, 8)] = letter[range(1, 8), range(7, 0, -1)] = 1
    filters = [
        rows("1 -1 -1 / -1 1 -1 / -1 -1 1"),
        rows("1 -1 1 / -1 1 -1 / 1 -1 1"),
        rows("-1 -1 1 / -1 1 -1 / 1 -1 -1"),
    ]
    for output in both("kernels:LetterX", letter):
        for channel, kernel in zip(output, filters, strict=True):
            np.testing.assert_allclose(channel, correlate(letter[None], kernel, 0), atol=1e-5)
        assert (output.max(axis=(1, 2)) == 9).all()
        assert np.argwhere(output[1] == 9).tolist() == [[3, 3]]


def test_the_volume() -> None:
    """Two filters with biases and stride 2 turn a padded 5x5x3 volume into one of 3x3x2."""
    random = np.random.default_rng(1)
    volume = random.integers(0, 3, (3, 5, 5)).astype(np.float32)
    weights = random.integers(-1, 2, (2, 3, 3, 3)).astype(np.float32)
    net = load("kernels:Volume")
    module = net.torch().eval()
    name = next(iter(module.state_dict())).rpartition(".")[0]
    state = {f"{name}.weight": torch.from_numpy(weights), f"{name}.bias": torch.tensor([1.0, 0.0])}
    module.load_state_dict(state)
    inputs = [torch.from_numpy(volume)[None]]
    for output in (
        run_torch(module, inputs)[0][0],
        run_onnx(net.onnx(weights=state), inputs)[0][0],
    ):
        assert output.shape == (2, 3, 3)
        for channel, kernel, bias in zip(output, weights, [1, 0], strict=True):
            np.testing.assert_allclose(channel, correlate(volume, kernel, 1, 2) + bias, atol=1e-5)
