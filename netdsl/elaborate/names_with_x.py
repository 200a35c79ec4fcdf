"""The error of sizes in which a name with an `x` fell into parts: `Mxcontext`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.source import Span

_JOINT = re.compile(r"([xX])")


def refuse_names_with_x(span: Span, known: Callable[[str], bool]) -> None:
    """Raise `NetdslError` if parts of sizes are together the name of a value."""
    pieces = _JOINT.split(span.text)
    items: list[str] = []
    names: list[str] = []
    start = 0
    while start < len(pieces):
        ends = range(len(pieces), start, -2)
        joined = ("".join(pieces[start:end]) for end in ends)
        item = next((text for text in joined if known(text)), pieces[start])
        length = 2 * len(_JOINT.findall(item)) + 1
        items.append(item)
        names += [item] * (length > 1)
        start += length + 1
    if len(items) > 1 and names:
        written = f"[{', '.join(items)}]"
        raise NetdslError(
            "bad-size",
            f"the name `{names[0]}` cannot be part of `{span.text}`: its `x` separates 2 sizes",
            span,
            help=f"write a list: `{written}`",
            fix=(Edit(span, written),),
        )
