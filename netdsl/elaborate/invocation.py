"""A call in the text, at the moment when it is evaluated."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, NamedTuple, Protocol

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import without_arguments
from netdsl.elaborate.module import BoundCall, joined
from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.module import BlockValue, KindValue
    from netdsl.elaborate.scope import Namespace
    from netdsl.ir.graph import Value

AFTER_IF = (
    "an `else` follows the `}` of its `if`, without a `|` before it:"
    " `if c { | relu } else { | tanh }`"
)
NO_BRACES = "only joins take them: concat, add, mul, sub, max, residual"
LONGEST = 60  # characters of a body in a message


class Bodies(Protocol):
    """Unrolls the bodies to which calls lead."""

    def body(self, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        """The value after a body's statements."""

    def element(
        self, element: ast.Element, label: ast.Pattern | None, env: Env, x: Value | None
    ) -> Value:
        """The value after one element of a chain."""

    def inside(self, scope: Namespace, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        """The value after a body whose members and labels belong to `scope`."""


class Invocation(NamedTuple):
    """One evaluation of a call; a call inside a loop has one for each round.

    `env` has the names that the arguments see, and `x` is the value that flows into the call.
    """

    call: ast.Call
    label: ast.Pattern | None
    env: Env
    x: Value | None

    def bound_to(self, target: BlockValue | KindValue) -> Invocation:
        """The same with the arguments that the called block or layer has already."""
        call = self.call
        parts = call.span, call.label, call.name, call.name_span
        arguments = joined(target.arguments, call.arguments)
        bound = BoundCall(*parts, arguments, call.condition, call.body, target.bare())
        return self._replace(call=bound)

    @property
    def name(self) -> str:
        """The name of the layer, join, block or label that is called."""
        return self.call.name

    @property
    def arms(self) -> tuple[ast.Body, ...]:
        """The arms of a join. The body of a `residual` without arms is its only one."""
        body = self.call.body
        if body is None:
            return ()
        if self.call.name == "residual" and not body.arms:
            return (body,)
        return body.arms

    @property
    def span(self) -> Span:
        """The place of the call."""
        return self.call.span


def given(call: ast.Call, arguments: tuple[ast.Argument, ...]) -> ast.Call:
    """The same call with these arguments."""
    changed = copy(call)
    changed.arguments = arguments
    return changed


def refuse_arguments_and_body(call: ast.Call) -> None:
    """Raise `NetdslError` if a word that takes neither is followed by arguments or braces."""
    if call.arguments:
        error = NetdslError(
            "too-many-arguments",
            f"`{call.name}` takes no arguments",
            call.span,
            help=f"write `{call.name}`",
            fix=_without_arguments(call),
        )
        layers = [a for a in call.arguments if isinstance(a.value, ast.Function | ast.Name)]
        if call.name == "frozen" and len(layers) == len(call.arguments) == 1:
            written = f"{layers[0].span.text} -> frozen"
            error.diagnostic.help = f"it follows what it freezes: write `{written}`"
            error.diagnostic.fix = (Edit(call.span, written),)
        raise error
    refuse_body(call)


def _without_arguments(call: ast.Call) -> tuple[Edit, ...]:
    """The fix for `identity(64)` and `frozen(true)`, where the arguments change nothing."""
    values = [a.value.value for a in call.arguments if isinstance(a.value, ast.Literal)]
    if len(values) < len(call.arguments) or call.body is not None:
        return ()
    if call.name == "frozen" and values != [True]:
        return ()
    return (without_arguments(call),)


def refuse_condition(call: ast.Call) -> None:
    """Raise `NetdslError` if a call of something other than `residual` has a condition."""
    if call.condition is None:
        return
    condition = call.condition.span
    written = condition.file.text[call.span.start : condition.start].rstrip().removesuffix("if")
    fix: tuple[Edit, ...] = ()
    if call.name == "else":
        error = "only `residual` takes a condition after its name, and `else` does not"
        raise NetdslError("unexpected-condition", error, condition, help=AFTER_IF)
    if call.body is None:
        written = f"if {condition.text} {{ {written.strip()} }}"
        fix = (Edit(call.span, written),)
    else:
        place = Span(condition.file, call.span.start, call.body.span.end)
        join = f"if {condition.text} {{ {written.strip()}"
        fix = (Edit(place, f"{join} {call.body.span.text} }}"),)
        written = f"{join} {{ | ... | ... }} }}"
    raise NetdslError(
        "unexpected-condition",
        f"only `residual` takes a condition after its name, and `{call.name}` does not",
        condition,
        help=f"write `{written}`",
        fix=fix,
    )


def refuse_body(call: ast.Call) -> None:
    """Raise `NetdslError` if a call of something other than a join has braces."""
    if call.body is not None:
        message = f"`{call.name}` takes no braces"
        error = NetdslError("unexpected-body", message, call.body.span, help=NO_BRACES)
        written = call.span.file.text[call.span.start : call.body.span.start].strip()
        if not call.body.arms:
            body = " ".join(call.body.span.text.split())
            if len(body) > LONGEST:
                body = "{ ... }"
            error.diagnostic.help = f"write `{body} -> {written}`; {NO_BRACES}"
        raise error
