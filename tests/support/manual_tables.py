"""The table of `docs/verify.md` that is made from the layers: how far the value of each may be off.

`python -m tests.golden` writes it anew, between the two comments that mark its place.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.layers import FAMILIES
from netdsl.ir.op import Op
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
BEGIN = "<!-- made by `python -m tests.golden` from the docstrings of `rounding` -->\n"
END = "<!-- the end of what is made -->\n"


def formulas(rule: Callable[..., object]) -> tuple[str, str]:
    """The bounds of rounding and of underflow that the docstring of a rule gives."""
    paragraphs = (inspect.getdoc(rule) or "").split("\n\n")
    texts = [" ".join(p.split()) for p in paragraphs]
    lost = [t.removeprefix("Underflow: ") for t in texts if t.startswith("Underflow: ")]
    kept = [t for t in texts if not t.startswith("Underflow: ")]
    return " ".join(kept).removesuffix("."), " ".join(lost).removesuffix(".")


def table() -> str:
    """A row for each pair of formulas, with the kinds that have it."""
    own = [cls for cls in LAYERS.values() if cls.__module__.startswith("netdsl.")]
    rows: dict[tuple[str, str], list[str]] = {}
    for cls in sorted(own, key=lambda cls: FAMILIES.index(cls.family)):
        rows.setdefault(formulas(cls.rounding), []).append(f"`{cls.kind}`")
    rows[formulas(Op.rounding)] = ["kinds from other packages that have no `rounding`"]
    lines = [f"| {', '.join(kinds)} | {b} | {u} |" for (b, u), kinds in rows.items()]
    return "\n".join(["| layers | `b` | `u` |", "|---|---|---|", *lines]) + "\n"


def page() -> str:
    """The page with the table of today."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"
