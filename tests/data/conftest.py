"""Fixtures for tests of data sets."""

from pathlib import Path

import pytest

from tests.support.datasets import idx_contents


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """A folder with the four files of a small data set in the IDX format."""
    for name, content in idx_contents().items():
        (tmp_path / name).write_bytes(content)
    return tmp_path
