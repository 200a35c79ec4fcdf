"""All habits in one list. The first row that applies to an error gives its advice."""

from __future__ import annotations

from netdsl.habits import chains, formats, grammar, python, symbols

HABITS = (
    *symbols.HABITS,
    *python.HABITS,
    *formats.HABITS,
    *grammar.HABITS,
    *chains.HABITS,
)
