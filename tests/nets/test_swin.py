"""Swin-T: windows, cyclic shifts and a bias for relative positions, in at most 50 lines."""

from __future__ import annotations

from pathlib import Path

import netdsl

SWIN = Path(__file__).with_name("swin.net")


def test_swin_has_the_published_parameters() -> None:
    """Swin-T has the 28,288,354 parameters of torchvision's `swin_t`, in at most 50 lines."""
    net = netdsl.load(str(SWIN))
    assert net.params == 28_288_354
    assert len(SWIN.read_text(encoding="utf-8").splitlines()) <= 50
    (attention, *_) = (layer for layer in net.layers if layer.kind == "attention")
    assert attention.name == "stage0_0.attn"
    assert attention.shape == (64, 49, 96)
