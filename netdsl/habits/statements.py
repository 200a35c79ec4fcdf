"""Rewrites statements of Python, PyTorch and Keras."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess
from netdsl.habits.block_input import applied
from netdsl.habits.brackets import closing, parts
from netdsl.habits.calls import Translation, chain_of
from netdsl.library import block_file
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Change, Fix, Matched

_LIST = re.compile(r"-?\d[\d.]*(?:\s*,\s*-?\d[\d.]*)+,?")
_NUMBER = re.compile(r"-?\d[\d_]*(?:\.\d+)?|true|false|\"[^\"]*\"|\[[\d\s,._-]*\]")


def labels_above(matched: Matched) -> set[str]:
    """The labels and inputs above a line, judging by their colons."""
    return set(re.findall(r"(\w+)[ \t]*[:=](?![=])", matched.text[: matched.start]))


def assignment(matched: Matched) -> Fix:
    """A `let` for a number, and a labelled chain for a call."""
    name, value = matched.group("name"), matched.group("value").strip().rstrip(",;")
    if _NUMBER.fullmatch(value):
        return f"let {name} = {value}"
    if _LIST.fullmatch(value):
        return f"let {name} = [{value.rstrip(', ')}]"
    if re.fullmatch(r"@?[A-Za-z_]\w*", value) and value not in LAYERS:
        return _named_value(matched, name, value)
    of_block = applied(matched, value, name)
    if of_block is not None:
        return of_block
    chain = chain_of(value)
    if chain is not None:
        return _assigned(matched, name, chain)
    return _own_chain(matched, name, value)


def _named_value(matched: Matched, name: str, value: str) -> Fix:
    """A label for a value: `skip: @a`, or `skip: identity` for the value at hand."""
    if value.startswith("@") or value in labels_above(matched):
        return f"{name}: @{value.lstrip('@')}"
    if value in ("x", "out", "h", "y", "identity", "input", "inputs", "residual", "current"):
        return f"{name}: identity"
    return Guess(f"{name}: @{value}")


def _own_chain(matched: Matched, name: str, value: str) -> Fix:
    """The labelled chain for `a = conv(1x3, 8) -> relu`, which is a chain already."""
    layers = listed(value)
    if layers is not None:
        return Guess(f"{name}: {{ {layers} }}")
    first = re.match(r"[A-Za-z_]\w*", value)
    if first is None or not is_layer(matched, first[0]) or "=" in re.sub(r"\([^()]*\)", "", value):
        return None
    return named_end(name, value) or _with_label(matched, name, value)


def named_end(name: str, chain: str) -> str | None:
    """`conv(8, 3) -> a: relu` for a chain that has the name `a`, if its last element is a call."""
    before, arrow, last = chain.rpartition("->")
    is_call = re.fullmatch(r"\s*[A-Za-z_]\w*\s*(?:\(.*\))?\s*", last)
    if not arrow or is_call is None or before.count("(") != before.count(")") or "{" in chain:
        return None
    return f"{before.rstrip()} -> {name}: {last.strip()}"


def is_layer(matched: Matched, name: str) -> bool:
    """Whether a name is a layer, a block of the library, or a block or net of the text."""
    if name in {*LAYERS, "residual", "identity"} or block_file(name) is not None:
        return True
    return bool(re.search(rf"^\s*(?:block|net)\s+{re.escape(name)}\b", matched.text, re.MULTILINE))


def listed(text: str) -> str | None:
    """`a -> b` for `[a, b]`, `(a, b)` and `a, b`, if all are layers."""
    text = text.strip()
    if text[:1] in ("[", "(") and closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    members = [member for member in parts(text) if member]
    names = [re.match(r"\w+", member) for member in members]
    if len(members) < 2 or not all(name is not None and name[0] in LAYERS for name in names):
        return None
    return " -> ".join(members)


def _assigned(matched: Matched, name: str, chain: Translation) -> Fix:
    labels = labels_above(matched)
    is_clear = {*re.findall(r"@(\w+)", str(chain))} <= labels
    written = str(chain)
    if chain.start is None or _is_at_hand(matched, name, chain.start):
        written = _with_label(matched, name, written, chain.after_label)
    elif chain.start != name:
        is_clear = is_clear and chain.start in labels
        written = f"{name}: @{chain.start} -> {chain}"
    return written if is_clear else Guess(written)


def assigned_output(matched: Matched) -> Fix:
    """`output y: dense(10)` for `output y = dense(10)(x)`; a chain is left as it is."""
    name, value = matched.group("name"), matched.group("value")
    head, labels = f"output {name}: ", labels_above(matched)
    if value in labels and not is_layer(matched, value):
        return f"{head}@{value}"
    chain = chain_of(value)
    if chain is None or (chain.start is None and is_layer(matched, re.split(r"\W", value)[0])):
        if re.match(r"\w+\.\w", value):
            return Guess(f"{head}dense(10)")
        return head + value
    layers = str(chain)
    is_clear = {*re.findall(r"@(\w+)", layers)} <= labels
    if chain.start in labels and not _is_at_hand(matched, name, chain.start):
        layers = f"@{chain.start} -> {layers}"
    elif chain.start is not None and chain.start not in labels:
        is_clear = False
    return head + layers if is_clear else Guess(head + layers)


def _is_at_hand(matched: Matched, name: str, value: str) -> bool:
    """Whether a value without a label of its own, as its name has several, is of the line above."""
    given = re.findall(r"^\s*(\w+)\s*=(?!=)", matched.text[: matched.start], re.MULTILINE)
    return value != name and given[-1:] == [value] and given.count(value) > 1


def _with_label(matched: Matched, name: str, chain: str, after_label: str = "") -> str:
    """The chain with a label, unless the name gets several values."""
    if len(re.findall(rf"^\s*(?:self\.)?{name}\s*[:=]", matched.text, re.MULTILINE)) > 1:
        return chain
    return f"{name}: {after_label or chain}"


def is_labelled(before: str) -> bool:
    """Whether a text ends with a label that is not the name of an output."""
    return re.search(r"(?:^|\n|->|[{|])\s*\w+[ \t]*:[ \t]*$", before) is not None


def expression(matched: Matched) -> Fix:
    """The chain of layers of an expression, which may lack its parentheses."""
    start = matched.place("fix")[0]
    name = re.compile(r"[\w.]+\s*").match(matched.text, start)
    if name is None:
        return None
    end: int | None = start + len(name[0].rstrip())
    written = f"{name[0].strip()}()"
    if matched.text.startswith("(", name.end()):
        end = _end_of_calls(matched.text, name.end())
        written = matched.text[start:end]
    chain = chain_of(written)
    if chain is None or end is None:
        return None
    layers = chain.after_label if is_labelled(matched.text[:start]) else str(chain)
    if chain.name is not None:
        layers = f"{chain.name}: {layers}"
    labels = labels_above(matched)
    if chain.start in labels:
        layers = f"@{chain.start} -> {layers}"
    if not {*re.findall(r"@(\w+)", layers)} <= labels:
        if chain.start is not None:
            layers = f"@{chain.start} -> {layers}"
        return Guess(layers)
    return [(start, end, layers)]


def _end_of_calls(text: str, opening: int) -> int | None:
    """The end of calls such as `f(a)(b).g(c)`, whose first bracket is at an offset."""
    end = closing(text, opening)
    while end is not None:
        more = re.compile(r"\s*(?:\.\s*\w+\s*)?\(").match(text, end + 1)
        if more is None:
            return end + 1
        end = closing(text, more.end() - 1)
    return None


def added(matched: Matched) -> Fix:
    """The layer of `model.add(layer)`."""
    start, _ = matched.place("fix")
    opening = matched.place("open")[0]
    end = closing(matched.text, opening)
    if end is None or not matched.text[opening + 1 : end].strip():
        return None
    inside = matched.text[opening + 1 : end].strip()
    inside = re.sub(r'^"[^"]*"\s*,\s*', "", inside)
    chain = chain_of(inside)
    if chain is not None:
        inside = f"{chain.name}: {chain}" if chain.name else str(chain)
    elif not re.match(r"(?:\w+)\b", inside) or inside.split("(")[0] not in LAYERS:
        return None
    return [(start, end + 1, inside)]


def returned(matched: Matched) -> Fix:
    """What is returned, without the word; nothing for a plain name."""
    value = matched.group("value").strip()
    name = re.match(r"\w+", value)
    if not value or value in ("None", "self"):
        return ""
    if re.search(rf"\b{re.escape(value)}[ \t]*[:=][^=]", matched.text[: matched.start]):
        return f"@{value}"
    if re.fullmatch(r"\w+", value) and value not in LAYERS:
        return ""
    of_block = applied(matched, value)
    if of_block is not None:
        return Guess(of_block, note=f"; write `{of_block}`{of_block.note}")
    if name is not None and name[0] in {*LAYERS, "residual", "identity"}:
        return value
    chain = chain_of(value)
    return None if chain is None else str(chain)


def summed(matched: Matched) -> Fix:
    """A join for `a + b`: each is a label, an input, a reference or a layer."""
    sign = matched.group("sign")
    kind = {"+": "add", "*": "mul", "-": "sub"}[sign]
    labels = labels_above(matched)
    texts = parts(matched.group("sum"), sign)
    if sign == "-" and not any(text.lstrip("@") in labels for text in texts):
        return Guess(" -> ".join(texts))
    operands = [_operand(matched, text, labels) for text in texts]
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    first, *others = known
    if all(other.startswith("@") for other in others):
        return f"{first} -> {kind}({', '.join(others)})"
    return f"{kind} {{ {' '.join(f'| {operand}' for operand in known)} }}"


def added_value(matched: Matched) -> Fix:
    """`add(@skip)` for `x += skip`."""
    value = matched.group("value").strip().lstrip("@")
    kind = {"+": "add", "*": "mul", "-": "sub"}.get(matched.group("sign"))
    if kind is None or not re.fullmatch(r"[A-Za-z_][\w.]*", value):
        return None
    written = f"{kind}(@{value})"
    return written if value in labels_above(matched) else Guess(written)


def listed_layers(matched: Matched) -> Fix:
    """The chain of a list of layers."""
    return listed(matched.group("list"))


def grouped_line(matched: Matched) -> Fix:
    """`{ a -> b }` for `[a, b]`, `(a, b)` and `(a -> b)` after a label, if all are layers."""
    inside = matched.group("fix")[1:-1]
    members = [member.strip() for part in parts(inside) for member in part.split("->")]
    names = [re.match(r"\w+", member) for member in members]
    if not all(name is not None and is_layer(matched, name[0]) for name in names):
        return None
    return f"{{ {' -> '.join(members)} }}"


def grouped(matched: Matched) -> Fix:
    """Braces for the brackets around the layers of several lines, and arrows for their commas."""
    text, start = matched.text, matched.place("at")[0]
    end = closing(text, start)
    if end is None:
        return None
    inside = text[start + 1 : end]
    names = re.findall(r"^\s*(?:\w+\s*:\s*)?(\w+)", inside, re.MULTILINE)
    if not names or not all(is_layer(matched, name) for name in names) or "#" in inside:
        return None
    changes: list[Change] = [(start, start + 1, "{")]
    place = start + 1
    for member in parts(inside)[:-1]:
        place = text.index(member, place) + len(member)
        comma = text.index(",", place)
        is_last = re.compile(r",\s*(?:\n|\])").match(text, comma)
        changes.append((place, comma + 1, " ->" * (is_last is None)))
    return [*changes, (end, end + 1, "}")]


def net_or_block(matched: Matched) -> Fix:
    """`net Name {` or `block Name(...) {` for a definition of another language."""
    opening = matched.text.find("{", matched.start)
    end = closing(matched.text, opening) if opening >= 0 else None
    inside = matched.text[opening:end]
    parameters = matched.group("parameters")
    if matched.group("at") == "class" and re.search(r"[A-Z.]", parameters):
        parameters = ""  # the base class in Python
    if matched.group("name") in (*LAYERS, "block", "net", "input", "output", "train"):
        return Guess(f"block {matched.group('name').capitalize()}{parameters or '()'}")
    if re.search(r"^\s*input\b", inside, re.MULTILINE):
        return f"net {matched.group('name')}{parameters if parameters.strip('() ') else ''} "
    return f"block {matched.group('name')}{parameters or '()'} "


def backwards(matched: Matched) -> Fix:
    """`a -> b` for `b <- a`, if `b` is a layer."""
    first, second = matched.group("b").strip(), matched.group("a").strip()
    if not is_layer(matched, re.split(r"\W", second)[0]):
        return None
    if first in labels_above(matched):
        first = f"@{first}"
    return f"{first} -> {second}"


def several(matched: Matched) -> Fix:
    """One `let` for each of `let (a, b) = (1, 2)`."""
    names, shape = parts(matched.group("names")), matched.group("values").strip()
    is_list = shape[:1] in ("(", "[") and closing(shape, 0) == len(shape) - 1
    values = parts(shape[1:-1] if is_list else shape)
    if re.fullmatch(r"(?:@[\w.]*|in|[\w.]+)\.shape|shape\([^()]*\)", shape):
        values = [f"{shape}[{i}]" for i in range(len(names))]
    if len(names) != len(values):
        return None
    indentation = re.match(r"\s*", matched.match.string)
    blank = indentation[0] if indentation is not None else ""
    return f"\n{blank}".join(f"let {n} = {v}" for n, v in zip(names, values, strict=True))


def _operand(matched: Matched, text: str, labels: set[str]) -> str | None:
    text = text.strip()
    if text.startswith("@") or is_layer(matched, text.split("(")[0]):
        return text
    return f"@{text}" if text in labels else None


def untyped(matched: Matched) -> Fix:
    """A list of parameters without their types."""
    opening = matched.text.index("(", matched.start)
    end = closing(matched.text, opening)
    if end is None:
        return None
    inside = re.compile(r"(?<=\w)\s*:\s*[\w.]+(?:\[[^\]]*\])?")
    return [(*match.span(), "") for match in inside.finditer(matched.text, opening, end)]


def put_out(matched: Matched) -> Fix:
    """`output` before the value of `output = value`."""
    value = returned(matched)
    return f"output {value}" if isinstance(value, str) and value else None


def chosen(matched: Matched) -> Fix:
    """`if c { a } else { b }` for other ways to choose between layers."""
    first, second = (matched.group(name).strip() for name in ("a", "b"))
    layers = [layer for layer in (first, second) if layer]
    if not all(is_layer(matched, re.split(r"\W", layer)[0]) for layer in layers):
        return None
    condition = matched.group("c").strip().removesuffix(" then")
    written = f"if {condition} {{ {first} }}"
    return written + (f" else {{ {second} }}" if second else "")


def joined_values(matched: Matched) -> Fix:
    """`@a -> concat(@b)` for `a, b -> concat` and `concat @a @b`."""
    names = re.findall(r"@?([A-Za-z_][\w.]*)", matched.group("values"))
    first, *others = names
    if not {name.split(".")[0] for name in names} <= labels_above(matched) or not others:
        return None
    return f"@{first} -> {matched.group('join')}({', '.join(f'@{name}' for name in others)})"


def bracketed(matched: Matched) -> Fix:
    """A list in brackets, with commas."""
    elements = re.findall(r"[^,;{}|\s]+", matched.group("list").strip("[]{}() "))
    return f"[{', '.join(elements)}]"


def labelled(matched: Matched) -> Fix:
    """A colon after the name of a layer."""
    name, layer = matched.group("name"), matched.group("layer")
    return ": " if is_layer(matched, layer) and not is_layer(matched, name) else None


def line_start(matched: Matched) -> Fix:
    """An arrow in place of another sign at the beginning of a line; nothing for an arrow."""
    if matched.group("at") == "->":
        return ""
    return "-> " if is_layer(matched, matched.group("layer")) else None


def arrow(matched: Matched) -> Fix:
    """An arrow before a layer."""
    return " -> " if is_layer(matched, matched.group("layer")) else None
