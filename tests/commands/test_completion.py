"""Completion in real shells: what a user types, and what the shell makes of it."""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from netdsl.analysis.figures import SHOW
from netdsl.cli import run
from netdsl.commands.completion import COMPLETERS
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 60  # seconds for an answer of the shell
KEY = "\t"
CLEAR = "\x15\n"  # empties the line, and asks for a new prompt
STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SETTINGS = {
    "bash": "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'",
    "zsh": "autoload -U compinit; compinit -u -D; unsetopt beep zle_bracketed_paste prompt_sp",
}


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.screen = ""
        self.master, slave = pty.openpty()
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "HOME": str(folder),
            "TERM": "dumb",
            "COLUMNS": "200",
        }
        self.process = subprocess.Popen(
            STARTS[name],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.type(f"{SETTINGS[name]}; PS1='R''EADY '\n")
        self.wait_for("READY ")
        self.type(f'eval "$(netdsl completion {name})"; echo DO""NE\n')
        self.wait_for("DONE\r\n")

    def type(self, keys: str) -> None:
        """Send keys to the shell."""
        os.write(self.master, keys.encode())

    def wait_for(self, pattern: str) -> None:
        """Read what the shell shows until it contains the pattern, and forget the text before."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.screen)) is None:
            assert time.monotonic() < end, f"no {pattern!r} in {self.screen!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.screen += os.read(self.master, 1 << 16).decode(errors="replace")
        self.screen = self.screen[found.end() :]

    def close(self) -> None:
        """End the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working folder, with a program `netdsl` and files to complete."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "netdsl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netdsl "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    net = "net {}(width = 3) {{\n    input x: 3\n    dense(width)\n}}\n"
    (tmp_path / "own.net").write_text(net.format("First") + net.format("Second"))
    (tmp_path / "model.onnx").touch()
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "old-runs").mkdir()
    return tmp_path


@pytest.fixture(params=list(STARTS))
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Shell]:
    """A shell that completes netdsl's command lines."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    made = Shell(request.param, folder)
    yield made
    made.close()


# What is typed before the key, and what the shell adds.
ADDED = {
    "netdsl che": "ck ",
    "netdsl check --dep": "th ",
    "netdsl check lenet5 --format j": "son ",
    "netdsl check alexn": "et",
    "netdsl check resnet:ResNet5": "0 ",
    "netdsl draw resnet:ResNet50 -o x.svg --de": "pth ",
    "netdsl draw senet:SEIn": "ception ",
    "netdsl check ow": "n.net",
    "netdsl check own.net:Sec": "ond ",
    "netdsl run mod": "el.onnx ",
    "netdsl check lenet5 own.net -D wi": "dth=",
    "netdsl layers maxp": "ool",
    "netdsl test lenet5 --data fashion_mnist_": "sample ",
    "netdsl help expo": "rt ",
    "netdsl train lenet5 --log tens": "orboard ",
    "netdsl runs --sort be": "st ",
    "netdsl runs old-r": "uns/",
    "netdsl explain shape-m": "ismatch ",
    "netdsl check x --columns kind,wei": "ghts",
}


def test_what_a_shell_completes(shell: Shell) -> None:
    """Commands, options, their values, files and nets, also after a colon, at which bash breaks
    words.
    """
    for typed, added in ADDED.items():
        shell.type(typed)
        shell.wait_for(re.escape(typed.rpartition(" ")[2]))
        shell.type(KEY)
        shell.wait_for(re.escape(added))
        shell.type(CLEAR)
        shell.wait_for("READY ")


def test_what_a_shell_lists(shell: Shell) -> None:
    """Pressed twice, the key lists the nets of a library's file; pictures are no nets."""
    shell.type(f"netdsl check resnet:C{KEY}")
    shell.wait_for("ifarResNet")
    shell.type(KEY + KEY)
    shell.wait_for("CifarResNet110")
    shell.type(CLEAR)
    shell.wait_for("READY ")
    shell.type(f"netdsl check {KEY}{KEY}{KEY}")
    shell.wait_for("own.net")
    time.sleep(0.5)
    assert "photo.jpg" not in shell.screen


def test_layers_of_the_net_that_is_named() -> None:
    """`--layer` is completed with the names of the layers of the net."""
    named = argparse.Namespace(file="lenet5")
    layers = list(COMPLETERS["layer"](prefix="", parsed_args=named))
    assert ["C1", "S2", "C3", "S4", "C5", "F6", "logits"] == layers
    assert [] == list(COMPLETERS["layer"](prefix="", parsed_args=argparse.Namespace(file="none")))


def test_parameters_of_the_net_that_is_named() -> None:
    """After `-D` come the parameters of the net, also through an alias; of a file, those of all."""
    expected = {
        "resnet:ResNet50": {"Block=", "layers=", "classes="},
        "resnet:CifarResNet20": {"n=", "Block=", "classes=", "size="},
        "resnet": {"n=", "Block=", "layers=", "classes=", "size="},
        "resnet:None": set(),
    }
    for name, parameters in expected.items():
        named = argparse.Namespace(files=[name])
        assert set(COMPLETERS["define"](prefix="", parsed_args=named)) == parameters


def test_columns_are_listed_once() -> None:
    """A column that the list already has is not offered again, nor `all` after another one."""
    complete = COMPLETERS["show"]
    assert set(complete("")) == {*SHOW, "all"}
    rest = {"buffers,weights,units", "buffers,weights,memory", "buffers,weights,field"}
    assert set(complete("buffers,weights,")) == rest


def test_scripts_are_for_their_shell(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is accepted by its shell; another shell is wrong usage."""
    for name in STARTS:
        assert run(["completion", name]) == 0
        script = capsys.readouterr().out
        if shutil.which(name):
            subprocess.run([name, "-n"], input=script.encode(), check=True)
    assert run(["completion", "tcsh"]) == 2
    assert "argument SHELL: `tcsh` is not one of bash, zsh" in capsys.readouterr().err


def test_completion_costs_other_commands_nothing() -> None:
    """No other command loads the library that completes."""
    code = "import sys\nfrom netdsl.cli import run\nrun(['check', 'lenet5'])\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "netdsl.commands.check" in done.stdout.split()
    assert "argcomplete" not in done.stdout.split()
