"""The command line of all commands: help, bounds of numbers, wrong usage, encodings."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netdsl.analysis.figures import SHOW, USUAL
from netdsl.cli import run
from netdsl.commands.options import levels, natural, positive, thread_count
from netdsl.commands.parser import build_parser

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "net É {\n input x: 6xHx6\n 名: conv(3, 3, stride = 2) -> gap\n}\n"
COMMANDS = next(
    a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)
).choices
NUMBERS = [
    (name, option.option_strings[0])
    for name, command in COMMANDS.items()
    for option in command._actions
    if option.type in (levels, natural, positive, thread_count)
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_explained(name: str) -> None:
    """The help of a command explains each of its arguments."""
    assert [] == [action.dest for action in COMMANDS[name]._actions if not action.help]


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_fits_on_80_columns(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of netdsl and of every command fits on 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    build_parser.cache_clear()
    assert run([*words, "--help"]) == 0
    assert [] == [line for line in capsys.readouterr().out.splitlines() if len(line) > 80]


def test_help_breaks_no_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The columns are whole words on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    build_parser.cache_clear()
    assert run(["help", "check"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"separated by commas: {', '.join(SHOW)}; or all" in text
    assert f"separated by commas: {', '.join(USUAL + SHOW)}; or all" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_the_help_are_valid(name: str) -> None:
    """The parser accepts each example in the help."""
    examples = (COMMANDS[name].epilog or "").splitlines()[1:]
    assert examples
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "netdsl"
        build_parser().parse_args(words)
    assert any(shlex.split(example)[1] == name for example in examples)


def test_every_integer_is_bounded() -> None:
    """Every option with a number has bounds, since a back end would fail on some numbers."""
    assert not [
        a.dest for command in COMMANDS.values() for a in command._actions if a.type in (int, float)
    ]
    assert {
        ("test", "--batch"),
        ("export", "--seed"),
        ("verify", "--seed"),
        ("run", "--threads"),
        ("bench", "--rounds"),
        ("draw", "--depth"),
    } <= set(NUMBERS)


@pytest.mark.parametrize(("command", "option"), NUMBERS)
@pytest.mark.parametrize("number", ["-1", "1.5", "1000000001", "²", "a"])
def test_numbers_out_of_bounds(
    command: str, option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number outside its bounds is wrong usage, and the message gives the bounds."""
    assert run([command, "lenet5", "a.png", f"{option}={number}"]) == 2
    assert f"argument {option}: expected an integer from " in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [("test", "--batch"), ("run", "--batch"), ("run", "--top"), ("bench", "--threads")],
    ids=" ".join,
)
def test_zero_is_too_small(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([option[0], "lenet5", f"{option[1]}=0"]) == 2
    assert "an integer from 1 to " in capsys.readouterr().err


def test_too_little_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lack of memory is an error without a traceback."""

    def full(_: argparse.Namespace) -> int:
        raise MemoryError("Unable to allocate 1 PiB")

    monkeypatch.setattr("netdsl.commands.check.run", full)
    assert run(["check", "lenet5"]) == 1
    assert (
        "error[out-of-memory]: there is not enough memory: Unable to allocate 1 PiB"
        in capsys.readouterr().err
    )


def test_a_package_that_is_missing() -> None:
    """Also if the message about an error needs it, the package is named."""
    without = "import sys; sys.modules.update({'rich': None, 'platformdirs': None})"
    done = subprocess.run(
        [sys.executable, "-c", f"{without}\nfrom netdsl.cli import run\nrun(['layers'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the package `rich` is not installed: run `pip install netdsl`" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_outputs_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    """Characters that the encoding lacks are replaced: our own by ASCII, others by JSON escapes.

    The output of `--format json` therefore is valid in every encoding.
    """
    (tmp_path / "a.net").write_text(TEXT, encoding="utf-8")

    def output(*more: str) -> str:
        call = [sys.executable, "-m", "netdsl", "check", str(tmp_path / "a.net"), *more]
        return subprocess.run(
            call, capture_output=True, check=True, env={"PYTHONIOENCODING": encoding, "PATH": ""}
        ).stdout.decode(encoding)

    table = output()
    assert "\n-----" in table
    assert "3xfloor((H-1)/2)x2" in table
    assert r"\u540d" in table
    net = json.loads(output("--format", "json"))["nets"][0]
    assert (net["name"], net["layers"][0]["name"]) == ("É", "名")


@pytest.mark.parametrize(
    "call",
    [["nets"], ["layers"], ["layers", "conv"], ["verify", "lenet5"], ["check", "lenet5"]],
    ids=" ".join,
)
def test_no_line_ends_in_blanks(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(call) == 0
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) > 10
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize(
    "command",
    [
        ["export", "lenet5:LeNet5", "-o", "m.onnx"],
        ["verify", "lenet5:LeNet5"],
        ["run", "m.onnx", "x.npy"],
        ["bench", "m.onnx"],
    ],
)
def test_nonfinite_needs_weights(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--allow-nonfinite` without weights would have no effect and is refused."""
    assert run([*command, "--allow-nonfinite"]) == 2
    assert capsys.readouterr().err.startswith(
        f"netdsl {command[0]}: --allow-nonfinite needs --weights\nusage: netdsl {command[0]} "
    )


def test_an_input_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Two sizes of the same input are refused, since one would be ignored."""
    sizes = ["--input", "3x64x64", "--input", "3x96x96"]
    assert run(["check", "resnet:ResNet18", *sizes]) == 2
    assert capsys.readouterr().err.startswith(
        "netdsl check: --input is given twice for the first input; another input is named:"
        " `--input NAME=3x96x96`\nusage: netdsl check "
    )


@pytest.mark.parametrize("size", ["2147483648", "99999999999", "9" * 5000])
def test_size_that_is_too_large(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A size above the largest is reported as such and not as a syntax error."""
    assert run(["check", "resnet:ResNet18", "--input", f"3x224x{size}"]) == 2
    message = capsys.readouterr().err
    assert f"--input has a size of {size[:9]}" in message
    assert "the largest is 2,147,483,647" in message
