"""The outputs of netdsl equal the golden files of `pages.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netdsl.ops import LAYERS
from tests.golden.pages import FOLDER, condensed, make, pages
from tests.support import manual_tables

PAGES = list(pages())


@pytest.mark.parametrize(
    ("path", "source"), PAGES, ids=[str(path.relative_to(FOLDER)) for path, _ in PAGES]
)
def test_golden_file(path: Path, source: tuple[str, ...]) -> None:
    """The output equals the golden file.

    After a wanted change, run `python -m tests.golden` and read the diff.
    """
    assert make(source) == path.read_text(encoding="utf-8")


def test_there_are_no_other_golden_files() -> None:
    """There is no golden file of a layer, a net or a form that no longer exists."""
    files = {
        p for p in FOLDER.rglob("*") if p.is_file() and p.suffix not in (".net", ".py", ".pyc")
    }
    assert files == {path for path, _ in PAGES}


def test_the_manual_has_the_formulas_of_the_layers() -> None:
    """The table in `docs/verify.md` equals the one made from the docstrings of the rules."""
    assert manual_tables.page() == manual_tables.PAGE.read_text(encoding="utf-8")


FAULTS: dict[str, tuple[str, str, Any]] = {
    "a shape": (
        "dense",
        "infer",
        lambda infer: lambda self, x: infer(self, x)._replace(shape=(infer(self, x).shape[0] + 1,)),
    ),
    "a parameter count": (
        "bn",
        "params",
        lambda params: lambda self, x: {n: p for n, p in params(self, x).items() if n != "bias"},
    ),
    "a MAC count": ("conv", "macs", lambda macs: lambda self, y, *xs: macs(self, y, *xs) + 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_json_shows_a_wrong_rule(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong rule changes the rows of its layers, the totals, and the digest."""
    kind, rule, wrong = FAULTS[fault]
    golden = json.loads((FOLDER / "nets" / "stages.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(LAYERS[kind], rule, wrong(getattr(LAYERS[kind], rule)))
    changed = json.loads(make((str(FOLDER / "nets" / "stages.net"), "json")))
    assert {key for key in golden if golden[key] != changed[key]} >= {
        "layers",
        "totals",
        "sha256 of the JSON with all layers",
    }


def test_json_shows_a_change_inside_a_folded_row() -> None:
    """A change inside a folded row changes the digest, although the visible rows are the same."""
    folded = '{"nets": [{"name": "N", "layers": [{"name": "stage"}], "totals": {"params": 33}}]}'
    whole = '{"nets": [{"name": "N", "layers": [{"name": "stage.0", "params": 16}]}]}'
    assert condensed(folded, whole) != condensed(folded, whole.replace("16", "17"))
