"""The formatter gives the expected layouts, keeps comments and meaning, and is stable.

Stable means that formatting a formatted text changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

import netdsl.layout.format as formatter
from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.layout.format import format_source, same
from netdsl.layout.pieces import pieces_of
from netdsl.source import SourceFile
from netdsl.syntax.parser import parse, parse_with_tokens
from tests.fuzz.generate import program
from tests.support.manual import BLOCKS, Block
from tests.support.paths import ROOT
from tests.support.relayout import (
    Laid,
    Relayout,
    comments_in,
    definitions_in,
    differences,
    round_trip,
)

NETS = sorted([*(ROOT / "nets").rglob("*.net"), *(ROOT / "examples").rglob("*.net")])


def formatted(text: str) -> str:
    """The canonical layout of a text."""
    return format_source(SourceFile("text.net", text))


def in_net(*lines: str) -> str:
    """The text of a net with these lines, indented."""
    return "net A {\n" + "".join(f"    {line}\n" if line else "\n" for line in lines) + "}\n"


# ---- files that are formatted already


@pytest.mark.parametrize("path", NETS, ids=lambda p: p.stem)
def test_the_library_is_canonical(path: Path) -> None:
    """Formatting changes no net of the library and no example."""
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if "-syntax]" not in b.text], ids=lambda b: str(b.line)
)
def test_the_reference_is_canonical(block: Block) -> None:
    """Formatting changes no example of the language reference.

    A fragment is formatted as the body of a net.
    """
    text = block.text + "\n" if block.inside is None else in_net(*block.text.split("\n"))
    assert formatted(text) == text


# ---- golden cases

CASES = {
    "blanks": ("x:conv( 6,5 ,pad=1 )->tanh", "x: conv(6, 5, pad = 1) -> tanh"),
    "operators": (
        "conv(2*k+1 if a<=b and not c else-d**2//3,1)",
        "conv(2 * k + 1 if a <= b and not c else -d ** 2 // 3, 1)",
    ),
    "unary": ("conv(- 1 , [- - a,3-1])", "conv(-1, [--a, 3 - 1])"),
    "calls and indices": (
        "let a = min (b [0] , in . channels) [ - 1 ]",
        "let a = min(b[0], in.channels)[-1]",
    ),
    "an attribute of a reference": ("let a = @b .channels", "let a = @b .channels"),
    "computed labels": (
        "layer{ i+1 }_{j} : conv(1,1) -> add(@layer{i  - 1}.x)",
        "layer{i + 1}_{j}: conv(1, 1) -> add(@layer{i - 1}.x)",
    ),
    "labels and outputs": ("output  logits:fc :dense(10)", "output logits: fc: dense(10)"),
    "a body on one line": ("repeat 2{conv(1,1)->relu}", "repeat 2 { conv(1, 1) -> relu }"),
    "an empty body": ("residual {\n }", "residual {}"),
    "trailing commas": ("conv((1,), [2,\n3,],)", "conv((1,), [2,\n            3,],)"),
    "for": (
        "for(i,n)in enumerate ( [1,2],start=1 ){relu}",
        "for (i, n) in enumerate([1, 2], start = 1) { relu }",
    ),
    "expect": ("expect shape( a )==[1,2]at 3x4", "expect shape(a) == [1, 2] at 3x4"),
    "a chain over lines": ("conv(1,1)\n->bn\n  -> relu", "conv(1, 1)\n    -> bn\n    -> relu"),
    "a chain continues after a body": (
        "repeat 2 {\nrelu\n}\n->bn\n->tanh",
        "repeat 2 {\n    relu\n}\n-> bn\n-> tanh",
    ),
    "a body in a chain's line": (
        "conv(1,1)\n-> repeat 2 {\nrelu\n}\n->bn",
        "conv(1, 1)\n    -> repeat 2 {\n        relu\n    }\n    -> bn",
    ),
    "else joins": (
        "if a {\nrelu\n}\nelse if b {tanh}\nelse {\nbn}",
        "if a {\n    relu\n} else if b {\n    tanh\n} else {\n    bn\n}",
    ),
    "else after a comment": (
        "if a {\nrelu\n} # why\nelse {tanh}",
        "if a {\n    relu\n}  # why\nelse {\n    tanh\n}",
    ),
    "arms open together": (
        "add { | conv(1,1) | relu\n | tanh }",
        "add {\n    | conv(1, 1)\n    | relu\n    | tanh\n}",
    ),
    "an arm of many lines": (
        "add {\n| conv(1,1)\nrelu\n|\n bn\n|\n}",
        "add {\n    | conv(1, 1)\n      relu\n    | bn\n    |\n}",
    ),
    "a body in an arm": (
        "add {\n| if a {\nx: { relu }\n}\n}",
        "add {\n    | if a {\n          x: { relu }\n      }\n}",
    ),
    "beside the brace": (
        "x: {conv(1,1)->relu\ntanh->bn}",
        "x: { conv(1, 1) -> relu\n     tanh -> bn }",
    ),
    "three lines are too many beside a brace": (
        "x: { conv(1, 1)\nrelu\nbn }",
        "x: {\n    conv(1, 1)\n    relu\n    bn\n}",
    ),
    "under the bracket": (
        "conv(16,3,\nstride=2,weight = [[1,2],\n[3,4]]\n)",
        "conv(16, 3,\n     stride = 2, weight = [[1, 2],\n                           [3, 4]])",
    ),
    "brackets that end their line": (
        "x: conv(1, weight=[\n[1,2],\n[3]],\nk=1)",
        "x: conv(1, weight = [\n    [1, 2],\n    [3]\n],\n        k = 1)",
    ),
    "no line begins with a comma": ("conv(1\n,2\n, pad\n=\n3)", "conv(1, 2, pad = 3)"),
    "tables": (
        "a:   conv(6, 5)   -> tanh\nflatten\nbcd: dense(84)    -> relu",
        "a:   conv(6, 5) -> tanh\nflatten\nbcd: dense(84)  -> relu",
    ),
    "tables of comparisons": (
        "expect params(a)   == 1\nexpect params(abc) == 22",
        "expect params(a)   == 1\nexpect params(abc) == 22",
    ),
    "no table": (
        "a:   conv(6, 5)   -> tanh\nbc: relu  -> relu",
        "a: conv(6, 5) -> tanh\nbc: relu -> relu",
    ),
    "blank lines": ("\n\nrelu\n\n\n\nbn\n\n", "relu\n\nbn"),
    "blank lines in brackets": ("conv(1,\n\n  2)\n\n-> relu", "conv(1,\n     2)\n    -> relu"),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_layout(before: str, after: str) -> None:
    """The layout of lines inside a net; formatting them again changes nothing."""
    expected = in_net(*after.split("\n"))
    assert formatted("net A {\n" + before + "\n}") == expected
    assert formatted(expected) == expected


WIDE = (
    "conv(64, 3, pad = 1, bias = false) -> bn -> relu -> tanh -> conv(64, 3, pad = 1, bias = false)"
)
TOO_WIDE = {
    "a body": (
        f"repeat 3 {{ {WIDE} -> bn -> relu }}",
        f"repeat 3 {{\n    {WIDE} -> bn -> relu\n}}",
    ),
    "arms": (
        f"residual {{ | {WIDE} | relu -> tanh }}",
        f"residual {{\n    | {WIDE}\n    | relu -> tanh\n}}",
    ),
    "both parts of an if": (
        f"if a {{ {WIDE} }} else {{ relu -> tanh }}",
        f"if a {{\n    {WIDE}\n}} else {{\n    relu -> tanh\n}}",
    ),
    "no more than needed": (
        f"x: {{ repeat 3 {{ {WIDE} }} -> gap }}",
        f"x: {{\n    repeat 3 {{ {WIDE} }} -> gap\n}}",
    ),
    "a body that does not end its line": (
        f"repeat 3 {{ {WIDE} }} -> bn -> relu",
        f"repeat 3 {{ {WIDE} }} -> bn -> relu",
    ),
    "there is nothing to open": (
        f"{WIDE} -> bn -> relu -> tanh -> flatten",
        f"{WIDE} -> bn -> relu -> tanh -> flatten",
    ),
}


@pytest.mark.parametrize(("before", "after"), TOO_WIDE.values(), ids=TOO_WIDE)
def test_wide_bodies_are_opened(before: str, after: str) -> None:
    """A body at the end of a line of more than 120 columns is divided over several lines."""
    assert len("    " + before) > 120
    test_layout(before, after)


def test_120_columns_fit() -> None:
    """A body can be on one line up to column 120."""
    for stem, opened in [("x" * 36, False), ("x" * 37, True)]:
        line = (
            f"{stem}: {{ conv(64, 3, pad = 1, bias = false) -> bn -> relu -> dense(1000) ->"
            " softmax }"
        )
        assert len("    " + line) == 120 + opened
        assert formatted(in_net(line)).count("\n") == (5 if opened else 3)


def test_train_sections() -> None:
    """The `=` of all entries are in one column, also with comments and continued lines between."""
    text = (
        'train A{data=cifar10( root="a b" )\n# why\noptimizer   ='
        " sgd(lr=.1)\naugment=crop(1)\n->hflip\nmetrics=a,b}".replace("=.1", "=0.1")
    )
    assert (
        formatted(text)
        == 'train A {\n    data      = cifar10(root = "a b")\n    # why\n    optimizer = sgd(lr ='
        " 0.1)\n    augment   = crop(1)\n        -> hflip\n    metrics   = a, b\n}\n"
    )


def test_headers_over_several_lines() -> None:
    """A header on several lines does not change the indentation of the body."""
    assert formatted("net A(b=1,\nc=2) {\nrelu\n}") == "net A(b = 1,\n      c = 2) {\n    relu\n}\n"
    assert (
        formatted("net A(\nb=1, c=2){\nrelu\n}") == "net A(\n    b = 1, c = 2\n) {\n    relu\n}\n"
    )


# ---- comments

EVERYWHERE = """# first

