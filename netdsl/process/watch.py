"""Runs a command in a child process, so that the user can always stop it and a crash is reported.

PyTorch, onnxruntime and Graphviz can compute for minutes without handling signals, and some of
their failures end the process. The parent waits, passes signals on, and ends a child that does not
react.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.files import remove_leftovers
from netdsl.process.stops import STOPS, Stopped, end_on_stop, on_stop, raise_on_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GRACE = 0.5  # seconds that a child has to clean up
PAUSE = 1.0  # seconds after which the same signal means that the user has waited long enough
LOADER_FAILED = 127  # the exit code of glibc's loader, after it has printed what is wrong
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36


class CrashedError(Exception):
    """A signal or the system's loader of libraries ended the child process.

    `number` is that of the signal, or 0. `details` is the Python stack at that time.
    """

    def __init__(self, number: int, details: str) -> None:
        reason = "the system could not load a library"
        if number:
            reason = f"the process was ended by {signal.Signals(number).name}"
        super().__init__(reason)
        self.number = number
        self.details = details


def watched(work: Callable[[], int], folders: Iterable[str], *, patient: bool) -> int:
    """Do the work in a child process; returns its exit code.

    After a signal, the child has `GRACE` seconds to end, or any time if `patient`. Files that a
    killed child leaves in `folders` are removed. Raises `Stopped` and `CrashedError`.

    Only Linux can end a child together with its parent: elsewhere this process does the work.
    """
    if sys.platform != "linux":
        raise_on_stop()
        return work()
    stack = os.memfd_create("stack")
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # adopt the children of a killed child
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if the caller ignores it, exit codes are lost
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        end_on_stop()
        end_with(parent)
        faulthandler.enable(stack)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        return work()
    return _Watcher(child, patient=patient).wait(stack, folders)


class _Watcher:
    """Waits for a child process and passes signals on to it."""

    def __init__(self, child: int, *, patient: bool) -> None:
        self.child = child
        self.patient = patient
        self.stopped = 0
        self.since = 0.0
        signal.signal(signal.SIGALRM, lambda *_: self._send(signal.SIGKILL))
        on_stop(self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def wait(self, stack: int, folders: Iterable[str]) -> int:
        """Wait for the child's end; returns its exit code."""
        _, status = os.waitpid(self.child, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        code = os.waitstatus_to_exitcode(status)
        if self.stopped or code < 0:
            _kill_children()
        if code >= 0 and code != LOADER_FAILED:
            return code
        remove_leftovers(self.child, map(Path, folders))
        if self.stopped or -code in STOPS:
            raise Stopped(self.stopped or -code)
        os.lseek(stack, 0, os.SEEK_SET)
        raise CrashedError(max(-code, 0), os.read(stack, 1 << 20).decode("utf-8", "replace"))

    def _stop(self, number: int, _: object) -> None:
        """Pass a signal on; the same signal again, more than `PAUSE` later, ends the child."""
        if not self.stopped:
            self.stopped, self.since = number, time.monotonic()
            self._send(number)
            if not self.patient:
                signal.setitimer(signal.ITIMER_REAL, GRACE)
        elif number == self.stopped and time.monotonic() - self.since > PAUSE:
            self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # the child may have ended by now
            os.kill(self.child, number)


def end_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Send this process a signal when its parent ends; only Linux can do that."""
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def _kill_children() -> None:
    """End the processes that the child has started, for example `dot`, and those below them."""
    own = Path(f"/proc/self/task/{os.getpid()}/children")
    while children := own.read_text(encoding="ascii").split():
        for process in map(int, children):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
