"""The check that an axis divides into equal parts."""

from __future__ import annotations

from netdsl.errors import OpError
from netdsl.ops.base import divisors
from netdsl.words import counted, do


def check_groups(channels: int, groups: int) -> None:
    """Raise `OpError` unless the channels divide into that many groups of one size."""
    check_parts(channels, "channel", groups, "group", "groups")


def check_parts(size: int, of: str, parts: int, into: str, argument: str) -> None:
    """Raise `OpError` unless `size` divides by `parts`.

    `of` and `into` are the nouns of the message: channels divide into groups. `argument` is the
    name of the argument that gives `parts`.
    """
    if size % parts:
        raise OpError(
            "bad-groups",
            f"{counted(size, of)} {do(size)} not divide into {counted(parts, into)}",
            argument,
            divisors(size),
        )
