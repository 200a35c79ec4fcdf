"""Tells the processes of a run which of them are still there.

A communication that fails does not tell who is missing: its error names a connection, or a time
limit. So each process writes a new number to the launcher's store every half second. After an
error, a process whose number stays the same has ended or was stopped. If all numbers change, the
process that has begun the fewest communications keeps the others waiting.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeVar

from torch import distributed as dist

from netdsl.errors import SettingError
from netdsl.train.launched import GO_ON
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from netdsl.errors import NetdslError

T = TypeVar("T")

EVERY = 0.5  # seconds between two numbers
LONG = 3.0  # seconds after which a number that stays the same is of a process that is lost
LOST = "lost-process"
PATIENCE = 3 * LONG  # seconds for an answer of the store
LATER = f"{GO_ON}; if the steps need more time, raise `--timeout`"


class Store(Protocol):
    """What this module uses of PyTorch's stores, which its annotations leave out."""

    def set(self, key: str, value: str) -> None:
        """Store a value."""

    def get(self, key: str) -> bytes:
        """Wait until a key has a value, and return it."""

    def check(self, keys: list[str]) -> bool:
        """Whether all keys have values."""

    def clone(self) -> Store:
        """Another connection to the same store, for another thread."""


class _Sign(NamedTuple):
    """What a process writes: a number that grows, its communications and steps, its machine."""

    beat: int
    talks: int
    steps: int
    host: str

    @classmethod
    def read(cls, text: str) -> _Sign:
        beat, talks, steps, host = text.split(" ", 3)
        return cls(int(beat), int(talks), int(steps), host)

    def __str__(self) -> str:
        return " ".join(map(str, self))


class Presence:
    """The signs of life of the processes of a run, while it is entered.

    `talks` is the number of communications that this process has begun, and `steps` that of the
    training steps that it has done.
    """

    def __init__(self, store: Store, rank: int, count: int) -> None:
        self.talks = self.steps = 0
        self._store, self._rank, self._count = store, rank, count
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(store.clone(),), daemon=True)

    def __enter__(self) -> Self:
        self._store.set(self._key(self._rank), str(self._own(0)))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._thread.join(LONG)

    def lost(self) -> SettingError | None:
        """The error about a process that is not there any more, or keeps the others waiting."""
        others = [number for number in range(self._count) if number != self._rank]
        try:
            before = _answered(lambda: {number: self._sign(number) for number in others})
            time.sleep(LONG)
            now = _answered(lambda: {number: self._sign(number) for number in others})
        except dist.DistError:
            message = "the program that has started the processes has ended or cannot be reached"
            return SettingError(LOST, message, None, LATER)
        for number in others:
            if now[number].beat == before[number].beat:
                return self._error(number, now[number], "has ended or hangs")
        slowest = min(others, key=lambda number: now[number].talks)
        if now[slowest].talks < self.talks:
            return self._error(slowest, now[slowest], "keeps the others waiting")
        return None

    def is_first_to_say(self, error: NetdslError) -> bool:
        """Whether the others leave it to this process to print an error.

        A process with a lower number prints it if both have the same. That a process is lost is
        printed only if it has not ended with an error of its own.
        """
        try:
            return _answered(lambda: self._is_first_to_say(error))
        except dist.DistError:  # the launcher has ended
            return True

    def _is_first_to_say(self, error: NetdslError) -> bool:
        own, is_lost = f"{error.code} {error}", error.code == LOST
        self._store.set(self._key(self._rank, "error"), own)
        others = [n for n in range(self._count if is_lost else self._rank) if n != self._rank]
        for _ in range(round(LONG / EVERY)):
            for number in others:
                said = self._said(number)
                if said == own and number < self._rank:
                    return False
                if said and is_lost and not said.startswith(LOST):
                    return False
            if not others:
                time.sleep(2 * EVERY)  # without a launcher, the store ends with this process
                break
            time.sleep(EVERY)
        return True

    def _said(self, number: int) -> str:
        """The error of a process, or nothing if it has not had any."""
        key = self._key(number, "error")
        return self._store.get(key).decode() if self._store.check([key]) else ""

    def _error(self, number: int, sign: _Sign, fact: str) -> SettingError:
        who = f"process {number} of {self._count} (numbered from 0), on {sign.host}"
        message = f"{who}, {fact}; it has done {counted(sign.steps, 'step')}"
        return SettingError(LOST, message, None, LATER)

    def _sign(self, number: int) -> _Sign:
        return _Sign.read(self._store.get(self._key(number)).decode())

    def _own(self, beat: int) -> _Sign:
        return _Sign(beat, self.talks, self.steps, socket.gethostname())

    def _write(self, store: Store) -> None:
        beat = 0
        with suppress(dist.DistError):  # the launcher has ended
            while not self._ends.wait(EVERY):
                beat += 1
                store.set(self._key(self._rank), str(self._own(beat)))

    @staticmethod
    def _key(number: int, what: str = "sign") -> str:
        return f"netdsl/{what}/{number}"


def _answered(ask: Callable[[], T]) -> T:
    """What the store answers.

    Raises `dist.DistError` if there is no answer for `PATIENCE` seconds, although it was asked in
    another thread: nothing ends the wait for a machine that is cut off.
    """
    answers: list[T] = []
    errors: list[dist.DistError] = []

    def wait() -> None:
        try:
            answers.append(ask())
        except dist.DistError as error:
            errors.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if answers:
        return answers[0]
    raise errors[0] if errors else dist.DistError("the store does not answer")