#second
net A(  # head
    # inside
    b = 1  # last
    # after
) {  # brace
    # above
    relu  # code
    conv(8,  # eight
         3
         # three
    )  # conv

    # apart

    add {  # arms
        # an arm
        | relu  # one
        # between
        |  # bare
          # under
          tanh
        # end of arms
    }
    bn
        # chain
        -> relu  # relu
    if a {
        relu
    }  # before else
    # on its own
    else {
        tanh
    }
    # end
}
# under
train A {
    # only this
}

# last
"""


def test_comments_everywhere() -> None:
    """A comment stays at its place, wherever that is."""
    assert formatted(EVERYWHERE) == EVERYWHERE.replace("#second", "# second")


def test_comments_stay_aligned() -> None:
    """Comments in the same column stay aligned if formatting makes the code before them longer.

    A comment on its own line belongs to the comment above it. Other comments keep their column.
    """
    before = in_net(
        "conv(8,3,pad=1,bias=false)->relu # a",
        "relu                             # b",
        "                                 # more of b",
        "bn      # c",
        "tanh# d",
    )
    after = in_net(
        "conv(8, 3, pad = 1, bias = false) -> relu  # a",
        "relu                                       # b",
        "                                           # more of b",
        "bn      # c",
        "tanh  # d",
    )
    assert formatted(before) == after
    assert formatted(after) == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# a",
        "# a\n\n\n# b\n",
        "\n\n",
        "  # a",
        "let a = 1 # b",
        "let a = 1\n# b\n\n",
        "\t#a\r\n",
    ],
)
def test_short_texts(text: str) -> None:
    """A text can be empty or contain only comments."""
    result = formatted(text)
    assert [c.strip("# \r") for c in comments_in(text)] == [
        c.strip("# \r") for c in comments_in(result)
    ]
    assert formatted(result) == result
    assert not result or (result[0] not in " \n" and result[-2:] != "\n\n" and result[-1] == "\n")


# ---- nothing is lost


SEEDS = range(1000)
TEXTS = [d for path in NETS for d in definitions_in(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("first", range(0, len(SEEDS), 50))
def test_round_trips(first: int) -> None:
    """A text in a random layout keeps its syntax tree and comments, and is stable after one run.

    `python -m tests.fuzz.format_deep` tries more seeds.
    """
    for seed in SEEDS[first : first + 50]:
        random = Random(seed)
        text = program(seed) if seed % 3 == 0 else random.choice(TEXTS)
        round_trip(
            Relayout(random, random.choice([0, 0.05, 0.3, 0.8]), random.choice([0, 0.1, 0.5])).text(
                text
            )
        )


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: " ".join(t.split()[:2]))
def test_blanks_do_not_matter(text: str) -> None:
    """Blanks and indentation do not change the layout, if they align nothing."""
    one, other = (
        format_source(SourceFile("text.net", Relayout(Random(s), 0, 0, blanks=1).text(text).text))
        for s in (1, 2)
    )
    assert one.replace("\r", "") == other.replace("\r", "")


def test_the_round_trip_sees_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round trip fails if a layout loses a comment, changes a token, or is not stable."""
    text = "net A {\n    conv(8, 3) # a\n}\n"
    for breaking in (
        lambda t: t.replace("# a", ""),
        lambda t: t.replace("8", "9"),
        lambda t: t + "\n",
        lambda t: t.replace("    ", " " * t.index("c") + "  "),
    ):
        monkeypatch.setattr(
            "tests.support.relayout.lay_out",
            lambda pieces, breaking=breaking: breaking(formatter.lay_out(pieces)),
        )
        with pytest.raises(AssertionError):
            round_trip(Laid(text, ["# a"]))


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("let a = 1", "let a = 1 ", True),
        ("let a = 1", "let a = 1.0", False),
        ("let a = 1", "let a = true", False),
        ("let a = [1, 2]", "let a = (1, 2)", False),
        ("net A { relu -> bn }", "net A {\n relu\n bn }", False),
        ("net A { a{1}: relu }", "net A { a{ 1 }: relu }", True),
        ("net A { a{1}: relu }", "net A { a{2}: relu }", False),
        ("# a\nnet A { relu }", "net A { relu }", False),
    ],
)
def test_same(one: str, other: str, equal: bool) -> None:
    """`same` compares trees by meaning, and `differences` of the tests gives the same result."""
    trees = [parse(SourceFile("x", t)) for t in (one, other)]
    assert same(*trees) is equal
    assert (differences(*trees) is None) is equal


