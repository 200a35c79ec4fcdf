"""Reads the catalogue of wrong programs: the pages of this folder, which also have the diagnostics.

A block with the info string `net` is a whole file. `net 3x8x8` is the body of a net whose input
`image` has that shape, and `net file other.net` is a file beside the next block. Carets, the code
and the message are below the wrong line, and `= ` with the help is below them. `! [code] message`
is a diagnostic without a place. `python -m tests.wrong` updates the diagnostics; read the diff.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from netdsl.cli import run

FOLDER = Path(__file__).parent
_BLOCK = re.compile(r"^```net ?(?P<head>.*)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)
_MARK = re.compile(r"^(?P<lead> *)(?P<carets>\^+|!) \[(?P<code>[a-z-]+)\] (?P<message>.*)$")
_HELP = re.compile(r"^ *= (?P<help>.*)$")

# Checks the files named on standard input, and prints the heavy modules that this loaded.
RUNNER = """
import contextlib, io, json, sys
from netdsl.cli import run
for path in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        run(["check", path, "--format", "json"])
print(json.dumps(sorted(m for m in ("torch", "onnxruntime", "onnx", "numpy") if m in sys.modules)))
"""


class Finding(NamedTuple):
    """A diagnostic: its place, code, message and help."""

    line: int | None
    column: int | None
    length: int
    code: str
    message: str
    help: str


@dataclass
class Case:
    """A wrong program of the catalogue."""

    file: str
    title: str
    head: str
    lines: list[str] = field(default_factory=list)
    wanted: list[Finding] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the test."""
        return f"{self.file}: {self.title}"

    @property
    def text(self) -> str:
        """The whole program."""
        if not self.head:
            return "\n".join(self.lines) + "\n"
        return (
            f"net N {{\n    input image: {self.head}\n"
            + "".join(f"    {line}\n" for line in self.lines)
            + "}\n"
        )

    @property
    def offset(self) -> tuple[int, int]:
        """The lines and columns to add to those of the block for those of the program."""
        return (2, 4) if self.head else (0, 0)

    @property
    def kinds(self) -> set[tuple[str, str]]:
        """The codes and messages, without numbers: other numbers are not another kind."""
        return {(w.code, re.sub(r"\d+(?:[x,.]\d+)*", "#", w.message)) for w in self.wanted}


def read(text: str, file: str) -> list[Case]:
    """The cases of one page."""
    cases: list[Case] = []
    beside: dict[str, str] = {}
    for match in _BLOCK.finditer(text):
        head = match["head"].strip()
        if head.startswith("file "):
            beside[head.removeprefix("file ")] = match["text"]
            continue
        titles = re.findall(r"^## (.+)$", text[: match.start()], re.MULTILINE)
        case = Case(file, titles[-1], head, beside=beside)
        for line in match["text"].splitlines():
            _take(case, line)
        cases.append(case)
        beside = {}
    return cases


def _take(case: Case, line: str) -> None:
    mark, advice = _MARK.match(line), _HELP.match(line)
    if mark is not None:
        down, right = case.offset
        placed = mark["carets"] != "!"
        line_, column = (
            (len(case.lines) + down, len(mark["lead"]) + 1 + right) if placed else (None, None)
        )
        case.wanted.append(
            Finding(
                line_,
                column,
                len(mark["carets"]) if placed else 0,
                mark["code"],
                mark["message"],
                "",
            )
        )
    elif advice is not None and case.wanted:
        case.wanted[-1] = case.wanted[-1]._replace(help=advice["help"])
    else:
        case.lines.append(line)


def load() -> list[Case]:
    """Every case of the catalogue."""
    return [
        case
        for page in sorted(FOLDER.glob("*.md"))
        for case in read(page.read_text(encoding="utf-8"), page.stem)
    ]


def written(case: Case, folder: Path) -> str:
    """Write the program and the files beside it into a folder, and return its path."""
    for name, text in {**case.beside, "n.net": case.text}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder / "n.net")


def check(case: Case, folder: Path) -> tuple[int, list[Finding], str]:
    """The exit code, diagnostics and standard error of `check` for a case."""
    path, out, err = written(case, folder), io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["check", path, "--format", "json"])
    return (
        code,
        [_finding(d, path) for d in json.loads(out.getvalue())["diagnostics"]],
        err.getvalue(),
    )


def heavy_modules(cases: list[Case], folder: Path) -> list[str]:
    """The heavy modules that are loaded when all the cases are checked in one process."""
    paths = [written(case, folder / str(i)) for i, case in enumerate(cases)]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
    )
    return [str(name) for name in json.loads(done.stdout)]


def _finding(diagnostic: dict[str, object], path: str) -> Finding:
    folder = path.removesuffix("n.net")
    message, advice = (str(diagnostic[k] or "").replace(folder, "") for k in ("message", "help"))
    line, column, end_line, end = (
        diagnostic[k] for k in ("line", "column", "end_line", "end_column")
    )
    if line is None or column is None:
        return Finding(None, None, 0, str(diagnostic["code"]), message, advice)
    lines = Path(str(diagnostic["file"])).read_text(encoding="utf-8-sig").split("\n")
    text = lines[int(str(line)) - 1]
    length = (int(str(end)) if end_line == line else len(text) + 1) - int(str(column))
    return Finding(
        int(str(line)), int(str(column)), max(1, length), str(diagnostic["code"]), message, advice
    )


def _marked(case: Case, findings: list[Finding]) -> str:
    """The text of the block, with its diagnostics."""
    down, right = case.offset
    last = down + len(case.lines)
    stray = [f for f in findings if f.line is not None and not down < f.line <= last]
    if stray or not findings:
        raise SystemExit(f"{case.name}: {stray or 'no diagnostic'}; write it as a whole file")
    lines: list[str] = []
    for number, line in enumerate([*case.lines, None], start=1):
        if line is not None:
            lines.append(line)
        for finding in findings:
            placed = finding.line is not None and finding.column is not None
            if (placed and line is not None and finding.line == number + down) or (
                not placed and line is None
            ):
                lead = " " * ((finding.column or 1) - 1 - right)
                marks = "^" * finding.length or "!"
                lines.append(f"{lead}{marks} [{finding.code}] {finding.message}")
                lines += [f"{lead}= {finding.help}"] if finding.help else []
    return "\n".join(lines) + "\n"


def accept() -> None:
    """Write the diagnostics of the compiler into the pages."""
    for page in sorted(FOLDER.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        cases = read(text, page.stem)
        with tempfile.TemporaryDirectory() as folder:
            checked = iter([(c, check(c, Path(folder) / str(i))[1]) for i, c in enumerate(cases)])

        def block(match: re.Match[str], checked: object = checked) -> str:
            if match["head"].startswith("file "):
                return match[0]
            return f"```net {match['head']}".rstrip() + "\n" + _marked(*next(checked)) + "```"  # type: ignore[call-overload]

        page.write_text(_BLOCK.sub(block, text), encoding="utf-8")
