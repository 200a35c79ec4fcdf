"""`netdsl fmt` on files, folders and standard input; permissions, links and line breaks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from netdsl.cli import run
from netdsl.library import resource

LIBRARY = Path(resource("nets"))


def write(path: Path, data: bytes) -> Path:
    """Write a file, and the folders above it if they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_files_are_rewritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only files that change are written and named; they keep their permissions.

    No other file stays in the folder.
    """
    ugly = write(tmp_path / "a.net", b"net A{relu}")
    ugly.chmod(0o640)
    formatted = write(tmp_path / "b.net", b"net B { relu }\n")
    os.utime(formatted, (1, 1))
    assert run(["fmt", str(ugly), str(formatted)]) == 0
    assert ugly.read_bytes() == b"net A { relu }\n"
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o640
    assert formatted.stat().st_mtime == 1
    assert capsys.readouterr().out == f"formatted {ugly}\n"
    assert sorted(os.listdir(tmp_path)) == ["a.net", "b.net"]


def test_a_copy_of_a_file_of_the_library(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `-o`, a name of the library gives a text of the user's own; without, it is refused."""
    assert run(["fmt", "lenet5", "-o", "my.net"]) == 0
    assert capsys.readouterr().out == "my.net: lenet5 in the canonical layout\n"
    assert (folder / "my.net").read_bytes() == (LIBRARY / "lenet5.net").read_bytes()
    assert run(["fmt", "lenet5"]) == 1
    assert "`netdsl fmt lenet5 -o lenet5.net` writes a copy of it" in capsys.readouterr().err
    assert run(["check", "lenet5", "--input", "1x36x36"]) == 1
    error = capsys.readouterr().err
    assert "`netdsl fmt lenet5 -o my.net` writes a copy of nets/lenet5.net" in error
    assert "in which you can write `input image: 1x36x36`" in error


