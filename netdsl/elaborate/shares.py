"""Advice for shares where a number is meant, and for numbers where a share is meant.

Such as `groups = 1/4`, `se(ratio = 1/16)`, `attention(head_dim = 64)`, `dropout(keep_prob = 0.9)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_repairs import Repair
from netdsl.ops.args import is_integer
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Container

    from netdsl.elaborate.notes import Use
    from netdsl.ir.types import TensorType

COUNTS = ("groups", "heads")  # arguments that divide the channels
# What other tools call the channels of one group or head.
PER_PART = (
    *("channels_per_group", "group_size", "group_width", "group_channels", "width_per_group"),
    *("head_dim", "dim_head", "d_head", "key_dim", "head_size", "size_per_head", "dim_per_head"),
)
# What other tools call 1 minus the share that is dropped.
KEPT = ("keep_prob", "keep", "keep_rate", "survival_prob", "survival_rate", "survival", "retain")
_EXACT = 1e-9


def divisor_of(expr: ast.Expr) -> int | None:
    """The `n` of a share that is written `1/n`, or as a fraction such as 0.25."""
    match expr:
        case ast.Operation(first=ast.Literal(value=1 | 1.0), rest=(("/", ast.Literal(value=n)),)):
            whole: object = n
        case ast.Literal(value=float() as share) if 0 < share < 1:
            whole = 1 / share
        case _:
            return None
    if isinstance(whole, int | float) and whole > 1 and abs(whole - round(whole)) < _EXACT:
        return round(whole)
    return None


def for_share(name: str, expr: ast.Expr) -> Repair | None:
    """Advice for `groups = 1/4`, where 4 is meant."""
    divisor = divisor_of(expr)
    if divisor is None or name not in COUNTS:
        return None
    return Repair(
        f"`{name}` is the number of {name}, not a share of the channels: write `{divisor}`",
        (Edit(expr.span, str(divisor)),),
    )


def renamed(
    name: str, value: object, known: Container[str], given: Container[str], x: TensorType | None
) -> tuple[str | None, str] | None:
    """What a size of each part, or a share that is kept, becomes, and advice about it.

    `known` are the arguments of the layer, and `given` those that have a value. The text is None if
    the argument is left out.
    """
    if name in KEPT and "p" in known and isinstance(value, int | float) and 0 <= value <= 1:
        text = f"p = {round(1 - value, 6):g}"
        return text, f"`p` is the share that is dropped: write `{text}`"
    ours = next((count for count in COUNTS if count in known), None)
    if name not in PER_PART or ours is None:
        return None
    if ours in given:
        return None, f"leave it out: it is known from `{ours}` and the input"
    channels = None if x is None else x.shape[-1 if ours == "heads" else 0]
    if not isinstance(channels, int) or not is_integer(value) or value < 1 or channels % value:
        return None
    text = f"{ours} = {channels // value}"
    return text, f"`{ours}` is the number of {ours}: for {ours} of {value}, write `{text}`"


def for_parameter(use: Use, name: str) -> Repair | None:
    """Advice for a share at the place of a parameter that divides, `se(ratio = 1/16)`."""
    given = use.given().get(name)
    parameter = next(p for p in use.definition.parameters if p.name == name)
    divisor = None if given is None else divisor_of(given.value)
    if given is None or divisor is None:
        return None
    match parameter.default:
        case ast.Literal(value=int()):
            help_ = f"`{name}` divides, as in `{name} = {parameter.default.span.text}`"
            fix = (Edit(given.value.span, str(divisor)),)
            return Repair(f"{help_}: write `{divisor}`", fix)
        case ast.Operation(rest=(("//", _),)):
            written = f"@.channels // {divisor}"
            help_ = f"`{name}` is a number, not a share: write `{written}`"
            return Repair(help_, (Edit(given.value.span, written),))
    return None


def at_share(names: Container[str], uses: list[Use]) -> tuple[Use, str, Repair] | None:
    """The call that gives a share to a parameter that divides, if the error depends on it."""
    for use in reversed(uses):
        for name in use.given():
            repair = for_parameter(use, name) if name in names else None
            if repair is not None:
                return use, name, repair
    return None
