"""The error of an `output` in a block, whose fix moves the name of the output to the net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.loader import is_known
from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder


def error(output: ast.Output, net: NetBuilder) -> NetdslError:
    """The error, with a fix if the name of the output is not lost."""
    name = _name(output, net)
    help_ = "the value of a block is the value of its last layer: leave `output` out"
    fix = _without_output(output, net)
    call = None if net.caller is None else net.caller.span
    if name and call is not None:
        help_ += f", and write `output {name}: {call.text}` in the net"
        moved = _named_in_net(name, call, net)
        has_outputs = any(isinstance(s, ast.Output) for s in net.open[0].body.statements)
        if moved is not None and fix:
            fix = (*fix, moved)
        elif not has_outputs:
            fix = ()
    message = "`output` can only be in the body of a net"
    return NetdslError("misplaced-output", message, output.span, help=help_, fix=fix)


def _bare(output: ast.Output) -> ast.Call | None:
    """The name in `output logits`, which looks like a call."""
    if output.label is None and output.chain is not None and len(output.chain.elements) == 1:
        element = output.chain.elements[0]
        if isinstance(element, ast.Call) and not element.arguments and element.body is None:
            return element
    return None


def _name(output: ast.Output, net: NetBuilder) -> str:
    bare = _bare(output)
    if output.label is not None:
        return output.label.span.text
    if bare is not None and bare.label is None and not is_known(net.module, bare.name):
        return bare.name
    return ""


def _without_output(output: ast.Output, net: NetBuilder) -> tuple[Edit, ...]:
    """The fix in the block: its layers stay."""
    if output.chain is None:
        return (Edit(output.span, ""),)
    bare, start = _bare(output), output.span.start
    if bare is not None and _name(output, net) == bare.name:
        label = net.scope.path_to(bare.name)
        return (Edit(output.span, "" if label is None else f"@{label}"),)
    if output.label is not None and output.chain.elements[0].label is not None:
        return ()
    return (Edit(Span(output.span.file, start, output.chain.span.start), ""),)


def _named_in_net(name: str, call: Span, net: NetBuilder) -> Edit | None:
    """The edit that makes the call of the block the output of the net, if it is at its end."""
    last = net.open[0].body.statements[-1]
    if not isinstance(last, ast.Chain) or last.elements[-1].span != call:
        return None
    if any(element.label is not None for element in last.elements):
        return None
    return inserted(last.span, f"output {name}: ")
