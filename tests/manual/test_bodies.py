"""Sentences of the language reference from `let` on that its examples do not show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netdsl
from netdsl import library
from netdsl.cli import run
from netdsl.driver import check_expects, compile_net, program_of
from netdsl.layout.format import format_source
from netdsl.source import SourceFile
from netdsl.train.config import TrainConfig
from netdsl.train.section import read_config
from tests.support.manual import LANGUAGE
from tests.support.small_nets import X, code_of, net, shape

# ---- let, repeat, for, if


def test_let() -> None:
    """A `let` is known to the end of its body and may be given again.

    At the top it is known in importing files and uses those above it.
    """
    assert shape(X + "let n = 4\nconv(n, 1)\nlet n = n + 1\nconv(n, 1)") == "5x8x8"
    assert code_of(X + "if true { let n = 4\n relu }\nconv(n, 1)")[0] == "unknown-name"
    assert shape(X + "conv(b, 1)", "let a = 2\nlet b = a + 1") == "3x8x8"
    assert code_of(X + "conv(b, 1)", "let b = a + 1\nlet a = 2")[0] == "unknown-name"


def test_rounds() -> None:
    """Each round goes on from the one before; `repeat n as i` counts from 0.

    `for` takes pairs apart; a false `if` passes the value on.
    """
    assert shape(X + "repeat 3 as i { conv(i + 1, 3) }") == "3x2x2"
    assert shape(X + "for (i, n) in [(1, 4), (3, 5)] { conv(n, i) }") == "5x6x6"
    assert shape(X + "repeat 0 { conv(9, 3) }\nrelu") == "3x8x8"
    assert shape(X + "relu -> if false { conv(9, 3) }") == "3x8x8"


# ---- Blocks


def test_attributes() -> None:
    """The attributes of a block's input, and those of a parameter that holds a tensor."""
    block = (
        "block B(t) { flatten -> dense(in.channels + in.height + in.width + in.size) ->"
        " dense(t.channels * t.width) }"
    )
    assert shape("input x: 3x8x9\ny: relu\nB(@y)", block) == "27"
    assert shape("input x: 3x8\nB", "block B() { conv(in.length, 1) }") == "8x8"
    assert shape("input x: 3x8\nB", "block B() { conv(len(in.shape), 1) }") == "2x8"


@pytest.mark.parametrize(
    ("body", "before", "code"),
    [
        ("let n = 4\nB", "block B() { conv(n, 1) }", "unknown-name"),
        ("a: relu\nB", "block B() { @a -> relu }", "unknown-label"),
        ("B", "block B(n) { conv(n, 1) }", "missing-argument"),
        ("B", "block B() { input y: 3\n relu }", "misplaced-input"),
        ("B", "block B() { output y: relu }", "misplaced-output"),
        ("B", "block B() { aux y { relu } }", "misplaced-aux"),
        ("N", "", "not-a-layer"),
        ("conv(4, 1) -> relu(1)", "", "too-many-arguments"),
    ],
)
def test_what_blocks_cannot(body: str, before: str, code: str) -> None:
    """A block sees no names or labels of its caller, needs its parameters, has no ends of a net.

    A net is no layer.
    """
    assert code_of(X + body, before)[0] == code


def test_a_default_uses_parameters_before_it() -> None:
    """A default may use the parameters before it."""
    assert shape(X + "B(4)", "block B(n, m = n + 1) { conv(m, 1) }") == "5x8x8"


# ---- Arms and joins


def test_arms() -> None:
    """An empty arm passes its input on; with two arms `residual` is `add`.

    `concat` joins along the channels, or another axis.
    """
    assert shape(X + "concat { | | conv(4, 1) }") == "7x8x8"
    assert shape(X + "concat(axis = 2) { | relu | tanh }") == "3x16x8"
    assert [n.op.kind for n in net(X + "residual { | relu | tanh }").graph.nodes] == [
        "relu",
        "tanh",
        "add",
    ]
    assert shape(X + "mul { | identity | gap }") == "3x8x8"


# ---- References


def test_where_references_look() -> None:
    """A reference looks above it in its own scope, then outwards up to the block or net."""
    assert shape(X + "a: conv(4, 1)\ng: { a: conv(5, 1) -> relu\n @a -> relu }") == "5x8x8"
    assert shape(X + "a: conv(4, 1)\ng: { conv(5, 1)\n @a -> relu }") == "4x8x8"
    code, _, advice = code_of(X + "conv(4, 1) -> add(@later)\nlater: relu")
    assert (code, "further down" in (advice or "")) == ("unknown-label", True)


# ---- Inputs and outputs


