"""Errors that no text causes: an output that cannot be written, a signal, a crash."""

from __future__ import annotations

import signal


class CannotWriteError(OSError):
    """A file or standard output cannot be written. `filename` is the name that the user gave."""


class Stopped(BaseException):
    """The user or the system asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class CrashedError(Exception):
    """A signal ended the process that did the work; `details` is its Python stack at that moment."""

    def __init__(self, number: int, details: str) -> None:
        super().__init__(f"the process was ended by {signal.Signals(number).name}")
        self.number = number
        self.details = details
