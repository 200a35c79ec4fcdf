"""Lets a run end after the step at hand when a signal asks it to stop."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

from netdsl.process.stops import STOPS, Stopped

if TYPE_CHECKING:
    from types import TracebackType


class StopRequest:
    """While it is entered, the first signal to stop is remembered instead of ending the process.

    Another signal then has its usual effect. Only the main thread can receive signals; in other
    threads, nothing is changed.
    """

    def __init__(self) -> None:
        self.number = 0  # of the signal
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
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
        self.number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}
