"""`netdsl explain`: the manual's sections on the codes of diagnostics."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.commands.manual import Section, plain, sections
from tests.support.commands import run_command
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NET = """net N {
    input image: 3x9x9
    conv(8, 3) -> relu
    relu
}
"""
SECTIONS = sections()


def test_a_section(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is wrapped, the examples are indented, and nothing is left of the Markdown."""
    monkeypatch.setenv("COLUMNS", "60")
    out, err = run_command(capsys, "explain", "bias-before-norm")
    lines = out.splitlines()
    assert err == ""
    assert lines[0] == "bias-before-norm (hint)"
    assert lines[2].startswith("A layer before a batch norm has a bias")
    assert lines.index("Wrong:") < lines.index("Right:")
    assert "    net Digits {" in lines
    assert "(Ioffe and Szegedy 2015 (https://arxiv.org/abs/1502.03167)," in out.replace("\n", " ")
    assert max(len(line) for line in lines if not line.startswith("  ")) <= 60


def test_a_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item of a list begins a line, and its other lines are indented."""
    monkeypatch.setenv("COLUMNS", "60")
    out, _ = run_command(capsys, "explain", "augment-order")
    paragraphs = out.partition("Wrong:")[0].split("\n\n")
    [items] = [part.splitlines() for part in paragraphs if part.startswith("- ")]
    assert sum(line.startswith("- ") for line in items) == 3
    assert {line[:2] for line in items} == {"- ", "  "}
    assert not any(re.search(r"\S {2}|; - ", line) for line in items)


def test_headings_are_bold(capsys: pytest.CaptureFixture[str]) -> None:
    """With colours, the code and the headings of the examples are bold."""
    out, _ = run_command(capsys, "explain", "bad-axis", "--color", "always")
    bold = [line for line in out.splitlines() if line.startswith("\x1b[1m")]
    assert bold == [
        "\x1b[1mbad-axis\x1b[0m (error)",
        "\x1b[1mWrong:\x1b[0m",
        "\x1b[1mRight:\x1b[0m",
    ]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.code)
def test_every_section(section: Section, capsys: pytest.CaptureFixture[str]) -> None:
    """Every code can be explained; its examples are printed as they are."""
    out, _ = run_command(capsys, "explain", section.code)
    assert out.startswith(section.code)
    assert "```" not in out
    assert "](" not in out
    for example in (*section.wrong, *section.right):
        indented = "\n".join(f"    {line}".rstrip() for line in example.text.splitlines())
        assert indented in out


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a code, all codes are listed in groups, each with one sentence."""
    out, _ = run_command(capsys, "explain")
    lines = out.splitlines()
    listed = re.findall(r"^  (\S+)", out, re.MULTILINE)
    assert listed == [section.code for section in SECTIONS]
    assert [line for line in lines if line and not line.startswith(" ")][:-1] == list(
        dict.fromkeys(section.group for section in SECTIONS)
    )
    for section in SECTIONS:
        assert plain(section.summary) in " ".join(out.split())


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--quiet`, only the codes are printed, or the sentence about one."""
    assert run_command(capsys, "explain", "-q")[0].split() == [s.code for s in SECTIONS]
    out, _ = run_command(capsys, "explain", "-q", "no-net")
    assert out == "The file does not define a net.\n"


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("shape-missmatch", "did you mean `shape-mismatch`"),
        ("error[no-net]", "did you mean `no-net`"),
        ("zzz", "`netdsl explain` lists all codes"),
    ],
)
def test_an_unknown_code(code: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown code is wrong usage; close ones are suggested."""
    out, err = run_command(capsys, "explain", code, code=2)
    assert out == ""
    assert err.startswith(f"netdsl explain: there is no code `{code}`: {part}")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the severity, the text and the examples; examples are null if there are none."""
    out, _ = run_command(capsys, "explain", "channels-last", "--format", "json")
    found = json.loads(out)
    assert list(found) == ["code", "severity", "text", "wrong", "right"]
    assert (found["code"], found["severity"]) == ("channels-last", "warning")
    assert found["text"].startswith("The sizes of an input look like")
    assert "input image: 224x224x3" in found["wrong"]
    assert "input image: 3x224x224" in found["right"]
    everything = json.loads(run_command(capsys, "explain", "--format", "json")[0])["codes"]
    assert found in everything
    assert {"wrong": None, "right": None}.items() <= everything[-1].items()
    assert {e["severity"] for e in everything} == {"error", "warning", "info", "note"}


# ---- where users learn of it


@pytest.mark.usefixtures("net_folder")
def test_check_points_to_it(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line of the diagnostics names the command, once."""
    _, err = run_command(capsys, "check", "tiny.net")
    assert err.endswith("\n\n`netdsl explain double-activation` explains this warning\n")
    (net_folder / "tiny.net").write_text(NET.replace("relu\n}", "reluu\n conv(1, -1)\n}"))
    _, err = run_command(capsys, "check", "tiny.net", code=1)
    assert err.endswith("\n\n`netdsl explain CODE` explains a code: unknown-layer, bad-argument\n")
    assert err.count("netdsl explain") == 1


@pytest.mark.usefixtures("net_folder")
@pytest.mark.parametrize("option", ["-q", "--format=json", "--format=sarif", "--format=github"])
def test_only_text_points_to_it(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Quiet runs and the other formats do not have this line."""
    out, err = run_command(capsys, "check", "tiny.net", "--deny", "warnings", option, code=1)
    assert "double-activation" in out + err
    assert "netdsl explain" not in out + err


@pytest.mark.usefixtures("net_folder")
def test_sarif_has_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    """The rules of a SARIF log have the sentence, the text and the whole section."""
    out, _ = run_command(capsys, "check", "tiny.net", "--format", "sarif")
    (rule,) = json.loads(out)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["id"] == "double-activation"
    assert rule["shortDescription"] == {"text": "Two activations follow each other."}
    assert rule["help"]["text"].startswith("Two activations follow each other. The second")
    assert "```net\nblock stage(width)" in rule["help"]["markdown"]


def test_without_diagnostics_there_is_nothing_to_explain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is printed to standard error for a correct net."""
    assert run_command(capsys, "check", "lenet5")[1] == ""
    assert run(["explain", "no-net"]) == 0


def test_an_installed_wheel_has_the_page(tmp_path: Path) -> None:
    """The page is part of the wheel, and `explain` finds it there."""
    source = tmp_path / "source"
    kept = shutil.ignore_patterns(".git", "tests", "benchmarks", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, source, ignore=kept)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    done = subprocess.run(
        [sys.executable, "-m", "netdsl", "explain", "no-net"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("no-net (error)\n")
