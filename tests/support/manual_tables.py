"""The table in `docs/verify.md` of the rounding error that each layer may have.

It comes from the docstrings of the layers. `python -m tests.golden` updates it, between the two
comments that mark its place.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.ir.op import Op
from netdsl.ops import LAYERS
from netdsl.reference import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
BEGIN = "<!-- made by `python -m tests.golden` from the docstrings of `rounding` -->\n"
END = "<!-- the end of what is made -->\n"


def formulas(rule: Callable[..., object]) -> tuple[str, str]:
    """The bounds of rounding and of underflow in the docstring of a rule."""
    paragraphs = (inspect.getdoc(rule) or "").split("\n\n")
    texts = [" ".join(p.split()) for p in paragraphs]
    underflow = [t.removeprefix("Underflow: ") for t in texts if t.startswith("Underflow: ")]
    rounding = [t for t in texts if not t.startswith("Underflow: ")]
    return " ".join(rounding).removesuffix("."), " ".join(underflow).removesuffix(".")


def table() -> str:
    """The table: a row for each pair of formulas, with the kinds of layers that have it."""
    own = [cls for cls in LAYERS.values() if cls.__module__.startswith("netdsl.")]
    rows: dict[tuple[str, str], list[str]] = {}
    for cls in sorted(own, key=lambda cls: FAMILIES.index(cls.family)):
        rows.setdefault(formulas(cls.rounding), []).append(f"`{cls.kind}`")
    rows[formulas(Op.rounding)] = ["kinds from other packages that have no `rounding`"]
    lines = [f"| {', '.join(kinds)} | {b} | {u} |" for (b, u), kinds in rows.items()]
    return "\n".join(["| layers | `b` | `u` |", "|---|---|---|", *lines]) + "\n"


def page() -> str:
    """The text of the page, with the current table."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"
