"""The signals that ask a command to end: Control-C, `kill`, a terminal that closes."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

STOPS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


class Stopped(BaseException):
    """The user or the system asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def leave_on_stop() -> None:
    """Let these signals end the process at once, because there is nothing to clean up."""
    on_stop(_leave)


def end_on_stop() -> None:
    """Let these signals end the process whatever it is doing, as they do by default."""
    on_stop(signal.SIG_DFL)


def raise_on_stop() -> None:
    """Let the first signal raise `Stopped`; later ones do not interrupt the clean-up."""
    on_stop(_raise)


def on_stop(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    """Install a handler for these signals, except those that the caller chose to ignore."""
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def stop_word(number: int) -> str:
    """The word for the user: `interrupted` or `terminated`."""
    return "interrupted" if number == signal.SIGINT else "terminated"


def _leave(number: int, _: object) -> NoReturn:
    with contextlib.suppress(OSError):  # standard error may be closed
        os.write(2, f"{stop_word(number)}\n".encode())
    os._exit(128 + number)


def ignore_stops() -> None:
    """Let no such signal interrupt what this process does before it ends."""
    on_stop(_go_on)


class _Raised:
    """The handler after `Stopped` was raised for a signal: the process is already ending."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, _number: int, _frame: object) -> None:
        pass


def raised_stop() -> int:
    """The number of the signal for which `Stopped` was raised in this process, or 0.

    A library can swallow it, for example where Python calls back from C.
    """
    handlers = map(signal.getsignal, STOPS)
    return next((h.number for h in handlers if isinstance(h, _Raised)), 0)


def _raise(number: int, _: object) -> NoReturn:
    on_stop(_Raised(number))
    raise Stopped(number)


def _go_on(_number: int, _frame: object) -> None:
    """Ignore the signal: the process is already ending."""
