"""`netdsl check` of several files and folders: one report about all of them."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from netdsl.cli import run
from netdsl.diagnostics import MAX_ERRORS
from netdsl.library import library_file
from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "net {} {{\n    input x: 3x8x8\n    conv(4, 3)\n    expect params == 112\n}}\n"
WRONG = "net Wrong {\n    input x: 3x8x8\n    convv(4, 3)\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with valid and wrong files, hidden ones and other files."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "b.net": GOOD.format("B"),
        "nets/z.net": WRONG,
        "nets/a.net": GOOD.format("A1") + GOOD.format("A2"),
        "nets/deep/c.net": GOOD.format("C"),
        "nets/notes.txt": "no net",
        "nets/.hidden.net": WRONG,
        "nets/.git/d.net": WRONG,
        "nets/blocks.net": "block Pair() { relu -> relu }\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    return tmp_path


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The one JSON document that `check` prints; nothing is on standard error."""
    out, err = run_command(capsys, "check", *words, code=code)
    assert err == ""
    made: dict[str, Any] = json.loads(out)
    return made


def test_files_folders_and_nets_of_the_library(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One document has the nets of all, in the order of the command line and then of the names;
    hidden files and folders are left out, and each file is read once.
    """
    names = ("b.net", "nets", "./nets/a.net", "lenet5:LeNet5")
    made = document(capsys, *names, "--format", "json", code=1)
    assert [(net["file"], net["name"]) for net in made["nets"]] == [
        ("b.net", "B"),
        ("nets/a.net", "A1"),
        ("nets/a.net", "A2"),
        ("nets/deep/c.net", "C"),
        ("nets/lenet5.net", "LeNet5"),
    ]
    assert [(d["file"], d["code"]) for d in made["diagnostics"]] == [
        ("nets/z.net", "unknown-layer")
    ]


def test_a_file_with_several_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is checked once: by its name in the library, its path, a link, and for one net."""
    shipped = library_file("lenet5")
    assert shipped is not None
    (folder / "link.net").symlink_to(folder / "b.net")
    names = ("lenet5", shipped, "lenet5:LeNet5", "b.net", "link.net", str(folder / "b.net"))
    made = document(capsys, *names, "--format", "json")
    assert [net["name"] for net in made["nets"]] == ["LeNet5", "LeNet5Original", "B"]
    assert run_command(capsys, "check", *names)[0].endswith("\n3 nets in 2 files: no errors\n")
    one = document(capsys, "lenet5:LeNet5", f"{shipped}:LeNet5", "--format", "json")
    assert [net["name"] for net in one["nets"]] == ["LeNet5"]


def test_text_has_a_line_for_each_net(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names of the table can be copied; the errors follow, and the last line counts."""
    out, err = run_command(capsys, "check", ".", code=1)
    lines = out.splitlines()
    assert lines[0].split() == ["net", "output", "params", "MACs", "depth"]
    assert [line.split()[0] for line in lines[2:6]] == [
        "b.net:B",
        "nets/a.net:A1",
        "nets/a.net:A2",
        "nets/deep/c.net:C",
    ]
    assert lines[6:] == ["", "5 nets in 5 files: 1 error"]
    assert err.startswith("error[unknown-layer]")
    assert " --> nets/z.net:3:5\n" in err


def test_valid_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and a last line without errors; a file that has only blocks is valid."""
    out, err = run_command(capsys, "check", "b.net", "nets/a.net", "nets/blocks.net")
    assert out.splitlines()[-1] == "3 nets in 3 files: no errors"
    assert err == ""


@pytest.mark.parametrize("option", ["--depth=1", "--show=units", "--columns=kind", "--only=conv"])
def test_options_of_the_table_ask_for_tables(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """Each table is headed by the file and the net."""
    out, _ = run_command(capsys, "check", "b.net", "nets/deep", option)
    heads = [line for line in out.splitlines() if "input" not in line and "  x 3x8x8" in line]
    assert heads == ["b.net:B  x 3x8x8", "nets/deep/c.net:C  x 3x8x8"]
    assert out.splitlines()[-1] == "2 nets in 2 files: no errors"


def test_depth_0_of_several_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the same as no option at all."""
    assert run_command(capsys, "check", "b.net", "nets/deep", "--depth", "0") == run_command(
        capsys, "check", "b.net", "nets/deep"
    )


def test_files_that_cannot_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is a diagnostic that names its file, and the others are checked."""
    (folder / "nets" / "binary.net").write_bytes(b"\xff\xfe")
    os.mkfifo(folder / "nets" / "pipe.net")
    names = ("none.net", "empty", "nets", "b.net:None", "b.net")
    made = document(capsys, *names, "--format", "json", code=1)
    assert [net["name"] for net in made["nets"]] == ["A1", "A2", "C", "B"]
    assert [(d["file"], d["code"]) for d in made["diagnostics"]] == [
        ("none.net", "file-not-found"),
        ("empty", "file-not-found"),
        ("nets/binary.net", "not-text"),
        ("nets/pipe.net", "not-a-file"),
        ("nets/z.net", "unknown-layer"),
        ("b.net", "unknown-net"),
    ]


def test_a_folder_that_cannot_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files would be missing without a word."""
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    _, err = run_command(capsys, "check", "nets", code=1)
    assert "error[cannot-read]: nets/deep: Permission denied\n" in err


def test_a_folder_without_nets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is an error, because nothing was checked."""
    out, err = run_command(capsys, "check", "empty", code=1)
    assert err.startswith("error[file-not-found]: there is no .net file in `empty`\n\n")
    assert out == "0 nets in 0 files: 1 error\n"


def test_a_folder_with_the_name_of_a_library_net(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name alone means the library, and with a slash it means the folder."""
    (folder / "lenet5").mkdir()
    (folder / "lenet5" / "own.net").write_text(GOOD.format("Own"), encoding="utf-8")
    assert document(capsys, "lenet5", "--format", "json")["nets"][0]["name"] == "LeNet5"
    assert document(capsys, "lenet5/", "--format", "json")["nets"][0]["name"] == "Own"


def test_files_that_others_import(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder, a file without a net that can be built is valid; named itself, it is not."""
    (folder / "lib").mkdir()
    (folder / "lib" / "sizes.net").write_text("let size = 3\n", encoding="utf-8")
    family = "net Family(width) {\n    input x: 3\n    dense(width)\n}\n"
    (folder / "lib" / "family.net").write_text(family, encoding="utf-8")
    member = 'import "family.net"\nimport "sizes.net"\nnet Member = Family(size)\n'
    (folder / "lib" / "member.net").write_text(member, encoding="utf-8")
    made = document(capsys, "lib", "--format", "json")
    assert [net["name"] for net in made["nets"]] == ["Member"]
    made = document(capsys, "lib/sizes.net", "lib/family.net", "--format", "json", code=1)
    assert [d["code"] for d in made["diagnostics"]] == ["no-net", "missing-argument"]


def test_what_another_file_uses_is_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A block or `let` that only an importer uses causes no warning if both files are checked."""
    (folder / "lib").mkdir()
    lib = "let size = 3\nlet other = 4\nblock Pair(n) {\n    conv(n, 1)\n    relu\n}\n"
    (folder / "lib" / "z.net").write_text(lib + GOOD.format("Z"), encoding="utf-8")
    user = 'import "z.net"\nnet U {\n    input x: 3x8x8\n    Pair(size)\n}\n'
    (folder / "lib" / "u.net").write_text(user, encoding="utf-8")
    found = document(capsys, "lib", "--format", "json")["diagnostics"]
    assert [(d["code"], d["severity"], d["line"]) for d in found] == [("unused-let", "warning", 2)]
    found = document(capsys, "lib/z.net", "--format", "json")["diagnostics"]
    assert [d["line"] for d in found] == [1, 2, 3]


def test_warnings_of_several_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are counted in the last line, and `--deny warnings` makes the exit code 1.

    With `-q`, only failures are printed, without the line that tells how to explain them.
    """
    text = "net T {\n    input x: 3x8x8\n    relu\n    relu\n}\n"
    (folder / "t.net").write_text(text, encoding="utf-8")
    out, _ = run_command(capsys, "check", "t.net", "b.net")
    assert out.splitlines()[-1] == "2 nets in 2 files: 1 warning"
    out, err = run_command(capsys, "check", "t.net", "b.net", "--deny", "warnings", code=1)
    assert out.splitlines()[-1] == "2 nets in 2 files: 1 warning"
    assert run_command(capsys, "check", "t.net", "b.net", "-q") == ("", "")
    words = ("t.net", "b.net", "-q", "--deny", "warnings")
    out, quiet = run_command(capsys, "check", *words, code=1)
    assert out == ""
    assert err == f"{quiet}\n`netdsl explain double-activation` explains this warning\n"


def test_a_wrong_import_is_reported_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files that import a wrong one, and the wrong file itself, share one error."""
    (folder / "lib").mkdir()
    (folder / "lib" / "wrong.net").write_text("let size = sizes\n", encoding="utf-8")
    for name in ("a", "b"):
        text = 'import "wrong.net"\n' + GOOD.format(name.upper())
        (folder / "lib" / f"{name}.net").write_text(text, encoding="utf-8")
    (one,) = document(capsys, "lib", "--format", "json", code=1)["diagnostics"]
    assert (one["code"], one["file"]) == ("unknown-name", "lib/wrong.net")


def test_each_file_has_its_own_limit_of_errors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The errors of one file do not hide those of another, and the note names its file."""
    many = "net N {\n    input x: 3x8x8\n" + "    convv(4, 3)\n" * 2 * MAX_ERRORS + "}\n"
    (folder / "many.net").write_text(many, encoding="utf-8")
    (folder / "more.net").write_text(many, encoding="utf-8")
    found = document(capsys, "many.net", "more.net", "nets", "--format", "json", code=1)[
        "diagnostics"
    ]
    errors = [d["file"] for d in found if d["severity"] == "error"]
    assert [errors.count(f) for f in ("many.net", "more.net", "nets/z.net")] == [100, 100, 1]
    notes = [d["file"] for d in found if d["code"] == "too-many-errors"]
    assert notes == ["many.net", "more.net"]
    _, err = run_command(capsys, "check", "many.net", "more.net", code=1)
    assert f"note[too-many-errors]: stopped after {MAX_ERRORS} errors\n --> more.net\n" in err


def test_github_annotates_all_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also those that have no line."""
    out, _ = run_command(capsys, "check", "nets", "none.net", "--format", "github", code=1)
    assert [line.partition(",")[0] for line in out.splitlines()] == [
        "::error file=nets/z.net",
        "::error file=none.net",
    ]


def test_sarif_has_one_run_with_relative_addresses(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """GitHub shows a finding at a file only if its address is relative to the repository; a file
    elsewhere has an absolute address.
    """
    (folder / "work dir").mkdir()
    (folder / "work dir" / "w.net").write_text(WRONG, encoding="utf-8")
    os.chdir(folder / "work dir")
    names = ("./w.net", str(folder / "nets" / "z.net"), "../none.net", "no.net")
    out, _ = run_command(capsys, "check", *names, "--format", "sarif", code=1)
    (one,) = json.loads(out)["runs"]
    places = [r["locations"][0]["physicalLocation"] for r in one["results"]]
    assert [p["artifactLocation"]["uri"] for p in places] == [
        "w.net",
        (folder / "nets" / "z.net").as_uri(),
        (folder / "none.net").as_uri(),
        "no.net",
    ]
    assert ["region" in p for p in places] == [True, True, False, False]
    os.chdir(folder)
    out, _ = run_command(capsys, "check", str(folder / "work dir"), "--format", "sarif", code=1)
    assert '"uri": "work%20dir/w.net"' in out


def test_a_file_on_standard_input_among_others(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` can be named once more than it can be read."""
    stdin = io.TextIOWrapper(io.BytesIO(GOOD.format("Given").encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    made = document(capsys, "-", "b.net", "-", "--format", "json")
    assert [net["name"] for net in made["nets"]] == ["Given", "B"]


def test_only_of_several_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A kind that one file has is enough."""
    (folder / "r.net").write_text("net R {\n    input x: 3\n    relu\n}\n", encoding="utf-8")
    assert run(["check", "r.net", "b.net", "--only", "relu"]) == 0
    assert run(["check", "r.net", "b.net", "--only", "dense"]) == 2


def test_a_name_without_its_suffix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The help has the whole name of the file, and not the list of the library."""
    assert "help: write `b.net`\n" in run_command(capsys, "check", "b", code=1)[1]


def test_a_net_on_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `--`, `-:NET` is one of the nets on standard input."""
    text = GOOD.format("One") + GOOD.format("Two")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    table, errors = run_command(capsys, "check", "--", "-:Two")
    assert "Two" in table
    assert "One" not in table
    assert errors == ""
