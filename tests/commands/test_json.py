"""`--format json`: the keys that docs/commands.md promises, and errors as JSON."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from netdsl.cli import run
from netdsl.library import library_names
from netdsl.ops import LAYERS
from tests.support.commands import run_command, shell
from tests.support.paths import ROOT
from tests.support.small_nets import TINY, TRAINED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(model_folder: Path) -> Path:
    """The working folder, with models, inputs, a net and a wrong net."""
    (model_folder / "tiny.net").write_text(TINY, encoding="utf-8")
    (model_folder / "wrong.net").write_text("net A {\n input x: 3\n convv\n}\n", encoding="utf-8")
    return model_folder


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The JSON document that a command prints; nothing is on standard error."""
    out, err = run_command(capsys, *words, "--format", "json", code=code)
    assert err == ""
    made: dict[str, Any] = json.loads(out)
    return made


def test_nets(capsys: pytest.CaptureFixture[str]) -> None:
    """Every shipped net with its figures, which are those of the table."""
    made = document(capsys, "nets")
    assert made["diagnostics"] == []
    nets = {net["net"]: net for net in made["nets"]}
    assert {net.partition(":")[0] for net in nets} == set(library_names())
    lenet = nets["lenet5:LeNet5"]
    assert lenet.pop("paper").startswith("LeNet-5: LeCun")
    assert lenet == {
        "name": "LeNet5",
        "file": "nets/lenet5.net",
        "net": "lenet5:LeNet5",
        "params": 61706,
        "macs": 416520,
        "year": 1998,
    }
    assert {type(net["macs"]) for net in made["nets"]} <= {int, type(None)}


