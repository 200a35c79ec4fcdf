"""Advice for references to what is no label here.

It may be a label on the other side of a block's braces, or the name of something else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, Proposal
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.module import BlockValue, KindValue
from netdsl.elaborate.renaming import numbered_label
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.module import Module
    from netdsl.elaborate.notes import Round
    from netdsl.elaborate.scope import Namespace
    from netdsl.errors import NetdslError
    from netdsl.ir.graph import Site, Value

_DOWN = re.compile(r"range\(\s*(\w+)\s*,\s*0\s*,\s*-1\s*\)")


def advice(
    path: str,
    scope: Namespace,
    opened: Sequence[ast.Definition],
    caller: Site | None,
    module: Module,
    *,
    is_computed: bool,
) -> str:
    """Advice for a label that is not above a reference.

    `opened` are the net and the blocks that are being unrolled. `caller` is the call of the
    innermost block, if the net has the label.
    """
    help_ = None
    if scope.path_to(path) is None:
        help_ = for_inner(path, module.definitions.values())
        if len(opened) > 1 and caller is not None:
            help_ = for_outer(path, opened[-1], caller.span.text, is_computed=is_computed)
    return help_ or scope.suggest(path)


def advise_other(
    error: NetdslError, path: str, env: Env, body: ast.Body, calls: Sequence[Span]
) -> None:
    """Give a reference to a name, or into one of the `calls`, its advice and fix."""
    is_known, value = env.find(path)
    if is_known and path in env.names():
        _advise_let(error, path, value, body)
    elif calls:
        _advise_call(error, path.partition(".")[0], calls)


def unlabelled_calls(path: str, labels: Mapping[str, Value], caller: Site | None) -> list[Span]:
    """The calls without a label that have the labels of a path after its first.

    A call in a loop is in the list once for each round.
    """
    rest = path.partition(".")[2]
    inner = [value for name, value in labels.items() if rest and name.endswith(f".{rest}")]
    sites = [value.site.caller for value in inner]
    calls = {s: None for s in sites if s is not None and s.caller is caller}
    if len(calls) < len({id(value) for value in inner}):
        return []
    return [site.span for site in calls]


def _advise_let(error: NetdslError, name: str, value: object, body: ast.Body) -> None:
    """Advice for `@attn` where `attn` is a `let`, a parameter or a variable."""
    if not isinstance(value, KindValue | BlockValue):
        text = f"`{name}` is {show(value)}, not a label: write it without `@`"
        error.diagnostic.help = Proposal(text, "known")
        return
    text = (
        f"`{name}` names the layer `{value}`, not its result: write `{name}: {value}` where it is"
        " applied"
    )
    error.diagnostic.help = Proposal(text, "known")
    lets = [s for s in body.walk() if isinstance(s, ast.Let) and s.name == name]
    if len(lets) == 1 and len(re.findall(rf"\b{name}\b", body.span.text)) == 2:
        let = lets[0]
        head = Span(let.span.file, let.span.start, let.value.span.start)
        error.diagnostic.fix = (Edit(head, f"{name}: "),)


def _advise_call(error: NetdslError, label: str, calls: Sequence[Span]) -> None:
    """Advice for `@down.first` if the only label `first` is in a call without a label."""
    call, places = calls[-1], list(dict.fromkeys(calls))
    reference = error.diagnostic.span
    assert reference is not None
    written = reference.text[1:].partition(".")[0]
    is_repeated = len(calls) > len(places) == 1
    if is_repeated and not re.search(r"\{\w+\}$", written):
        label = re.sub(r"\d*$", "{i}", label, count=1)
    elif "{" in written:
        label = written
    help_ = f"the call on line {call.first.line} has no label: write `{label}: {call.text}`"
    if len(places) > 1:
        lines = " and ".join(str(place.first.line) for place in places[:4])
        help_ = f"the calls on lines {lines} have no label: give one `{label}: {call.text}`"
    if is_repeated:
        help_ += ", where `i` counts the rounds" * label.endswith("{i}")
    error.diagnostic.help = help_
    if len(places) == 1 and (not is_repeated or label == written):
        error.diagnostic.fix = (inserted(call, f"{label}: "),)


def by_variable(
    diagnostic: Diagnostic, reference: Span, scope: Namespace, rounds: Sequence[Round]
) -> None:
    """Advice and fix for `@conv_i` in a loop of `i`, whose labels are `conv_{i}`."""
    numbered = _numbered_parts(reference.text[1:], rounds, scope)
    if len(numbered) == 1:
        written = f"@{numbered[0]}.{reference.text[1:]}"
        diagnostic.help, diagnostic.fix = f"write `{written}`", (Edit(reference, written),)
        return
    variables = [r.variable for r in rounds if r.variable is not None]
    written = numbered_label(reference.text[1:], variables, only_given=True)
    pattern = re.sub(r"\\{\w+\\}", r"\\d+", re.escape(written))
    if written == reference.text[1:] or not any(re.fullmatch(pattern, n) for n in scope.labels):
        return
    diagnostic.help = f"write `@{written}`: a variable is in braces"
    diagnostic.fix = (Edit(reference, f"@{written}"),)


def _numbered_parts(name: str, rounds: Sequence[Round], scope: Namespace) -> list[str]:
    """The computed labels in the innermost loop of the groups and calls that have such a label."""
    if not rounds or not name.isidentifier():
        return []
    member, known = re.compile(rf"(?<![\w.]){name}\s*:"), scope.first_paths()
    found = []
    for part in rounds[-1].loop.body.walk():
        if not isinstance(part, ast.Group | ast.Call) or part.label is None:
            continue
        label = part.label.span.text
        if "{" not in label:
            continue
        path = re.sub(r"\\\{.*?\\\}", r"\\d+", re.escape(label))
        is_inside = isinstance(part, ast.Group) and member.search(part.span.text)
        if is_inside or any(re.fullmatch(rf"{path}\.{name}", other) for other in known):
            found.append(label)
    return found


def count_down(
    diagnostic: Diagnostic, path: str, scope: Namespace, rounds: Sequence[Round]
) -> None:
    """Advice and fix for `range(n, 0, -1)` with labels that are numbered from 0 to n - 1."""
    if not rounds or not isinstance(rounds[-1].loop, ast.For):
        return
    place = rounds[-1].loop.values.span
    counted, label = _DOWN.fullmatch(place.text), re.fullmatch(r"(.*?)(\d+)", path)
    if counted is None or label is None:
        return
    first, last = f"{label[1]}0", f"{label[1]}{int(label[2]) - 1}"
    if scope.find([first]) is None or scope.find([last]) is None:
        return
    n = counted[1]
    start = f"{n} - 1"
    if n.isdigit():
        start = str(int(n) - 1)
    down = f"range({start}, -1, -1)"
    diagnostic.help = f"the labels are `{first}` to `{last}`: count down with `{down}`"
    diagnostic.fix = (Edit(place, down),)


def for_outer(label: str, block: ast.Definition, call: str, *, is_computed: bool) -> str:
    """Advice for a block that refers to a label of its caller: the value becomes a parameter.

    If the label is computed, its name is only that of one call.
    """
    names = [p.name if p.default is None else p.span.text for p in block.parameters]
    name = label.rpartition(".")[2]
    if is_computed and "skip" not in names:
        name = "skip"
    given = call.removesuffix(")") if "(" in call else f"{call}("
    if not given.endswith("("):
        given += ", "
    required = [n for n in names if "=" not in n]
    defaults = [n for n in names if "=" in n]
    declared = ", ".join([*required, name, *defaults])
    middle = ", and"
    if is_computed:
        middle = f", use `{name}` in it, and"
    return (
        f"a block sees only its own labels: declare it as `block {block.name}({declared})`{middle}"
        f" call it as `{given}{name} = @{label})`"
    )


def for_inner(path: str, definitions: Iterable[ast.Definition | ast.Alias]) -> str | None:
    """Advice for a label that is inside a block: the call of the block needs a label."""
    for definition in definitions:
        if not isinstance(definition, ast.Definition) or definition.is_net:
            continue
        parts = definition.body.walk()
        labels = {p.label.span.text for p in parts if isinstance(p, ast.Element) and p.label}
        if path in labels:
            name = definition.name
            text = (
                f"`{path}` is inside the block `{name}`: give its call a label, as in"
                f" `first: {name}(...)`, and write `@first.{path}`"
            )
            return Proposal(text, "known")
    return None
