"""Different texts for the same net give the same graph, except for names.

Texts are renamed, reordered, wrapped in groups, unrolled, divided into blocks, and laid out anew.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import netdsl
from netdsl.driver import check_expects, compile_net, open_program, program_of
from netdsl.library import library_names, read, resource
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse
from tests.support.isomorphism import first_difference, nameless
from tests.support.relayout import Relayout
from tests.support.renaming import SUFFIX, nodes_of, own_names, renamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Graph

FILES = library_names()
DEEP = {"CifarResNet1202"}  # it has 3,600 layers, like those of smaller nets of its family


@cache
def text_of(file: str) -> str:
    """The text of a file of the library."""
    return read(f"{resource('nets')}/{file}.net").text


@cache
def original(file: str) -> tuple[Program, dict[str, Graph]]:
    """The program and the graphs of a file of the library."""
    program = open_program(file)
    return program, {n: compile_net(program, n).graph for n in program.nets() if n not in DEEP}


def assert_same(file: str, text: str, rename: Callable[[str], str] = str) -> dict[str, Graph]:
    """Check that a text has the same nets as the file, except for names; return its graphs.

    Its `expect` lines must be true.
    """
    program = program_of(SourceFile(f"{file}.net", text, f"{resource('nets')}/{file}.net"))
    assert not program.reporter.diagnostics
    _, graphs = original(file)
    assert {rename(n) for n in graphs} == {
        n for n in program.nets() if n.removesuffix(SUFFIX) not in DEEP
    }
    changed = {}
    for name, graph in graphs.items():
        net = compile_net(program, rename(name))
        changed[name] = net.graph
        assert first_difference(graph, net.graph) is None
        true, false = check_expects(net)
        assert not false
        assert true >= 1
    return changed


# ---- every file of the library, changed by its tokens or its syntax tree


def wrapped(text: str, before: str, after: str) -> str:
    """The text with `before` and `after` around each chain that is a statement."""
    tree = parse(SourceFile("text", text))
    outputs = {id(part.chain) for part in nodes_of(tree) if isinstance(part, ast.Output)}
    inner = {
        id(s)
        for part in nodes_of(tree)
        if isinstance(part, ast.If) and part.otherwise
        for s in part.otherwise.statements
        if s.span == part.otherwise.span
    }
    marks = []
    for part in nodes_of(tree):
        if isinstance(part, ast.Chain) and id(part) not in outputs | inner:
            marks += [(part.span.start, 1, before), (part.span.end, 0, after)]
    pieces, place = [], 0
    for at, _, mark in sorted(marks):
        pieces += [text[place:at], mark]
        place = at
    return "".join([*pieces, text[place:]])


def reordered(text: str) -> str:
    """The text with definitions and `train` sections in another order.

    A `let` can use only those above it, so `let`s keep their order.
    """
    tree = parse(SourceFile("text", text))
    items = [*(d.span.text for d in tree.definitions), *(t.span.text for t in tree.trains)]
    Random(5).shuffle(items)
    return "\n".join(
        [*(i.span.text for i in tree.imports), *(i.span.text for i in tree.lets), *items]
    )


@pytest.mark.parametrize("file", FILES)
def test_renamed(file: str) -> None:
    """The names of labels, blocks, nets, parameters and variables do not matter."""
    names = own_names(text_of(file))
    text = renamed(text_of(file))
    assert text.count(SUFFIX) >= len(names) > 0
    assert_same(file, text, lambda n: n + SUFFIX if n in names else n)


TRANSPARENT = {
    "group": ("{ ", " }"),
    "repeat": ("repeat 1 { ", " }"),
    "for": ("for only_9 in [0] { ", " }"),
    "if": ("if 1 < 2 { ", " }"),
    "else": ("if 1 > 2 { relu } else { ", " }"),
    "nested": ("{ repeat 1 { if true { ", " } } }"),
}


# The largest files of the library, which have no construct that the others lack.
SLOW = {"convnext", "densenet", "resnet", "resnext", "senet", "swin"}


# `inception` has no chains except those of outputs.
@pytest.mark.parametrize(
    "file",
    [pytest.param(f, marks=[pytest.mark.slow] * (f in SLOW)) for f in FILES if f != "inception"],
)
@pytest.mark.parametrize(("before", "after"), TRANSPARENT.values(), ids=TRANSPARENT)
def test_wrapped(file: str, before: str, after: str) -> None:
    """Groups without a label, loops of one iteration and true conditions are transparent.

    Around any statement, they change neither the graph nor its names.
    """
    text = wrapped(text_of(file), before, after)
    assert text.count(before) > text_of(file).count(before)
    changed = assert_same(file, text)
    _, graphs = original(file)
    for name, graph in graphs.items():
        assert [(n.name, n.module) for n in graph.nodes] == [
            (n.name, n.module) for n in changed[name].nodes
        ]


@pytest.mark.parametrize("file", FILES)
def test_reordered(file: str) -> None:
    """The order of blocks, nets and `train` sections does not matter."""
    assert_same(file, reordered(text_of(file)))


@pytest.mark.parametrize("file", FILES)
def test_laid_out_anew(file: str) -> None:
    """Blanks, line breaks and comments do not matter."""
    random = Random(len(file))
    assert_same(file, Relayout(random, 0.3, 0.3).text(text_of(file)).text)


# ---- by hand


def graph_of(text: str) -> Graph:
    """The graph of a text, which is a whole file or the body of a net with an input of 4x8x8."""
    return netdsl.loads(text if "net N" in text else f"net N {{\ninput x: 4x8x8\n{text}\n}}").graph


PAIRS = {
    "a repeat unrolled": (
        "repeat 3 { conv(4, 1) -> relu }",
        "conv(4, 1) -> relu\nconv(4, 1) -> relu\nconv(4, 1)\nrelu",
    ),
    "a repeat that counts": (
        "repeat 3 as i { conv(2 ** i, 1) }",
        "conv(1, 1) -> conv(2, 1) -> conv(4, 1)",
    ),
    "a for unrolled": (
        "for (i, w) in enumerate([4, 8]) { a{i}: conv(w, 1 + 2 * i) }",
        "a: conv(4, 1)\nb: conv(8, 3)",
    ),
    "a for as a repeat": (
        "for w in range(2, 5) { conv(w, 1) }",
        "repeat 3 as i { conv(i + 2, 1) }",
    ),
    "nested loops folded": ("repeat 2 { repeat 3 { relu } }", "repeat 6 { relu }"),
    "no iterations": ("conv(4, 1) -> repeat 0 { tanh }", "conv(4, 1)"),
    "a let inlined": ("let a = 4\nlet b = a + 2\nconv(b, a - 1)", "conv(6, 3)"),
    "lets in another order": (
        "let a = 4\nlet b = 3\nconv(a, b)",
        "let b = 3\nlet a = 4\nconv(a, b)",
    ),
    "a block inlined": (
        "block B(w) { conv(w, 1) -> relu }\nnet N { input x: 4x8x8\nB(4)\nB(8) }",
        "conv(4, 1) -> relu -> conv(8, 1) -> relu",
    ),
    "a block in a block": (
        (
            "block A(w) { conv(w, in.height // 8) }\nblock B(w) { A(w)\nA(2 * w) }\nnet N { input"
            " x: 4x8x8\nb: B(4) }"
        ),
        "conv(4, 1)\nconv(8, 1)",
    ),
    "a block as an argument": (
        "block A(F) { F(4, 1)\nF(2, 1) }\nnet N { input x: 4x8x8\nA(conv) }",
        "conv(4, 1) -> conv(2, 1)",
    ),
    "a default given": (
        "block A(w, k = w // 2) { conv(w, k) }\nnet N { input x: 4x8x8\nA(4) }",
        "block A(w, k) { conv(w, k) }\nnet N { input x: 4x8x8\nA(k = 2, w = 4) }",
    ),
    "an alias inlined": (
        "net M(w) { input x: 4x8x8\nconv(w, 1) }\nnet N = M(3)",
        "net N(w = 3) { input x: 4x8x8\nconv(w, 1) }",
    ),
    "arguments by name": ("conv(8, 3, 2, 1)", "conv(stride = 2, k = 3, out = 8, pad = 1)"),
    "defaults written out": ("conv(8, 3)", "conv(8, 3, stride = 1, pad = 0, bias = true)"),
    "sizes in another form": ("conv(8, 1x3)", "conv(8, [1, 3 * 1])"),
    "residual written out": (
        "residual { conv(4, 1) -> bn }",
        "add {\n| conv(4, 1)\nbn\n| identity }",
    ),
    "a join's arms as references": (
        "concat { | a: conv(4, 1) | b: conv(2, 1) }",
        "a: @x -> conv(4, 1)\nb: @x -> conv(2, 1)\n@a -> concat(@b)",
    ),
    "a group's label": ("a: { conv(4, 1) -> relu }", "conv(4, 1) -> relu"),
    "a chain over lines": ("conv(4, 1) -> bn -> relu", "conv(4, 1)\nbn\n    -> relu"),
    "an if decided": (
        "if in_9 == 4 { relu } else if in_9 == 5 { tanh } else { bn }".replace("in_9", "2 + 2"),
        "relu",
    ),
    "a module used again": (
        "t: conv(4, 1)\n@x -> t\nadd(@t)",
        "tower: { c: conv(4, 1) }\n@x -> tower\nadd(@tower)",
    ),
    "outputs in another place": (
        "a: conv(4, 1)\noutput one: @a -> relu\noutput two: @a -> tanh",
        "a: conv(4, 1)\none: relu\ntwo: @a -> tanh\noutput p: @one\noutput q: @two",
    ),
    "frozen members": (
        "{ conv(4, 1) -> conv(4, 1) } -> frozen",
        "conv(4, 1) -> frozen -> conv(4, 1) -> frozen",
    ),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_pairs(one: str, other: str) -> None:
    """Two texts for the same net give the same graph."""
    assert first_difference(graph_of(one), graph_of(other)) is None


BASE = "t: conv(4, 1, bias = false)\n@x -> t\na: relu\nconv(4, 3, pad = 1)\nadd(@a)"
UNLIKE = {
    "another kind": ("relu", "tanh"),
    "another argument": ("conv(4, 3, pad = 1)", "conv(4, 3, pad = 1, groups = 2)"),
    "other weights": ("bias = false", "bias = true"),
    "other initial weights": ("bias = false", "bias = false, init = zeros"),
    "another edge": ("add(@a)", "add(@t)"),
    "not shared": ("@x -> t", "@x -> conv(4, 1, bias = false)"),
    "frozen": ("pad = 1)", "pad = 1) -> frozen"),
    "one more": ("add(@a)", "add(@a) -> relu"),
    "another output": ("add(@a)", "add(@a)\noutput @a"),
    "one output more": ("add(@a)", "add(@a)\noutput o: identity\noutput p: @a"),
    "a head": ("a: relu", "a: relu\naux h { relu }"),
}


@pytest.mark.parametrize(("before", "after"), UNLIKE.values(), ids=UNLIKE)
def test_unlike_graphs_differ(before: str, after: str) -> None:
    """The comparison ignores only differences of names."""
    one = graph_of(BASE)
    assert first_difference(one, graph_of(BASE.replace("t:", "u:").replace("-> t", "-> u"))) is None
    assert first_difference(one, graph_of(BASE.replace(before, after))) is not None


def test_heads_and_sizes_differ() -> None:
    """The comparison includes the weights of heads, element types and open sizes."""
    head = "conv(4, 1)\naux h(weight = {}) {{ relu }}\nrelu"
    assert (
        nameless(graph_of(head.format(1)))["heads"] != nameless(graph_of(head.format(0.5)))["heads"]
    )
    texts = [
        "net N { input x: 3xHxH\nflatten }",
        "net N { input x: 3xHxW\nflatten }",
        "net N { input x: 3xHxH float16\nflatten }",
    ]
    forms: list[Any] = [nameless(graph_of(t)) for t in texts]
    assert forms[0] != forms[1] != forms[2] != forms[0]
