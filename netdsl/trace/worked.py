"""An output that is worked by hand: what goes in, each step, and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from netdsl.ir.graph import Node

Place = tuple[int, ...]
MOST_TERMS = 12  # of a sum that is written out
MINUS = "\N{MINUS SIGN}"
WHOLE = 1e9  # whole numbers below are written with all digits


class TracedLayer:
    """A layer with its inputs and its weights, in double precision and without the batch."""

    def __init__(
        self, node: Node, xs: Sequence[np.ndarray], weights: dict[str, np.ndarray], shape: Place
    ) -> None:
        self.node = node
        self.xs = list(xs)
        self.weights = weights
        self.shape = shape  # of the result

    @property
    def x(self) -> np.ndarray:
        """The first input."""
        return self.xs[0]

    @property
    def type_of_x(self) -> object:
        """The type of the first input."""
        return self.node.types[0]


class NumberGrid(NamedTuple):
    """Numbers in rows, with a title; `outside` marks those of the padding."""

    title: str
    rows: np.ndarray
    outside: np.ndarray | None = None


class WorkPart(NamedTuple):
    """Grids that are shown beside each other, and the line that follows from them."""

    title: str
    grids: tuple[NumberGrid, ...]
    text: str = ""


class Term(NamedTuple):
    """A number of the last sum, and where it comes from."""

    name: str
    value: float


class Gradient(NamedTuple):
    """The derivative of the result by one tensor: by the input `x0`, `x1`, ... or by a weight.

    `values` are those at `where` of the tensor, and `grids` are what is shown of them.
    """

    source: str
    where: tuple[int, ...]
    values: np.ndarray
    title: str
    grids: tuple[NumberGrid, ...]


class Worked(NamedTuple):
    """A result worked by hand: the formula, its parts, the lines of the calculation, the result."""

    formula: str
    parts: tuple[WorkPart, ...]
    lines: tuple[str, ...]
    result: float
    terms: tuple[Term, ...] = ()
    gradients: tuple[Gradient, ...] = ()


def matrix(values: np.ndarray) -> np.ndarray:
    """An array of any rank as rows: a number is 1 x 1, a vector one row."""
    if values.ndim == 0:
        return values.reshape(1, 1)
    return values.reshape(-1, values.shape[-1])


def plain(values: np.ndarray, outside: np.ndarray | None = None) -> tuple[NumberGrid, ...]:
    """One grid without a title."""
    return (NumberGrid("", matrix(values), outside),)


def number(value: float, digits: int = 6) -> str:
    """A number as at the board: whole numbers without a point, with a real minus sign."""
    value = float(value)
    if value.is_integer() and abs(value) < WHOLE:
        text = str(int(value))
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", MINUS)


def factor(value: float) -> str:
    """A number in a product: a negative one is in parentheses."""
    text = number(value)
    return f"({text})" if text.startswith(MINUS) else text


def total(values: Sequence[float], result: float) -> str:
    """A sum written out: `308 − 498 + 164 + 1 = −25`; the middle of a long one is left out."""
    texts = [_signed(value) for value in values]
    if len(texts) > MOST_TERMS:
        half = MOST_TERMS // 2
        texts = [*texts[:half], f"+ ... {len(texts) - 2 * half} more ...", *texts[-half:]]
    written = " ".join(texts).removeprefix("+ ")
    if written.startswith(f"{MINUS} "):
        written = MINUS + written[2:]
    return f"{written or '0'} = {number(result)}"


def _signed(value: float) -> str:
    text = number(value)
    return f"{MINUS} {text[1:]}" if text.startswith(MINUS) else f"+ {text}"


def place_text(place: Place) -> str:
    """`0,3,4`."""
    return ",".join(map(str, place))
