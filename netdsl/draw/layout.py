"""DOT text as SVG, PNG, PDF or JSON, by a program of the Graphviz family.

`graphviz-pure` is installed with netdsl, and writes the same bytes on every machine. It cannot
write PDF: `dot`, which is part of Graphviz, writes it, and everything else on request.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path
from shutil import which

from netdsl.draw.metrics import text_width
from netdsl.errors import NetdslError

PURE, DOT = "graphviz-pure", "dot"
_CEILING = re.compile(r"⌈\(?(?P<open>[^⌈⌉()]*?)(?P<constant>[+-]\d+)?\)?/(?P<divisor>\d+)⌉")
_SIGNS = re.compile(
    r'(?P<before><text [^>]*text-anchor="start" x=")(?P<x>[^"]*)'
    r'(?P<after>"[^>]*font-size="(?P<size>[^"]*)"[^>]*>)(?P<words>[^<]*[⌈⌊][^<]*)'
)
_BRACKETS = str.maketrans("⌊⌋", "[]")
_INSTALL = {
    PURE: "install it with `pip install graphviz-pure`, or draw with Graphviz: `--program dot`;"
    " `-o net.dot` and `-o net.mmd` write text and need neither",
    DOT: "install Graphviz: `sudo apt install graphviz` (Debian, Ubuntu), `brew install graphviz`"
    " (macOS), `winget install Graphviz.Graphviz` (Windows, then add its bin folder to PATH); `-o"
    " net.svg` and `-o net.png` do not need it",
}


def render(
    text: str, form: str, seconds: float | None = None, program: str = "", dpi: int = 0
) -> bytes:
    """DOT text as svg, png, pdf or json.

    The `program` is `graphviz-pure`, or `dot` for PDF, unless another of the two is named. Raises
    `NetdslError` if it is not installed or fails, or needs more than so many `seconds`.
    """
    if not program:
        program = DOT if form == "pdf" else PURE
    if form == "pdf" and program == PURE:
        message = f"`{PURE}` cannot write PDF"
        raise NetdslError("graphviz-failed", message, help="leave out `--program`, or write .svg")
    if form == "png" and program == PURE:
        text = with_brackets(text)
    command = [_path_of(program), f"-T{form}"]
    if dpi:
        command.append(f"-Gdpi={dpi}")
    try:
        done = subprocess.run(
            command, input=text.encode("utf-8"), capture_output=True, check=True, timeout=seconds
        )
    except FileNotFoundError:
        message = f"the program `{program}` is not installed"
        raise NetdslError("graphviz-missing", message, help=_INSTALL[program]) from None
    except subprocess.CalledProcessError as error:
        output = error.stderr.decode("utf-8", "replace").strip()
        raise _failure(program, output or f"exit code {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise _failure(program, f"it has not finished after {seconds:g} seconds") from None
    if form == "pdf":
        return _undated(done.stdout)
    if form == "svg" and program == PURE:
        return _SIGNS.sub(_centred, done.stdout.decode("utf-8")).encode("utf-8")
    return done.stdout


def _centred(text: re.Match[str]) -> str:
    """A line of text in the middle of its box.

    `graphviz-pure` takes a rounding sign for three spaces, and so begins the line too far left.
    """
    signs = sum(text["words"].count(sign) for sign in "⌈⌉⌊⌋")
    shift = signs * float(text["size"]) * (3 * text_width(" ", 1) - text_width("⌈", 1)) / 2
    return f"{text['before']}{float(text['x']) + shift:.2f}{text['after']}{text['words']}"


def with_brackets(text: str) -> str:
    """A text with `[(H+1)/2]` in place of rounding signs, which the font for PNG lacks.

    As in Gauss's notation, brackets round down.
    """
    return _CEILING.sub(_as_floor, text).translate(_BRACKETS)


def _as_floor(ceiling: re.Match[str]) -> str:
    """The ceiling of n / k is the floor of (n + k - 1) / k."""
    constant = int(ceiling["constant"] or 0) + int(ceiling["divisor"]) - 1
    numerator = ceiling["open"]
    if constant:
        numerator = f"({numerator}{constant:+d})"
    return f"[{numerator}/{ceiling['divisor']}]"


def _path_of(program: str) -> str:
    """The path of a program; pip installs `graphviz-pure` beside Python, which PATH may lack."""
    if program == PURE:
        folders = [sysconfig.get_path("scripts")]
        user = sysconfig.get_preferred_scheme("user")
        folders.append(sysconfig.get_path("scripts", user))
        for folder in folders:
            found = which(program, path=folder)
            if found:
                return found
    return which(program) or str(Path(program))


def _failure(program: str, reason: str) -> NetdslError:
    message = f"`{program}` cannot draw this picture: {reason}"
    help_ = "fold blocks (`--depth N`, in Python `depth=N`), or write .svg"
    return NetdslError("graphviz-failed", message, help=help_)


def _undated(pdf: bytes) -> bytes:
    """The PDF with a fixed date in place of the present time, which cairo writes into it."""
    return re.sub(
        rb"/CreationDate \([^)]*\)",
        lambda match: b"/CreationDate (D:20000101000000Z)".ljust(len(match[0])),
        pdf,
    )
