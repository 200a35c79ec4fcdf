"""Errors inside the blocks of the library and of other files: their places and their notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.analysis.lint.warnings import warnings_of
from netdsl.driver import compile_net, program_of
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.diagnostics import Diagnostic

NET = "import resnet\nnet N {{\ninput x: 8x9x9\n{}\n}}"
# A body, or the net itself, the place of its error, and the notes.
CASES = {
    "an argument": (
        NET.format('basicblock("64")'),
        '"64"',
        ["`width` of `basicblock` is used here"],
    ),
    "an argument from which a `let` is computed": (
        NET.format("bottleneck(0)"),
        "0",
        ["`width` of `bottleneck` is used here"],
    ),
    "two arguments": (
        NET.format("dense_block(1, 0.5, width = 2.5)"),
        "dense_block(1, 0.5, width = 2.5)",
        ["this is in `dense_block`, here"],
    ),
    "no argument": (
        NET.format("flatten -> fire(8, 8, 8)"),
        "fire(8, 8, 8)",
        ["this is in `fire`, here", "`flatten` here gives 648"],
    ),
    "a round of the user's loop": (
        NET.format("for w in [8, 0] { basicblock(w) }"),
        "w",
        ["`width` of `basicblock` is used here", "this is in round 2 of 2, with w = 0"],
    ),
    "a block of the library in a block": (
        "block B(n) { fire(n, 4, 4) }\n" + NET.format("B(0)").partition("\n")[2],
        "n",
        ["`squeeze` of `fire` is used here", "reached through this call"],
    ),
    "an argument from which a default is computed": (
        NET.format('se("2")'),
        '"2"',
        ["the default of `width` is computed here"],
    ),
    "an argument of a layer that a block of the library gives to another": (
        NET.format("inverted_residual(8, 1.5)"),
        "1.5",
        ["`stride` of `inverted_residual` is used here"],
    ),
    "a list of a net": (
        'import resnet\nnet N = ResNet(basicblock, ["2", 2])',
        '["2", 2]',
        ["`layers` of `ResNet` is used here"],
    ),
}


def _errors(text: str) -> list[Diagnostic]:
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text)
    return list(caught.value.diagnostics)


@pytest.mark.parametrize("case", CASES)
def test_errors_in_the_library_are_at_the_call(case: str) -> None:
    """The place is in the user's file: the argument at fault if there is one, or the call."""
    text, place, notes = CASES[case]
    diagnostic = _errors(text)[0]
    assert diagnostic.span is not None
    assert (diagnostic.span.text, diagnostic.span.file.text) == (place, text)
    assert [note.message for note in diagnostic.notes] == notes
    assert all(edit.span.file is diagnostic.span.file for edit in diagnostic.fix)


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("dense_block(5 / 2, 8)", "`layers` must be a whole number: write `5 // 2`"),
        ("fire(5 / 2, 8, 8)", "`squeeze` must be a whole number: write `5 // 2`"),
        ("dense_block([2, 3], 8)", "`layers` is one number; it is declared as `dense_block("),
        ('fire("5", 8, 8)', "write `5`, without quotes"),
    ],
)
def test_the_advice_is_about_the_value_that_was_found(body: str, advice: str) -> None:
    """A fraction, a list or a text in place of a number has its own advice at the call."""
    (diagnostic, *_) = _errors(NET.format(body))
    assert (diagnostic.help or "").startswith(advice)


def test_errors_in_other_files_of_the_user(tmp_path: Path) -> None:
    """The user may edit other files, so their errors stay, unless they are about a parameter."""
    (tmp_path / "b.net").write_text("block B(w) { conv(w, 3) -> conv(w - 9, 1) }\n")
    path = tmp_path / "n.net"
    path.write_text('import "b.net"\nnet N {\ninput x: 8x9x9\nB(9)\nB(2.5)\n}\n')
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load(str(path))
    texts = [d.span.text for d in caught.value.diagnostics if d.span is not None]
    assert texts == ["w - 9", "2.5", "w - 9"]


def test_a_net_with_arguments_is_named() -> None:
    """The error in a net names the other net that gives it its arguments."""
    text = "net F(w) { input x: 8\ndense(w) }\nnet N = F(0)"
    (diagnostic,) = _errors(text)
    (note,) = diagnostic.notes
    assert note.span is not None
    assert (note.message, note.span.first.line) == ("reached through this call", 3)


def test_a_warning_in_the_library_is_at_the_call() -> None:
    """The warning names the argument, and a comment in the line of the call allows it."""
    text = "net N {\ninput x: 16x40x40\nbasicblock(16, 16)\n}"
    (warning,) = _warnings(text)
    assert warning.span is not None
    assert warning.span.text == "basicblock(16, 16)"
    assert warning.help == "argument 2 of `basicblock` is the stride: is this `basicblock(16)`?"
    assert _warnings(text.replace("\n}", "  # allow: skipped-input\n}")) == []


def _warnings(text: str) -> list[Diagnostic]:
    program = program_of(SourceFile("n.net", text))
    return warnings_of(program.module, [compile_net(program, "N")])


def test_a_label_cannot_be_an_argument_of_a_net() -> None:
    """The error of `net A = B(@x)` has its place and advice."""
    text = "net F(w) { input x: 8\ndense(w) }\nnet N = F(@x)"
    (diagnostic,) = _errors(text)
    assert diagnostic.span is not None
    assert (diagnostic.code, diagnostic.span.text) == ("unknown-label", "@x")
    assert "a net gets numbers" in str(diagnostic.help)


def test_a_stride_that_is_named() -> None:
    """The help about a stride that is not an input's channels has the declaration."""
    (warning,) = _warnings("net N {\ninput x: 16x9x9\nbasicblock(16, stride = 5)\n}")
    assert str(warning.help).startswith("argument 2 of `basicblock` is the stride; it is declared")


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        ("bottleneck(@a, 64)", "@a -> bottleneck(64)"),
        ("basicblock(@a, 8, 2)", "@a -> basicblock(8, 2)"),
        ("se(@a)", "@a -> se"),
        ("fire(@a, 4, 8, 8)", "@a -> fire(4, 8, 8)"),
    ],
)
def test_a_tensor_before_the_arguments(call: str, meant: str) -> None:
    """A block of the library that is called like a function of Python gives one error."""
    (diagnostic,) = _errors(NET.format(f"a: conv(8, 3) -> {call}"))
    assert diagnostic.span is not None
    assert (diagnostic.code, diagnostic.span.text) == ("wrong-type", "@a")
    assert str(diagnostic.help).endswith(f"write `{meant}`")