def test_check_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` writes nothing and names each file that would change, with its first such line."""
    ugly = write(tmp_path / "a.net", b"net A {\n  relu\n}\n")
    formatted = write(tmp_path / "b.net", b"net B { relu }\n")
    assert run(["fmt", "--check", str(formatted)]) == 0
    assert run(["fmt", "--check", str(ugly), str(formatted)]) == 1
    assert ugly.read_bytes() == b"net A {\n  relu\n}\n"
    error = capsys.readouterr().err
    assert "error[not-formatted]" in error
    assert f"{ugly}:2:1" in error
    assert str(formatted) not in error


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbfnet A { relu }\n", b"net A { relu }\n"),
        (b"net A {\r\n\trelu\r\n\r\n\r\n}\r\n", b"net A {\r\n    relu\r\n}\r\n"),
        (b"net A {\n relu\r\n}", b"net A {\n    relu\n}\n"),
        (b"# a\r\nnet A { relu }# \xc3\xbc\t\r\n", b"# a\r\nnet A { relu }  # \xc3\xbc\r\n"),
    ],
)
def test_bytes(tmp_path: Path, before: bytes, after: bytes) -> None:
    """The first line break decides the kind of all line breaks; a byte order mark is removed.

    `--check` names the file before it is formatted and not afterwards.
    """
    path = write(tmp_path / "a.net", before)
    assert run(["fmt", "--check", str(path)]) == 1
    assert run(["fmt", str(path)]) == 0
    assert path.read_bytes() == after
    assert run(["fmt", "--check", str(path)]) == 0


def test_folders(tmp_path: Path) -> None:
    """For a folder, the .net files in it and below it are formatted, except hidden ones."""
    paths = [
        write(tmp_path / name, b"net A{relu}")
        for name in ("a.net", "b/c.net", ".d/e.net", "f.txt", ".g.net")
    ]
    assert run(["fmt", str(tmp_path)]) == 0
    assert [len(p.read_bytes()) for p in paths] == [15, 15, 11, 11, 11]


def test_errors_leave_files_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with errors is reported and not changed; the other files are formatted."""
    wrong = write(tmp_path / "a.net", b"net A{conv(}")
    labels = write(tmp_path / "b.net", b"net A{a: b: relu}")
    other = write(tmp_path / "c.net", b"net A{relu}")
    binary = write(tmp_path / "d.net", b"\xff\xfe\x00")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (
        run(
            [
                "fmt",
                str(tmp_path / "none.net"),
                str(empty),
                str(wrong),
                str(labels),
                str(binary),
                str(other),
            ]
        )
        == 1
    )
    error = capsys.readouterr().err
    assert [
        code
        for code in ("file-not-found", "syntax-error", "two-labels", "not-text")
        if f"error[{code}]" not in error
    ] == []
    assert wrong.read_bytes() == b"net A{conv(}"
    assert labels.read_bytes() == b"net A{a: b: relu}"
    assert other.read_bytes() == b"net A { relu }\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file that a link leads to is rewritten, and the link stays."""
    path = write(tmp_path / "real" / "a.net", b"net A{relu}")
    link = tmp_path / "b.net"
    link.symlink_to(path)
    assert run(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert path.read_bytes() == b"net A { relu }\n"


def test_a_read_only_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A read-only file is not changed, although its folder would allow us to replace it."""
    path = write(tmp_path / "a.net", b"net A{relu}")
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    assert run(["fmt", str(path)]) == 1
    assert "cannot-write" in capsys.readouterr().err
    assert path.read_bytes() == b"net A{relu}"


def test_standard_input() -> None:
    """`-` formats standard input to standard output; with `--check` it only reports a change."""
    command = [sys.executable, "-m", "netdsl", "fmt", "-"]
    formatted = subprocess.run(
        command, input=b"net A{relu}# \xc3\xbc\r\n", capture_output=True, check=True
    )
    assert (formatted.stdout, formatted.stderr) == (b"net A { relu }  # \xc3\xbc\r\n", b"")
    checked = subprocess.run(
        [*command, "--check"], input=b"net A{relu}", capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (1, b"")
    assert b"<stdin>:1:1" in checked.stderr


def test_fmt_loads_little() -> None:
    """`fmt` imports neither torch nor onnx nor numpy, nor rich, which prints tables."""
    probe = (
        "import sys\nfrom netdsl.cli import run\nassert run(['fmt', '--check', sys.argv[1]]) =="
        " 0\nprint(*sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", probe, str(LIBRARY / "lenet5.net")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {m.split(".")[0] for m in process.stdout.split()} & {
        "torch",
        "onnx",
        "onnxruntime",
        "numpy",
        "rich",
    }


# ---- --diff

UGLY = {
    "a.net": b"net A{relu}",
    "b.net": b"net B { relu }\n",
    "sub/c.net": b"\xef\xbb\xbfnet C {\r\n  relu # \xe2\x80\xa8 one line\r\n}\r\n",
}


def test_diff_can_be_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`patch` makes of each file what `fmt` makes of it, also of its line breaks and marks; the
    files themselves stay, and the exit code tells whether anything would change.
    """
    monkeypatch.chdir(tmp_path)
    for name, data in UGLY.items():
        write(tmp_path / name, data)
    assert run(["fmt", "--diff", "."]) == 1
    made, errors = capfd.readouterr()
    assert errors == ""
    assert {name: (tmp_path / name).read_bytes() for name in UGLY} == UGLY
    assert [line for line in made.splitlines() if line.startswith("--- ")] == [
        "--- a.net",
        "--- sub/c.net",
    ]
    subprocess.run(["patch", "-p0", "--binary"], input=made.encode(), check=True)
    assert run(["fmt", "--check", "."]) == 0
    assert run(["fmt", "--diff", "."]) == 0
    assert (tmp_path / "a.net").read_bytes() == b"net A { relu }\n"


def test_diff_of_standard_input_and_wrong_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file with errors is reported as ever, and the others are compared."""
    wrong = write(tmp_path / "a.net", b"net A{conv(}")
    ugly = write(tmp_path / "b.net", b"net B{relu}\n")
    assert run(["fmt", "--diff", str(wrong), str(ugly)]) == 1
    said = capsys.readouterr()
    assert said.out == f"--- {ugly}\n+++ {ugly}\n@@ -1 +1 @@\n-net B{{relu}}\n+net B {{ relu }}\n"
    assert "error[syntax-error]" in said.err
    command = [sys.executable, "-m", "netdsl", "fmt", "--diff", "-"]
    done = subprocess.run(command, input=b"net A{relu}", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith(b"--- <stdin>\n+++ <stdin>\n")
    assert b"-net A{relu}\n\\ No newline at end of file\n" in done.stdout


def test_diff_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Together they print the changes, and report the files that would change."""
    ugly = write(tmp_path / "b.net", b"net B{relu}\n")
    assert run(["fmt", "--diff", "--check", str(ugly)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("--- ")
    assert "error[not-formatted]" in said.err
