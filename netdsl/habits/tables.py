"""All habits in one list. The first row that applies to an error gives its advice."""

from __future__ import annotations

from netdsl.habits import (
    chains,
    control,
    expectations,
    formats,
    grammar,
    python,
    sections,
    symbols,
    values,
)

HABITS = (
    *sections.HABITS,
    *expectations.HABITS,
    *values.HABITS,
    *control.HABITS,
    *symbols.HABITS,
    *grammar.HABITS,
    *python.HABITS,
    *formats.HABITS,
    *chains.HABITS,
)
