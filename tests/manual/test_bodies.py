"""Sentences of the language reference, from `let` on, that its examples do not show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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
    """A `let` is visible up to the end of its body and may be defined again.

    A `let` at the top of a file can use those above it.
    """
    assert shape(X + "let n = 4\nconv(n, 1)\nlet n = n + 1\nconv(n, 1)") == "5x8x8"
    assert code_of(X + "if true { let n = 4\n relu }\nconv(n, 1)")[0] == "unknown-name"
    assert shape(X + "conv(b, 1)", "let a = 2\nlet b = a + 1") == "3x8x8"
    assert code_of(X + "conv(b, 1)", "let b = a + 1\nlet a = 2")[0] == "unknown-name"


def test_rounds() -> None:
    """Each round continues from the one before; `repeat n as i` counts from 0.

    `for` unpacks pairs; an `if` whose condition is false passes the value on.
    """
    assert shape(X + "repeat 3 as i { conv(i + 1, 3) }") == "3x2x2"
    assert shape(X + "for (i, n) in [(1, 4), (3, 5)] { conv(n, i) }") == "5x6x6"
    assert shape(X + "repeat 0 { conv(9, 3) }\nrelu") == "3x8x8"
    assert shape(X + "relu -> if false { conv(9, 3) }") == "3x8x8"


# ---- Blocks


def test_attributes() -> None:
    """The input of a block has attributes, and so has a parameter that is a tensor."""
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
        ("N", "", "recursive-block"),
        ("conv(4, 1) -> relu(1)", "", "too-many-arguments"),
    ],
)
def test_wrong_blocks_and_calls(body: str, before: str, code: str) -> None:
    """A block sees no names or labels of its caller and needs its arguments.

    It has no inputs, outputs or auxiliary heads. A net cannot call itself.
    """
    assert code_of(X + body, before)[0] == code


def test_a_default_uses_parameters_before_it() -> None:
    """A default may use the parameters before it."""
    assert shape(X + "B(4)", "block B(n, m = n + 1) { conv(m, 1) }") == "5x8x8"


# ---- Arms and joins


def test_arms() -> None:
    """An empty arm passes its input on; a `residual` with two arms adds them.

    `concat` joins along the channels or along another axis.
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


def test_scopes_of_references() -> None:
    """A reference finds labels above it, first in its own scope, then in those around it."""
    assert shape(X + "a: conv(4, 1)\ng: { a: conv(5, 1) -> relu\n @a -> relu }") == "5x8x8"
    assert shape(X + "a: conv(4, 1)\ng: { conv(5, 1)\n @a -> relu }") == "4x8x8"
    code, _, advice = code_of(X + "conv(4, 1) -> add(@later)\nlater: relu")
    assert (code, "further down" in (advice or "")) == ("unknown-label", True)


# ---- Inputs and outputs


def test_ends() -> None:
    """The body begins with the first input; without an `output`, the last value is the output."""
    compiled = net("input a: 4\ninput b: 5\ndense(2)")
    assert [(o.name, str(o.value.type)) for o in compiled.outputs] == [("output", "2")]
    assert compiled.graph.nodes[0].inputs[0].name == "a"


# ---- Weights


def test_frozen() -> None:
    """`frozen` keeps training from changing the layer, block or group before it."""
    frozen_net = net(X + "{ conv(4, 3) -> conv(5, 3) } -> frozen\nlast: conv(2, 1)")
    assert [n for n, p in frozen_net.torch().named_parameters() if p.requires_grad] == [
        "last.weight",
        "last.bias",
    ]


def test_used_again() -> None:
    """The layers of a second use have their own names in tables.

    Their weights are counted once, and their multiply-accumulates each time.
    """
    shared = net("input a: 4\ninput b: 4\ntower: { dense(3) -> relu }\n@b -> tower\nadd(@tower)")
    assert [r.name for r in shared.layers][:4] == ["tower.0", "tower.1", "tower@2.0", "tower@2.1"]
    assert (shared.params, shared.macs) == (15, 24)
    assert sorted(shared.torch().state_dict()) == ["tower.0.bias", "tower.0.weight"]


# ---- Auxiliary heads


def test_heads() -> None:
    """The weight of a head is 1 by default, and the value after a head is the one before it.

    A head is left out of the counts and of the exported model.
    """
    with_head = net(X + "conv(4, 1)\naux h { gap -> flatten -> dense(2) }\nrelu")
    assert [h.weight for h in with_head.graph.aux] == [1.0]
    assert (str(with_head.outputs[0].value.type), with_head.params) == ("4x8x8", 16)
    assert {i.name for i in with_head.onnx().graph.initializer} == {"0.weight", "0.bias"}


