"""The measured peak speed of a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netdsl.errors import NetdslError
from netdsl.runtime import measure
from netdsl.runtime.binding import BoundSession
from netdsl.runtime.session import Settings


def test_the_peak_of_a_small_device(bench_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the matrices do not fit, smaller ones are timed; if none fits, it is an error."""
    sides: list[int] = []
    plain = BoundSession.__init__

    def make(
        self: BoundSession, opened: Any, inputs: dict[str, Any], memory: str, **options: Any
    ) -> None:
        sides.append(len(inputs["x0"]))
        if len(inputs["x0"]) > limit:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 9")
        plain(self, opened, inputs, memory, **options)

    monkeypatch.setattr(BoundSession, "__init__", make)
    monkeypatch.setattr(measure, "SIDES", dict.fromkeys(measure.SIDES, (64, 256)))
    monkeypatch.setattr(measure, "SMALLEST", 8)
    limit = 16
    assert measure.peak(bench_folder, "cpu", Settings()).flops > 0
    assert sides == [64, 32, 16, 16]
    limit = 4
    with pytest.raises(NetdslError, match="out-of-memory"):
        measure.peak(bench_folder, "cpu", Settings())
