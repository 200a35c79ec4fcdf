"""Adds the place in the text to an error that a layer raises while it is lowered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from netdsl.errors import OpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Value


@contextmanager
def at(value: Value) -> Iterator[None]:
    """Report an `OpError` at the line of the layer, or of the input, that makes the value."""
    try:
        yield
    except OpError as error:
        error.diagnostic.span = error.diagnostic.span or value.site.span
        raise
