"""Layers whose results come from a whole vector: dense and softmax; and batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netdsl.trace.windows import one
from netdsl.trace.worked import (
    MINUS,
    Gradient,
    NumberGrid,
    Term,
    Worked,
    WorkPart,
    factor,
    number,
    plain,
    total,
)

if TYPE_CHECKING:
    from netdsl.trace.worked import Place, TracedLayer

COLUMNS = 10  # of a long vector that is shown in rows


def in_rows(vector: np.ndarray) -> np.ndarray:
    """A vector in rows of equal length; NaNs, which are not shown, fill up the last row."""
    if vector.size <= COLUMNS:
        return vector.reshape(1, -1)
    rows = -(-vector.size // COLUMNS)
    filled = np.full(rows * COLUMNS, np.nan)
    filled[: vector.size] = vector
    return filled.reshape(rows, COLUMNS)


def dense(layer: TracedLayer, at: Place) -> Worked:
    """The sum of the products of a vector and a row of the matrix, plus the bias."""
    *where, unit = at
    x = layer.x[tuple(where)]
    row = layer.weights["weight"][unit]
    products = x * row
    terms = [Term("products", float(products.sum()))]
    values = products.tolist()
    if "bias" in layer.weights:
        bias = float(layer.weights["bias"][unit])
        terms.append(Term("bias", bias))
        values = [*values, bias]
    result = sum(term.value for term in terms)
    grids = (
        NumberGrid("input", in_rows(x)),
        NumberGrid("weights", in_rows(row)),
        NumberGrid("products", in_rows(products)),
    )
    to_input = np.zeros(layer.x.shape)
    to_input[tuple(where)] = row
    gradients = [
        Gradient("x0", (), to_input, "by the input: the weights", plain(in_rows(row))),
        Gradient("weight", (unit,), x, "by the weights: the input", plain(in_rows(x))),
    ]
    if "bias" in layer.weights:
        gradients.append(one("bias", (unit,)))
    formula = "sum of input * weight" + ("bias" in layer.weights) * " + bias"
    part = WorkPart(f"unit {unit}", grids, f"sum {number(terms[0].value)}")
    return Worked(
        formula, (part,), (total(values, result),), result, tuple(terms), tuple(gradients)
    )


def softmax(layer: TracedLayer, at: Place) -> Worked:
    """The powers of e, each divided by the sum of all."""
    axis = getattr(layer.node.op, "axis", 1)
    axis = (axis - (axis > 0)) % layer.x.ndim  # from the front, they are counted from 1
    along: tuple[int | slice, ...] = (*at[:axis], slice(None), *at[axis + 1 :])
    x = layer.x[along]
    largest, k = float(x.max()), at[axis]
    below = x - largest
    powers = np.exp(below)
    summed = float(powers.sum())
    shares = powers / summed
    result = float(shares[k])
    grids = (
        NumberGrid("x", in_rows(x)),
        NumberGrid(f"x {MINUS} max", in_rows(below)),
        NumberGrid("exp", in_rows(powers)),
        NumberGrid("shares", in_rows(shares)),
    )
    lines = (
        f"largest: {number(largest)}",
        f"exp({number(x[k])} {MINUS} {factor(largest)}) = {number(powers[k])}",
        f"sum of exp: {total(powers.tolist(), summed)}",
        f"{number(powers[k])} / {number(summed)} = {number(result)}",
    )
    slopes = result * ((np.arange(x.size) == k) - shares)
    to_input = np.zeros(layer.x.shape)
    to_input[along] = slopes
    title = f"by x: y (1 {MINUS} y) at its own place, {MINUS}y times the share at others"
    return Worked(
        "exp(x) / sum of exp(x), with the largest x subtracted from all",
        (WorkPart("", grids),),
        lines,
        result,
        (),
        (Gradient("x0", (), to_input, title, plain(in_rows(slopes))),),
    )