# ---- Open sizes


def test_one_name_is_one_size() -> None:
    """A name is the same size everywhere.

    `==` of open sizes is true if they are equal for every input, and `>` with one is an error.
    """
    assert net("input a: T\ninput b: T\nadd(@b)").graph.symbols == ["T"]
    assert shape("input x: 3xSxS\nif in.height == in.width { conv(4, 1) }") == "4xSxS"
    assert code_of("input x: 3xHxW\nif in.height > 3 { relu }")[0] == "open-size"
    assert shape("input x: 3xsizexsize\nrelu", "let size = 9") == "3x9x9"


# ---- expect


FIGURES = "net N {\ninput x: 3x8x8\nlet depth = 7\nc: conv(2, 3)\nr: relu\n{} \n}"


def test_names_of_figures() -> None:
    """A `let` shadows the figure of the same name; labels have figures, or only a shape."""
    for line in (
        "expect depth == 7",
        "expect shape(r) == 2x6x6",
        "expect units(c) == 72 and weights(c) == 54",
        "expect activation_bytes >= peak_bytes",
    ):
        program = program_of(SourceFile("n.net", FIGURES.replace("{}", line)))
        assert check_expects(compile_net(program, "N")) == (1, [])


def test_not_checked_with_other_sizes(tmp_path: Path) -> None:
    """An `expect` that is false gives exit code 1, but `-D` and `--input` skip `expect` lines."""
    path = tmp_path / "n.net"
    path.write_text("net N(n = 4) {\ninput x: 3xHxW\nconv(n, 1)\nexpect params == 0\n}")
    assert [
        run(["check", str(path), *more]) for more in ([], ["-D", "n=5"], ["--input", "3x4x4"])
    ] == [1, 0, 0]


# ---- Several nets, imports, the library


def test_the_library_is_listed() -> None:
    """The page lists exactly the blocks that need no import, with their parameters and defaults."""
    section = LANGUAGE.read_text(encoding="utf-8").partition("blocks of the library need no import")
    listed = re.findall(r"`((\w+)\([^`]+\))`", section[2].partition("\n## ")[0])
    signatures = {name: signature for signature, name in listed if name in library.block_names()}
    texts = {name: Path(library.block_file(name) or "").read_text() for name in signatures}
    assert sorted(signatures) == library.block_names()
    assert [n for n, text in texts.items() if f"\nblock {signatures[n]} {{" not in text] == []


def test_imports(tmp_path: Path) -> None:
    """The names of a file shadow imported ones.

    A name that two imports define is an error only where it is used. Circular imports and paths
    outside the folder are refused.
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
        given: dict[str, Any] = {}
        if "N(n)" in text:
            given["n"] = 2
        try:
            netdsl.load(f"{path}:N", **given)
            actual = None
        except netdsl.CompileError as error:
            actual = error.diagnostics[0].code
        assert actual == code, text


# ---- train


def test_entries_left_out() -> None:
    """The defaults of a `train` section are those in the last column of the page's table."""
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
    """Names are looked up in this order: values, blocks of the file, kinds and library blocks.

    Labels come last.
    """
    assert shape(X + "let B = conv\nB(4, 1)", "block B(n, k) { conv(9, 1) }") == "4x8x8"
    assert shape(X + "se(4)", "block se(n) { conv(n, 1) }") == "4x8x8"
    assert [n.op.kind for n in net(X + "gap: relu\ngap").graph.nodes] == ["relu", "gap"]
    assert code_of(X + "relu", "block relu() { tanh }")[0] == "duplicate-name"
    assert code_of(X + "relu", "let B = 1\nblock B() { tanh }")[0] == "duplicate-name"
    assert shape(X + "conv(4, 3, pad = same)") == shape(X + 'conv(4, 3, pad = "same")')


# ---- Errors


def test_what_depends_on_an_error_is_not_reported() -> None:
    """Layers that depend on one with an error are not reported; all others are checked."""
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
    formatted = format_source(SourceFile("n.net", text))
    assert "\n\n\n" not in formatted
    assert formatted.replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    assert format_source(SourceFile("n.net", formatted)) == formatted


def test_wide_bodies_are_opened() -> None:
    """A body on a line of more than 120 columns is split into several lines."""
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
