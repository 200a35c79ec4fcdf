"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
import time

import pytest

from netdsl.process.stops import STOPS, Stopped, raise_on_stop
from netdsl.train import stopping
from netdsl.train.stopping import StopRequest


def test_a_signal_that_comes_twice_stops_after_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of processes gets a signal, and its parent passes the same one on.

    The second one does not end the step at hand. One that comes later does.
    """
    before = {number: signal.getsignal(number) for number in STOPS}
    raise_on_stop()
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(Stopped):
                stop.check()
            monkeypatch.setattr(stopping, "PAUSE", 0.0)
            time.sleep(0.01)
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_that_a_library_swallowed_stops_the_run() -> None:
    """What the handler raises while libraries load can be lost; the run asks whether it was."""
    # A shell lets what runs in its background ignore SIGINT.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPS}
    raise_on_stop()
    try:
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)
        with StopRequest() as stop, pytest.raises(Stopped) as caught:
            stop.check()
        assert caught.value.number == signal.SIGINT
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with StopRequest() as stop:
        stop.check()
