"""`netdsl check --show parallel`: its options, its tables and its JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

NET = """net Small {
    input image: 1x28x28
    a: { conv(8, 3, pad = same) -> relu }
    b: { conv(8, 3, pad = same) -> maxpool(2) }
    flatten
    c: { dense(10) }
}
"""
PARAMS = {"a": 8 * 9 + 8, "b": 8 * 8 * 9 + 8, "c": 8 * 14 * 14 * 10 + 10}
FIRST, SECOND, LAST = 784 * 8 * 9, 784 * 8 * 8 * 9, 8 * 14 * 14 * 10
OPERATIONS = 2 * (2 * FIRST + 3 * SECOND + 3 * LAST)


@pytest.fixture
def small(folder: Path) -> str:
    """The name of a file with a small net."""
    (folder / "small.net").write_text(NET, encoding="utf-8")
    return "small.net"


def with_section(folder: Path, entries: str) -> str:
    """The name of a file with a small net and a section with these entries."""
    section = f"train Small {{\n    {entries}\n}}\n"
    (folder / "small.net").write_text(NET + section, encoding="utf-8")
    return "small.net"


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a check prints on standard output."""
    assert run(["check", *words, "--show", "parallel"]) == 0
    return capsys.readouterr().out


def figures(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """The figures in JSON."""
    text = printed(capsys, *words, "--format", "json")
    return json.loads(text)["nets"][0]["parallel"]


def fact(text: str, label: str) -> str:
    """The text after the label of a line."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{label} ")]
    return line[16:]


# ---- figures


def test_json(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has all figures in bytes, seconds and shares; the arithmetic is written out here."""
    options = ["--devices", "4", "--batch", "10", "--bandwidth", "1MB/s", "--compute", "1GFLOPS"]
    found = figures(capsys, small, *options)
    gradients = 4 * sum(PARAMS.values())
    seconds = 10 * OPERATIONS / 1e9
    (row,) = found.pop("devices")
    assert found == {
        "batch": 10,
        "pieces": 1,
        "learned": sum(PARAMS.values()),
        "gradient_bytes": gradients,
        "parameter_bytes": gradients,
        "buffer_bytes": 0,
        "forward_macs": FIRST + SECOND + LAST,
        "backward_macs": FIRST + 2 * SECOND + 2 * LAST,
        "operations_per_mac": 2,
        "bandwidth": 1e6,
        "compute": 1e9,
        "compute_seconds": pytest.approx(seconds),
        "training_samples": None,
        "cuts": [
            cut("a", "b", FIRST, 784 * 8 * 4, 10),
            cut("b", "c", FIRST + SECOND, 14 * 14 * 8 * 4, 10),
        ],
    }
    sent = 2 * gradients * 3 / 4
    assert row["devices"] == 4
    assert row["batch"] == 40
    assert row["steps_per_epoch"] is None
    assert row["data_parallel"]["bytes"] == pytest.approx(sent)
    assert row["data_parallel"]["seconds"] == pytest.approx(sent / 1e6)
    after = seconds / (seconds + sent / 1e6)
    assert row["data_parallel"]["efficiency_after"] == pytest.approx(after)
    assert row["sharded"]["bytes"] == pytest.approx(sent * 1.5)


def cut(before: str, after: str, macs: int, size: int, batch: int) -> dict[str, object]:
    """A cut at which a value of `size` bytes crosses for each sample."""
    return {
        "before": before,
        "after": after,
        "macs_before": macs,
        "forward_bytes": size,
        "backward_bytes": size,
        "batch_forward_bytes": size * batch,
        "batch_backward_bytes": size * batch,
    }


def test_other_runs_have_no_figures(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures are printed only on request; `all` means all columns."""
    assert run(["check", small, "--format", "json"]) == 0
    assert "parallel" not in json.loads(capsys.readouterr().out)["nets"][0]
    assert run(["check", small, "--show", "all"]) == 0
    assert "gradients" not in capsys.readouterr().out
    assert run(["check", small, "--show", "all,parallel"]) == 0
    text = capsys.readouterr().out
    assert "gradients" in text
    assert "memory" in text.splitlines()[1]


RATES = [
    ("25GB/s", 25e9),
    ("25 GB/s", 25e9),
    ("200Gbit/s", 25e9),
    ("1.5MB/s", 1.5e6),
    ("8bit/s", 1.0),
]


@pytest.mark.parametrize(("text", "value"), RATES)
def test_rates(small: str, capsys: pytest.CaptureFixture[str], text: str, value: float) -> None:
    """A bandwidth has a unit: bytes or bits per second, with a prefix."""
    found = figures(capsys, small, "--bandwidth", text, "--compute", "2PFLOP/s")
    assert (found["bandwidth"], found["compute"]) == (value, 2e15)


# ---- the section


def test_section(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The batch, the samples and the frozen layers are those of the section."""
    entries = (
        "data = mnist(limit = 5000, val = 0.1)\n    batch = 16\n    accumulate = 2\n"
        '    freeze = [a]\n    weights = "w.safetensors"'
    )
    name = with_section(folder, entries)
    found = figures(capsys, name, "--devices", "1,2")
    assert (found["batch"], found["training_samples"]) == (32, 4500)
    assert found["gradient_bytes"] == 4 * (PARAMS["b"] + PARAMS["c"])
    assert found["parameter_bytes"] == 4 * sum(PARAMS.values())
    steps = [row["steps_per_epoch"] for row in found["devices"]]  # type: ignore[attr-defined]
    assert steps == [141, 71]  # 4500 / 32 and 4500 / 64, rounded up
    assert found["pieces"] == 2
    sent = found["devices"][1]["sharded"]["bytes"]  # type: ignore[index]
    assert sent == 2 * found["parameter_bytes"] + found["gradient_bytes"] / 2  # type: ignore[operator]
    text = printed(capsys, name)
    assert fact(text, "epoch") == "141 steps on one device: mnist has 4,500 training samples"
    assert "`batch` times `accumulate` of the section" in text


def test_layers_that_are_frozen_at_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Layers that are frozen only for the first epochs have gradients later, so they count."""
    entries = 'data = mnist\n    freeze = [a]\n    unfreeze = 2\n    weights = "w.safetensors"'
    found = figures(capsys, with_section(folder, entries))
    assert found["gradient_bytes"] == 4 * sum(PARAMS.values())


def test_unknown_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The samples of a user's own files are not counted by a check."""
    text = printed(capsys, with_section(folder, 'data = npz("own.npz")'))
    assert (
        fact(text, "epoch")
        == "not known: the number of samples of `npz`, which `check` does not read"
    )
    assert fact(text, "parallel").endswith("the default `batch`")


def test_wrong_section(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A section with an error is reported; the tables are those without a section."""
    name = with_section(folder, "batch = many")
    assert run(["check", name, "--show", "parallel"]) == 1
    captured = capsys.readouterr()
    assert "error[wrong-type]" in captured.err
    assert fact(captured.out, "epoch") == "not known: the `train` section has errors"


# ---- nets without something


def test_nothing_learned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net in which everything is frozen exchanges nothing, and has no table."""
    text = "net Frozen {\n    input x: 8\n    dense(4) -> frozen\n}\n"
    (folder / "frozen.net").write_text(text, encoding="utf-8")
    text = printed(capsys, "frozen.net")
    assert fact(text, "gradients") == "none, because nothing in the net is trained"
    assert "data parallel" not in text


def test_no_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net without weights and without products has neither gradients nor an efficiency."""
    (folder / "n.net").write_text("net N {\n    input x: 8\n    relu\n}\n", encoding="utf-8")
    text = printed(capsys, "n.net")
    assert fact(text, "gradients") == "none, because nothing in the net is trained"
    assert fact(text, "computation").startswith("not known, because no layer multiplies")
    assert "fewer than two labelled groups" in text


def test_open_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the sizes of the input, the bytes are known and the efficiency is not; the text names
    the option that gives it, with which there are numbers.
    """
    text = printed(capsys, "resnet:ResNet50", "--depth", "1", "--devices", "8")
    computed = fact(text, "computation")
    assert computed == "depends on the size of the input: --input 3x224x224 gives the efficiency"
    assert "8  1,024      -  178.9 MB      -       -  268.3 MB      -       -" in text
    found = figures(capsys, "resnet:ResNet50", "--devices", "8")
    assert found["compute_seconds"] is None
    assert "floor" in str(found["forward_macs"])
    text = printed(capsys, "resnet:ResNet50", "--input", "3x224x224", "--depth", "1")
    assert "%" in text


# ---- form


@pytest.mark.parametrize("width", [52, 60, 80, 120])
def test_widths(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """The tables fit: in a narrow terminal, there is a table for each strategy."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(capsys, "vgg:VGG16", "--depth", "1")
    lines = text[text.index("\nparallel ") :].splitlines()
    assert max(map(len, lines)) <= width
    tables = [line for line in lines if line.startswith("devices")]
    assert len(tables) == (2 if width < 77 else 1)


def test_no_torch(small: str) -> None:
    """The figures need neither PyTorch nor NumPy."""
    code = (
        "import sys; from netdsl.cli import run\n"
        f"run(['check', {small!r}, '--show', 'parallel'])\n"
        "print([m for m in ('torch', 'numpy', 'onnx') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


# ---- wrong usage

WRONG = [
    (
        ["--devices", "8"],
        "--devices is for --show parallel, which adds tables about training on several devices\n",
    ),
    (["--batch", "8"], "the figures without it are for one sample, whatever the batch is"),
    (["--bandwidth", "1GB/s"], "--bandwidth is for --show parallel"),
    (["--compute", "1TFLOPS"], "--compute is for --show parallel"),
    (["--show", "parallel", "--csv"], "--show parallel and --csv cannot be combined"),
    (["--show", "parallel", "--markdown"], "--show parallel and --markdown cannot be combined"),
    (["--show", "parallel", "--depth", "0"], "--depth 0 and --show cannot be combined"),
    (["--show", "parallel,units", "--format", "json"], "--show is for the table"),
    (["--show", "parallel", "--format", "sarif"], "--show is for the table"),
    (["--show", "parallel", "--devices", "0"], "expected an integer from 1 to 1,000,000"),
    (["--show", "parallel", "--devices", "8,,16"], "expected an integer from 1"),
    (["--show", "parallel", "--devices", "1" + ",1" * 100], "more than 100 numbers"),
    (["--show", "parallel", "--batch", "0"], "expected an integer from 1"),
    (["--show", "parallel", "--bandwidth", "25"], "with its unit, such as 25GB/s or 200Gbit/s"),
    (["--show", "parallel", "--bandwidth", "0GB/s"], "a number above 0"),
    (["--show", "parallel", "--bandwidth", "1TFLOPS"], "such as 25GB/s"),
    (["--show", "parallel", "--compute", "1GB/s"], "such as 20TFLOPS, found 1GB/s"),
    (["--show", "parallel", "--compute", "9" * 40 + "TFLOPS"], "such as 20TFLOPS"),
    (["--show", "parallel,colour"], "there is no column `colour`"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_usage(
    small: str, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    """Wrong options are refused with the reason, before anything is printed."""
    try:
        code = run(["check", small, *options])
    except SystemExit as exit_:
        code = exit_.code  # type: ignore[assignment]
    assert code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
