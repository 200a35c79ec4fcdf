"""The sizes of inputs as other tools write them."""

from __future__ import annotations

import pytest

from netdsl.habits.sizes import meant_sizes


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3x32x32", "3x32x32"),
        ("3xhxw", "3xhxw"),
        ("3*32*32", "3x32x32"),
        ("(None, 3, 32, 32)", "3x32x32"),
        ("batchx3x32x32", "3x32x32"),
        ("BxCxHxW", "CxHxW"),
        ("(None, 784)", "784"),
        ("3x-1x-1", "3xHxW"),
        ("channels x height x width", "CxHxW"),
        ("3x32x32 as half", "3x32x32 float16"),
        ("torch.Size([3, 32, 32])", "3x32x32"),
        ("1,000", "1000"),
        ("3,224,224", "3x224x224"),
        ("3x(16*2)x32", None),
        ("0x32x32", None),
        ("(None, None, 80)", None),
        ("32^2", None),
        ("size", None),
    ],
)
def test_meant_sizes(text: str, meant: str | None) -> None:
    """Only what is in no doubt is translated, and sizes of the language stay as they are."""
    assert meant_sizes(text) == meant
