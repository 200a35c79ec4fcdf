"""All habits in one list. The first row that applies to an error gives its advice."""

from __future__ import annotations

from netdsl.habits import (
    around,
    chains,
    control,
    expectations,
    formats,
    formulas,
    forward,
    grammar,
    heads,
    joins,
    lets,
    loops,
    names,
    operands,
    python,
    sections,
    symbols,
    tensors,
    values,
)

HABITS = (
    *sections.HABITS,
    *tensors.HABITS,
    *forward.HABITS,
    *operands.HABITS,
    *formulas.HABITS,
    *expectations.HABITS,
    *heads.HABITS,
    *around.HABITS,
    *lets.HABITS,
    *values.HABITS,
    *loops.HABITS,
    *control.HABITS,
    *joins.FIRST,
    *names.HABITS,
    *symbols.HABITS,
    *grammar.HABITS,
    *python.HABITS,
    *formats.HABITS,
    *joins.HABITS,
    *chains.HABITS,
)
