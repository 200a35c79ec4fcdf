"""Arithmetic on tensors, lists with loops, and values that loops carry, as others write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import closing
from netdsl.habits.operands import names_above
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_REFERENCE = r"@(?:[A-Za-z_][\w.]*)?"
_NUMBER = r"\d+(?:\.\d+)?"
_RANDOM = re.compile(r"\b(?:torch\s*\.\s*)?(?:randn|rand|random|normal)(?:_like)?\([^()]*\)")
_BEGINNING = r"(?:->|^|:\s|[{|])\s*"
_MATRIX = re.compile(r"[\w)]\s*@\s*[@\w(]")  # the product of matrices
OF_NUMBERS = frozenset("min max sum prod len abs round ceil floor shape".split())
_OPERAND = rf"-?(?:{_REFERENCE}|{_NUMBER}|\w+\({_REFERENCE}\))"
# Parentheses, or a function of them, without a chain inside.
_BRACKETED = r"\w*\((?:(?!->)[^{}|])*?\)"


def in_parentheses(matched: Matched) -> Fix:
    """The formula in parentheses, unless it has no tensor."""
    formula = matched.group("fix")
    if "@" not in formula:
        return None
    return f"({formula})"


def whole_formula(matched: Matched) -> Fix:
    """A formula with functions in parentheses, unless it contains a layer with weights."""
    formula = matched.group("fix").strip()
    called = set(re.findall(r"(\w+)\s*\(", formula))
    if formula.count("(") != formula.count(")") or "@" not in formula:
        return None
    if formula[0] == "(" and (closing(formula, 0) == len(formula) - 1 or _MATRIX.search(formula)):
        return None
    if not called and "in." not in formula:
        names = set(re.findall(r"(?<![@.\w])[A-Za-z_]\w*", formula))
        lets = re.findall(r"^let\s+(\w+)", matched.text, re.MULTILINE)
        if not names <= names_above(matched.text, matched.start)[1].union(lets):
            return None
    layers = called - OF_NUMBERS
    if not all(name in LAYERS and LAYERS[name].is_function for name in layers):
        return None
    return f"({formula})"


def with_noise(matched: Matched) -> Fix:
    """The formula in parentheses, with random numbers as an input."""
    formula = _RANDOM.sub("@noise", matched.group("fix").strip())
    return Guess(f"({formula})")


def product(matched: Matched) -> Fix:
    """`matmul(@a, @b)`, or with `transpose = true` for `@a @ @b.T`."""
    a, b = matched.group("a"), matched.group("b")
    for transposed in (".T", ".mT", ".t"):
        if b.endswith(transposed):
            return f"matmul({a}, {b.removesuffix(transposed)}, transpose = true)"
    return f"matmul({a}, {b})"


def element_first(matched: Matched) -> Fix:
    """`[2 * x for x in xs]` for `[for x in xs: 2 * x]`."""
    value = matched.group("value").strip(" :,")
    return f"[{value or matched.group('x')} for {matched.group('x')} in {matched.group('xs')}]"


def every_other(matched: Matched) -> Fix:
    """A comprehension for a part of a list with a step, which is only advice, or backwards."""
    name, step = matched.group("name"), matched.group("step")
    if step == "-1" and not matched.group("ends").strip(" :"):
        return f"[{name}[-1 - i] for i in range(len({name}))]"
    if step.startswith("-"):
        return None
    written = f"[x for (i, x) in enumerate({name}) if i % {step} == 0]"
    return Guess(written) if matched.group("ends").strip(" :") else written


_MATRICES = r"(?P<a>@[A-Za-z_][\w.]*)\s+(?P<at>@)\s*(?P<b>@[A-Za-z_][\w.]*)"
HABITS = (
    Habit(
        rf"{_BEGINNING}(?P<fix>(?P<first>{_OPERAND})\s*(?P<at>\*\*|[*/])\s*{_OPERAND}"
        rf"(?:\s*(?:\*\*|[-+*/])\s*{_OPERAND})*)\s*(?=->|$|[|}}])",
        "y: @image ‹*› 0.5",
        "write arithmetic in parentheses: `$fix`",
        "found `$at` after a value",
        in_parentheses,
        "write arithmetic in parentheses, and values with `@`: `(@a * 0.5)`",
        where="body",
    ),
    Habit(
        rf"{_BEGINNING}(?P<fix>(?:{_NUMBER}\s*[-+*/]\s*{_REFERENCE}"
        rf"|{_REFERENCE}\s*(?P<at>[-+])\s*{_NUMBER}|-{_REFERENCE}))\s*(?=->|$|[|}}])",
        "‹1 - @›",
        "write arithmetic in parentheses: `$fix`",
        "this formula is not in parentheses",
        in_parentheses,
        "write arithmetic in parentheses, and values with `@`: `(@a * 0.5)`",
        where="body",
    ),
    Habit(
        rf"{_BEGINNING}(?P<fix>-?{_REFERENCE}\s*(?P<at>[-+])\s*{_OPERAND}"
        rf"(?:\s*(?:\*\*|[-+*/])\s*{_OPERAND})*)\s*(?=->|$|[|}}])",
        "a: relu\n    y: @a ‹+› @image",
        "write the formula in parentheses: `$fix`",
        "found `$at` after a value",
        in_parentheses,
        where="body",
    ),
    Habit(
        rf"(?:->|^|:\s|\|)\s*(?P<fix>(?P<first>{_OPERAND}|{_BRACKETED})\s*"
        r"(?P<at>\*\*|[-+*/])(?!>)(?:(?!\s*->)[^{}|])*)(?=\s*->|\s*$)",
        "y: @image ‹+› exp(0.5 * @image) * 2",
        "write the formula in parentheses: `$fix`",
        "found `$at` after a value",
        whole_formula,
        where="body",
    ),
    Habit(
        rf"(?:->|^|:\s|\|)\s*(?P<fix>(?P<first>{_OPERAND}|{_BRACKETED})\s*"
        r"(?P<at>\*\*|[-+*/])(?!>)(?=[^{}|]*\b(?:randn|rand|random|normal)(?:_like)?\()"
        r"(?:(?!->)[^{}|])*)$",
        "y: @image ‹+› exp(@image) * randn(8)",
        "random numbers are an input: declare `input noise: 20`, and write `$fix`",
        "found `$at` after a value",
        with_noise,
        where="body",
    ),
    Habit(
        r"(?P<a>\w+\([^()]*(?:\([^()]*\)[^()]*)*\))\s*(?P<at>@)\s*(?P<b>@[A-Za-z_][\w.]*)",
        "(exp(@image) ‹@› @image)",
        "give the value before it a label in a line above, and write `matmul(@label, $b)`",
        "found `@` between values",
        where="body",
    ),
    Habit(
        r"(?:^|->|\{|:)\s*(?P<fix>(?P<at>@)\s*(?:->\s*|(?=$|\})))",
        "‹@› -> relu",
        "leave it out: a layer takes the current value, which is `@` in formulas",
        "found `@` as a layer",
        "",
        where="body",
    ),
    Habit(
        rf"(?:{_REFERENCE}|\))(?P<fix>\s*(?P<at>\^)\s*)(?={_OPERAND}|\w)",
        "(@ ‹^› 2)",
        "write a power with `**`",
        "found `^`, which is not an operator here",
        " ** ",
    ),
    *(
        Habit(
            pattern,
            example,
            "write the product of matrices as `$fix`",
            "found `@` between values",
            product,
            where="body",
        )
        for pattern, example in (
            # Brackets in a formula are no longer needed; those of the whole formula are.
            (rf"[-+*/(]\s*(?P<fix>\(\s*{_MATRICES}\s*\))", "((@image ‹@› @image) / 4)"),
            (rf"(?P<fix>{_MATRICES})", "(@image ‹@› @image)"),
        )
    ),
    Habit(
        rf"[(,\[]\s*(?P<fix>(?P<f>exp|log|sqrt|abs|sign|square|sin|cos|erf|tanh|sigmoid|relu)\s+"
        rf"(?P<at>{_REFERENCE}))\s*(?=[-+*/),\]])",
        "(exp ‹@›)",
        "write `$f($at)`",
        "the value of `$f` is not in parentheses",
        "$f($at)",
        where="body",
    ),
    Habit(
        r"(?P<fix>\[\s*(?P<at>for\s+(?P<x>[a-z_]\w*)\s+in)\s+"
        r"(?P<xs>\[[^\[\]]*\]|\w+(?:\([^()]*\))?)(?P<value>\s*[:,]?[^\[\]]*)\])",
        "let a = [‹for i in› range(3): i]",
        "write `$fix`: the element comes first",
        "a list begins with its element, and `for` follows",
        element_first,
    ),
    Habit(
        r"(?P<fix>\b(?P<name>[a-z_]\w*)\[(?P<ends>[^\[\]:]*:[^\[\]:]*)(?P<at>:)\s*"
        r"(?P<step>-?\d+)\])",
        "let l = [1, 2]\n    let a = l[0:2‹:›2]",
        "write `$fix`",
        "a slice of a list cannot have a step",
        every_other,
        "write the elements as a list: `[$name[-1 - i] for i in range(len($name))]` is `$name`"
        " backwards",
    ),
    Habit(
        r"\bwith\s+(?P<name>[a-z_]\w*)(?P<fix>\s*(?P<at>:=?|==)\s*)(?=\S)",
        "repeat 3 with w‹:› 8 { relu }",
        "write `with $name = `, and the value of the first round",
        "found `$at` after the name of a carried value",
        " = ",
        where="body",
    ),
    Habit(
        r"^\s*next\s+(?P<name>[a-z_]\w*)(?P<fix>\s*(?P<at>(?P<op>[-+*/])=)\s*)(?=\S)",
        "repeat 3 with w = 1 {\n        relu\n        next w ‹+=› 1\n    }",
        "write `next $name = $name $op ...`",
        "found `$at`, but `next` gives the whole value",
        " = $name $op ",
        where="body",
    ),
    Habit(
        r"^\s*(?:for\b.*?\bin\b|repeat\b)[^{}]*?(?P<fix>(?P<at>,)\s*)(?=[a-z_]\w*\s*=)",
        "repeat 3‹,› w = 8 { relu }",
        "write `with` before what the loop carries",
        "found a comma after the list or number of a loop",
        " with ",
        where="body",
    ),
)