def test_ends() -> None:
    """The first input is the current value.

    Without an `output` the last value goes out as `output`.
    """
    made = net("input a: 4\ninput b: 5\ndense(2)")
    assert [(o.name, str(o.value.type)) for o in made.outputs] == [("output", "2")]
    assert made.graph.nodes[0].inputs[0].name == "a"


# ---- Weights


def test_frozen() -> None:
    """`frozen` keeps training from changing the layer, block or group before it."""
    made = net(X + "{ conv(4, 3) -> conv(5, 3) } -> frozen\nlast: conv(2, 1)")
    assert [n for n, p in made.torch().named_parameters() if p.requires_grad] == [
        "last.weight",
        "last.bias",
    ]


def test_used_again() -> None:
    """In tables the layers of a second use have names of their own.

    Weights are counted once, multiply-accumulates each time.
    """
    made = net("input a: 4\ninput b: 4\ntower: { dense(3) -> relu }\n@b -> tower\nadd(@tower)")
    assert [r.name for r in made.layers][:4] == ["tower.0", "tower.1", "tower@2.0", "tower@2.1"]
    assert (made.params, made.macs) == (15, 24)
    assert sorted(made.torch().state_dict()) == ["tower.0.bias", "tower.0.weight"]


# ---- Auxiliary heads


def test_heads() -> None:
    """The weight of a head is 1 where it is left out; the value after it is that before it.

    It counts for nothing and is not exported.
    """
    made = net(X + "conv(4, 1)\naux h { gap -> flatten -> dense(2) }\nrelu")
    assert [h.weight for h in made.graph.aux] == [1.0]
    assert (str(made.outputs[0].value.type), made.params) == ("4x8x8", 16)
    assert {i.name for i in made.onnx().graph.initializer} == {"0.weight", "0.bias"}


# ---- Open sizes


def test_one_name_is_one_size() -> None:
    """One name is one size.

    `==` of open sizes is true where they are equal for every input, and `>` of one is an error.
    """
    assert net("input a: T\ninput b: T\nadd(@b)").graph.symbols == ["T"]
    assert shape("input x: 3xSxS\nif in.height == in.width { conv(4, 1) }") == "4xSxS"
    assert code_of("input x: 3xHxW\nif in.height > 3 { relu }")[0] == "open-size"
    assert shape("input x: 3xsizexsize\nrelu", "let size = 9") == "3x9x9"


# ---- expect


FIGURES = "net N {\ninput x: 3x8x8\nlet depth = 7\nc: conv(2, 3)\nr: relu\n{} \n}"


def test_names_of_figures() -> None:
    """A `let` with the name of a figure stands before it; a label of a value has a shape only."""
    for line in (
        "expect depth == 7",
        "expect shape(r) == 2x6x6",
        "expect units(c) == 72 and weights(c) == 54",
        "expect activation_bytes >= peak_bytes",
    ):
        program = program_of(SourceFile("n.net", FIGURES.replace("{}", line)))
        assert check_expects(compile_net(program, "N")) == (1, [])


def test_not_checked_with_other_sizes(tmp_path: Path) -> None:
    """With -D or --input, `expect` lines are not checked.

    An `expect` that does not hold gives exit code 1.
    """
    path = tmp_path / "n.net"
    path.write_text("net N(n = 4) {\ninput x: 3xHxW\nconv(n, 1)\nexpect params == 0\n}")
    assert [
        run(["check", str(path), *more]) for more in ([], ["-D", "n=5"], ["--input", "3x4x4"])
    ] == [1, 0, 0]


# ---- Several nets, imports, the library


def test_the_library_is_listed() -> None:
    """The page lists the blocks that need no import."""
    text = LANGUAGE.read_text(encoding="utf-8")
    listed = re.search(r"blocks of the library need no import: ([^.]+)\.", text)
    assert listed is not None
    assert sorted(re.findall(r"`(\w+)`", listed[1])) == library.block_names()


def test_imports(tmp_path: Path) -> None:
    """The file's own names win.

    Two meanings of one name are an error where it is used, and only there; circles and paths
    outside are refused.
    """
    (tmp_path / "a.net").write_text("block B() { conv(4, 1) }\nlet n = 1")
    (tmp_path / "b.net").write_text("block B() { conv(5, 1) }\nlet n = 2")
    (tmp_path / "c.net").write_text('import "d.net"\nnet C { input x: 3x8x8\n relu }')
    (tmp_path / "d.net").write_text('import "c.net"\nblock D() { relu }')
    both = 'import "a.net"\nimport "b.net"\n'
    cases = {
        "net N { input x: 3x8x8\n relu }": None,
        "net N { input x: 3x8x8\n B }": "duplicate-name",
        "block B() { conv(6, 1) }\nnet N { input x: 3x8x8\n B }": None,
        "net N { input x: 3x8x8\n conv(n, 1) }": "duplicate-name",
        'import "c.net"\nnet N { input x: 3x8x8\n relu }': "import-cycle",
        'import "../x.net"\nnet N { input x: 3x8x8\n relu }': "import-outside",
        "net B2 = N(3)\nnet N(n) { input x: 3x8x8\n conv(n, 1) }": None,
    }
    for text, code in cases.items():
        path = tmp_path / "n.net"
        path.write_text((both if "import" not in text else "") + text)
        try:
            netdsl.load(f"{path}:N", **({"n": 2} if "N(n)" in text else {}))
            found = None
        except netdsl.CompileError as error:
            found = error.diagnostics[0].code
        assert found == code, text


