"""The C library keeps the memory of a training process."""

import platform
import subprocess
import sys

import pytest

from netdsl.cli import run
from netdsl.commands import train

PROGRAM = """
import resource, sys
from netdsl.process.heap import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def step():
    blocks = [bytearray(2**22) for _ in range(8)]
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the parameter")
def test_freed_blocks_are_used_again() -> None:
    """Blocks that are allocated again in every step cost no page faults."""

    def faults(mode: str) -> int:
        command = [sys.executable, "-c", PROGRAM, mode]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert faults("given back") > 1000
    assert faults("kept") < 100


def test_training_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """`netdsl train` asks for it before anything else."""
    calls: list[bool] = []
    monkeypatch.setattr(train, "keep_freed_memory", lambda: calls.append(True))
    assert run(["train", "missing.net"]) == 1
    assert calls == [True]