@pytest.mark.parametrize(
    ("breaking", "why"),
    [
        (lambda t: t.replace("3", "4"), "have a different meaning"),
        (lambda t: t.replace("# b", ""), "lose a comment"),
        (lambda t: t.replace("(", "[", 1), "not be valid"),
    ],
)
def test_a_wrong_layout_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    breaking: object,
    why: str,
) -> None:
    """If the layout would change the meaning of a file, `fmt` fails and does not write the file."""
    lay_out = formatter.lay_out
    monkeypatch.setattr(formatter, "lay_out", lambda pieces: breaking(lay_out(pieces)))  # type: ignore[operator]
    path = tmp_path / "a.net"
    path.write_text("net A { conv(8,3) }  # a # b\n")
    with pytest.raises(NetdslError):
        format_source(SourceFile("a.net", path.read_text()))
    assert run(["fmt", str(path)]) == 1
    assert path.read_text() == "net A { conv(8,3) }  # a # b\n"
    error = capsys.readouterr().err
    assert "format-changes" in error
    assert why in error


def calls_to_lay_out(n: int) -> int:
    """The number of function calls that laying out a large text takes.

    It has long lines, deep nesting, wide lists and many aligned lines.
    """
    chain = " -> ".join(["repeat 2 { conv(8, 3) }"] * n)
    nested = "repeat 2 { relu -> " * 60 + "relu" + " }" * 60
    text = in_net(
        chain,
        *[nested] * (n // 20),
        f"conv(1, weight = [{', '.join('1' * n)}])",
        *["a:  relu  # a"] * n,
        *["bn"] * n,
    )
    pieces = pieces_of(text, parse_with_tokens(SourceFile("long.net", text))[1])
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        formatter.lay_out(pieces)
    finally:
        sys.setprofile(None)
    return calls


def test_time_is_linear() -> None:
    """A text of twice the length takes about twice as many calls."""
    assert calls_to_lay_out(400) < 2.1 * calls_to_lay_out(200)


def test_syntax_errors_are_raised() -> None:
    """`format_source` raises the errors of the parser."""
    with pytest.raises(NetdslError):
        formatted("net A { conv( }")
