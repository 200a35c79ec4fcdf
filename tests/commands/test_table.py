"""The forms of the table that `check` prints: flat, tree, sorted, CSV, Markdown; and which options
exclude each other.
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.cli import run
from tests.support.commands import run_command
from tests.support.tables import rows_of

if TYPE_CHECKING:
    from pathlib import Path

WIDE = 120
NETS = """net First {
    input image: 3x16x16
    body: residual { conv(3, 3, pad = 1) -> bn }
    flatten -> dense(5)
}
net Second {
    input image: 3xHxW
    c: conv(8, 3) -> relu
    output a: conv(2, 1)
    @c
    output b: conv(4, 1, groups = 2)
}
"""


@pytest.fixture
def nets(folder: Path) -> str:
    """A file with two nets."""
    (folder / "nets.net").write_text(NETS, encoding="utf-8")
    return "nets.net"


def table(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `check` prints."""
    return run_command(capsys, "check", *words)[0]


def on_a_terminal(width: int, *words: str) -> str:
    """What a program prints on a terminal of that width, without its colours."""
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    printed = b""
    with subprocess.Popen([sys.executable, *words], stdout=terminal, env=environment) as process:
        os.close(terminal)
        with suppress(OSError):  # the end of the output
            while data := os.read(controller, 1 << 16):
                printed += data
    os.close(controller)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).replace("\r\n", "\n")


# ---- terminals


