"""Further results of layers, such as the final states of an `lstm`, as references."""

from __future__ import annotations

import json

import pytest

import netdsl
from netdsl.cli import run
from tests.support.small_nets import code_of, net, shape

X = "input x: 5x3\n"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("enc: lstm(4)\n@enc.h", "4"),
        ("part: { enc: lstm(4) }\n@part.enc.c", "4"),
        ("part: { enc: lstm(4) }\n@part.h", "4"),
        ("part: { relu -> lstm(4) }\n@part.1.h", "4"),
        ("enc: gru(4, layers = 3)\n@enc.h", "3x4"),
        ("enc: gru(4)\nother: @enc\n@other.h", "4"),
        ("enc: gru(4)\nlet state = @enc.h\n@x -> gru(4, h = state)", "5x4"),
        ("for i in range(2) { enc{i}: gru(3) }\n@enc{0}.h -> add(@enc1.h)", "3"),
    ],
)
def test_references_to_results(body: str, wanted: str) -> None:
    """A result can be reached through every path that leads to its layer."""
    assert shape(f"{X}{body}") == wanted


def test_labels_come_first() -> None:
    """A label inside a group is found before a result of the group's last layer."""
    assert shape(f"{X}part: {{ h: dense(7) -> lstm(4) }}\n@part.h") == "5x7"


def test_results_of_a_parameter() -> None:
    """A block can use the results of the layer that makes its argument."""
    block = "block Next(enc) { lstm(4, h = @enc.h, c = @enc.c) }"
    assert shape(f"{X}first: lstm(4)\n@x -> Next(@first)", block) == "5x4"


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("@enc.c", "besides its result, this `gru` has only `@enc.h`"),
        ("@flat.h", "`flat` has no members: its value is `@flat`"),
    ],
)
def test_results_that_do_not_exist(line: str, advice: str) -> None:
    """The error of a result that a layer lacks names those that it has."""
    code, number, help_ = code_of(f"{X}flat: dense(4)\nenc: gru(4)\n{line}")
    assert (code, number) == ("unknown-label", 4)
    assert advice in str(help_)


def test_expect_of_a_result() -> None:
    """`expect shape` takes a result, whether or not a layer uses it."""
    net(f"{X}enc: lstm(4)\nexpect shape(enc.h) == [4]\nexpect shape(enc.c) == [4]")


def test_results_in_outputs(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    """The table, the JSON output and the drawing show the results that the net uses."""
    folder = str(tmp_path)
    text = (
        "net N {\n    input x: 5x3\n    enc: lstm(4)\n    @x -> lstm(4, h = @enc.h, c = @enc.c)\n}"
    )
    with open(f"{folder}/n.net", "w", encoding="utf-8") as file:
        file.write(text + "\n")
    assert run(["check", f"{folder}/n.net"]) == 0
    assert "5x4, h: 4, c: 4" in capsys.readouterr().out
    assert run(["check", f"{folder}/n.net", "--format", "json"]) == 0
    (first, second) = json.loads(capsys.readouterr().out)["nets"][0]["layers"]
    assert first["results"] == {"h": ["N", 4], "c": ["N", 4]}
    assert second["from"] == ["x", "enc.h", "enc.c"]
    assert "results" not in second
    assert run(["draw", f"{folder}/n.net", "-o", f"{folder}/n.mmd"]) == 0
    with open(f"{folder}/n.mmd", encoding="utf-8") as file:
        drawn = file.read()
    assert '|"h: 4"|' in drawn
    assert '|"c: 4"|' in drawn


def test_uses_of_a_labelled_layer_have_own_results() -> None:
    """A layer that is applied again has results of its own."""
    loaded = netdsl.loads(
        "net N {\n input a: 5x3\n input b: 4x3\n enc: gru(2)\n second: @b -> enc\n"
        " output first: @enc.h\n output other: @second.h\n}"
    )
    assert loaded.verify()
    assert [output.value.name for output in loaded.outputs] == ["enc.h", "enc@2.h"]
