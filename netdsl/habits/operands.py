"""Formulas of labels without their `@`, as expressions of Python are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import closing
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from collections.abc import Container

    from netdsl.habits.base import Fix, Matched

_WORD = re.compile(
    r"(?<![\w@.])(?P<path>(?:[A-Za-z_]\w*\.)*)(?P<name>[A-Za-z_]\w*)(?P<call>\s*\()?"
)
_MODULES = ("", "torch.", "F.", "nn.functional.", "tf.", "K.", "np.", "jnp.", "tf.math.", "math.")
_CURRENT = ("x", "h", "out", "y", "inputs", "hidden")  # names of the value at hand in Python
_JOINED = re.compile(r"@?[A-Za-z_]\w*(?:\s*[-+*]\s*@?[A-Za-z_]\w*)+")
_HEAD = re.compile(r"^\s*(?:net|block)\s+\w+\s*(?:\(([^{}]*)\))?", re.MULTILINE)
_SIMPLE = r"@?[A-Za-z_][\w.]*(?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))?"
_GROUP = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_OPERAND = rf"-?(?:{_SIMPLE}|{_GROUP}|\d[\d.]*(?:e-?\d+)?)"


def names_above(text: str, end: int) -> tuple[set[str], set[str]]:
    """The labels and inputs of the body around an offset, and its numbers.

    Numbers are the parameters, what `let` names and what loops count. What Python assigns will be a
    label. A name that is both belongs to neither.
    """
    heads = list(_HEAD.finditer(text, 0, end))
    parameters, start = "", 0
    if heads:
        parameters, start = heads[-1][1] or "", heads[-1].end()
    body = text[start:end]
    labels = set(re.findall(r"(\w+)[ \t]*:", body))
    labels.update(re.findall(r"^\s*(\w+)[ \t]*=(?!=)", body, re.MULTILINE))
    numbers = set(re.findall(r"\b(?:let|as|with|next)\s+(\w+)", body))
    counted = re.findall(r"\bfor\s+\(?([\w, ]+?)\)?\s+in\b", body)
    for names in (*counted, re.sub(r"=[^,]*", "", parameters)):
        numbers.update(re.findall(r"\w+", names))
    return labels - numbers, numbers - labels


def with_signs(formula: str, labels: Container[str], numbers: Container[str]) -> str | None:
    """The formula with `@` before each label, or None if it has a name that is neither.

    A name that Python has for the value at hand becomes `@` if no label has that name.
    """
    parts: list[str] = []
    end = 0
    for match in _WORD.finditer(formula):
        name, path = match["name"], match["path"]
        written = match[0].removeprefix(path)
        if match["call"]:
            if path not in _MODULES or name not in LAYERS or not LAYERS[name].is_function:
                return None
        elif path:
            return None
        elif name in labels:
            written = f"@{name}"
        elif name in _CURRENT:
            written = "@"
        elif name not in numbers:
            return None
        parts += [formula[end : match.start()], written]
        end = match.end()
    return "".join([*parts, formula[end:]])


def formula_of_labels(matched: Matched) -> Fix:
    """`(@mu + exp(@s) * @noise)` for `mu + exp(s) * noise`, where all names are labels."""
    formula = matched.group("formula").strip()
    labels, numbers = names_above(matched.text, matched.start)
    if _JOINED.fullmatch(formula) and len(set(re.findall(r"[-+*]", formula))) == 1:
        names = set(re.findall(r"\w+", formula))
        if names <= labels or not names.isdisjoint(LAYERS):
            return None  # a join of labels, or of layers
    written = with_signs(formula, labels, numbers) or formula
    if written == formula or "@" not in written:
        return None
    if written[0] != "(" or closing(written, 0) != len(written) - 1:
        written = f"({written})"
    is_doubtful = re.search(r"@(?!\w)", written) is not None
    name = matched.match.groupdict().get("name")
    if name in (*_CURRENT, *labels):
        return Guess(written)
    if name is not None:
        written = f"{name}: {written}"
    return Guess(written) if is_doubtful else written


_FORMULA = (
    rf"(?P<formula>{_OPERAND}\s*(?P<{{at}}>\*\*|[-+*/])(?!>)\s*{_OPERAND}"
    rf"(?:\s*(?:\*\*|[-+*/])\s*{_OPERAND})*)"
)
HABITS = (
    Habit(
        rf"(?:->\s*|^\s*|:\s+|\{{\s*)(?P<fix>{_FORMULA.replace('{at}', 'at')})\s*(?=->|$|\}})",
        "a: relu\n    y: a ‹*› sigmoid(a)",
        "write arithmetic in parentheses, and labels with `@`: `$fix`",
        "found `$at` between values",
        formula_of_labels,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<name>\w+)\s*(?P<at>=)(?!=)\s*{_FORMULA.replace('{at}', 'sign')})\s*$",
        "a: relu\n    y ‹=› a * sigmoid(a)",
        "write arithmetic in parentheses, and labels with `@`: `$fix`",
        "found `=` after `$name`, but a value gets its name with a colon",
        formula_of_labels,
        where="body",
    ),
)
