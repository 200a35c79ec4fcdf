"""Rewrites statements of Python, PyTorch and Keras."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess
from netdsl.habits.brackets import closing
from netdsl.habits.calls import Chain, chain_of
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Found

_NUMBER = re.compile(r"-?\d[\d_]*(?:\.\d+)?|true|false|\"[^\"]*\"|\[[^\[\]]*\]")


def labels_above(found: Found) -> set[str]:
    """The labels and inputs above a line, judging by their colons."""
    return set(re.findall(r"(\w+)[ \t]*:", found.text[: found.start]))


def assignment(found: Found) -> Fix:
    """A `let` for a number, and a labelled chain for a call."""
    name, value = found["name"], found["value"].strip().rstrip(",;")
    if _NUMBER.fullmatch(value):
        return f"let {name} = {value}"
    chain = chain_of(value)
    if chain is not None:
        return _assigned(found, name, chain)
    return _own_chain(found, name, value)


def _own_chain(found: Found, name: str, value: str) -> Fix:
    """The labelled chain for `a = conv(1x3, 8) -> relu`, which is a chain already."""
    first = re.match(r"[A-Za-z_]\w*", value)
    if first is None or first[0] not in LAYERS or "=" in re.sub(r"\([^()]*\)", "", value):
        return None
    return _with_label(found, name, value)


def _assigned(found: Found, name: str, chain: Chain) -> Fix:
    labels = labels_above(found)
    is_clear = {*re.findall(r"@(\w+)", str(chain))} <= labels
    written = str(chain)
    if chain.start is None:
        written = _with_label(found, name, written)
    elif chain.start != name:
        is_clear = is_clear and chain.start in labels
        written = f"{name}: @{chain.start} -> {chain}"
    return written if is_clear else Guess(written)


def _with_label(found: Found, name: str, chain: str) -> str:
    """The chain with a label, unless the name gets several values."""
    if len(re.findall(rf"^\s*(?:self\.)?{name}\s*[:=]", found.text, re.MULTILINE)) > 1:
        return chain
    return f"{name}: {chain}"


def expression(found: Found) -> Fix:
    """The chain of layers of an expression, which may lack its parentheses."""
    start = found.place("fix")[0]
    name = re.compile(r"[\w.]+\s*").match(found.text, start)
    if name is None:
        return None
    end: int | None = start + len(name[0].rstrip())
    written = f"{name[0].strip()}()"
    if found.text.startswith("(", name.end()):
        end = _end_of_calls(found.text, name.end())
        written = found.text[start:end]
    chain = chain_of(written)
    if chain is None or end is None:
        return None
    layers = str(chain)
    if chain.name is not None:
        layers = f"{chain.name}: {layers}"
    labels = labels_above(found)
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


def added(found: Found) -> Fix:
    """The layer of `model.add(layer)`."""
    start, _ = found.place("fix")
    opening = found.place("open")[0]
    end = closing(found.text, opening)
    if end is None or not found.text[opening + 1 : end].strip():
        return None
    inside = found.text[opening + 1 : end].strip()
    inside = re.sub(r'^"[^"]*"\s*,\s*', "", inside)
    chain = chain_of(inside)
    if chain is not None:
        inside = f"{chain.name}: {chain}" if chain.name else str(chain)
    elif not re.match(r"(?:\w+)\b", inside) or inside.split("(")[0] not in LAYERS:
        return None
    return [(start, end + 1, inside)]


def returned(found: Found) -> Fix:
    """What is returned, without the word; nothing for a plain name."""
    value = found["value"].strip()
    name = re.match(r"\w+", value)
    if not value or value in ("None", "self"):
        return ""
    if value in labels_above(found):
        return f"@{value}"
    if re.fullmatch(r"\w+", value) and value not in LAYERS:
        return ""
    if name is not None and name[0] in {*LAYERS, "residual", "identity"}:
        return value
    chain = chain_of(value)
    return None if chain is None else str(chain)


def summed(found: Found) -> Fix:
    """A join for `a + b`: each is a label, an input, a reference or a layer."""
    kind = {"+": "add", "*": "mul", "-": "sub"}[found["sign"]]
    labels = labels_above(found)
    first, second = (_operand(found[group], labels) for group in ("a", "b"))
    if first is None or second is None:
        return None
    if first.startswith("@") and second.startswith("@"):
        return f"{first} -> {kind}({second})"
    if second.startswith("@"):
        return f"{first} -> {kind}({second})"
    return f"{kind} {{ | {first} | {second} }}"


def _operand(text: str, labels: set[str]) -> str | None:
    text = text.strip()
    if text.startswith("@") or text.split("(")[0] in LAYERS:
        return text
    return f"@{text}" if text in labels else None


def untyped(found: Found) -> Fix:
    """A list of parameters without their types."""
    opening = found.text.index("(", found.start)
    end = closing(found.text, opening)
    if end is None:
        return None
    inside = re.compile(r"(?<=\w)\s*:\s*[\w.]+(?:\[[^\]]*\])?")
    return [(*match.span(), "") for match in inside.finditer(found.text, opening, end)]


def put_out(found: Found) -> Fix:
    """`output` before the value of `output = value`."""
    value = returned(found)
    return f"output {value}" if isinstance(value, str) and value else None
