"""The page of diagnostics is tested: each code has a section, whose examples run as shown."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netdsl.cli import run
from netdsl.commands.manual import Example, Section, sections
from netdsl.ops import LAYERS
from netdsl.runtime import measure
from tests.support import layer_names
from tests.support.codes import codes_raised
from tests.support.manual_faults import FAULTS, build_page, install_package
from tests.support.manual_folder import fill
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "diagnostics.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {section.code: section for section in sections()}
# Codes without examples, each with the reason.
WITHOUT = {
    "other-net": "it is a warning of commands; tests/weights/test_record.py causes it",
    "unequal-data": "its runs take time; tests/commands/test_compare.py causes it",
    "unequal-params": "its runs take time; tests/commands/test_compare.py causes it",
    "format-changes": "it is a bug of the formatter; tests/layout/test_format.py plants one",
    "internal-error": "it is a bug of netdsl; tests/commands/test_failures.py plants one",
    "lost-process": "it needs several processes; tests/train/test_processes.py",
    "different-processes": "it needs several processes; tests/train/test_processes.py",
    "killed": "only the system sends SIGKILL; tests/process/test_watch.py",
    "system-error": "only the system refuses a request; tests/commands/test_failures.py",
}
# A file that cannot be imported leaves the names that it would define unknown.
FOLLOWING = {
    "import-not-found": ["unknown-layer"],
    "import-outside": ["unknown-layer"],
    "import-cycle": ["unknown-layer"],
}


def of_kind(kind: str) -> list[Section]:
    """The sections whose examples are `net` texts or `console` commands."""
    return [s for s in SECTIONS.values() if s.wrong and s.wrong[-1].info.split()[0] == kind]


def marked(section: Section) -> object:
    """A section, which is slow if its examples start another process."""
    marks = [pytest.mark.slow] if section.code == "module-fails" else []
    return pytest.param(section, marks=marks)


def code_of(section: Section) -> str:
    """A name for a test."""
    return section.code


# ---- texts


def write_files(examples: list[Example], folder: Path) -> None:
    """Write the files of an example under their names, the last one as `example.net`."""
    for example in examples:
        if example.info.startswith("net"):
            name = example.info.removeprefix("net").removeprefix(" file ") or "example.net"
            (folder / name).write_text(f"{example.text}\n", encoding="utf-8")


def diagnostics_of(
    examples: list[Example], folder: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, list[dict[str, str]]]:
    """The exit code and the diagnostics of `netdsl check` for an example."""
    write_files(examples, folder)
    code = run(["check", "example.net", "--format", "json", *options])
    return code, json.loads(capsys.readouterr().out)["diagnostics"]


@pytest.mark.parametrize("section", of_kind("net"), ids=code_of)
def test_wrong_text(section: Section, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong text causes the diagnostic of its section, with its severity, and no others."""
    lint = "all" if section.severity == "info" else "warnings"
    code, found = diagnostics_of(section.wrong, folder, capsys, "--lint", lint)
    assert (found[0]["code"], found[0]["severity"]) == (section.code, section.severity)
    assert {d["code"] for d in found} <= {section.code, *FOLLOWING.get(section.code, ())}, found
    assert code == int(section.severity in ("error", "note"))