# ---- train


def test_entries_left_out() -> None:
    """Without an entry a section has what the table's last column says."""
    program = program_of(
        SourceFile(
            "n.net", "net N { input x: 1x28x28\n flatten -> dense(10) }\ntrain N { epochs = 10 }"
        )
    )
    config = read_config(compile_net(program, "N"))
    assert isinstance(config, TrainConfig)
    text = LANGUAGE.read_text(encoding="utf-8")
    assert (config.data.name, config.epochs, config.batch, config.seed, config.augment) == (
        "fashion_mnist_sample",
        10,
        128,
        0,
        (),
    )
    assert "| 10, 128, 0 |" in text
    shown = {
        k: re.sub(r"[A-Z]+\w*", lambda m: m[0].lower(), repr(getattr(config, k)))
        for k in ("loss", "optimizer", "schedule", "metrics")
    }
    assert "crossentropy" in shown["loss"].replace("_", "").lower()
    assert "lr=0.05" in shown["optimizer"]
    assert "momentum=0.9" in shown["optimizer"]
    assert "cosine" in shown["schedule"].lower()
    assert "accuracy" in shown["metrics"].lower()


# ---- How names are resolved


def test_order_of_names() -> None:
    """Values of the body before blocks of the file, these before kinds and those of the library.

    A label last.
    """
    assert shape(X + "let B = conv\nB(4, 1)", "block B(n, k) { conv(9, 1) }") == "4x8x8"
    assert shape(X + "se(4)", "block se(n) { conv(n, 1) }") == "4x8x8"
    assert [n.op.kind for n in net(X + "gap: relu\ngap").graph.nodes] == ["relu", "gap"]
    assert code_of(X + "relu", "block relu() { tanh }")[0] == "duplicate-name"
    assert code_of(X + "relu", "let B = 1\nblock B() { tanh }")[0] == "duplicate-name"
    assert shape(X + "conv(4, 3, pad = same)") == shape(X + 'conv(4, 3, pad = "same")')


# ---- Errors


def test_what_depends_on_an_error_is_not_reported() -> None:
    """A layer with an error has an unknown result.

    What depends on it is not reported, the rest is checked.
    """
    with pytest.raises(netdsl.CompileError) as caught:
        net(X + "a: conv(4, 9)\nb: dense(3)\n@x -> conv(4, 10)")
    assert [d.span.first.line for d in caught.value.diagnostics if d.span] == [4, 6]


# ---- Layout


LAYOUTS = {
    "lines are the author's": "net N {\n    input x: 4\n    relu\n        -> tanh\n}\n",
    "one statement beside its brace": "net N { input x: 4\n        relu }\n",
    "one blank line at most": "net N {\n    input x: 4\n\n\n\n    relu\n}\n",
    "comments stay": "# a\nnet N {\n    # b\n    input x: 4  # c\n    relu   # d\n}\n# e\n",
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layout(case: str) -> None:
    """The layout keeps comments and lines, leaves at most one blank line, and is stable."""
    text = LAYOUTS[case]
    made = format_source(SourceFile("n.net", text))
    assert "\n\n\n" not in made
    assert made.replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    assert format_source(SourceFile("n.net", made)) == made


def test_wide_bodies_are_opened() -> None:
    """A body that ends a line of more than 120 columns is opened; one of 120 stays."""
    for width, lines in ((120, 1), (121, 3)):
        line = f"net N {{ input x: {'1' * 9} }}"
        padded = line.replace("input x:", "input " + "x" * (width - len(line) + 1) + ":")
        assert len(padded) == width
        assert format_source(SourceFile("n.net", padded)).count("\n") == lines


# ---- Limits


def test_many_errors() -> None:
    """After 100 errors the compiler stops."""
    lines = "\n".join(f"a{i}: conv(0, 1)" for i in range(150))
    with pytest.raises(netdsl.CompileError) as caught:
        net(f"{X}{lines}")
    assert sum(d.severity == "error" for d in caught.value.diagnostics) == 100
    assert caught.value.diagnostics[-1].code == "too-many-errors"
