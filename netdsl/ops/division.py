"""The check that an axis divides into equal parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ops.base import amount, divisors
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.op import Op
    from netdsl.ir.types import Sym


def check_groups(op: Op, channels: int | Sym, groups: int) -> None:
    """Require that the channels divide into that many groups of one size; raises `OpError`."""
    check_parts(op, channels, "channel", groups, "group", "groups")


def check_parts(op: Op, size: int | Sym, of: str, parts: int, into: str, argument: str) -> None:
    """Require that `size` divides by `parts`; raises `OpError` if it never does.

    `of` and `into` are the nouns of the message: channels divide into groups. `argument` is the
    name of the argument that gives `parts`.
    """
    if is_divisible(op, size, parts):
        return
    help = divisors(size) if isinstance(size, int) else None
    message = f"{amount(size, of)} cannot be divided into {counted(parts, f'equal {into}')}"
    raise OpError("bad-groups", message, argument, help)


def is_divisible(op: Op, size: int | Sym, by: int) -> bool:
    """Require that a size divides by a number; False if it does not for any open size."""
    return op.needs_equal(size // by * by, size)