@pytest.mark.parametrize("section", of_kind("net"), ids=code_of)
def test_right_text(section: Section, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A right text is valid and has no warnings."""
    assert diagnostics_of(section.right, folder, capsys) == (0, [])
    _, with_hints = diagnostics_of(section.right, folder, capsys, "--lint", "all")
    assert section.code not in {d["code"] for d in with_hints}


# ---- commands


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands of the page run."""
    folder = tmp_path_factory.mktemp("manual")
    fill(folder)
    return folder


@pytest.fixture
def example_folder(filled: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this folder, which is the current one.

    Layers that an example adds exist only in its test.
    """
    shutil.copytree(filled, folder, symlinks=True, dirs_exist_ok=True)
    monkeypatch.setattr(measure, "SIDES", dict.fromkeys(measure.SIDES, (64, 4096)))
    for kind in ("double", "swish_beta"):
        monkeypatch.setitem(LAYERS, kind, LAYERS["relu"])
        monkeypatch.delitem(LAYERS, kind)
    return folder


class Command(NamedTuple):
    """A command of the page: the environment, the words, and the lines shown below it."""

    environment: dict[str, str]
    words: list[str]
    shown: list[str]


def commands_of(examples: list[Example], folder: Path) -> list[Command]:
    """The commands of an example; its files are written, and its layers defined."""
    write_files(examples, folder)
    commands = []
    for example in examples:
        if example.info == "python":
            exec(example.text, {**vars(layer_names)})
        if example.info == "console":
            texts = re.split(r"^\$ ", example.text, flags=re.MULTILINE)
            commands += [_command(text) for text in texts[1:]]
    return commands


def _command(text: str) -> Command:
    line, *shown = text.splitlines()
    words = shlex.split(line)
    start = words.index("netdsl")
    environment = dict(word.split("=", 1) for word in words[:start])
    return Command(environment, words[start + 1 :], shown)


def perform(command: Command, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run a command; returns the exit code and the lines that it prints."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in command.environment.items():
            patch.setenv(name, value)
        code = run(command.words)
    captured = capsys.readouterr()
    return code, [line.rstrip() for line in (captured.out + captured.err).splitlines()]


def is_shown(shown: str, line: str) -> bool:
    """Whether the page shows a line, or its beginning and `...`."""
    if shown.endswith("..."):
        return line.startswith(shown.removesuffix("..."))
    return line == shown


@pytest.mark.parametrize("section", [marked(s) for s in of_kind("console")], ids=code_of)
def test_wrong_command(
    section: Section,
    example_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last of the wrong commands fails or warns as shown; those before it succeed."""
    *first, last = commands_of(section.wrong, example_folder)
    for command in first:
        assert perform(command, capsys)[0] == 0
    if section.code == "folder-not-empty":
        build_page(monkeypatch, tmp_path / "page")
    if section.code in FAULTS:
        FAULTS[section.code](monkeypatch)
    code, printed = perform(last, capsys)
    expected = 2 if section.code == "wrong-limit" else int(section.severity in ("error", "note"))
    assert code == expected, printed
    assert last.shown
    assert section.code == "wrong-limit" or f"[{section.code}]" in last.shown[0]
    starts = [i for i, line in enumerate(printed) if is_shown(last.shown[0], line)]
    assert starts, printed
    there = printed[starts[0] : starts[0] + len(last.shown)]
    assert [s for s, line in zip(last.shown, there, strict=True) if not is_shown(s, line)] == []


@pytest.mark.parametrize("section", [marked(s) for s in of_kind("console")], ids=code_of)
def test_right_command(
    section: Section,
    example_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The right commands succeed."""
    if section.code == "broken-plugin":
        install_package(monkeypatch)
    if section.code == "folder-not-empty":
        build_page(monkeypatch, tmp_path / "page")
    for command in commands_of(section.right, example_folder):
        code, printed = perform(command, capsys)
        assert code == 0, printed
        assert "error[" not in "".join(printed)
        assert command.shown == []


# ---- the page


def test_every_code_is_documented() -> None:
    """The page has a section on each code that the package raises, and on no other."""
    raised = codes_raised()
    missing = {code: raised[code] for code in set(raised) - set(SECTIONS)}
    assert missing == {}, "docs/diagnostics.md has no section on them"
    assert set(SECTIONS) - set(raised) == set(), "nothing raises them"
    assert len(re.findall("^### ", TEXT, re.MULTILINE)) == len(SECTIONS)


def test_every_code_has_examples() -> None:
    """Each section has a wrong and a right example, except for those that no test can run."""
    without = {code for code, s in SECTIONS.items() if not (s.wrong and s.right)}
    assert without == set(WITHOUT)
    assert [s for s in SECTIONS.values() if bool(s.wrong) != bool(s.right)] == []
    of_both = len(of_kind("net")) + len(of_kind("console"))
    assert of_both + len(without) == len(SECTIONS)


def test_every_summary_is_short() -> None:
    """The first sentence of a section fits into the list of codes."""
    for section in SECTIONS.values():
        assert section.summary.endswith("."), section.code
        assert len(section.summary) <= 120, section.code


def test_table_of_contents() -> None:
    """The page begins with links to its groups and codes, in their order."""
    groups = re.findall("^## (.+)$", TEXT, re.MULTILINE)
    assert re.findall(r"^- \[([^`]+?)\]\(#[\w-]+\)", TEXT, re.MULTILINE) == groups
    codes = re.findall(r"\[`([a-z-]+)`\]\(#\1\)", TEXT[: TEXT.index("\n## ")])
    assert codes == list(SECTIONS)
