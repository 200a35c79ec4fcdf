"""`--quiet`, `--color` and `-o -`: what is printed, where, and in which colours."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from PIL import Image

from netdsl.draw.formats import SUFFIXES
from tests.support.commands import run_command
from tests.support.small_nets import TINY, TRAINED

if TYPE_CHECKING:
    from pathlib import Path

NETDSL = [sys.executable, "-m", "netdsl"]
ESCAPE = "\x1b["


@pytest.fixture
def folder(model_folder: Path) -> Path:
    """The working folder, with models, inputs, a net and a wrong net."""
    (model_folder / "tiny.net").write_text(TINY, encoding="utf-8")
    (model_folder / "wrong.net").write_text("net A {\n input x: 3\n convv\n}\n", encoding="utf-8")
    return model_folder


def on_a_terminal(*words: str, **environment: str) -> str:
    """What a command prints on a terminal."""
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        [*NETDSL, *words],
        stdout=slave,
        stderr=slave,
        stdin=subprocess.DEVNULL,
        env={**env, "TERM": "xterm", **environment},
        check=False,
    )
    os.close(slave)
    printed = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:
            break
        if not part:
            break
        printed += part
    os.close(master)
    return printed.decode()


# ---- quiet

SILENT = [
    ["check", "tiny.net"],
    ["check", "tiny.net", "lenet5", "--depth", "0"],
    ["draw", "tiny.net", "-o", "t.dot"],
    ["fmt", "tiny.net"],
    ["fmt", "--check", "formatted.net"],
    ["export", "tiny.net", "-o", "t.onnx"],
    ["export", "tiny.net", "-o", "t.py"],
    ["verify", "tiny.net"],
    ["run", "m.onnx", "ok.png", "one.npy"],
    ["run", "m.onnx", "ok.png", "--device", "auto"],
    ["run", "m.onnx", "folder", "-o", "o.npz"],
    ["bench", "m.onnx", "--batch", "1", "--rounds", "1"],
]


@pytest.mark.parametrize("words", SILENT, ids=" ".join)
def test_quiet_commands_print_nothing(
    words: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """If nothing is wrong, there is neither a result nor a note."""
    (folder / "formatted.net").write_text("net A { relu }\n", encoding="utf-8")
    (folder / "folder" / "below").mkdir(parents=True)
    (folder / "folder" / "notes.txt").touch()
    Image.new("RGB", (4, 4)).save(folder / "folder" / "a.png")
    assert run_command(capfd, *words, "--quiet") == ("", "")


def test_quiet_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Training writes its files, and `test` prints its metrics only as JSON."""
    (folder / "flat.net").write_text(TRAINED, encoding="utf-8")
    assert run_command(capsys, "train", "flat.net", "--out", "out", "-q") == ("", "")
    assert (folder / "out" / "log.jsonl").exists()
    test = ["test", "flat.net", "--weights", "out", "-q"]
    assert run_command(capsys, *test) == ("", "")
    out, err = run_command(capsys, *test, "--format", "json")
    assert json.loads(out)["nets"][0]["name"] == "Flat"
    assert err == ""


