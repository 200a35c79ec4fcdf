"""The base of everything that a `train` section can name as its data; imports no numpy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdsl.data.arguments import MaybeCount, Share
from netdsl.data.images import Described

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """Where data comes from; its fields are the arguments of the call in the section.

    A share `val` of the training samples is split off for validation, and `limit` is the most
    training samples, before that.
    """

    val: Share = 0.0
    limit: MaybeCount = None

    @abstractmethod
    def described(self) -> Described:
        """What is known without reading any data."""

    @abstractmethod
    def read(self) -> "Dataset":
        """The whole dataset; raises SettingError."""

    def open(self) -> "Dataset":
        """The dataset with its validation set and its limit; raises SettingError."""
        from netdsl.data.split import divided

        return divided(self.read(), self.val, self.limit)
