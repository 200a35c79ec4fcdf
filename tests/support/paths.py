"""The folders of files that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REGRESS = ROOT / "tests" / "regress"
SLOW = ROOT / "tests" / "slow.txt"  # tests that take more than about a second
