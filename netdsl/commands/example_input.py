"""The examples of a net's inputs as the input of `netdsl run`, and the values that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.commands.common import UsageError
from netdsl.runtime.inputs import Item

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.runtime.session import Session

NAME = Path("example")  # in place of a file
MOST = 400  # the most numbers that are printed
MATRIX = 2  # axes


def example_item(compiled: Compiled | None, session: Session) -> Item:
    """The examples of all inputs; raises `UsageError` if the model has none."""
    examples = {} if compiled is None else compiled.graph.examples
    missing = [v.name for v in session.inputs if v.name not in examples]
    if missing:
        advice = "name a picture or an array"
        if compiled is not None:
            advice += f", or give `{missing[0]}` an example in the text"
        raise UsageError(f"there is no input: {advice}")
    feeds = {}
    for target in session.inputs:
        example = examples[target.name]
        array = np.array(example.numbers, dtype=target.dtype)
        feeds[target.name] = array.reshape(1, *example.shape)
    return Item(NAME, feeds)


def value_lines(output: np.ndarray) -> list[str]:
    """All numbers of one sample, as aligned rows, with an empty line between channels."""
    if output.dtype.kind not in "bfiu" or output.size > MOST:
        return []
    if output.ndim < MATRIX:
        output = output.reshape(1, -1)
    texts = np.array([f"{value:.6g}" for value in output.ravel().tolist()]).reshape(output.shape)
    width = max(map(len, texts.ravel().tolist()))
    lines: list[str] = []
    for matrix in texts.reshape(-1, *texts.shape[-MATRIX:]).tolist():
        if lines:
            lines.append("")
        lines += ["  " + " ".join(f"{text:>{width}}" for text in row) for row in matrix]
    return lines
