"""Advice for names of layers and functions of other tools."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from keyword import iskeyword
from typing import TYPE_CHECKING

from netdsl.diagnostics import nearest, proposal_of
from netdsl.elaborate.invocation import AFTER_IF
from netdsl.elaborate.reductions import reduced, reduction
from netdsl.elaborate.slips.edits import (
    JOINS,
    fix_closest,
    is_layer,
    joined,
    set_fix,
)
from netdsl.elaborate.slips.joins import sum_in
from netdsl.habits.brackets import parts
from netdsl.habits.calls import chain_of
from netdsl.habits.formats import layer_of
from netdsl.habits.forward import MADE, applied
from netdsl.habits.layers import ADVICE, WITH_NUMBER, find, key_of
from netdsl.habits.loops import zipped
from netdsl.habits.missing_layers import MISSING
from netdsl.habits.new_tensors import learned_advice
from netdsl.habits.statements import is_labelled
from netdsl.habits.words import FUNCTIONS, OF_TENSORS
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic

_LAST = re.compile(r"(?:->|^|\{|:)\s*(?P<layer>[A-Za-z_]\w*(?:\([^()]*\))?)\s*->\s*$", re.MULTILINE)
_WRAPPED = re.compile(r"[\w.]+\(\s*(?P<layer>[\w.]+\([^()]*\))\s*\)$")
_MINIMUM = re.compile(r"min\(\s*(@[\w.]*),\s*(@[\w.]*)\s*\)")
RECURRENT = ("lstm", "gru", "rnn")
LIKE = 0.7  # the least likeness of a name to one that advice suggests


def advise_layer(diagnostic: Diagnostic, span: Span, call: ast.Call | None) -> None:
    """Advice for a layer or block that does not exist."""
    name = span.text
    proposal = proposal_of(diagnostic.help)
    is_like = _likeness(diagnostic, name) >= LIKE
    before = span.file.text[: span.start].rstrip()
    if proposal.aim == "known":
        return
    if proposal.aim == "reference":
        if call is not None:
            set_fix(diagnostic, call.span, proposal.names[0])
    elif call is None:
        _advise_name(diagnostic, span, None, is_like=is_like)
    elif key_of(name) in ("output", "outputs"):
        _output(diagnostic, call, before)
    elif before.endswith("output") and not call.arguments and find(name) is None:
        diagnostic.help = (
            f"write `output {name}: identity` for the value above, or the name before its layer:"
            f" `output {name}: dense(10)`"
        )
        place = Span(span.file, call.span.end, call.span.end)
        if call.body is None:
            set_fix(diagnostic, place, ": identity")
    else:
        _advise_name(diagnostic, span, call, is_like=is_like)


def _advise_name(
    diagnostic: Diagnostic, span: Span, call: ast.Call | None, *, is_like: bool
) -> None:
    """Advice for a name of other tools; `is_like` is whether the error suggests a similar one."""
    key, row = key_of(span.text), find(span.text)
    written = None if call is None else _written(call)
    if call is not None and (made := _made(call)) is not None:
        diagnostic.help = MADE.format(made)
    elif call is not None and (reduced := reduction(call)) is not None:
        diagnostic.help = f"write `{reduced}`"
        set_fix(diagnostic, call.span, reduced)
    elif call is not None and written is not None and (row is not None or key in ADVICE):
        diagnostic.help = f"write `{written}`"
        if row is not None and written != row.ours and written.startswith(row.ours):
            diagnostic.help = f"it is called `{row.ours}` here: write `{written}`"
        set_fix(diagnostic, call.span, written)
    elif call is not None and key in WITH_NUMBER and _only_number(call) is not None:
        written = WITH_NUMBER[key].format(_only_number(call))
        diagnostic.help = f"write `{written}`"
        set_fix(diagnostic, call.span, written)
    elif call is not None and key[:2] == "bi" and key[2:] in RECURRENT and call.arguments:
        arguments = ", ".join(a.span.text for a in call.arguments)
        diagnostic.help = f"write `{key[2:]}({arguments}, bidirectional = true)`"
    elif call is not None and (learned := learned_advice(call.span.text)) is not None:
        diagnostic.help = learned
    elif key in ADVICE:
        diagnostic.help = ADVICE[key]
        if call is not None:
            _act_on(diagnostic, key, call)
    elif row is not None:
        _called(diagnostic, span, call, row.ours)
    elif (described := layer_of(_words(span, call))) is not None and re.search(r"\d", span.text):
        diagnostic.help = f"write `{described}`"
        set_fix(diagnostic, span if call is None else call.span, described)
    elif call is not None and call.body is not None and not is_like:
        _group(diagnostic, call)
    elif call is not None and not is_like and _is_label_at_end(diagnostic, call):
        pass  # the advice is given
    elif is_like:
        fix_closest(diagnostic, span)
    elif proposal_of(diagnostic.help).aim == "names":
        diagnostic.help = "`netdsl layers` lists the layers"


def _made(call: ast.Call) -> str | None:
    """The layers of `relu(fc1(x))`, which PyTorch makes elsewhere, with sizes of an example."""
    before = call.span.file.text[: call.span.start].rstrip()
    output = re.search(r"\b(?P<head>output\b\s*)(?:(?P<name>\w+)\s*:)?$", before)
    found = applied(call.span.text, is_last=output is not None)
    if found is None:
        return None
    if any(label and re.search(rf"\b{label}\s*:", before) for label, _ in found.layers):
        return None  # the layer of a label, which is applied again
    if output is not None:
        return f"output {found.chain(output['name'] or '')}"
    if call.label is not None:
        return found.chain(call.label.span.text)
    return found.chain()


def _group(diagnostic: Diagnostic, call: ast.Call) -> None:
    """Advice for `encoder { ... }`, a group of layers with a name."""
    diagnostic.help = "braces follow a join, `concat { | relu | tanh }`, or no name at all"
    body = call.span.text.partition("{")[2]
    if call.name == "else":
        diagnostic.help = AFTER_IF
        return
    is_word = iskeyword(call.name) or call.name in ("catch", "finally", "switch", "case", "then")
    if is_word or call.arguments or call.label is not None or re.match(r"\s*\|", body):
        return
    diagnostic.help = f"a group of layers gets its name with a colon: `{call.name}: {{ ... }}`"
    end = Span(call.span.file, call.name_span.end, call.name_span.end)
    set_fix(diagnostic, end, ":")


def _is_label_at_end(diagnostic: Diagnostic, call: ast.Call) -> bool:
    """Give the advice for `conv(8, 3) -> x`, a label after its layer; returns whether it is one."""
    text, span = call.span.file.text, call.span
    before = _LAST.search(text[: span.start])
    if before is None or call.arguments or call.body is not None or call.label is not None:
        return False
    is_end = re.match(r"[ \t]*(?:#.*)?(?:\n|\}|$)", text[span.end :]) is not None
    if not is_end or not re.search(rf"@{re.escape(call.name)}\b", text[span.end :]):
        return False
    written = f"{call.name}: {before['layer']}"
    diagnostic.help = f"a label comes before its layer: write `{written}`"
    if is_layer(before["layer"]):
        set_fix(diagnostic, Span(span.file, before.start("layer"), span.end), written)
    return True


def _words(span: Span, call: ast.Call | None) -> str:
    """A call as a line of a table: `conv8 3x3` for `conv8(3x3)`."""
    return re.sub(r"[(),\s]+", " ", span.text if call is None else call.span.text)


def _only_number(call: ast.Call) -> str | None:
    """The only argument of a call, if it is a number without a name."""
    match call.arguments:
        case (ast.Argument(name=None, value=ast.Literal() as value),):
            return value.span.text
    return None


def _act_on(diagnostic: Diagnostic, key: str, call: ast.Call) -> None:
    """The fix for a name with advice, if it is a whole line."""
    advice = proposal_of(ADVICE[key])
    if key in ("input", "inputlayer"):
        _input(diagnostic, call)
    elif advice.aim == "text" and not call.arguments and call.body is None:
        set_fix(diagnostic, call.span, advice.names[0])
    elif key == "bidirectional" and (inner := _WRAPPED.match(call.span.text)) is not None:
        chain = chain_of(inner["layer"])
        if chain is not None:
            written = f"{str(chain).removesuffix(')')}, bidirectional = true)"
            diagnostic.help = f"write `{written}`"
            set_fix(diagnostic, call.span, written)
    elif not _is_line(call.span):
        return
    elif advice.aim == "nothing":
        set_fix(diagnostic, call.span, "")
    elif key == "assert":
        written = f"expect {call.span.text.removeprefix(call.name).strip('()')}"
        diagnostic.help = f"a fact about the net begins with `expect`: write `{written}`"
        set_fix(diagnostic, call.span, written)


def _called(diagnostic: Diagnostic, span: Span, call: ast.Call | None, ours: str) -> None:
    """Advice for a layer whose arguments cannot be translated."""
    diagnostic.help = f"it is called `{ours}` here"
    if call is None:
        return
    if ours == "residual" and call.body is None:
        diagnostic.help += ", with its layers in braces: `residual { conv(64, 3, pad = 1) }`"
        return
    if ours == "residual" and call.arguments:
        diagnostic.help += ", and adds its own input: write `residual { ... }`"
        return
    if ours == "permute":
        diagnostic.help += ", and has all axes: `permute([2, 1])` swaps those of a sequence T x D"
    if ours == "conv" and call.arguments:
        diagnostic.help += ", as in `conv(64, 3)`: the channels of the input are inferred"
    if ours == "flatten" and call.arguments:
        diagnostic.help += ", and merges all axes; `reshape` gives any other shape"
    are_references = all(
        a.name is None and isinstance(a.value, ast.Reference) for a in call.arguments
    )
    if are_references and (call.body is None or ours in JOINS):
        set_fix(diagnostic, span, ours)


def _likeness(diagnostic: Diagnostic, name: str) -> float:
    """How much the first name that the advice suggests is like this one, from 0 to 1."""
    proposal = proposal_of(diagnostic.help)
    if proposal.aim != "names":
        return 0
    ours, theirs = proposal.names[0].lower(), name.lower()
    if theirs.startswith(ours) or ours.startswith(theirs):
        return 1
    return SequenceMatcher(None, theirs, ours).ratio()


def _output(diagnostic: Diagnostic, call: ast.Call, before: str) -> None:
    """Advice for `output` at the end of a chain."""
    diagnostic.help = "name the output at the beginning of a line: `output logits: dense(10)`"
    span = call.span
    number = span.file.location(span.start).line
    line, start = span.file.line(number), span.file.start_of(number)
    chain = span.file.text[start : len(before)].strip()
    if call.arguments:
        arguments = span.text.partition("(")[2]
        diagnostic.help = f"write the layer: `dense({arguments}`; `output` names the last value"
        set_fix(diagnostic, span, f"dense({arguments}")
    elif chain.endswith("->") and line.rstrip().endswith(span.text):
        begin = start + len(line) - len(line.lstrip())
        written = f"output {chain.removesuffix('->').rstrip()}"
        diagnostic.help = f"an output begins its line: `{written}`"
        set_fix(diagnostic, Span(span.file, begin, span.end), written)


def _input(diagnostic: Diagnostic, call: ast.Call) -> None:
    """The declaration for `Input(3, 8, 8)`."""
    sizes = re.findall(r"\d+", call.span.text.partition("(")[2])
    if 1 <= len(sizes) <= 4:
        written = f"input image: {'x'.join(sizes)}"
        if len(sizes) == 3 and len(sizes[2]) == 1 < len(sizes[0]):
            written = f"input image: {sizes[2]}x{sizes[0]}x{sizes[1]}"
        diagnostic.help = f"declare the input at the top of the net: `{written}`"


def _is_line(span: Span) -> bool:
    """Whether a place is a whole line, so that it can be left out."""
    number = span.file.location(span.start).line
    return span.file.line(number).strip() == span.text


def _written(call: ast.Call) -> str | None:
    """The call as it is written here, with its label if it has none and gives its name."""
    text = call.span.text
    row = find(call.name)
    if row is not None and row.ours in JOINS and call.body is None:
        return joined(row.ours, call)
    if call.body is not None:
        return None
    chain = chain_of(text if call.arguments or text.endswith(")") else f"{text}()")
    if chain is None:
        return None
    if chain.name is not None and call.label is None:
        return f"{chain.name}: {chain}"
    if is_labelled(call.span.file.text[: call.name_span.start]):
        return chain.after_label
    return str(chain)


def _smaller_of(text: str) -> str | None:
    """Advice for `min(@a, @b)`, the minimum of two references, or None."""
    match = _MINIMUM.fullmatch(text)
    if match is None:
        return None
    a, b = match.groups()
    return f"the smaller of two tensors is `({a} - relu({a} - {b}))`"


def advise_function(
    diagnostic: Diagnostic, span: Span, part: ast.Tree | None, labels: Iterable[str]
) -> None:
    """Advice for a function that does not exist, or that is a layer."""
    call = part if isinstance(part, ast.Call) else None
    name = span.text.split("(")[0]
    if "@" in span.text and name in OF_TENSORS:
        diagnostic.help = _smaller_of(span.text) or OF_TENSORS[name]
        parts_of = () if part is None else part.walk()
        function = next(
            (p for p in parts_of if isinstance(p, ast.Function) and p.span == span), None
        )
        written = None if function is None else reduced(function)
        if written is not None:
            diagnostic.help = f"write `{written}`"
            set_fix(diagnostic, span, written)
        return
    is_argument = call is not None and call.name not in (*LAYERS, *JOINS)
    is_named = isinstance(part, ast.Let) and part.value.span == span and find(name) is not None
    if name not in LAYERS and (is_argument or is_named):
        _misspelt_argument(diagnostic, span, name)
        if diagnostic.fix:
            return
    made = None if call is None else _made(call)
    if made is not None:
        diagnostic.message = f"`{name}` is not a function here"
        diagnostic.help = MADE.format(made)
        return
    if key_of(name) in MISSING:
        diagnostic.help = MISSING[key_of(name)]
        return
    if not is_layer(span.text) and find(name) is None:
        _function_of_list(diagnostic, span, name)
        return
    diagnostic.message = f"`{name}` is a layer, and a layer cannot be an argument"
    diagnostic.help = "chain layers with `->`: `conv(8, 3) -> relu`"
    if call is None:
        return
    sum_ = sum_in(call, span, labels)
    if sum_ is not None:
        diagnostic.help = f"values are joined by layers: write `{sum_}`"
        return
    if call.name in JOINS:
        diagnostic.help = f"write each in an arm: `{call.name} {{ | relu | conv(8, 3) }}`"
        written = joined(call.name, call)
    else:
        chain = chain_of(call.span.text)
        written = None if chain is None or chain.start is not None else str(chain)
    if written is not None:
        diagnostic.help = f"write `{written}`"
        set_fix(diagnostic, call.span, written)


def _misspelt_argument(diagnostic: Diagnostic, span: Span, name: str) -> None:
    """Advice and fix for a layer that has the name of another tool, as a value."""
    chain = chain_of(span.text)
    near = nearest(name, LAYERS)
    arguments = span.text[len(name) :]
    if find(name) is not None and chain is not None and chain.start is None:
        if len(chain.layers) > 1 or not is_layer(chain.layers[0]):
            return
        written = chain.layers[0]
    elif key_of(name) in LAYERS and chain is not None and len(chain.layers) == 1:
        written = chain.layers[0]
    elif near is not None:
        written = near if arguments == "()" else near + arguments
    else:
        return
    diagnostic.message = f"there is no layer or block `{name}`"
    diagnostic.help = f"write `{written}`"
    set_fix(diagnostic, span, written)


def _function_of_list(diagnostic: Diagnostic, span: Span, name: str) -> None:
    """Advice for a function of another language, and for a list that is called like one."""
    index = re.fullmatch(r"(\w+)\((-?\w+)\)", span.text)
    if name == "reversed" and index is not None and index[2].isidentifier():
        written = f"[{index[2]}[-1 - i] for i in range(len({index[2]}))]"
        diagnostic.help = f"write `{written}`"
        set_fix(diagnostic, span, written)
    elif name == "zip" and (pairs := zipped(parts(span.text[4:-1]))) is not None:
        diagnostic.help = f"write a list of tuples: `{pairs}`"
        set_fix(diagnostic, span, pairs)
    elif name in FUNCTIONS:
        diagnostic.help = FUNCTIONS[name]
    elif index is not None and re.search(rf"\blet\s+{name}\b", span.file.text):
        diagnostic.help = f"an element of a list is written `{name}[{index[2]}]`"
        set_fix(diagnostic, span, f"{name}[{index[2]}]")
