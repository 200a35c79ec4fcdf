"""Fixtures for tests of exports."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

import netdsl
from tests.support.back_ends import randomise
from tests.support.small_nets import NORMED


@pytest.fixture
def weights_folder(folder: Path) -> Path:
    """A folder with a net and a checkpoint, whose metadata have class names, mean and std."""
    (folder / "tiny.net").write_text(NORMED)
    save_file(
        randomise(netdsl.loads(NORMED).torch()).state_dict(),
        "w.safetensors",
        {"classes": '["a", "b", "c"]', "mean": "[0.5]", "std": "[0.25]"},
    )
    return folder
