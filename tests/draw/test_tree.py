"""The tree of a net's blocks: subtotals that add up, folded blocks, and what rows take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.analysis.cost import Costs
from netdsl.analysis.sizes import example_of
from netdsl.analysis.summary import Summary
from netdsl.cli import run
from netdsl.draw.rows import Choice
from netdsl.draw.table import flat_lines, layer_table
from netdsl.draw.tree import tree_lines
from netdsl.ir.types import shape_text
from netdsl.render import width_of
from tests.fuzz.generate import program
from tests.fuzz.verdict import compiled
from tests.golden.pages import NETS
from tests.support.small_nets import library
from tests.support.tables import Printed, rows_of

if TYPE_CHECKING:
    from netdsl.draw.rows import ShownRow

FIGURES = ("params", "macs", "buffers", "weights")


def summary_of(net: netdsl.Net) -> Summary:
    """The rows and totals of a net."""
    return Summary(net.graph, Costs(net.graph))


def tree(text: str, **choice: object) -> list[tuple[int, str, str, tuple[str, ...]]]:
    """The lines of a net: indent, name, kind, and what the row takes."""
    lines = tree_lines(summary_of(netdsl.loads(text)), Choice(**choice))  # type: ignore[arg-type]
    return [(line.indent, line.name, line.row.kind, line.sources) for line in lines]


# ---- the printed figures add up

PRINTED = {
    "lenet5:LeNet5": [],
    "googlenet:GoogLeNet": [],
    "googlenet:GoogLeNetBN": ["--input", "3x224x224"],
    "resnet:ResNet50": ["--input", "3x224x224"],
    "resnet:CifarResNet20": [],
    "senet:SEResNet50": ["--input", "3x224x224"],
    "fcn:FCN8s": ["--input", "3x500x500"],
    "vgg:VGG16BN": [],
}


@pytest.mark.parametrize("depth", [[], ["--depth", "1"], ["--depth", "2"]])
@pytest.mark.parametrize("name", PRINTED)
def test_printed_figures_add_up(
    name: str,
    depth: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In every column, the rows of a block add up to its own row, and those of the net to the
    totals that are printed below; auxiliary heads are not in the totals.
    """
    monkeypatch.setenv("COLUMNS", "200")
    options = ["--show", "buffers,weights", "--tree", *depth, *PRINTED[name]]
    assert run(["check", name, *options]) == 0
    text = capsys.readouterr().out
    rows = rows_of(text)
    for head in ("params", "MACs", "buffers", "weights"):
        main = [row for row in rows if row.indent == 0 and row.cells["kind"] != "aux"]
        assert sum(row.number(head) for row in main) == total(text, head)
        for row, members in blocks(rows):
            assert sum(member.number(head) for member in members) == row.number(head)


def total(text: str, label: str) -> int:
    """The number after a label in the totals; 0 if the label is not there."""
    for line in text.splitlines():
        if line.startswith(f"{label} ") and "  " in line:
            return int(line.split()[1].replace(",", ""))
    return 0


def blocks(rows: list[Printed]) -> list[tuple[Printed, list[Printed]]]:
    """The rows that have members, with their members."""
    found = []
    for number, row in enumerate(rows):
        members = []
        for other in rows[number + 1 :]:
            if other.indent <= row.indent:
                break
            if other.indent == row.indent + 2:
                members.append(other)
        if members:
            found.append((row, members))
    return found


SEEDS = range(150)


@pytest.mark.parametrize("folds", [True, False])
def test_figures_of_random_nets_add_up(folds: bool) -> None:
    """The same for the figures themselves, with formulas, for nets of any form."""
    made = [compiled(program(seed))[2] for seed in SEEDS]
    summaries = [Summary(c.graph, c.costs, c.valid_for) for c in made]
    summaries += [summary_of(netdsl.load(str(path))) for path in NETS]
    nested = 0
    for summary in summaries:
        # The receptive fields of most repeated blocks differ, so that they are not folded.
        lines = tree_lines(summary, Choice(more=() if folds else ("field",)))
        for figure in FIGURES:
            main = [line for line in lines if line.indent == 0 and not line.row.aux]
            assert added(main, figure) == getattr(summary.totals, figure)
            for number, line in enumerate(lines):
                members = members_of(lines, number)
                nested += bool(members)
                if members:
                    assert added(members, figure) == getattr(line.row, figure)
        if not folds and not any("the same" in line.row.kind for line in lines):
            names = [name_of(line, lines) for line in lines]
            assert {row.name for row in summary.rows()} <= set(names)
    assert nested > 100


