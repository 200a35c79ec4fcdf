"""Sentences of `docs/diffing.md`: its commands run, and print what the page shows."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.diff.effects import WHATS
from netdsl.diff.failing import figures_for
from tests.diff.planted import difference_of
from tests.support.manual import blocks_of
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PATH = ROOT / "docs" / "diffing.md"
PAGE = PATH.read_text(encoding="utf-8")
TEXTS = {block.file: f"{block.text}\n" for block in blocks_of(PATH) if block.file is not None}
BLOCKS = [
    block.split("$ netdsl ")[1:] for block in re.findall(r"```console\n(\$.*?)```", PAGE, re.DOTALL)
]
COMMANDS = [command for block in BLOCKS for command in block]


@pytest.fixture
def repository(folder: Path) -> Path:
    """A repository with the files of the page, which is the current folder."""
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        author = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        subprocess.run(["git", *author, *words], cwd=folder, check=True)
    return folder


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command prints the lines that are shown below it; dots stand for others."""
    line, *shown = command.rstrip().splitlines()
    assert run(shlex.split(line)) == 0
    printed = capsys.readouterr().out.splitlines()
    if "..." not in shown:
        assert shown == printed
    places = iter(printed)
    assert [text for text in shown if text != "..." and text not in places] == []


def test_page(repository: Path) -> None:
    """The page is written."""
    assert run(["diff", "old.net", "new.net", "-o", "diff.html", "-q"]) == 0
    assert (repository / "diff.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.usefixtures("repository")
def test_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """The tables have all keys of the JSON, all kinds of effects, and all figures."""
    assert run(["diff", "old.net", "new.net", "--format", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    (net,) = made["nets"]
    keys = {*made, *net, *net["consequences"], *net["weights"], *net["outside"][0]}
    keys |= {*net["changes"][0], *net["changes"][0]["layers"][0], *net["changes"][0]["new"], *WHATS}
    assert [key for key in keys if f"`{key}`" not in PAGE] == []
    difference = difference_of(TEXTS["old.net"], TEXTS["new.net"], "Digits")
    figures = [name for name in figures_for(difference) if not name.startswith("old_")]
    assert [name for name in figures if f"`{name}`" not in PAGE] == []


def test_git_difftool(repository: Path) -> None:
    """The settings make `git difftool` and `git diff` print the report."""
    settings = re.findall(r"^git config .+$", PAGE, re.MULTILINE)
    assert len(settings) == 3
    for line in settings:
        subprocess.run(["sh", "-c", line], cwd=repository, check=True)
    (repository / ".gitattributes").write_text("*.net diff=netdsl\n")
    (repository / "old.net").write_text(TEXTS["new.net"])
    for words in (["difftool", "--tool=netdsl"], ["diff"]):
        done = subprocess.run(
            ["git", *words, "HEAD", "--", "*.net"],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "  line 6       renamed logits → scores\n" in done.stdout


def test_links() -> None:
    """The links to parts of the page lead to headings."""
    heads = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) == anchors
