"""The pieces of a batch: their gradients are computed one after the other, and added.

Every process takes its share of each piece.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netdsl.train.processes import Processes, Share


class Microbatch(NamedTuple):
    """A piece of a batch, counted from 0, with `samples` samples of all processes.

    This process trains on the `share` of it. It reads the part `read` of the batch, which is from
    `start` to before `end` among all that it reads of the batch.
    """

    number: int
    samples: int
    share: Share
    read: slice
    start: int
    end: int


def pieces_of(
    samples: int, most: int, processes: Processes, *, whole: bool = False
) -> list[Microbatch]:
    """A batch in pieces of nearly equal size, of about `most` samples.

    With `whole`, each process reads the samples of all. No piece has a single sample unless `most`
    is 1 or there is only one: batch normalisation cannot be trained on it.
    """
    count = -(-samples // most)
    if most > 1:
        count = max(1, min(count, samples // 2))
    ends = [samples * i // count for i in range(count + 1)]
    pieces: list[Microbatch] = []
    position = 0
    for number, (start, end) in enumerate(pairwise(ends)):
        share = processes.share(end - start)
        read = slice(start, end)
        if not whole:
            read = slice(start + share.read.start, start + share.read.stop)
        own = read.stop - read.start
        pieces.append(Microbatch(number, end - start, share, read, position, position + own))
        position += own
    return pieces