def members_of(lines: list[ShownRow], number: int) -> list[ShownRow]:
    """The members of a line."""
    members = []
    for line in lines[number + 1 :]:
        if line.indent <= lines[number].indent:
            break
        if line.indent == lines[number].indent + 2:
            members.append(line)
    return members


def name_of(line: ShownRow, lines: list[ShownRow]) -> str:
    """The whole name of a line: the labels of the blocks around it and its own."""
    if line.indent == 0:
        return line.name
    before = lines[: next(n for n, other in enumerate(lines) if other is line)]
    outer = next(other for other in reversed(before) if other.indent < line.indent)
    return f"{name_of(outer, lines)}.{line.name}"


def added(lines: list[ShownRow], figure: str) -> object:
    """The sum of a figure."""
    return sum(getattr(line.row, figure) for line in lines)


# ---- blocks

BLOCKS = """net N {
    input image: 3x32x32
    stem: conv(8, 3, pad = 1)
    repeat 4 as i { unit{i}: unit(8) }
    mixed: concat {
        | left: conv(4, 1)
        | conv(4, 3, pad = 1) -> relu
        | identity
    }
    aux early(weight = 0.3) { gap -> flatten -> dense(2) }
    unit(16)
    @stem -> side: conv(16, 1)
    add(@mixed)
    gap -> flatten -> dense(10)
}
block unit(n) {
    residual { conv(n, 3, pad = 1) -> bn }
    relu
}
"""


def test_a_tree() -> None:
    """Every block has a row above its members; equal blocks are one row; rows name what they take
    unless it is the line above: a neighbour by its label, and `input` for what a block takes.
    """
    assert tree(BLOCKS) == [
        (0, "stem", "conv", ()),
        (0, "unit0", "unit", ()),
        (2, "0", "conv", ()),
        (2, "1", "bn", ()),
        (2, "2", "add", ("1", "input")),
        (2, "3", "relu", ()),
        (0, "unit1-3", "3 x the same", ()),
        (0, "mixed", "concat", ("left", "2", "input")),
        (2, "left", "conv", ()),
        (2, "1", "conv", ("input",)),
        (2, "2", "relu", ()),
        (0, "early", "aux", ()),
        (2, "0", "gap", ()),
        (2, "1", "flatten", ()),
        (2, "2", "dense", ()),
        (0, "7", "unit", ("mixed",)),
        (2, "0", "conv", ()),
        (2, "1", "bn", ()),
        (2, "2", "add", ("1", "input")),
        (2, "3", "relu", ()),
        (0, "side", "conv", ("stem",)),
        (0, "9", "add", ("side", "mixed")),
        (0, "10", "gap", ()),
        (0, "11", "flatten", ()),
        (0, "12", "dense", ()),
    ]


def test_styles() -> None:
    """Blocks are bold; auxiliary heads and their layers are dim."""
    lines = tree_lines(summary_of(netdsl.loads(BLOCKS)), Choice())
    styles = {line.name: line.style for line in lines if line.indent == 0}
    assert (styles["unit0"], styles["stem"], styles["early"]) == ("bold", "", "dim")
    assert [line.style for line in lines if line.row.aux] == ["dim"] * 4


def test_depth_of_a_tree() -> None:
    """With a depth, deeper blocks are rows without members, and name what they take from outside.
    Blocks without members are not folded.
    """
    lines = tree(BLOCKS, depth=1)
    assert {indent for indent, *_ in lines} == {0}
    names = [name for _, name, *_ in lines]
    assert names[:6] == ["stem", "unit0", "unit1", "unit2", "unit3", "mixed"]
    assert {name: sources for _, name, _, sources in lines}["mixed"] == ()
    (inner,) = [line for line in tree(NESTED, depth=2) if line[1] == "down"]
    assert inner == (2, "down", "group", ("input",))


NESTED = """net N {
    input image: 3x16x16
    first: { conv(4, 1) -> relu }
    block: residual {
        | conv(4, 3, pad = 1)
        | down: { conv(4, 1) -> bn }
    }
    skip: add(@first)
}
"""


def test_what_rows_take() -> None:
    """A row of a join lists its arms. A block is known by its own label where its result is meant,
    and by that of a layer inside it otherwise; a value from outside has its whole name.
    """
    assert tree(NESTED) == [
        (0, "first", "group", ()),
        (2, "0", "conv", ()),
        (2, "1", "relu", ()),
        (0, "block", "add", ("0", "down")),
        (2, "0", "conv", ()),
        (2, "down", "group", ("input",)),
        (4, "0", "conv", ()),
        (4, "1", "bn", ()),
        (0, "skip", "add", ("block", "first")),
    ]
    inside = NESTED.replace("add(@first)", "add(@first.0)")
    assert tree(inside)[-1] == (0, "skip", "add", ("block", "first.0"))
    outside = NESTED.replace("| down: { conv", "| @first -> down: { conv")
    assert (2, "down", "group", ("input",)) in tree(outside)


