"""Checks the errors of files that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Callable


def check_refusal(read: Callable[[], object], code: str, line: int, part: str) -> NetdslError:
    """Check that a function raises one diagnostic at a line, whose message has a part."""
    with pytest.raises(NetdslError) as caught:
        read()
    error = caught.value
    assert (code, line, 1) == (error.code, error.line, len(error.diagnostics))
    assert part in error.message
    return error
