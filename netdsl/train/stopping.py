"""Lets a run end after the step at hand when a signal asks it to stop."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Self

from netdsl.process.stops import STOPS, Stopped, raised_stop
from netdsl.process.watch import PAUSE

if TYPE_CHECKING:
    from types import TracebackType


class StopRequest:
    """While it is entered, the first signal to stop is remembered instead of ending the process.

    More than `PAUSE` seconds later, another signal has its usual effect. Earlier ones do not: a
    signal to a group of processes comes twice, itself and from the parent that passes it on. A
    signal before counts too, if a library has swallowed what it raised. Only
    the main thread can receive signals; in other threads, nothing is changed.
    """

    def __init__(self) -> None:
        self.number = 0  # of the signal
        self.since = 0.0  # its time
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.number, self.since = raised_stop(), time.monotonic()
            for number in STOPS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def check(self) -> None:
        """Raise `Stopped` after a signal."""
        if self.number:
            raise Stopped(self.number)

    def _remember(self, number: int, _: object) -> None:
        if not self.number:
            self.number, self.since = number, time.monotonic()
        elif time.monotonic() - self.since > PAUSE:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}