@pytest.mark.parametrize(
    "words",
    [
        ["check", "wrong.net"],
        ["check", "wrong.net", "tiny.net"],
        ["draw", "wrong.net", "-o", "t.dot"],
        ["fmt", "none.net"],
        ["run", "m.onnx", "none.png"],
        ["layers", "nothing"],
    ],
    ids=" ".join,
)
def test_quiet_commands_print_errors(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, as ever."""
    out, err = run_command(capsys, *words, "-q", code=1)
    assert out == ""
    assert err.startswith("error[")


@pytest.mark.parametrize(
    "words",
    [
        ["check", "tiny.net", "--format", "json"],
        ["check", "wrong.net", "--format", "github"],
        ["check", "wrong.net", "--format", "sarif"],
        ["verify", "tiny.net", "--format", "json"],
        ["run", "m.onnx", "one.npy", "--json"],
        ["layers", "conv", "--format", "json"],
        ["fmt", "--diff", "wrong.net"],
    ],
    ids=" ".join,
)
def test_quiet_keeps_results_for_programs(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are the same with and without it."""
    code = int("wrong.net" in words)
    plain = run_command(capsys, *words, code=code)
    assert plain[0]
    assert run_command(capsys, *words, "--quiet", code=code) == plain


def test_quiet_references_are_names(capsys: pytest.CaptureFixture[str]) -> None:
    """One on each line, for scripts."""
    nets = run_command(capsys, "nets", "-q")[0].splitlines()
    assert {"lenet5:LeNet5", "resnet:ResNet50"} < set(nets)
    kinds = run_command(capsys, "layers", "-q")[0].splitlines()
    assert {"conv", "residual", "se"} < set(kinds)
    assert run_command(capsys, "layers", "relu", "-q")[0] == "relu\n"


# ---- colours


@pytest.mark.parametrize(
    "words",
    [
        ["check", "lenet5:LeNet5"],
        ["check", "wrong.net"],
        ["layers", "conv"],
        ["verify", "tiny.net"],
        ["fmt", "--diff", "wrong.net"],
    ],
    ids=" ".join,
)
def test_colours_of_every_printer(
    words: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our own lines, rich's tables and diagnostics follow `--color` and the environment; the text
    is the same.
    """
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    code = int("wrong.net" in words)
    plain = run_command(capsys, *words, code=code)
    assert ESCAPE not in plain[0] + plain[1]
    coloured = run_command(capsys, *words, "--color", "always", code=code)
    assert ESCAPE in coloured[0] + coloured[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    forced = run_command(capsys, *words, code=code)
    assert ESCAPE in forced[0] + forced[1]
    assert run_command(capsys, *words, "--color=never", code=code) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert run_command(capsys, *words, code=code) == plain
    always = run_command(capsys, *words, "--color", "always", code=code)
    assert ESCAPE in always[0] + always[1]


def test_forced_colours_bring_no_progress_into_a_pipe(folder: Path) -> None:
    """Only a terminal gets a bar, which moves the cursor."""
    env = {**os.environ, "FORCE_COLOR": "1"}
    call = [*NETDSL, "run", "m.onnx", "one.npy", "ok.png", "ok.png"]
    done = subprocess.run(call, capture_output=True, env=env, check=True)
    assert done.stderr == b""


@pytest.mark.parametrize("words", [["layers", "conv"], ["check", "wrong.net"]], ids=" ".join)
def test_colours_on_a_terminal(words: list[str], folder: Path) -> None:
    """They are there, unless an option or the environment forbids them."""
    assert ESCAPE in on_a_terminal(*words)
    assert ESCAPE in on_a_terminal(*words, "--color", "always", TERM="dumb")
    assert ESCAPE not in on_a_terminal(*words, "--color", "never")
    assert ESCAPE not in on_a_terminal(*words, NO_COLOR="1")


# ---- standard output as the file


def bytes_of(*words: str, code: int = 0, given: bytes = b"") -> bytes:
    """Exactly what a command writes to standard output; standard error is empty."""
    done = subprocess.run([*NETDSL, *words], input=given, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, b"")
    return done.stdout


def test_an_onnx_model_on_standard_output(folder: Path) -> None:
    """It is the model and nothing else, the same as the file; there is no manifest."""
    before = sorted(os.listdir())
    model = bytes_of("export", "tiny.net", "-o", "-", "--to", "onnx", "--verify")
    assert sorted(os.listdir()) == before
    onnx.checker.check_model(onnx.load_from_string(model))
    bytes_of("export", "tiny.net", "-o", "t.onnx", "-q")
    assert model == (folder / "t.onnx").read_bytes()


def test_pytorch_source_on_standard_output(folder: Path) -> None:
    """The same as the file."""
    source = bytes_of("export", "tiny.net", "-o", "-", "--to", "py")
    bytes_of("export", "tiny.net", "-o", "t.py", "-q")
    assert source == (folder / "t.py").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pictures_on_standard_output(suffix: str, folder: Path) -> None:
    """Each format, the same as the file."""
    picture = bytes_of("draw", "tiny.net", "-o", "-", "--to", suffix.removeprefix("."))
    bytes_of("draw", "tiny.net", "-o", f"t{suffix}", "-q")
    made = (folder / f"t{suffix}").read_bytes()
    if suffix != ".pdf":  # it contains the time
        assert picture == made
    assert picture[:4] == made[:4]


def test_outputs_on_standard_output(folder: Path) -> None:
    """The archive and nothing else: the classes are not printed."""
    archive = bytes_of("run", "m.onnx", "one.npy", "-o", "-")
    with np.load(io.BytesIO(archive)) as arrays:
        assert "inputs" in arrays.files


def test_a_formatted_text_on_standard_output(folder: Path) -> None:
    """The file is not touched; `-` reads standard input as before."""
    (folder / "ugly.net").write_bytes(b"net A{relu}")
    assert bytes_of("fmt", "ugly.net", "-o", "-") == b"net A { relu }\n"
    assert bytes_of("fmt", "-", "-o", "-", given=b"net B{relu}") == b"net B { relu }\n"
    assert (folder / "ugly.net").read_bytes() == b"net A{relu}"
    assert b"ugly.net" in bytes_of("fmt", "ugly.net", "-o", "made.net")
    assert (folder / "made.net").read_bytes() == b"net A { relu }\n"


@pytest.mark.parametrize(
    "words",
    [
        ["draw", "tiny.net", "-o", "-", "--to", "png"],
        ["draw", "tiny.net", "-o", "-", "--to", "pdf"],
        ["export", "tiny.net", "-o", "-", "--to", "onnx"],
        ["run", "m.onnx", "one.npy", "-o", "-"],
    ],
    ids=" ".join,
)
def test_bytes_are_not_written_to_a_terminal(words: list[str], folder: Path) -> None:
    """They could control it."""
    printed = on_a_terminal(*words)
    assert printed.startswith(f"netdsl {words[0]}: .")
    assert "is not text, and standard output is a terminal" in printed
    assert printed.count("\n") == 2  # the message and the usage


def test_text_is_written_to_a_terminal(folder: Path) -> None:
    """A picture in SVG, for example, is text."""
    assert "<svg" in on_a_terminal("draw", "tiny.net", "-o", "-", "--to", "svg")


WRONG = {
    "draw tiny.net -o -": "`-o -` needs the format: --to svg, png, pdf, tex, dot, gv, mmd or html",
    "export tiny.net -o -": "`-o -` needs the format: --to onnx or py",
    "draw tiny.net -o a.svg --to svg": "--to is for `-o -`: the suffix of a file is its format",
    "run m.onnx one.npy -o - --json": "`-o -` and --format json both write to standard output",
    "fmt tiny.net wrong.net -o -": "-o takes the text of one file, found 2",
    "fmt tiny.net -o - --check": (
        "-o writes the text, --check and --diff write nothing: leave one out"
    ),
    "export tiny.net -o - --to py --fp16": (
        "--fp16 applies only to .onnx: PyTorch source is the net as it is, without weights"
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_use_of_standard_output(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option that is missing or too much."""
    out, err = run_command(capsys, *line.split(), code=2)
    command = line.split(maxsplit=1)[0]
    assert out == ""
    assert err.startswith(f"netdsl {command}: {WRONG[line]}\nusage: netdsl {command} ")


def test_errors_leave_standard_output_empty(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that reads it gets nothing, and the exit code."""
    for words in (
        ["draw", "wrong.net", "-o", "-", "--to", "dot"],
        ["export", "wrong.net", "-o", "-", "--to", "onnx"],
        ["fmt", "none.net", "-o", "-"],
        ["run", "m.onnx", "none.npy", "-o", "-"],
    ):
        out, err = run_command(capsys, *words, code=1)
        assert out == ""
        assert err.startswith("error[")
