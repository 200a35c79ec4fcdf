"""The base of everything that a `train` section can name as its data; imports no numpy."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from netdsl.data.arguments import MaybeCount, Share
from netdsl.data.images import Described

T = TypeVar("T")
# Sources have only the arguments that a `train` section can give.
PROGRESS: ContextVar[bool] = ContextVar("progress", default=True)


def tracked(items: Sequence[T], title: str) -> Iterable[T]:
    """The items; a terminal shows how many have been used, unless the command is quiet."""
    from rich.console import Console
    from rich.progress import track

    # The environment can make rich regard a pipe as a terminal.
    console = Console(stderr=True, force_terminal=sys.stderr.isatty())
    is_hidden = not PROGRESS.get() or not console.is_terminal
    return track(items, title, console=console, disable=is_hidden, transient=True)


@dataclass(frozen=True, kw_only=True)
class DataSource(ABC):
    """Where data comes from; its fields are the arguments of the call in the section.

    A share `val` of the training samples is split off for validation, and `limit` is the most
    training samples, before that.
    """

    val: Share = 0.0
    limit: MaybeCount = None

    @abstractmethod
    def described(self) -> Described | None:
        """What is known about the images without reading any data; None if nothing is."""