@pytest.mark.parametrize("width", [60, 80, 150])
def test_terminals_get_trees(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal, `check` prints what `--tree` prints for its width."""
    text = on_a_terminal(width, "-m", "netdsl", "check", "resnet:ResNet50")
    assert max(map(len, text.splitlines())) <= width
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        assert table(capsys, "resnet:ResNet50", "--tree") == text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["resnet:ResNet50"], "--depth 1 prints one line for each block"),
        (["vgg"], "--depth 0 prints one line for each net, --depth 1 one for each block"),
        (["vgg", "--depth", "1"], None),
        (["lenet5"], None),
    ],
    ids=["a long table", "several nets", "one level", "a short table"],
)
def test_long_tables_have_a_hint(words: list[str], hint: str | None) -> None:
    """Below a table that is longer than a terminal, the last line tells how to print less."""
    last = on_a_terminal(120, "-m", "netdsl", "check", *words).splitlines()[-1]
    assert ("--depth" in last) == (hint is not None)
    assert hint is None or last == hint


def test_files_have_no_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """A table in a file has nothing but the table and the totals."""
    assert "--depth" not in table(capsys, "resnet:ResNet50")


def test_rows_of_a_terminal_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """`--flat`, `--only` and `--sort` print single rows on a terminal, too."""
    for options in (["--flat"], ["--only", "conv"], ["--sort", "macs"]):
        text = on_a_terminal(200, "-m", "netdsl", "check", "resnet:ResNet18", *options)
        assert "layer4.0.downsample.0 " in text
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "200")
            assert table(capsys, "resnet:ResNet18", *options) == text


def test_summary_in_python() -> None:
    """`summary()` prints the same tree on a terminal, without what only the command has.

    That is the inputs, the expectations, and the hint at shorter tables.
    """
    code = "import netdsl; netdsl.load('resnet:ResNet50').summary()"
    text = on_a_terminal(80, "-c", code)
    shown = on_a_terminal(80, "-m", "netdsl", "check", "resnet:ResNet50").splitlines()
    assert text.splitlines() == shown[1:-3]
    assert shown[1].startswith("* for image 3x224x224: ")
    assert shown[-3].startswith("expect ")


def test_summary_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere, `summary()` prints the flat table, with whole formulas everywhere."""
    netdsl.load("resnet:ResNet50").summary()
    text = capsys.readouterr().out
    assert text.splitlines() == table(capsys, "resnet:ResNet50").splitlines()[1:-1]
    assert "f(H, W)" not in text


def test_formulas_that_are_left_out_are_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column whose formulas do not fit has the numbers for usual sizes, and a line above the
    table names these sizes; where the formulas fit, they are printed.
    """
    monkeypatch.setenv("COLUMNS", "80")
    _, note, head, *lines = table(capsys, "resnet:ResNet18", "--tree").splitlines()
    assert note == (
        "* for image 3x224x224: the formulas do not fit here; a file or a pipe has them"
    )
    assert head.split() == ["layer", "kind", "window", "output", "params", "MACs*"]
    assert lines[1].split()[-1] == "118,013,952"
    sized = table(capsys, "resnet:ResNet18", "--tree", "--input", "3x224x224").splitlines()
    figures = [line.split()[-1] for line in lines if line.startswith("layer")]
    assert figures == [line.split()[-1] for line in sized if line.startswith("layer")][1:]
    monkeypatch.setenv("COLUMNS", "200")
    text = table(capsys, "resnet:ResNet18", "--tree")
    assert "*" not in text and "9,408⌈H/2⌉⌈W/2⌉" in text


def test_totals_on_a_terminal_have_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The MACs have a formula and a number for usual sizes, the memory a number if its formula is
    long; without a width, both are formulas.
    """
    text = table(capsys, "resnet:ResNet18")
    assert "MACs            36,144 H W + 512,000 for H and W divisible by 32\n" in text
    assert "224" not in text
    monkeypatch.setenv("COLUMNS", "120")
    text = table(capsys, "resnet:ResNet18")
    assert "by 32; 1,814,073,344 for image 3x224x224\n" in text
    assert "33.5 MB activations, 6.4 MB at the peak, for image 3x224x224\n" in text


def test_added_columns_are_a_table_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If they do not fit beside the others, they are below each other, so that they can be
    compared.
    """
    monkeypatch.setenv("COLUMNS", "80")
    first, second, _ = table(capsys, "lenet5:LeNet5", "--show", "all").split("\n\n")
    assert second.splitlines()[0].split() == [
        *("layer", "buffers", "weights", "units", "memory", "field"),
    ]
    names = [line.split()[0] for line in first.splitlines()[3:]]
    assert [line.split()[0] for line in second.splitlines()[2:]] == names


def test_the_advice_gives_valid_sizes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The sizes of the numbers are those of every open input, and the net is valid for them."""
    text = """net Two {
        input a: 3xHxW
        input fixed: 3x8x8
        input b: 1xLxL
        x: conv(2, 3, stride = 2)
        @fixed -> conv(2, 3) -> gap
        output y: @b -> conv(2, 5, stride = 3, pad = 1) -> conv(7, 5, stride = 3)
        output z: @x
    }
    """
    (folder / "two.net").write_text(text, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "50")
    shown = table(capsys, "two.net", "--flat").replace("\n", " ")
    assert "* for a 3x224x224, b 1x224x224: " in shown
    sizes = ["--input", "3x224x224", "--input", "b=1x224x224"]
    assert "*" not in table(capsys, "two.net", *sizes)


def test_open_nets_with_one_line_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A formula that is correct for some sizes only is printed with these sizes; a formula that
    does not fit is left out, which is explained, in a file too.
    """
    options = ("fcn", "resnet:ResNet50", "--depth", "0")
    formula = "81,456 H W + 2,048,000 for H and W divisible by 32"
    explained = "f(H, W): formulas that do not fit here; --csv prints them, --input SIZES gives"
    text = table(capsys, *options)
    assert formula in text
    assert explained in text
    assert max(map(len, text.splitlines())) < 150
    assert formula in table(capsys, *options, "--markdown")
    monkeypatch.setenv("COLUMNS", "90")
    text = table(capsys, *options)
    assert "81,456" not in text
    assert explained in text


def test_expectations_that_are_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """The totals tell which options prevent the check of the `expect` lines."""
    for options, reason in (
        (("resnet:ResNet18", "--input", "3x64x64"), "--input changes the net"),
        (("lenet5:LeNet5", "-D", "classes=3"), "-D changes the net"),
        (("alexnet:AlexNet", "-D", "classes=3", "--input", "3x227x227"), "--input and -D change"),
    ):
        assert f"expect          not checked, because {reason}" in table(capsys, *options)
    assert "not checked" not in table(capsys, "resnet:ResNet18")


# ---- files and pipes


def test_files_get_whole_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, every layer has one row with its whole name and all formulas, however
    wide that is; COLUMNS sets a width.
    """
    text = table(capsys, "fcn:FCN8s")
    net = netdsl.load("fcn:FCN8s")
    rows = rows_of(text)
    assert [row.cells["layer"] for row in rows] == [layer.name for layer in net.layers]
    assert "…" not in text
    assert "f(H, W)" not in text
    assert max(map(len, text.splitlines())) > WIDE
    monkeypatch.setenv("COLUMNS", "100")
    assert max(map(len, table(capsys, "fcn:FCN8s").splitlines())) <= 100


def test_no_two_rows_have_the_same_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The long names of ResNet-50's projections are whole."""
    text = table(capsys, "resnet:ResNet50")
    names = [row.cells["layer"] for row in rows_of(text)]
    assert len(set(names)) == len(names)
    assert "layer4.0.downsample.0" in names


def test_columns_without_values_are_left_out(capsys: pytest.CaptureFixture[str], nets: str) -> None:
    """`window` and `from` are there if a row has a value, and if they were asked for."""
    heads = {
        (): ["layer", "kind", "window", "output", "params", "MACs", "from"],
        ("--only", "dense"): ["layer", "kind", "output", "params", "MACs"],
        ("--sort", "params"): ["layer", "kind", "window", "output", "params", "MACs"],
        ("--only", "dense", "--columns", "window,from"): ["layer", "window", "from"],
        ("--sort", "buffers"): [
            *("layer", "kind", "window", "output", "params", "MACs", "buffers")
        ],
    }
    for options, wanted in heads.items():
        assert table(capsys, f"{nets}:First", *options).splitlines()[1].split() == wanted


def test_a_row_names_what_it_takes(capsys: pytest.CaptureFixture[str], nets: str) -> None:
    """`from` is empty where a row takes the line above; joins list all that they take."""
    rows = rows_of(table(capsys, f"{nets}:First"))
    assert [(row.cells["layer"], row.cells["from"]) for row in rows] == [
        ("body.0", ""),
        ("body.1", ""),
        ("body", "body.1, image"),
        ("1", ""),
        ("2", ""),
    ]
    folded = rows_of(table(capsys, "googlenet:GoogLeNet", "--depth", "1"))
    assert [r.cells["layer"] for r in folded if r.cells["from"]] == ["inception4b", "inception4e"]


def test_many_inputs_and_long_totals_are_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The line of the inputs and the totals are as narrow as the table, and whole in a file."""
    inputs = "\n".join(f"input image{i}: 3xHxW" for i in range(6))
    arms = " ".join(f"| @image{i}" for i in range(6))
    text = f"net Many {{\n{inputs}\nconcat {{ {arms} }}\nconv(4, 3, stride = 2)\n}}\n"
    (folder / "many.net").write_text(text, encoding="utf-8")
    whole = table(capsys, "many.net").splitlines()
    assert whole[0] == "Many  " + ", ".join(f"image{i} 3xHxW" for i in range(6))
    monkeypatch.setenv("COLUMNS", "60")
    lines = table(capsys, "many.net").splitlines()
    assert lines[:2] == [
        "Many  image0 3xHxW, image1 3xHxW, image2 3xHxW,",
        "      image3 3xHxW, image4 3xHxW, image5 3xHxW",
    ]
    assert max(map(len, lines)) <= 60
    assert [line for line in lines if line.startswith(" " * 16)]


# ---- order


def test_sorted(capsys: pytest.CaptureFixture[str]) -> None:
    """The rows with the largest figures are first; equal ones keep the order of the text. Formulas
    are compared at 224.
    """
    for column, head in (("params", "params"), ("macs", "MACs"), ("weights", "weights")):
        rows = rows_of(table(capsys, "vgg:VGG16", "--sort", column))
        figures = [row.number(head) for row in rows]
        assert figures == sorted(figures, reverse=True)
        assert len(figures) == len(netdsl.load("vgg:VGG16").layers)
    names = [r.cells["layer"] for r in rows_of(table(capsys, "resnet:ResNet18", "--sort", "macs"))]
    assert names[0] == "conv1"
    assert [n for n in names if n.endswith("bn2")] == [
        f"layer{i}.{j}.bn2" for i in range(1, 5) for j in range(2)
    ]


def test_sizes_of_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    """A table that is sorted by formulas names the sizes for which it is; other tables do not."""
    note = "sorted by MACs for H = W = 224"
    for options, is_there in (
        (("resnet:ResNet18", "--sort", "macs"), True),
        (("resnet:ResNet18", "--sort", "params"), False),
        (("resnet:ResNet18", "--sort", "macs", "--input", "3x64x64"), False),
        (("resnet", "lenet5", "--sort", "macs", "--depth", "0"), True),
        (("lenet5", "--sort", "macs", "--depth", "0"), False),
    ):
        assert (note in table(capsys, *options).splitlines()) == is_there


def test_a_sorted_table_on_a_terminal_has_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those by which it is sorted; a table in a file keeps the formulas."""
    text = table(capsys, "resnet:ResNet18", "--sort", "macs")
    assert "9,408⌈H/2⌉⌈W/2⌉" in text
    monkeypatch.setenv("COLUMNS", "100")
    text = table(capsys, "resnet:ResNet18", "--sort", "macs")
    assert "sorted by MACs for H = W = 224, as printed" in text.splitlines()
    assert "118,013,952" in text and "9,408⌈H/2⌉⌈W/2⌉" not in text


def test_operators_have_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """`x - 1` is no empty cell; Markdown does not read the signs, and programs get the kind."""
    text = table(capsys, "vae:VAE")
    assert re.search(r"^3 +x / 2 ", text, re.MULTILINE)
    assert re.search(r"^12 +x - 1 ", text, re.MULTILINE)
    assert r"| 8 | x \*\* 2 |" in table(capsys, "vae:VAE", "--markdown")
    assert "VAE,12,-,,20,0,0," in table(capsys, "vae:VAE", "--csv").splitlines()


def test_a_shared_weight_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The cell of its params has the weight; in numbers it has none of its own."""
    text = table(capsys, "gpt:GPT2")
    assert re.search(r"^lm_head +dense +Tx50257 +wte.weight ", text, re.MULTILINE)
    assert "GPT2,lm_head,dense,,Tx50257,0," in table(capsys, "gpt:GPT2", "--csv")


def test_blocks_that_take_values_from_outside_are_folded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The blocks of BERT all take the padding, and sums take results of other blocks."""
    text = table(capsys, "bert:BERT", "--tree")
    assert re.search(r"^ +1-11 +11 x the same ", text, re.MULTILINE)
    assert "attention.output.LayerNorm" in text and "layer.0.attention" not in text


def test_auxiliary_heads_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The totals name the heads whose rows they leave out."""
    named = "params of aux1 and aux2, in training only, not in the totals"
    assert named in table(capsys, "googlenet:GoogLeNet", "--sort", "params")


def test_sorted_nets(capsys: pytest.CaptureFixture[str]) -> None:
    """With depth 0, the nets of a file are sorted."""
    lines = table(capsys, "resnet", "--depth", "0", "--sort", "params").splitlines()[2:]
    names = [line.split()[0] for line in lines]
    assert names[:3] == ["ResNet152", "ResNet101", "ResNet50"]
    assert names[-1] == "CifarResNet20"


# ---- CSV and Markdown


def test_csv_has_the_columns_of_the_table(capsys: pytest.CaptureFixture[str], nets: str) -> None:
    """The same columns and rows, with numbers, whole names and formulas for programs."""
    for options in (
        [],
        ["--show", "all"],
        ["--depth", "1"],
        ["--only", "conv"],
        ["--sort", "macs"],
    ):
        rows = rows_of(table(capsys, f"{nets}:First", *options))
        heads, *cells = csv.reader(table(capsys, f"{nets}:First", *options, "--csv").splitlines())
        assert heads[:2] == ["net", "layer"]
        assert set(heads) >= {head.lower() for head in rows[0].cells}
        for row, values in zip(rows, cells, strict=True):
            assert values[:3] == ["First", row.cells["layer"], row.cells["kind"]]
            assert values[heads.index("params")] == str(row.number("params"))
    assert table(capsys, f"{nets}:First", "--csv", "--columns", "memory").splitlines() == [
        "net,layer,memory",
        *(f"First,{line}" for line in ("body.0,3072", "body.1,3072", "body,3072", "1,3072")),
        "First,2,20",
    ]


def test_csv_of_several_nets(capsys: pytest.CaptureFixture[str], nets: str) -> None:
    """It is one table, whose first column is the net. Formulas are those of JSON."""
    lines = table(capsys, nets, "--csv").splitlines()
    assert lines[0] == "net,layer,kind,window,output,params,macs,from"
    assert lines[1] == "First,body.0,conv,3x3,3x16x16,84,20736,"
    assert lines[3] == 'First,body,add,,3x16x16,0,0,"body.1, image"'
    assert lines[-1].startswith("Second,b,conv,1x1 g2,4x(H - 2)x(W - 2),20,16 * H * W - 32 * H - ")
    assert lines[-1].endswith(",c")
    overview = table(capsys, nets, "--csv", "--depth", "0").splitlines()
    assert overview[0] == "net,output,params,macs,depth"
    assert overview[1] == "First,5,3935,24576,2"
    assert overview[2].startswith('Second,"2x(H - 2)x(W - 2), 4x(H - 2)x(W - 2)",262,')


def test_csv_is_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of both agree for every layer of a net with open sizes."""
    options = ["--csv", "--columns", "params,macs,buffers,weights,units,memory"]
    rows = list(csv.DictReader(table(capsys, "resnet:ResNet50", *options).splitlines()))
    (net,) = json.loads(table(capsys, "resnet:ResNet50", "--format", "json"))["nets"]
    keys = {name: name for name in ("params", "macs", "buffers", "weights", "units")}
    keys["memory"] = "activation_bytes"
    for row, layer in zip(rows, net["layers"], strict=True):
        assert row["layer"] == layer["name"]
        assert {k: row[k] for k in keys} == {k: str(layer[key]) for k, key in keys.items()}


def test_markdown(capsys: pytest.CaptureFixture[str], nets: str) -> None:
    """A table in Markdown has the cells of the text table; several nets have headings."""
    assert table(capsys, f"{nets}:First", "--markdown").splitlines() == [
        "| layer | kind | window | output | params | MACs | from |",
        "| --- | --- | --- | --- | ---: | ---: | --- |",
        "| body.0 | conv | 3x3 | 3x16x16 | 84 | 20,736 |  |",
        "| body.1 | bn |  | 3x16x16 | 6 | - |  |",
        "| body | add |  | 3x16x16 | - | - | body.1, image |",
        "| 1 | flatten |  | 768 | - | - |  |",
        "| 2 | dense |  | 5 | 3,845 | 3,840 |  |",
    ]
    both = table(capsys, nets, "--markdown").splitlines()
    assert [line for line in both if line.startswith("#")] == ["### First", "### Second"]
    overview = table(capsys, nets, "--markdown", "--depth", "0").splitlines()
    assert overview[0] == "| net | output | params | MACs | depth |"
    assert len(overview) == 4


def test_csv_of_several_files(capsys: pytest.CaptureFixture[str], nets: str) -> None:
    """It is one table, with the file in the names of the nets, and the count of nets and files that
    ends a report for people is left out; `--quiet` prints it too.
    """
    lines = table(capsys, nets, "lenet5", "--csv").splitlines()
    assert lines[0] == "net,layer,kind,window,output,params,macs,from"
    assert {line.partition(",")[0] for line in lines[1:]} == {
        *("nets.net:First", "nets.net:Second"),
        *("lenet5:LeNet5", "lenet5:LeNet5Original"),
    }
    assert table(capsys, nets, "lenet5", "--csv", "--quiet").splitlines() == lines


def test_nothing_is_printed_of_a_wrong_file(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """There is no head without rows."""
    (folder / "n.net").write_text(NETS.replace("dense(5)", "dense(0)"), encoding="utf-8")
    for options in (["--csv"], ["--markdown"], ["--csv", "--depth", "0"]):
        assert run_command(capsys, "check", "n.net:First", *options, code=1)[0] == ""


# ---- options

REFUSED = {
    ("--tree", "--flat"): "--tree and --flat cannot be combined: choose one of them",
    ("--tree", "--only", "conv"): "--tree and --only cannot be combined: blocks would be",
    ("--tree", "--sort", "params"): "--tree and --sort cannot be combined: a tree has the order",
    ("--tree", "--csv"): "--tree and --csv cannot be combined: CSV has one line for each layer",
    ("--markdown", "--tree"): "--tree and --markdown cannot be combined",
    ("--csv", "--markdown"): "--csv and --markdown cannot be combined: choose one of them",
    ("--depth", "0", "--tree"): "--depth 0 and --tree cannot be combined: nets have one line each",
    ("--depth", "0", "--show", "all"): "--depth 0 and --show cannot be combined",
    ("--depth", "0", "--columns", "params"): "--depth 0 and --columns cannot be combined",
    ("--depth", "0", "--sort", "units"): "--depth 0 has no column units: sort it by params or macs",
    ("--format", "json", "--csv"): "--csv is for the table: --format json is another format",
    ("--format", "json", "--sort", "macs"): "--sort is for the table: --format json lists the lay",
    ("--format", "sarif", "--flat"): "--flat is for the table: --format sarif has no table",
}


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_exclude_each_other(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are wrong usage, with the reason, and nothing is printed."""
    out, err = run_command(capsys, "check", "lenet5", *options, code=2)
    assert out == ""
    assert err.startswith(f"netdsl check: {REFUSED[options]}")
    assert err.endswith("\nusage: netdsl check [options] FILE[:NET]...\n")
    assert err.count("\n") == 2


def test_unknown_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown column is wrong usage, and the known ones are listed."""
    for option in ("--columns", "--show", "--sort"):
        assert run(["check", "lenet5", option, "size"]) == 2
        assert "weights" in capsys.readouterr().err
        assert run(["check", "lenet5", option, "weigths"]) == 2
        assert "did you mean `weights`?" in capsys.readouterr().err


# ---- buffers


def test_buffers_are_figures(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """They are in the totals unless there are none, in JSON, in `expect`, of a label too, and in a
    column.
    """
    text = NETS.replace("flatten ->", "expect buffers == 6 and buffers(body) == 6\n    flatten ->")
    (folder / "n.net").write_text(text, encoding="utf-8")
    first = table(capsys, "n.net:First", "--show", "buffers")
    assert "buffers         6 stored, not learned\n" in first
    assert "expect          1 of 1 hold" in first
    assert [r.number("buffers") for r in rows_of(first)] == [0, 6, 0, 0, 0]
    assert "buffers " not in table(capsys, "n.net:Second").partition("params  ")[2]
    (net,) = json.loads(table(capsys, "n.net:First", "--format", "json"))["nets"]
    assert net["totals"]["buffers"] == 6
    assert [layer["buffers"] for layer in net["layers"]] == [0, 6, 0, 0, 0]
    wrong = text.replace("buffers == 6", "buffers == 7")
    (folder / "n.net").write_text(wrong, encoding="utf-8")
    _, err = run_command(capsys, "check", "n.net:First", code=1)
    assert "buffers is 6" in err