DIFFERENT = {
    "the same": "unit(8)\nunit(8)",
    "another window": "unit(8)\nunit(8, 5)",
    "another label": "unit(8)\nother(8)",
    "another layer": "unit(8)\nwith_relu(8)",
}
UNITS = """block unit(n, k = 3) { c: conv(n, k, pad = k // 2) -> bn }
block other(n) { d: conv(n, 3, pad = 1) -> bn }
block with_relu(n) { c: conv(n, 3, pad = 1) -> relu }
"""


@pytest.mark.parametrize("case", DIFFERENT)
def test_only_equal_blocks_are_folded(case: str) -> None:
    """Blocks are folded if all that is shown of them is equal, the names of their layers too."""
    lines = tree(f"{UNITS}net N {{\ninput x: 8x16x16\n{DIFFERENT[case]}\n}}")
    assert any(kind == "the same" for _, _, kind, _ in lines) == (case == "the same")


def test_columns_decide_what_is_equal() -> None:
    """Repeated blocks have other receptive fields: with this column, they are not folded."""
    summary = summary_of(library("resnet:CifarResNet20"))
    for more, folded in (((), True), (("field",), False)):
        lines = tree_lines(summary, Choice(more=more))
        assert any("the same" in line.row.kind for line in lines) == folded


def test_blocks_are_folded_only_where_this_is_told() -> None:
    """Without the column of the kinds, every block is there: "the same" would not be."""
    summary = summary_of(library("resnet:CifarResNet20"))
    lines = tree_lines(summary, Choice(columns=("params",)))
    assert [line.name for line in lines if line.indent == 2][:3] == ["0", "1", "2"]


def test_shared_weights_count_once() -> None:
    """The second use of a block has no parameters, so it is another row than the first."""
    text = "net N {\ninput x: 8x4x4\na: { conv(8, 1) -> relu }\na\n}"
    rows = [(n, k) for indent, n, k, _ in tree(text) if indent == 0]
    assert len(rows) == 2
    assert "the same" not in [kind for _, kind in rows]


# ---- widths

WIDTHS = (60, 72, 80, 100, 132)
ALL = ("buffers", "weights", "units", "memory", "field")
WIDE = [
    *("lenet5:LeNet5Original", "alexnet", "captioning", "neocognitron", "rcnn:FastRCNN"),
    *("senet:SEInception", "graphnet:ChebNet", "googlenet:GoogLeNetBN", "fcn:FCN16s"),
]


@pytest.mark.parametrize("more", [(), ALL])
@pytest.mark.parametrize("name", WIDE)
def test_tables_fit_and_lose_nothing(name: str, more: tuple[str, ...]) -> None:
    """In every width, no line is wider, no name of two layers is the same, and every output and
    number of parameters is there.
    """
    summary, choice = summary_of(library(name)), Choice(more=more)
    for make in (flat_lines, tree_lines):
        lines = make(summary, choice)
        for width in WIDTHS:
            texts = [line.text for line in layer_table(lines, choice, width)]
            assert max(map(len, texts)) <= width
            whole = " ".join(texts)
            for line in lines:
                assert shape_text(line.row.shape) in whole
                assert not line.row.params or f"{line.row.params:,}" in whole
            if make is flat_lines:
                first = texts[2 : texts.index("")] if "" in texts else texts[2:]
                starts = [text.split()[0] for text in first if text[0] != " "]
                assert len(starts) == len(set(starts)) == len(lines)


@pytest.mark.parametrize("more", [(), ALL])
def test_tables_of_random_nets_fit(more: tuple[str, ...]) -> None:
    """The same for nets of any form; there is a table in a terminal of any width."""
    for seed in range(40):
        made = compiled(program(seed))[2]
        summary, choice = Summary(made.graph, made.costs, made.valid_for), Choice(more=more)
        for lines in (flat_lines(summary, choice), tree_lines(summary, choice)):
            for width in (1, 30, *WIDTHS):
                for example in (None, example_of(made.graph)):
                    shown = layer_table(lines, choice, width, example)
                    assert width < 60 or max(width_of(line.text) for line in shown) <= width
