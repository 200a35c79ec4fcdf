"""Settings of the tests of the code, which parse the whole package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.collection import without_collection

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def _trees_are_kept() -> Iterator[None]:
    """Collect no garbage while trees are made that later tests of the file use."""
    with without_collection():
        yield
