"""No decision is read out of the words of a message: what later code needs is data beside them."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator

import pytest

import netdsl
from netdsl.diagnostics import proposal_of
from tests.support.modules import MODULES, name_of, tree_of

WORDS = {"message", "help"}  # the attributes that are texts for people
READING = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "find", "rfind", "index", "count"),
    *("split", "rsplit", "partition", "rpartition", "splitlines", "replace"),
}
MATCHING = {"match", "search", "fullmatch", "findall", "finditer", "sub", "split"}

# Functions that read words all the same, and why they decide nothing by them, or only how to print.
ALLOWED = {
    "api_advice.in_python": "writes the options in a help as arguments of Python",
    "habits.files.advice": "fills the name of the file into its own text",
    "render.render_text": "does not repeat the name of a file that the message has",
    "syntax.parser._mended": "drops the second of two equal errors",
}


def is_read(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression has the words of a message, or one of the names for them."""
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute):
        return node.attr in WORDS
    is_choice = isinstance(node, ast.BoolOp | ast.IfExp | ast.JoinedStr | ast.FormattedValue)
    return is_choice and any(is_read(part, names) for part in ast.iter_child_nodes(node))


def names_of(function: ast.AST) -> set[str]:
    """The names in a function for the words of a message."""
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.NamedExpr) and is_read(node.value, set()):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(t.id for t in targets if isinstance(t, ast.Name))
    return names


def decides(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression looks into the words of a message."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        is_of_none = any(isinstance(s, ast.Constant) and s.value is None for s in sides)
        return not is_of_none and any(is_read(side, names) for side in sides)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    method, owner = node.func.attr, node.func.value
    is_matched = method in MATCHING and any(is_read(a, names) for a in node.args)
    return is_matched or (method in READING and is_read(owner, names))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions and methods of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def readers(tree: ast.Module) -> list[str]:
    """The functions of a module that look into the words of a message."""
    found: list[str] = []
    for function in functions(tree):
        names = names_of(function)
        if any(decides(node, names) for node in ast.walk(function)):
            found.append(function.name)
    return found


def test_no_decision_is_read_out_of_the_words_of_a_message() -> None:
    """What code must know of an error is data: its code, `found`, or the aim of its help."""
    texts = [path for path in MODULES if re.search(r"\.(message|help)\b", path.read_text())]
    found = {f"{name_of(path)}.{name}" for path in texts for name in readers(tree_of(path))}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        'return error.message.endswith("found 0")',
        'return (diagnostic.help or "").startswith("did you mean")',
        'return "needs a list" in diagnostic.message',
        'return diagnostic.help == "write `same` in lower case"',
        'return re.match(r"write `(.*)`", diagnostic.help or "")',
        "return [_WORD.findall(note.message) for note in notes]",
        'text = error.help\n    return "--" in text',
    ],
)
def test_a_decision_is_seen(line: str) -> None:
    """Each way to read words counts, also through a name."""
    assert readers(ast.parse(f"def read():\n    {line}\n")) == ["read"]


@pytest.mark.parametrize(
    "line",
    [
        "return error.help is None",
        'return proposal_of(error.help).aim == "names"',
        'text = f"{error.help}; and more"\n    return text',
    ],
)
def test_data_is_no_decision_by_words(line: str) -> None:
    """Whether there is advice, what it proposes, and a longer text are no decisions by words."""
    assert readers(ast.parse(f"def read():\n    {line}\n")) == []


def test_advice_keeps_its_data() -> None:
    """An error that another process raises still has what its advice proposes."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads("net N { input x: 3x8x8 \n conv(8, 3) -> reluu }")
    help_ = pickle.loads(pickle.dumps(caught.value)).help
    assert help_ == caught.value.help
    assert (proposal_of(help_).aim, proposal_of(help_).names[0]) == ("names", "relu")


def test_a_text_has_no_rounds() -> None:
    """`range("abc")` is no fix for a loop over a text."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads('net N { input x: 3x8x8 \n for x in "abc" { relu } }')
    assert (caught.value.code, caught.value.diagnostic.fix) == ("wrong-type", ())
