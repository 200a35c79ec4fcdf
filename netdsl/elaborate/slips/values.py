"""Advice for names, types and arguments that people write out of habit from other tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, Proposal, proposal_of
from netdsl.elaborate.corrections import declaration, without_arguments
from netdsl.elaborate.slips.edits import (
    JOINS,
    argument_at,
    fix_closest,
    joined,
    reference,
    set_fix,
    with_comma,
)
from netdsl.elaborate.slips.joins import CURRENT, sum_in
from netdsl.elaborate.suggested_calls import for_value
from netdsl.elaborate.value_advice import for_word, padding_mode
from netdsl.habits.brackets import parts
from netdsl.habits.layers import find
from netdsl.habits.words import IN, NOTHING, PACKAGES, TYPES, VALUES
from netdsl.ir.types import ITEM_BYTES
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

COUNTERS = ("i", "j", "k", "n", "idx", "index", "num", "number")
MOST_GROUPED = 12  # elements of a list in a message
_OPENINGS = re.compile(r"^\s*(net|block)\b", re.MULTILINE)
_WEIGHT = re.compile(r"\b(weight|bias)\s*=\s*$")
_LAST_OF_LIST = re.compile(r"\s*\[[^\[\]]*?(?P<number>\d+)\s*\]\s*\{")
_PATH = re.compile(r"\w+(\.\w+)+")

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic
    from netdsl.ir.op import Op


def advise_operand(diagnostic: Diagnostic, span: Span) -> None:
    """The fix for the name of a label in a formula: a reference."""
    if _names_label(diagnostic) and proposal_of(diagnostic.help).names == (f"@{span.text}",):
        diagnostic.help = f"write `@{span.text}` for the value at that label"
        set_fix(diagnostic, span, f"@{span.text}")


def _follows_comment_sign(span: Span) -> bool:
    """Whether a name follows `//`, and the rest of the line can be a comment: it closes nothing."""
    text = span.file.text
    rest = text[span.start :].partition("\n")[0]
    return text[: span.start].rstrip().endswith("//") and not set(")]}").intersection(rest)


def _advise_sizes(diagnostic: Diagnostic, span: Span) -> None:
    """Advice for a name of other tools for a size of the value at hand."""
    written, subject = IN[span.text], "a block's input"
    openings = _OPENINGS.findall(span.file.text[: span.start])
    if openings and openings[-1] == "net":
        written, subject = written.replace("in.", "@."), "the current value"
    diagnostic.help = f"the sizes of {subject} are `{written}` and so on"
    set_fix(diagnostic, span, written)


def _advise_nothing(
    diagnostic: Diagnostic, span: Span, call: ast.Call | None, argument: ast.Argument | None
) -> None:
    """Advice for a word of another language for no value, such as `None`."""
    if any(edit.text == "identity" for edit in diagnostic.fix):
        return  # the parameter is a layer, and the advice is given
    if argument is not None and argument.name == "bias":
        diagnostic.help = "write `false`"  # without the argument, there is a bias
        set_fix(diagnostic, span, "false")
        return
    diagnostic.help = "leave it out, or give a value such as 0 or `false`"
    if call is not None:
        diagnostic.help = "leave the argument out"
    if call is not None and argument is not None:
        diagnostic.fix = (Edit(with_comma(call, argument), ""),)


def advise_name(
    diagnostic: Diagnostic, span: Span, call: ast.Call | None, labels: Iterable[str]
) -> None:
    """Advice for a name that has no value."""
    name = span.text
    argument = None if call is None else argument_at(call, span)
    if name in VALUES:
        diagnostic.help = f"it is written `{VALUES[name]}`"
        set_fix(diagnostic, span, VALUES[name])
    elif name == "bool" and call is not None and call.name == "const":
        diagnostic.help = "a mask of numbers is added to the scores: 0 keeps a key, -100 hides it"
    elif call is not None and argument is not None and _pads(diagnostic, call, argument):
        pass  # the advice is given
    elif call is None and name in ("training", "is_training", "self") and _asks_for_training(span):
        diagnostic.help = (
            "leave the condition out: `dropout`, `droppath` and `bn` know whether a net is trained"
        )
    elif name in NOTHING:
        _advise_nothing(diagnostic, span, call, argument)
    elif _follows_comment_sign(span):
        start = span.file.text[: span.start].rindex("//")
        diagnostic.help = "comments begin with `#`"
        set_fix(diagnostic, Span(span.file, start, start + 2), "#")
    elif (ended := _ended_loop(span)) is not None:
        diagnostic.help = ended
    elif name in IN and diagnostic.help is None:
        _advise_sizes(diagnostic, span)
    elif re.fullmatch(r"[xX]\d+", name):
        diagnostic.help = f"write a factor as a number: `{name[1:]}`"
        set_fix(diagnostic, span, name[1:])
    elif name == "identity" and call is not None and call.name in JOINS:
        diagnostic.help = f"write `{joined(call.name, call) or 'add { | relu | identity }'}`"
    elif (weight := _weight(span)) is not None and _names_label(diagnostic):
        diagnostic.help = f"write `@{weight}`"
        diagnostic.fix = (Edit(Span(span.file, span.start, span.start), "@"),)
    elif _is_for_label(diagnostic, call):
        _label(diagnostic, span, call, labels)
    elif _names_label(diagnostic) and _takes_references(call, argument):
        advise_operand(diagnostic, span)
    elif call is not None and argument is not None and _is_without_padding(diagnostic):
        diagnostic.fix = (Edit(with_comma(call, argument), ""),)
    elif proposal_of(diagnostic.help).aim == "text":
        set_fix(diagnostic, span, proposal_of(diagnostic.help).names[0])
    elif (
        call is not None
        and argument is not None
        and (repair := for_word(call, argument, name)) is not None
    ):
        diagnostic.help, diagnostic.fix = repair
    elif (sum_ := sum_in(call, span, labels)) is not None:
        diagnostic.help = f"values are joined by layers: write `{sum_}`"
    elif name in ITEM_BYTES:
        pass  # an element type, which has advice
    elif (row := find(name)) is not None and name not in LAYERS and row.ours in LAYERS:
        diagnostic.help = f"the layer is called `{row.ours}` here"
        set_fix(diagnostic, span, row.ours)
    else:
        fix_closest(diagnostic, span)
        if diagnostic.help is None and name.isidentifier():
            _without_value(diagnostic, name, call, argument)


def _asks_for_training(span: Span) -> bool:
    """Whether a name begins the condition `training` or `self.training`."""
    text = span.file.text
    start = text.rfind("\n", 0, span.start) + 1
    line = text[start : start + 200]
    condition = r".*\bif\s+(?:not\s+)?(?:self\s*\.\s*)?(?:is_)?training\b"
    return re.match(condition, line) is not None


def _is_without_padding(diagnostic: Diagnostic) -> bool:
    """Whether the advice is to leave the argument out, as a padding without which none is added."""
    return proposal_of(diagnostic.help).aim == "nothing"


def _ended_loop(span: Span) -> str | None:
    """Advice for the variable of an earlier loop of the same body, with its last value."""
    before = span.file.text[: span.start]
    openings = list(_OPENINGS.finditer(before))
    start = openings[-1].start() if openings else 0
    name = re.escape(span.text)
    head = rf"\bfor\b[^{{}}\n]*\b{name}\b[^{{}}\n]*\bin\b|\brepeat\b[^{{}}\n]*\bas\s+{name}\b"
    loops = list(re.finditer(head, before[start:]))
    if not loops:
        return None
    line = before.count("\n", 0, start + loops[-1].start()) + 1
    fact = f"`{span.text}` exists only inside the loop on line {line}"
    last = _LAST_OF_LIST.match(before, start + loops[-1].end())
    if last is None or not re.fullmatch(rf"for\s+{name}\s+in", loops[-1][0]):
        return f"{fact}: write its value"
    return f"{fact}: its last value was `{last['number']}`"


def _pads(diagnostic: Diagnostic, call: ast.Call, argument: ast.Argument) -> bool:
    """Give the advice for `pad = replicate`, and return whether there is any."""
    cls = LAYERS.get(call.name)
    if cls is None or argument.name != "pad":
        return False
    repair = padding_mode(call, cls, argument, argument.value.span.text)
    if repair is not None:
        diagnostic.help, diagnostic.fix = repair
    return repair is not None


def _without_value(
    diagnostic: Diagnostic, name: str, call: ast.Call | None, argument: ast.Argument | None
) -> None:
    """Advice for a name that no other advice is for."""
    diagnostic.help = (
        f"give it a value above this line, as in `let {name} = 8`, or make it a parameter of the"
        " net or block"
    )
    if call is None or call.name not in LAYERS or argument is None or argument.name is not None:
        return
    if argument is call.arguments[0] and name in CURRENT:
        diagnostic.help = f"leave `{name}` out: a layer takes the value above it"
        edit = Edit(with_comma(call, argument), "")
        diagnostic.fix = (without_arguments(call),) if len(call.arguments) == 1 else (edit,)


def _is_for_label(diagnostic: Diagnostic, call: ast.Call | None) -> bool:
    """Whether a name stands where a join has a reference."""
    if call is None or call.name not in JOINS:
        return False
    is_in_list = any(isinstance(a.value, ast.Sequence) for a in call.arguments)
    return is_in_list or _names_label(diagnostic)


def _takes_references(call: ast.Call | None, argument: ast.Argument | None) -> bool:
    """Whether a reference can take the place of an argument."""
    cls = None if call is None else LAYERS.get(call.name)
    return cls is not None and cls.inputs[1] > 1 and argument is not None and argument.name is None


def _names_label(diagnostic: Diagnostic) -> bool:
    """Whether the unknown name is a label that is written without `@`."""
    return proposal_of(diagnostic.help).aim == "reference"


def _weight(span: Span) -> str | None:
    """The path that begins at `span`, if it is the argument `weight` or `bias`."""
    text = span.file.text
    path = _PATH.match(text, span.start)
    if path is None or not _WEIGHT.search(text[max(span.start - 20, 0) : span.start]):
        return None
    return path[0]


def _label(
    diagnostic: Diagnostic, span: Span, call: ast.Call | None, labels: Iterable[str]
) -> None:
    """The fix for labels without `@` among the arguments of a join."""
    if call is None or call.name not in JOINS:
        return
    arguments = [argument for argument in call.arguments if argument.name is None]
    arguments = arguments or [a for a in call.arguments if isinstance(a.value, ast.Sequence)][:1]
    if not arguments or isinstance(arguments[0].value, ast.Comprehension):
        return
    places = [argument.span for argument in arguments]
    texts = [argument.value.span.text for argument in arguments]
    written = ", ".join(map(reference, texts))
    if isinstance(arguments[0].value, ast.Sequence):
        texts = parts(texts[0][1:-1])
        written = f"[{', '.join(map(reference, texts))}]"
    diagnostic.help = f"references begin with `@`: write `{call.name}({written})`"
    if len(places) > 1:
        written = f"[{written}]"
        diagnostic.help = (
            f"references begin with `@`: write `{call.name}({written})`, which joins only these"
        )
    if {text.lstrip("@") for text in texts} <= {*labels}:
        set_fix(diagnostic, Span(span.file, places[0].start, places[-1].end), written)


def advise_dtype(diagnostic: Diagnostic, span: Span, part: ast.Input) -> None:
    """Advice for a type of another language, and for sizes with a capital `X`."""
    ours = TYPES.get(span.text.lower())
    if re.match(r"X[\dA-Z]", span.text):
        place = Span(span.file, part.shape.span.start, span.end)
        written = place.text.replace("X", "x").replace(" ", "")
        diagnostic.code = "syntax-error"
        diagnostic.message = "sizes have a small `x` between them"
        diagnostic.span = place
        diagnostic.help = f"write `{written}`"
        set_fix(diagnostic, place, written)
    elif ours is not None:
        diagnostic.help = f"it is called `{ours}` here"
        set_fix(diagnostic, span, ours)
    else:
        fix_closest(diagnostic, span)


def advise_import(diagnostic: Diagnostic, span: Span) -> None:
    """Advice for a package of Python, which the language does not need."""
    words = span.text.split()
    if len(words) == 2 and words[1] in PACKAGES:
        diagnostic.help = "leave it out: the layers need no import"
        set_fix(diagnostic, span, "")
        return
    proposal = proposal_of(diagnostic.help)
    if proposal.aim == "names" and proposal.names[0] == words[-1].lower():
        diagnostic.help = f"write `import {proposal.names[0]}`"
        set_fix(diagnostic, span, f"import {proposal.names[0]}")


def advise_loop(diagnostic: Diagnostic, span: Span, part: ast.For) -> None:
    """Advice for a list that a loop cannot take."""
    if proposal_of(diagnostic.help).aim == "known":
        return
    if (grouped := _grouped(span, len(part.targets))) is not None and (
        part.targets[0] not in COUNTERS
    ):
        diagnostic.help = f"write the elements in parentheses: `{grouped}`"
    elif len(part.targets) == 2:
        diagnostic.help = f"`enumerate({span.text})` gives pairs of a number and an element"


def _grouped(span: Span, count: int) -> str | None:
    """`[(64, 2), (128, 2)]` for a list `[64, 2, 128, 2]`, or for the name of one."""
    written = span.text
    if written.isidentifier():
        lets = re.findall(rf"\blet[ \t]+{written}[ \t]*=[ \t]*(\[[^\[\]]*\])", span.file.text)
        written = lets[0] if len(lets) == 1 else ""
    if not re.fullmatch(r"\[[^\[\](){}]*\]", written):
        return None
    elements = [element for element in parts(written[1:-1]) if element]
    if len(elements) % count or not count < len(elements) <= MOST_GROUPED:
        return None
    groups = [", ".join(elements[i : i + count]) for i in range(0, len(elements), count)]
    return f"[{', '.join(f'({group})' for group in groups)}]"


def advise_argument(diagnostic: Diagnostic, span: Span, call: ast.Call) -> None:
    """Advice for an argument of the wrong type."""
    argument = next((a for a in call.arguments if a.span == span), None)
    cls = LAYERS.get(call.name)
    if argument is None or cls is None:
        return
    value = argument.value
    word = value.value if isinstance(value, ast.Literal) else value.span.text
    if isinstance(value, ast.Sequence) and diagnostic.help is None:
        _normalized_shape(diagnostic, value, call, argument)
    if _is_without_padding(diagnostic):
        diagnostic.fix = (Edit(with_comma(call, argument), ""),)
    elif isinstance(word, str) and argument.name is None and diagnostic.help is None:
        _word(diagnostic, word, call, argument, cls)
    elif diagnostic.code == "bad-argument" and isinstance(value, ast.Literal):
        _percent(diagnostic, value, call)
    declared = declaration(call, cls, argument)
    if diagnostic.help is None and declared is not None:
        meaning = for_value(cls, declared, getattr(value, "value", None))
        diagnostic.help = Proposal(meaning, "meaning")


def _word(
    diagnostic: Diagnostic, word: str, call: ast.Call, argument: ast.Argument, cls: type[Op]
) -> None:
    """Advice for a word at the place of another argument, and for an activation as an argument."""
    owner = next((a.name for a in cls.args if word in (a.choices or ())), None)
    if word.lower() == "same" and any(a.name == "pad" for a in cls.args):
        owner = "pad"
    if owner is not None:
        diagnostic.help = f"write the name of the argument: `{owner} = {word.lower()}`"
        set_fix(diagnostic, argument.span, f"{owner} = {word.lower()}")
        return
    row = find(word)
    kind = word.lower()
    if kind not in LAYERS and row is not None:
        kind = row.ours
    if kind not in LAYERS or LAYERS[kind].family != "activation":
        return
    diagnostic.help = f"an activation is a layer of its own: write `-> {kind}` after this one"
    end = Span(call.span.file, call.span.end, call.span.end)
    diagnostic.fix = (Edit(with_comma(call, argument), ""), Edit(end, f" -> {kind}"))


def _normalized_shape(
    diagnostic: Diagnostic, value: ast.Sequence, call: ast.Call, argument: ast.Argument
) -> None:
    """Advice for `layernorm([64, 16, 16])`: PyTorch's sizes of the axes to normalise."""
    is_first = call.name == "layernorm" and argument is call.arguments[0]
    if not is_first or len(value.items) not in (1, 3):
        return
    written = "layernorm"
    if len(value.items) > 1:
        written = "layernorm(axis = [1, 2, 3])"
    diagnostic.help = f"the sizes are known from the input: write `{written}`"


def _percent(diagnostic: Diagnostic, value: ast.Literal, call: ast.Call) -> None:
    """Advice for a probability that is written as a percentage."""
    number = value.value
    if call.name not in ("dropout", "dropout2d", "droppath"):
        return
    if isinstance(number, int | float) and 2 <= number <= 100:
        diagnostic.help = f"a probability is a fraction: write `{number / 100:g}`"
        set_fix(diagnostic, value.span, f"{number / 100:g}")
