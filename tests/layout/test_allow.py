"""Comments that allow a warning in their line stay with what is in this line."""

from __future__ import annotations

import re

import pytest

from netdsl.layout.format import format_source
from netdsl.library import library_names, open_source
from netdsl.source import SourceFile
from tests.fuzz.generate import program

TEXTS = {name: open_source(name).text for name in library_names()}
TEXTS |= {f"seed {seed}": program(seed) for seed in range(150)}


@pytest.mark.parametrize("name", TEXTS)
def test_comments_stay_in_their_line(name: str) -> None:
    """Each line keeps what it has before its comment, except blanks."""
    lines = TEXTS[name].split("\n")
    marked = [
        f"{line}  # allow: a{number}" if line.strip() and "#" not in line else line
        for number, line in enumerate(lines)
    ]
    laid_out = format_source(SourceFile("a.net", "\n".join(marked)))
    for line in laid_out.split("\n"):
        match = re.match(r"(?P<code>.*?)\s*# allow: a(?P<number>\d+)$", line)
        if match is not None:
            assert "".join(match["code"].split()) == "".join(lines[int(match["number"])].split())
    assert format_source(SourceFile("a.net", laid_out)) == laid_out