def test_layers(capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind with its arguments and examples; the page of one kind has the same keys."""
    made = document(capsys, "layers")
    kinds = {layer["kind"]: layer for layer in made["layers"]}
    assert {*LAYERS, "se", "residual"} <= set(kinds)
    assert document(capsys, "layers", "dropout") == {
        "layers": [kinds["dropout"]],
        "diagnostics": [],
    }
    conv = {argument["name"]: argument for argument in kinds["conv"]["arguments"]}
    assert conv["out"] == {
        "name": "out",
        "type": "int",
        "required": True,
        "default": None,
        "doc": "output channels; at least 1",
    }
    assert (conv["stride"]["required"], conv["stride"]["default"]) == (False, "1")
    assert conv["weight"]["default"] is None
    assert kinds["conv"]["examples"][0] == {
        "inputs": ["3x9x9"],
        "call": "conv(8, 3)",
        "output": "8x7x7",
    }


def test_metrics(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`test` prints fractions, and no other line."""
    (folder / "flat.net").write_text(TRAINED, encoding="utf-8")
    assert run(["train", "flat.net", "-q"]) == 0
    capsys.readouterr()
    words = ["test", "flat.net", "--weights", "runs/Flat"]
    made = document(capsys, *words)
    assert made["diagnostics"] == []
    (net,) = made["nets"]
    (accuracy,) = net.pop("metrics").values()
    assert 0 <= accuracy <= 1
    assert net == {
        "name": "Flat",
        "file": "flat.net",
        "weights": "runs/Flat",
        "engine": "torch",
        "data": "fashion_mnist_sample",
        "images": 2000,
    }
    assert f"{100 * accuracy:.2f} %" in run_command(capsys, *words)[0]


def test_bench(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` and `--format json` print the same document."""
    words = ["bench", "m.onnx", "--batch", "1", "--rounds", "1"]
    made = document(capsys, *words)
    assert made["diagnostics"] == []
    assert [result["batch"] for result in made["results"]] == [1]
    out, _ = run_command(capsys, *words, "--json")
    assert json.loads(out).keys() == made.keys()


def test_run_prints_a_line_for_each_sample(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An input that fails has a line with diagnostics, which name it, among those of the others."""
    words = ["run", "m.onnx", "one.npy", "none.png", "ok.png"]
    out, err = run_command(capsys, *words, "--format", "json", code=1)
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line.get("input") for line in lines} == {None, "one.npy", "ok.png"}
    (failed,) = (line for line in lines if "input" not in line)
    assert list(failed) == ["diagnostics"]
    assert [(d["file"], d["code"]) for d in failed["diagnostics"]] == [
        ("none.png", "file-not-found")
    ]
    assert (out, err) == run_command(capsys, *words, "--json", code=1)


ERRORS = [
    (["check", "wrong.net"], "unknown-layer"),
    (["check", "none.net"], "file-not-found"),
    (["verify", "wrong.net"], "unknown-layer"),
    (["verify", "none.onnx"], "file-not-found"),
    (["run", "none.onnx", "ok.png"], "file-not-found"),
    (["bench", "wrong.net"], "unknown-layer"),
    (["test", "wrong.net", "--weights", "w"], "unknown-layer"),
    (["test", "lenet5:LeNet5", "--weights", "none.pt"], "file-not-found"),
    (["layers", "nothing"], "unknown-layer"),
]


@pytest.mark.parametrize(("words", "code"), ERRORS, ids=lambda e: " ".join(e) if e else "")
def test_errors_are_json(
    words: list[str], code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard output, under the keys of `check`, with the same exit code as in text."""
    (found,) = document(capsys, *words, code=1)["diagnostics"]
    assert found["code"] == code
    assert found["severity"] == "error"
    assert {"message", "file", "line", "column", "notes", "help"} <= set(found)
    out, err = run_command(capsys, *words, code=1)
    assert f"error[{code}]" in err
    assert "diagnostics" not in out


def test_a_wrong_command_line_is_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What calls netdsl wrongly has to be changed by a person."""
    for words in (["layers", "--fromat", "json"], ["run", "tiny.net", "ok.png", "--json"]):
        out, err = run_command(capsys, *words, code=2)
        assert out == ""
        assert err.startswith("netdsl")


def test_a_fault_is_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also if netdsl itself is at fault, with its own exit code."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def fail(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("netdsl.commands.nets.run", fail)
    (found,) = document(capsys, "nets", code=70)["diagnostics"]
    assert found["code"] == "internal-error"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_an_error_of_standard_output_is_text(folder: Path) -> None:
    """As JSON, it would go to the very place that cannot be written."""
    for command, code in (
        ("layers relu", "cannot-write]: standard output: No space left on device"),
        ("layers nothing", "unknown-layer]"),
        ("check wrong.net", "cannot-write]"),
        ("verify wrong.net", "unknown-layer]"),
    ):
        done = shell(f"{command} --format json > /dev/full", folder)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error[{code}"), command


def test_the_manual_names_every_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/commands.md has the keys of each command."""
    manual = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, made in {
        "check": document(capsys, "check", "tiny.net"),
        "verify": document(capsys, "verify", "tiny.net"),
        "bench": document(capsys, "bench", "m.onnx", "--batch", "1", "--rounds", "1"),
        "nets": document(capsys, "nets"),
        "layers": document(capsys, "layers", "conv"),
        "run": document(capsys, "run", "m.onnx", "one.npy"),
        "explain": document(capsys, "explain") | document(capsys, "explain", "no-net"),
    }.items():
        (row,) = (line for line in manual.splitlines() if line.startswith(f"| `{name}` |"))
        documented = set(re.findall(r"`(\w+)`", row))
        assert keys_of(made) <= documented, name
    (found,) = document(capsys, "check", "wrong.net", code=1)["diagnostics"]
    (row,) = (part for part in manual.split("\n\n") if part.startswith("An entry of `diag"))
    assert set(found) <= set(re.findall(r"`(\w+)`", row))


def keys_of(made: dict[str, Any]) -> set[str]:
    """The keys of a document and of the objects in its lists."""
    keys = set(made)
    for value in made.values():
        if isinstance(value, list) and value:
            keys |= set(value[0])
    return keys
