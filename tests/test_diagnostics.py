"""The compiler's errors for wrong programs: the code, the place, the message and the help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.library import open_source

NET = "net N {\n    input image: 3x8x8\n    "


class Expected(NamedTuple):
    """The expected first diagnostic of a program; the texts may be parts of its texts."""

    code: str
    line: int | None
    column: int | None
    message: str
    help: str = ""


def check(
    path: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run `check --format json` and return its exit code and diagnostics."""
    code = run(["check", str(path), "--format", "json", *options])
    return code, json.loads(capsys.readouterr().out)["diagnostics"]


def diagnostics_of(
    text: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    """The diagnostics of a wrong text."""
    path = tmp_path / "n.net"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, diagnostics = check(path, capsys)
    assert code == 1
    assert diagnostics
    return diagnostics


TABLE: dict[str, tuple[str | bytes, Expected]] = {
    # sizes that do not fit
    "kernel": (
        NET + "conv(4, 9)\n}",
        Expected(
            "window-too-large", 3, 13, "a kernel of 9 is larger than the input's 8", "at most 8"
        ),
    ),
    "kernel with padding": (
        NET + "conv(4, 11, pad = 1)\n}",
        Expected("window-too-large", 3, 13, "with its padding of 1", "at most 10"),
    ),
    "pool": (
        NET + "maxpool(9)\n}",
        Expected("window-too-large", 3, 13, "a window of 9 is larger", "at most 8"),
    ),
    "groups": (
        NET + "conv(4, 3, groups = 2)\n}",
        Expected(
            "bad-groups",
            3,
            16,
            "3 input channels cannot be divided into 2 equal groups",
            "divide 3 and 4: use 1",
        ),
    ),
    "concat": (
        NET + "concat { | conv(4, 3) | conv(4, 5) }\n}",
        Expected("shape-mismatch", 3, 5, "axis 2 is 6 and 4", "conv(4, 5, pad = 2)"),
    ),
    "add": (
        NET + "add { | conv(4, 1) | conv(5, 1) }\n}",
        Expected("shape-mismatch", 3, 5, "4 and 5 channels", "conv(5, 1)"),
    ),
    "dense on maps": (
        NET + "dense(10)\n}",
        Expected("wrong-rank", 3, 5, "its input is 3x8x8", "flatten"),
    ),
    "open channels": (
        "net N {\n    input image: CxHxW\n    bn\n}",
        Expected("open-size", 3, 5, "its input channels", "input"),
    ),
    "literal": (
        NET + "conv(1, 3, weight = [[1, 2], [3, 4]])\n}",
        Expected("shape-mismatch", 3, 16, "has 2x2 numbers, but needs 1x3x3x3"),
    ),
    "size zero": (
        "net N {\n    input image: 0x8x8\n    relu\n}",
        Expected("bad-size", 2, 18, "the size 0"),
    ),
    "size beyond": (
        NET.replace("8x8", "2000000000x8") + "upsample(2)\n}",
        Expected("bad-size", 3, 5, "must be between 1 and 2,147,483,647"),
    ),
    # names
    "layer": (
        NET + "convv(4, 3)\n}",
        Expected("unknown-layer", 3, 5, "`convv`", "did you mean `conv`"),
    ),
    "foreign layer": (
        NET + "Conv2d(4, 3)\n}",
        Expected("unknown-layer", 3, 5, "`Conv2d`", "called `conv` here"),
    ),
    "argument": (
        NET + "conv(4, 3, strides = 2)\n}",
        Expected("unknown-argument", 3, 16, "no argument `strides`", "it is called `stride` here"),
    ),
    "label": (
        NET + "stem: conv(4, 3)\n    add(@stm)\n}",
        Expected("unknown-label", 4, 9, "there is no label `stm` above", "did you mean `@stem`?"),
    ),
    "block": (
        "block Stem() { relu }\n" + NET + "Stemm\n}",
        Expected("unknown-layer", 4, 5, "`Stemm`", "did you mean `Stem`"),
    ),
    "block argument": (
        "block B(width) { relu }\n" + NET + "B(widht = 1)\n}",
        Expected("unknown-argument", 4, 7, "no parameter `widht`", "did you mean `width`?"),
    ),
    "attribute": (
        NET + "conv(in.chanels, 1)\n}",
        Expected("unknown-attribute", 3, 10, "no `chanels`", "did you mean `channels`?"),
    ),
    "name": (NET + "conv(wdth, 1)\n}", Expected("unknown-name", 3, 10, "there is no `wdth`")),
    "label as value": (
        NET + "a: relu\n    conv(a, 1)\n}",
        Expected("unknown-name", 4, 10, "there is no `a`", "@a"),
    ),
    "net as layer": (
        "net M {\n    input x: 3\n    relu\n}\n" + NET + "M\n}",
        Expected("shape-mismatch", 7, 5, "the input of net `M` is 3", "bring the value"),
    ),
    "alias": ("net A = B(3)", Expected("unknown-net", 1, 9, "there is no net `B`")),
    "type of element": (
        "net N {\n    input image: 3x8 flaot32\n    relu\n}",
        Expected("wrong-dtype", 2, 22, "`flaot32`", "did you mean `float32`?"),
    ),
    # arguments
    "word for number": (
        NET + 'conv("four", 3)\n}',
        Expected("wrong-type", 3, 10, '`out` of `conv` must be an integer, found "four"'),
    ),
    "float for integer": (
        NET + "conv(4.5, 3)\n}",
        Expected("wrong-type", 3, 10, "must be an integer, found 4.5"),
    ),
    "number for truth": (
        NET + "conv(4, 3, bias = 1)\n}",
        Expected("wrong-type", 3, 16, "must be true, false or a list of numbers, found 1"),
    ),
    "negative": (
        NET + "conv(-4, 3)\n}",
        Expected("bad-argument", 3, 10, "must be at least 1, found -4"),
    ),
    "choice": (NET + 'gelu("tan")\n}', Expected("bad-argument", 3, 10, "it can be none, tanh")),
    "missing": (
        NET + "conv(4)\n}",
        Expected("missing-argument", 3, 5, "`conv` needs `k` (window size)", "conv(4, 3)"),
    ),
    "missing of block": (
        "block B(width) { relu }\n" + NET + "B\n}",
        Expected("missing-argument", 4, 5, "`B` needs `width`"),
    ),
    "too many": (
        NET + "relu(4)\n}",
        Expected("too-many-arguments", 3, 5, "`relu` takes no arguments, found 1"),
    ),
    "given twice": (
        NET + "conv(4, 3, k = 2)\n}",
        Expected("duplicate-argument", 3, 16, "`k` of `conv` is given twice"),
    ),
    "condition": (
        NET + "if 1 { relu }\n}",
        Expected("wrong-type", 3, 8, "must be true or false, found 1", "compare"),
    ),
    "repeat": (NET + "repeat -3 { relu }\n}", Expected("wrong-type", 3, 12, "found -3")),
    "for": (NET + "for i in 3 { relu }\n}", Expected("wrong-type", 3, 14, "needs a list, found 3")),
    "division": (
        NET + "conv(4 // 0, 3)\n}",
        Expected("division-by-zero", 3, 10, "division by zero"),
    ),
    "open comparison": (
        "net N {\n    input image: 1xH\n    if in.width > 3 { relu }\n}",
        Expected("open-size", 3, 8, "depends on the input's size"),
    ),
    # structure
    "reference before label": (
        NET + "add(@late)\n    late: relu\n}",
        Expected("unknown-label", 3, 9, "there is no label `late` above", "further down"),
    ),
    "two labels": (
        NET + "a: relu\n    a: tanh\n}",
        Expected("duplicate-label", 4, 5, "`a` occurs twice", "another"),
    ),
    "label in repeat": (
        NET + "repeat 2 { a: relu }\n}",
        Expected("duplicate-label", 3, 16, "`a` occurs twice", "{i}"),
    ),
    "recursion": (
        "block B() { relu -> B }\n" + NET + "B\n}",
        Expected("recursive-block", 1, 21, "`B` calls `B`", "repeat"),
    ),
    "mutual recursion": (
        "block A() { B }\nblock B() { A }\n" + NET + "A\n}",
        Expected("recursive-block", 2, 13, "`A` calls `B` calls `A`", "repeat"),
    ),
    "recursion by argument": (
        "block A(F) { F(F) }\n" + NET + "A(A)\n}",
        Expected("recursive-block", 1, 14, "`A` calls `A`"),
    ),
    "arms alone": (
        NET + "a: { | relu | tanh }\n}",
        Expected("arms-without-join", 3, 8, "arms can only be in a join"),
    ),
    "join alone": (
        NET + "concat { relu }\n}",
        Expected("missing-arms", 3, 12, "contain no arms", "concat {"),
    ),
    "one tensor to join": (NET + "concat\n}", Expected("wrong-inputs", 3, 5, "`concat`")),
    "braces after a layer": (
        NET + "relu { | tanh }\n}",
        Expected("unexpected-body", 3, 10, "takes no braces", "only joins take them"),
    ),
    "no input": (
        "net N {\n    relu\n}",
        Expected("no-input", 2, 5, "this has no input", "write an `input` above"),
    ),
    "no layers": (
        "net N {\n    input image: 3x8x8\n}",
        Expected("no-layers", 1, 5, "`N` has no layers"),
    ),
    "two outputs": (
        NET + "output relu\n    output tanh\n}",
        Expected("duplicate-label", 4, 5, "two outputs named `output`", "a name of its own"),
    ),
    "two nets": (
        NET + "relu\n}\n" + NET + "relu\n}",
        Expected("duplicate-name", 5, 5, "`N` is defined twice"),
    ),
    "name of a layer": (
        "block conv() { relu }\n" + NET + "relu\n}",
        Expected("duplicate-name", 1, 7, "a layer of the language", "another name"),
    ),
    "frozen alone": (
        NET + "frozen\n}",
        Expected("nothing-to-freeze", 3, 5, "must follow the layer", "-> frozen"),
    ),
    "shared on another size": (
        "net N {\n    input a: 4\n    input b: 5\n    @a -> d: dense(3)\n    @b -> d\n}",
        Expected("shape-mismatch", 5, 11, "are for an input of 4"),
    ),
    "expect": (
        NET + "conv(4, 3)\n    expect params == 113\n}",
        Expected("expect-failed", 4, 5, "`params` is 112, expected 113"),
    ),
    "expect shape": (
        NET + "a: relu\n    expect shape(a) == 3x8x9\n}",
        Expected("expect-failed", 4, 5, "`shape(a)` is 3x8x8, expected 3x8x9"),
    ),
    "expect label": (
        NET + "a: relu\n    expect shape(b) == 3x8x9\n}",
        Expected("unknown-label", 4, 18, "no label `b`"),
    ),
    # imports
    "import": (
        'import "nope.net"\n' + NET + "relu\n}",
        Expected("import-not-found", 1, 1, "no file `nope.net`"),
    ),
    "library": (
        "import resnett\n" + NET + "relu\n}",
        Expected("import-not-found", 1, 1, "no `resnett`", "`resnet`"),
    ),
    "outside": (
        'import "../secret.net"\n' + NET + "relu\n}",
        Expected("import-outside", 1, 1, "outside the folder", "own folder"),
    ),
    "absolute": (
        'import "/etc/passwd"\n' + NET + "relu\n}",
        Expected("import-outside", 1, 1, "outside the folder"),
    ),
    # syntax
    "comma": (NET + "conv(4 3)\n}", Expected("syntax-error", 3, 12, "found `3`")),
    "open brace": (
        NET + "relu\n",
        Expected("syntax-error", 1, 7, "this `{` is not closed", "write `}` where the body ends"),
    ),
    "closing brace": (NET + "relu\n}}", Expected("syntax-error", 4, 2, "found `}`", "leave out")),
    "semicolon": (NET + "relu;\n}", Expected("syntax-error", 3, 9, "found `;`", "without `;`")),
    "assignment": (
        NET + "x = relu(x)\n}",
        Expected("syntax-error", 3, 7, "found `=`", "write `relu`"),
    ),
    "colon": (
        "net N:\n    input image: 3x8x8\n    relu\n",
        Expected("syntax-error", 1, 6, "found `:`, but bodies are in braces", "`net N {`"),
    ),
    "python arrow": (
        NET + "relu => tanh\n}",
        Expected("syntax-error", 3, 10, "this arrow is not", "`->`"),
    ),
    "windows line ends": (
        NET.replace("\n", "\r\n") + "conv(4, 9)\r\n}\r\n",
        Expected("window-too-large", 3, 13, "a kernel of 9"),
    ),
    "letters": (
        "net Größe {\n    input bild: 3x8x8\n    größe: conv(4, 9)\n}",
        Expected("window-too-large", 3, 20, "a kernel of 9"),
    ),
    "mark at the start": (
        b"\xef\xbb\xbf" + NET.encode() + b"conv(4, 9)\n}",
        Expected("window-too-large", 3, 13, "a kernel of 9"),
    ),
    # texts that are not programs, and programs that exceed a limit
    "empty": ("", Expected("no-net", 1, 1, "has no net", "net Name {")),
    "comments alone": ("# nothing\n", Expected("no-net", 1, 1, "has no net", "net Name {")),
    "binary": (
        bytes(range(128, 256)) * 9,
        Expected("not-text", None, None, "not UTF-8 text: byte 0x80 at offset 0", "plain text"),
    ),
    "zero byte": (b"net N {\0}", Expected("not-text", None, None, "a zero byte at offset 7")),
    "a billion repeats": (
        NET + "repeat 1000000000 { relu }\n}",
        Expected("too-many-layers", 3, 5, "more than 100,000 layers", "NETDSL_MAX_LAYERS"),
    ),
    "nested repeats": (
        NET + "repeat 999 { repeat 999 { repeat 999 { relu } } }\n}",
        Expected("too-many-layers", 3, 5, "more than 100,000 layers"),
    ),
    "empty repeats": (
        NET + "repeat 99999 { repeat 99999 { } }\n}",
        Expected("too-many-steps", 3, 5, "400,000", "NETDSL_MAX_STEPS"),
    ),
    "long range": (
        NET + "for i in range(10 ** 12) { relu }\n}",
        Expected("list-too-long", 3, 14, "1,000,000,000,000 elements", "LIST_LENGTH"),
    ),
    "long list": (
        NET + "let a = 10 ** 9 * [1]\n    relu\n}",
        Expected("list-too-long", 3, 13, "1,000,000,000 elements", "LIST_LENGTH"),
    ),
    "braces in braces": (
        NET + "{" * 10_000 + "relu" + "}" * 10_000 + "\n}",
        Expected("nesting-too-deep", 3, 68, "nested more than 64", "NESTING"),
    ),
    "parentheses": (
        NET + "conv(" + "(" * 5000 + "1" + ")" * 5000 + ", 1)\n}",
        Expected("nesting-too-deep", 3, 72, "nested more than 64", "NESTING"),
    ),
    "minus signs": (
        NET + "conv(" + "-" * 5000 + "1, 1)\n}",
        Expected("nesting-too-deep", 3, 210, "more than 200 levels", "let"),
    ),
    "powers": (
        NET + "conv(" + "1 ** " * 5000 + "1, 1)\n}",
        Expected("nesting-too-deep", 3, None, "more than 200 levels", "let"),
    ),
    "conditions": (
        NET + "conv(" + "1 if true else " * 3000 + "1, 1)\n}",
        Expected("nesting-too-deep", 3, None, "more than 200 levels", "let"),
    ),
    "digits": (
        NET + f"conv({'9' * 5000}, 1)\n}}",
        Expected("number-too-long", 3, 10, "5000 digits"),
    ),
    "big power": (NET + "conv(2 ** 100, 1)\n}", Expected("number-too-large", 3, 10, "2 ** 100")),
    "long label": (
        NET + "a" * 10_000 + ": relu\n}",
        Expected("name-too-long", 3, 5, "10,000 characters", "NAME_LENGTH"),
    ),
    "long net name": (
        f"net {'N' * 10_000} {{\n    relu\n}}",
        Expected("name-too-long", 1, 5, "10,000 characters"),
    ),
}


@pytest.mark.parametrize("case", sorted(TABLE))
def test_table(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first diagnostic of each wrong program has its code, place, message and help."""
    text, expected = TABLE[case]
    first = diagnostics_of(text, tmp_path, capsys)[0]
    assert (expected.code, expected.line) == (first["code"], first["line"])
    assert expected.column in (first["column"], None)
    assert expected.message in first["message"]
    assert expected.help in (first["help"] or "")
    assert not first["message"].endswith(".")
    assert len(first["message"]) < 300


def test_all_errors_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All errors of a file are reported in one run, but none that only follows from another."""
    text = (
        NET
        + "a: conv(4, 9)\n    relu -> maxpool(50)\n    conv(2, 3, gruops = 1)\n    add(@a)\n    @b"
        " -> relu\n}\n" + NET.replace("N", "M") + "tnah\n}"
    )
    places = [(d["code"], d["line"]) for d in diagnostics_of(text, tmp_path, capsys)]
    assert [
        ("window-too-large", 3),
        ("unknown-argument", 5),
        ("unknown-label", 7),
        ("unknown-layer", 11),
    ] == places


def test_all_syntax_errors_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The parser continues after a syntax error."""
    diagnostics = diagnostics_of(NET + "conv(4 3)\n    relu\n    conv(3,, 1)\n}", tmp_path, capsys)
    assert [("syntax-error", 3), ("syntax-error", 5)] == [
        (d["code"], d["line"]) for d in diagnostics
    ]


def test_error_inside_a_block_names_the_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The notes give the origin of the layer's input and the calls from the net to the layer."""
    (diagnostic,) = diagnostics_of(
        "block A() { conv(4, 9) }\nblock B() { A }\n" + NET + "B\n}", tmp_path, capsys
    )
    assert [
        ("input `image` here gives 3x8x8", 4),
        ("reached through this call", 2),
        ("reached through this call", 5),
    ] == [(n["message"], n["line"]) for n in diagnostic["notes"]]


def test_same_error_is_reported_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A block with an error that is called many times gives one diagnostic."""
    assert (
        len(
            diagnostics_of(
                "block A() { conv(4, 9) }\n" + NET + "repeat 50 { residual { A } }\n}",
                tmp_path,
                capsys,
            )
        )
        == 1
    )


def test_import_cycle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error for a circular import names the files in order."""
    (tmp_path / "a.net").write_text('import "b.net"\n' + NET + "relu\n}")
    (tmp_path / "b.net").write_text('import "a.net"\nblock B() { relu }')
    code, diagnostics = check(tmp_path / "a.net", capsys)
    assert (1, "import-cycle") == (code, diagnostics[0]["code"])
    assert "a.net imports b.net imports a.net" in diagnostics[0]["message"]
    assert diagnostics[0]["file"].endswith("b.net")


def test_error_in_an_imported_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The diagnostic points into the imported file, and its notes point to the calls."""
    (tmp_path / "parts.net").write_text("block Stem() {\n    conv(4, 9)\n}")
    (tmp_path / "a.net").write_text('import "parts.net"\n' + NET + "Stem\n}")
    _, (diagnostic,) = check(tmp_path / "a.net", capsys)
    assert ("parts.net", 2) == (Path(diagnostic["file"]).name, diagnostic["line"])
    assert ("a.net", 4) == (
        Path(diagnostic["notes"][-1]["file"]).name,
        diagnostic["notes"][-1]["line"],
    )


def test_link_out_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link inside the folder that leads outside is not followed."""
    (tmp_path / "secret.net").write_text("block S() { relu }")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "s.net").symlink_to(tmp_path / "secret.net")
    (tmp_path / "in" / "a.net").write_text('import "s.net"\n' + NET + "S\n}")
    _, diagnostics = check(tmp_path / "in" / "a.net", capsys)
    assert "import-outside" == diagnostics[0]["code"]


def test_folder_and_missing_and_huge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder before `:NET`, a missing file and a file of 100 MB each have their own code."""
    huge = tmp_path / "huge.net"
    with huge.open("wb") as file:
        file.truncate(100_000_000)
    for path, code in (
        (tmp_path.with_name(f"{tmp_path.name}:N"), "not-a-file"),
        (tmp_path / "none.net", "file-not-found"),
        (huge, "file-too-large"),
    ):
        exit_code, (diagnostic,) = check(path, capsys)
        assert (1, code) == (exit_code, diagnostic["code"])


def test_the_library_has_nets_in_files() -> None:
    """A name that is not a file may be that of a net in a file of the library."""
    for name, advice in {
        "ResNet50": "did you mean `resnet:ResNet50`?",
        "resnet50": "did you mean `resnet:ResNet50`?",
        "vgg-16": "did you mean `vgg:VGG16`?",
        "LeNet5": "did you mean `lenet5`?",
        "resnt": "did you mean `resnet`?",
    }.items():
        with pytest.raises(NetdslError) as caught:
            open_source(name)
        assert caught.value.diagnostics[0].help == advice


def test_long_flat_texts_compile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Long is not deep: a sum of 10,000 terms and a chain of 1,000 layers compile."""
    path = tmp_path / "n.net"
    path.write_text(
        NET + f"conv({' + '.join(['1'] * 10_000)}, 1)\n    {' -> '.join(['conv(8, 1)'] * 1000)}\n}}"
    )
    assert (0, []) == check(path, capsys)


# ---- formats and exit codes


def test_json_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has the documented keys."""
    path = tmp_path / "n.net"
    path.write_text(
        "net N {\n    input image: 1x32x32\n    C1: conv(6, 5)\n    output logits:"
        " flatten\n    expect params == 1\n}"
    )
    assert run(["check", str(path), "--format", "json"]) == 1
    output = json.loads(capsys.readouterr().out)
    assert {"nets", "diagnostics"} == set(output)
    (net,), (diagnostic,) = output["nets"], output["diagnostics"]
    assert {"name", "file", "valid_for", "inputs", "outputs", "layers", "totals"} <= set(net)
    assert [{"name": "image", "shape": ["N", 1, 32, 32], "dtype": "float32"}] == net["inputs"]
    assert [{"name": "logits", "shape": ["N", 4704], "dtype": "float32"}] == net["outputs"]
    layer = {
        "name": "C1",
        "kind": "conv",
        "output": ["N", 6, 28, 28],
        "params": 156,
        "macs": 117600,
        "weights": 150,
        "units": 4704,
        "receptive_field": [5, 5],
        "line": 3,
    }
    assert layer.items() <= net["layers"][0].items()
    assert {
        "params",
        "trainable",
        "macs",
        "weights",
        "units",
        "depth",
        "activation_bytes",
        "peak_bytes",
    } <= set(net["totals"])
    assert {
        "code",
        "severity",
        "message",
        "file",
        "line",
        "column",
        "end_line",
        "end_column",
        "notes",
        "help",
        "fix",
    } == set(diagnostic)


def test_sarif(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The SARIF log has the rule, the level, the region and the related location."""
    path = tmp_path / "n.net"
    path.write_text(NET + "conv(4, 9)\n}")
    assert run(["check", str(path), "--format", "sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (result,) = log["runs"][0]["results"]
    assert ("window-too-large", "error") == (result["ruleId"], result["level"])
    assert (
        log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "window-too-large"
    )
    region = {"startLine": 3, "startColumn": 13, "endLine": 3, "endColumn": 14}
    assert region == result["locations"][0]["physicalLocation"]["region"]
    assert len(result["relatedLocations"]) == 1


def test_github(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each error is one workflow command on one line, with escaped line breaks."""
    path = tmp_path / "n.net"
    path.write_text(NET + "conv(4, 9)\n}")
    assert run(["check", str(path), "--format", "github"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(
        f"::error file={path},line=3,col=13,endLine=3,endColumn=14,title=window-too-large::a kernel"
        " of 9"
    )
    assert "%0A" in line


def test_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text goes to standard error: the message, the place, the origin of the input, the help.

    The line of the text is shown with a caret below the wrong argument.
    """
    monkeypatch.chdir(tmp_path)
    Path("n.net").write_text(NET + "conv(4, 9)\n}")
    assert run(["check", "n.net"]) == 1
    printed = capsys.readouterr()
    expected = [
        "error[window-too-large]: a kernel of 9 is larger than the input's 8",
        *(" --> n.net:3:13", "  |", "3 |     conv(4, 9)", "  |             ^"),
        *(
            "note: input `image` here gives 3x8x8",
            " --> n.net:2:5",
            "  |",
            "2 |     input image: 3x8x8",
            "  |     ------------------",
        ),
        "help: use a kernel of at most 8, or more padding; input `image` is only 3x8x8",
        *("", "`netdsl explain window-too-large` explains this error"),
    ]
    assert expected == printed.err.splitlines()
    assert "window" not in printed.out


def test_control_characters_are_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters, which could act on a terminal, are replaced."""
    path = tmp_path / "n.net"
    path.write_text(NET + "re\x1b[31mlu\n}")
    assert run(["check", str(path)]) == 1
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["check"],
        ["check", "lenet5", "--format", "xml"],
        ["check", "lenet5", "-D", "classes"],
        ["check", "lenet5", "--input", "3xAx4"],
        ["check", "lenet5", "--dep", "1"],
        ["export", "lenet5"],
        ["check", "lenet5", "--show", "colour"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line ends with exit code 2 and a reason on standard error."""
    try:
        code: object = run(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert capsys.readouterr().err


def test_as_a_program(tmp_path: Path) -> None:
    """As a program, `netdsl check -` reads standard input and reports an error with exit code 1."""
    text = NET + "conv(4, 9)\n}"
    process = subprocess.run(
        [sys.executable, "-m", "netdsl", "check", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "<stdin>:3:13" in process.stderr


def test_notes_are_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The notes name two unlike ones of many inputs and the eight innermost of many calls."""
    inputs = "".join(f"    input x{i}: {i + 2}\n" for i in range(5))
    (diagnostic,) = diagnostics_of(
        f"net N {{\n{inputs}    @x0 -> add(@x1, @x2, @x3, @x4)\n}}", tmp_path, capsys
    )
    assert [n["message"] for n in diagnostic["notes"]] == [
        f"input `x{i}` here gives {i + 2}" for i in range(2)
    ]
    blocks = "block B0() { conv(4, 9) }\n" + "".join(
        f"block B{i}() {{ B{i - 1} }}\n" for i in range(1, 11)
    )
    (diagnostic,) = diagnostics_of(
        f"{blocks}net N {{\n    input image: 3x8x8\n    B10\n}}", tmp_path, capsys
    )
    assert [(n["message"], n["line"]) for n in diagnostic["notes"]] == [
        ("input `image` here gives 3x8x8", 13),
        *(("reached through this call", i) for i in range(2, 10)),
    ]


def test_the_nets_of_a_library_file_are_listed_by_their_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The list has the names that commands accept in every folder, and counts the others."""
    assert run(["export", "resnet", "-o", "resnet.onnx"]) == 1
    error = capsys.readouterr().err
    assert "name one: resnet:ResNet18, resnet:ResNet34, " in error
    assert ", or 9 others" in error


@pytest.mark.parametrize(
    "text",
    [
        'net N {\n    input x: 3\n    dense(3)\n    expect params == "LONG"\n}',
        'import "LONG.net"\nnet N { input x: 3 }',
    ],
)
def test_what_a_message_quotes_is_bounded(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message keeps both ends of a very long text."""
    found = diagnostics_of(text.replace("LONG", "a" * 5_000), tmp_path, capsys)
    assert found
    for diagnostic in found:
        assert len(diagnostic["message"]) < 1_100, diagnostic["code"]
        assert len(diagnostic["help"] or "") < 1_100, diagnostic["code"]
