"""Too little memory, and worker processes that crash."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import NETDSL
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
@pytest.mark.parametrize(
    "command",
    [
        "verify t.net",
        "train t.net",
        "run m.onnx one.npy",
        "bench m.onnx",
        "test t.net --weights w.pt",
    ],
)
@pytest.mark.parametrize("kilobytes", [150_000, 400_000, 600_000])
def test_too_little_address_space(model_folder: Path, command: str, kilobytes: int) -> None:
    """Too little address space gives neither a traceback nor an internal error.

    An import of PyTorch may abort in the C library, which only another process can report.
    """
    (model_folder / "t.net").write_text(TINY)
    (model_folder / "w.pt").touch()
    process = subprocess.run(
        ["bash", "-c", f"ulimit -v {kilobytes}; {NETDSL} {command}"],
        cwd=model_folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode in (0, 1, 130)
    assert "Traceback" not in process.stderr
    assert "internal-error" not in process.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a parent watches")
@pytest.mark.parametrize(
    ("death", "code", "text"),
    [
        ("os.abort()", 70, "crash: the process was ended by SIGABRT"),
        ("os.kill(os.getpid(), 11)", 70, "crash: the process was ended by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", 1, "error[killed]: the system ended the process with SIGKILL"),
        ("os._exit(3)", 3, ""),
        ("os._exit(127)", 70, "crash: the system could not load a library"),
    ],
)
def test_a_crash_is_reported_by_the_parent(
    tmp_path: Path, death: str, code: int, text: str
) -> None:
    """The parent reports a crash of the worker, and the log has the worker's Python stack."""
    script = f"""
import os
from netdsl import cli
from netdsl.commands import draw
def dies(arguments):
    {death}
draw.run = dies
cli.main(["draw", "x", "-o", "x.dot"])
"""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    assert (process.returncode, text in process.stderr) == (code, True)
    if code == 70:
        (log,) = tmp_path.rglob("*.txt")
        assert ("in dies" in log.read_text()) == ("_exit" not in death)


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a parent watches")
def test_a_library_that_does_not_fit_into_memory(tmp_path: Path) -> None:
    """If the loader of libraries exits with 127 under a memory limit, the limit is reported."""
    script = """
import os
from netdsl import cli
from netdsl.commands import draw
draw.run = lambda arguments: os._exit(127)
cli.main(["draw", "x", "-o", "x.dot"])
"""
    command = f"ulimit -v 4000000; {sys.executable} -c '{script}'"
    process = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    message = (
        "error[out-of-memory]: there is not enough memory: the system could not load a library\n"
    )
    assert process.stderr.startswith(message)
