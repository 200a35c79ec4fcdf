"""`netdsl compare`: variants are trained, kept, drawn and listed, and bad input is explained."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from netdsl.cli import run
from netdsl.commands import compare
from netdsl.commands.output import print_as, printing
from netdsl.train.compare.picture import SUFFIXES
from netdsl.train.compare.runs import Ended, Trial, outcome_of
from netdsl.train.compare.training import Execution, command_of
from netdsl.train.journal import Journal
from tests.support.commands import run_command
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NET = """net Small(width = 4, drop = 0) {
    input image: 1x28x28
    avgpool(4) -> flatten
    dense(width) -> relu -> dropout(drop)
    output logits: dense(10)
}

net Wide = Small(width = 8)

train Small {
    data     = fashion_mnist_sample(limit = 100)
    schedule = constant
    epochs   = 2
}
"""
BASE = ("compare", "--device", "cpu", "--out", "out", "small.net:Small")


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `small.net`; tables have the width of a large terminal."""
    monkeypatch.setenv("COLUMNS", "160")
    (folder / "small.net").write_text(NET)
    return folder


@pytest.fixture
def trained(small: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that are trained, which happens in this process."""
    names: list[str] = []

    def in_this_process(
        trials: Sequence[Trial],
        how: Execution,
        on_end: Callable[[Ended], None],
        on_look: Callable[[int], None],
    ) -> None:
        for trial in trials:
            names.append(trial.name)
            before = printing()
            code = run(command_of(trial, how))
            print_as(before)
            on_look(0)
            on_end(outcome_of(trial, f"exit code {code}" if code else ""))

    monkeypatch.setattr(compare, "train_all", in_this_process)
    monkeypatch.setattr(compare, "SUFFIXES", (".svg",))  # the others take time
    monkeypatch.setattr(Journal, "_draw", lambda *_: None)  # and so do the reports of the runs
    return names


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The JSON of a comparison of `small.net:Small`."""
    capsys.readouterr()
    made: dict[str, Any] = json.loads(
        run_command(capsys, *BASE, *words, "--format", "json", code=code)[0]
    )
    return made


def rows_of(out: str) -> list[str]:
    """The lines of the table, with its head."""
    lines = out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("net "))
    return lines[start : lines.index("", start)]


def test_processes_give_what_train_gives(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is one of `netdsl train`, in a process: the same weights, whatever runs beside it."""
    words = ["--vary", "drop = [0, 0.5]", "--jobs", "2"]
    out, err = run_command(capsys, *BASE, *words)
    assert err == "" and out.startswith("2 runs to train, 2 at once\n")
    (folder,) = (small / "out").glob("Small-drop=0.5-seed0-*")
    train = ["train", "small.net:Small", "-D", "drop=0.5", "--out", "alone", "--device", "cpu"]
    assert run([*train, "-q", "--set", "train.threads=1"]) == 0
    names = ("weights.safetensors",)
    assert [(folder / n).read_bytes() for n in names] == [
        Path("alone", n).read_bytes() for n in names
    ]
    head, first, second = rows_of(out)
    assert head.split("  ")[0] == "net"
    assert first.startswith("Small, drop = 0 ") and second.startswith("Small, drop = 0.5 ")
    listed, _ = run_command(capsys, "runs", "out", "-q")
    assert sorted(listed.split()) == sorted(str(p.relative_to(small)) for p in small.glob("out/S*"))


def test_only_what_is_missing_is_trained(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another seed, net, value or epoch trains only what is new; other settings train again."""
    first, _ = run_command(capsys, *BASE)
    assert trained == ["Small, seed 0"]
    again, _ = run_command(capsys, *BASE)
    assert trained == ["Small, seed 0"] and "nothing to train, 1 run found" in again
    assert rows_of(first) == rows_of(again)
    run_command(capsys, *BASE, "--seeds", "2")
    assert trained == ["Small, seed 0", "Small, seed 1"]
    run_command(capsys, *BASE, "small.net:Wide")
    assert trained[2:] == ["Wide, seed 0"]
    run_command(capsys, *BASE, "--set", "train.batch=50")
    assert trained[3:] == ["Small, seed 0"]
    made = document(capsys, "--set", "train.epochs=3")
    assert trained[4:] == ["Small, seed 0"]  # the constant rate lets it go on
    (epochs,) = (run["epochs"] for run in made["variants"][0]["runs"])
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    made = document(capsys)
    assert trained[5:] == []
    assert [len(run["epochs"]) for run in made["variants"][0]["runs"]] == [2]


def test_gradient_norms(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Runs that do not have the norms are trained again for them; the plot has a second panel."""
    run_command(capsys, *BASE)
    plot = Path("out/compare.svg")
    assert "gradient norm" not in plot.read_text()
    run_command(capsys, *BASE, "--set", "train.gradient_norms=true")
    assert trained == ["Small, seed 0"] * 2
    assert "gradient norm" in plot.read_text()


def test_values_are_escaped(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The text of a value is no markup in the page and the plot."""
    run_command(capsys, *BASE, "--vary", "width = [4 if 1 < 2 else 8]")
    assert trained == ["Small, width = 4 if 1 < 2 else 8, seed 0"]
    for name in ("compare.html", "compare.svg"):
        text = Path("out", name).read_text()
        assert "1 &lt; 2" in text and "1 < 2" not in re.sub(r"<!--.*?-->", "", text)
    ET.parse("out/compare.svg")


def test_validation(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a validation set, the bold line is its error, and the table has the test error."""
    made = document(capsys, "--set", "train.data.val=0.2")
    (variant,) = made["variants"]
    assert variant["test"]["mean"] == 1 - variant["runs"][0]["epochs"][-1]["accuracy"]
    assert "bold: validation error" in Path("out/compare.svg").read_text()


def test_a_parameter_without_a_default(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--vary` can give a parameter that has no other value, and a layer."""
    text = NET.replace("Small(width = 4, drop = 0)", "Small(Activation, width = 4, drop = 0)")
    text = text.replace("-> relu ->", "-> Activation ->").replace("net Wide = Small(width = 8)", "")
    Path("small.net").write_text(text)
    made = document(capsys, "--vary", "Activation = [relu, tanh]")
    assert [v["varied"] for v in made["variants"]] == [
        {"Activation": "relu"},
        {"Activation": "tanh"},
    ]
    assert trained == ["Small, Activation = relu, seed 0", "Small, Activation = tanh, seed 0"]


def test_figures(
    trained: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors are those of the last epochs, with the sample's deviation over the seeds.

    The plot has three formats, and is the same when it is drawn again.
    """
    monkeypatch.setattr(compare, "SUFFIXES", SUFFIXES)
    made = document(capsys, "--seeds", "2")
    (variant,) = made["variants"]
    last = [run["epochs"][-1] for run in variant["runs"]]
    errors = [1 - record["accuracy"] for record in last]
    mean = sum(errors) / 2
    assert variant["test"]["mean"] == pytest.approx(mean)
    assert variant["test"]["deviation"] == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5)
    trains = [1 - record["train_accuracy"] for record in last]
    assert variant["train"]["mean"] == pytest.approx(sum(trains) / 2)
    assert variant["params"] == 250 and variant["depth"] == 2
    assert len(trained) == 2 and made["measure"] == "error"
    folders = [run["folder"] for run in variant["runs"]]
    log = Path(folders[0], "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in log] == variant["runs"][0]["epochs"]
    assert made["files"] == [f"out/compare{s}" for s in (".png", ".svg", ".pdf", ".html", ".json")]
    assert all(Path(path).stat().st_size for path in made["files"])
    page = Path("out/compare.html").read_text()
    before = {p: p.read_bytes() for p in Path("out").glob("compare.[sp]*")}
    run_command(capsys, *BASE, "--seeds", "2")
    assert len(before) == 3 and before == {p: p.read_bytes() for p in before}
    assert f"{100 * mean:.2f} ±" in page and "<svg" in page and "http-equiv" in page


def test_unequal_parameters(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A warning names the numbers and the variants; with equal numbers there is none."""
    words = (*BASE, "small.net:Wide", "--where", "params < 300")
    out, err = run_command(capsys, *words)
    assert err == "" and "left out: Wide: `params` is 490, expected < 300" in out
    assert trained == ["Small, seed 0"]
    _, err = run_command(capsys, *BASE, "small.net:Wide")
    assert err.startswith(
        "warning[unequal-params]: the variants have different numbers of parameters: 250 (Small),"
        " 490 (Wide)\n"
    )


def test_unequal_data(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A warning names the data of the sections, unless `--vary` names them."""
    Path("other.net").write_text(NET.replace("limit = 100", "limit = 50"))
    _, err = run_command(capsys, *BASE, "other.net:Small")
    assert err.startswith(
        "warning[unequal-data]: the variants have different samples of fashion_mnist_sample\n"
    )
    data = "fashion_mnist_sample(limit = {})"
    wanted = f"train.data = [{data.format(100)}, {data.format(50)}]"
    _, err = run_command(capsys, *BASE, "--vary", wanted)
    assert err == ""


def test_where_comes_before_the_data(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the condition leaves out need not fit the data; these are not read if nothing is left.

    The sizes of the data count where the text leaves them open, if they are known beforehand.
    """
    out, _ = run_command(capsys, *BASE, "resnet:ResNet18", "--where", "params < 300")
    assert trained == ["Small, seed 0"] and "left out: ResNet18: `params` is 11,689,512" in out
    Path("open.net").write_text(
        "net Open {\n    input image: 3xHxW\n    conv(2, 3) -> gap -> flatten\n"
        "    output y: dense(10)\n}\n"
    )
    words = (*BASE, "open.net", "--data", 'folder("nowhere", size = 28)', "--where")
    for condition, reason in (
        ("params < 9", "`params` is 250, expected < 9; Open: `params` is 86, expected < 9"),
        ("macs < 100", "`macs` is 236, expected < 100; Open: `macs` is 36,524, expected < 100"),
    ):
        _, err = run_command(capsys, *words, condition, code=1)
        assert err.startswith("error[nothing-to-compare]") and reason in err
    _, err = run_command(capsys, *words, "macs < 1e4", code=1)
    assert err.startswith("error[data-not-found]: Small: there is no folder nowhere")


def test_a_single_epoch(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The axis has whole epochs, and the points of training and test differ in size."""
    run_command(capsys, *BASE, "--set", "train.epochs=1")
    svg = Path("out/compare.svg").read_text(encoding="utf-8")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"0", "1", "2"} <= set(texts) and not any("1.0" in text for text in texts)
    page = Path("out/compare.html").read_text(encoding="utf-8")
    assert '<th scope="col">net</th><th scope="col" class="n">params</th>' in page


def test_failures_are_named(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A run that diverges is named, the others go on, and it is not trained again."""
    words = ("--vary", "train.optimizer.lr = [1e30, 0.05]", "--seeds", "2")
    out, _ = run_command(capsys, *BASE, *words)
    name = "Small, optimizer.lr = 1e30, seed 0"
    assert len(trained) == 4 and f"\n{name}: diverged: " in out
    _, wild, calm = rows_of(out)
    assert wild.split()[-3:] == ["0", "of", "2"] and calm.split()[-1] == "2"
    made = document(capsys, *words)
    assert len(trained) == 4
    assert [run["state"] for run in made["variants"][0]["runs"]] == ["diverged", "diverged"]
    assert made["variants"][0]["test"] is None and made["variants"][1]["test"] is not None


def test_a_failed_run_is_tried_again(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged checkpoint fails one run, which gives exit code 1; the next try repairs it."""
    run_command(capsys, *BASE, "--seeds", "2")
    damaged = next(Path("out").glob("Small-seed1-*"))
    (damaged / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    out, _ = run_command(capsys, *BASE, "--seeds", "2", code=1)
    assert trained[2:] == ["Small, seed 1"]
    assert "Small, seed 1: failed: " in out and rows_of(out)[1].endswith("1 of 2")
    (damaged / "checkpoint.safetensors").unlink()
    run_command(capsys, *BASE, "--seeds", "2")
    assert trained[3:] == ["Small, seed 1"]


def test_losses_where_there_are_no_classes(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nets that predict numbers are compared by their loss."""
    text = NET.replace("dense(10)", "dense(1)").replace(
        "fashion_mnist_sample(limit = 100)", 'npz("data.npz")\n    loss = mse'
    )
    Path("small.net").write_text(text)
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 1, 28, 28)).astype(np.float32)
    targets = rng.normal(size=(40, 1)).astype(np.float32)
    np.savez("data.npz", x_train=images, y_train=targets, x_test=images, y_test=targets)
    made = document(capsys)
    assert made["measure"] == "loss"
    (variant,) = made["variants"]
    assert variant["test"]["mean"] == variant["runs"][0]["epochs"][-1]["test_loss"]


WRONG = {
    "unknown net": (["small.net:Wade"], "unknown-net", "did you mean `Wide`?"),
    "unknown parameter": (["--vary", "dorp = [0]"], "unknown-argument", "did you mean `drop`?"),
    "a setting as a parameter": (
        ["--vary", "epochs = [1, 2]"],
        "unknown-argument",
        "it is a setting: write `train.epochs = [...]`",
    ),
    "a rate as a parameter": (
        ["--vary", "lr = [0.1, 0.01]"],
        "unknown-argument",
        "it is a setting of the optimizer: write `train.optimizer.lr = [...]`",
    ),
    "unknown setting": (
        ["--vary", "train.epohcs = [1]"],
        "unknown-entry",
        "did you mean `epochs`?",
    ),
    "an argument of the optimizer": (
        ["--vary", "train.learning_rate = [0.1]"],
        "unknown-entry",
        "write `train.optimizer.lr = [...]`",
    ),
    "no list": (["--vary", "drop = 0.5"], "wrong-type", "write `--vary 'drop = [0.5]'`"),
    "a bare list of a parameter": (
        ["--vary", "drop=0, 0.5"],
        "wrong-type",
        "`--vary 'drop = [0, 0.5]'`",
    ),
    **{
        f"a bare list: {name}": (["--vary", f"{name}={values}"], "wrong-type", f"'{meant}'")
        for name, values, meant in (
            ("lr", "0.1,0.01", "train.optimizer.lr = [0.1, 0.01]"),
            ("epochs", "5,10", "train.epochs = [5, 10]"),
            ("batch_size", "32,64", "train.batch = [32, 64]"),
            ("optimizer", "sgd(lr = 0.1),adam", "train.optimizer = [sgd(lr = 0.1), adam]"),
            ("epochs", "5", "train.epochs = [5]"),
            ("width", "4,8", "width = [4, 8]"),
        )
    },
    "a tuple": (["--vary", "drop = (0, 0.5)"], "wrong-type", "write `--vary 'drop = [0, 0.5]'`"),
    "an empty list": (["--vary", "train.augment = []"], "bad-argument", "[[]]"),
    "a value twice": (["--vary", "drop = [0, 0]"], "duplicate-name", "remove one of the two"),
    "a bad value": (["--vary", "drop = [0, 1.5]"], "bad-argument", "`p` of `dropout`"),
    "a bad setting": (["--vary", "train.epochs = [1, 0]"], "bad-argument", "`epochs = 10`"),
    "broken syntax": (["--vary", "drop = [0, 1"], "syntax-error", "]"),
    "a name twice": (["--vary", "drop = [0]", "--vary", "drop = [1]"], "duplicate-name", "remove"),
    "a net twice": (["small.net:Small"], "duplicate-name", "`--vary`"),
    "nothing left": (["--where", "params < 9"], "nothing-to-compare", "`params` is 250"),
    "an unknown figure": (["--where", "parms < 9"], "unknown-name", "did you mean `params`?"),
    "no condition": (["--where", "params"], "wrong-type", "compare it: `params == 250`"),
    "other images": (["resnet:ResNet18"], "data-mismatch", "name yours with `--data`, such as"),
    "open sizes": (["open.net"], "data-mismatch", "name yours with `--data`"),
    "no data": (["--data", 'folder("nowhere", size = 28)'], "data-not-found", "folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(trained: list[str], capsys: pytest.CaptureFixture[str], case: str) -> None:
    """Each mistake has one diagnostic with its fix, and nothing is trained or written."""
    words, code, advice = WRONG[case]
    Path("open.net").write_text(
        "net Open {\n    input image: 3xHxW\n    gap -> flatten\n    output y: dense(10)\n}\n"
    )
    made = document(capsys, *words, code=1)
    (diagnostic,) = made["diagnostics"]
    assert diagnostic["code"] == code and advice in diagnostic["help"]
    assert trained == [] and not Path("out").exists()


def test_values_keep_their_place(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong value is underlined in the list of `--vary`."""
    _, err = run_command(capsys, *BASE, "--vary", "train.augment = [[], [hflop]]", code=1)
    assert " --> --vary:1:23\n" in err
    assert "1 | train.augment = [[], [hflop]]\n  |                       ^^^^^\n" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vary", "drop"], "--vary takes NAME = LIST"),
        (["--vary", "train.seed = [1]"], "--seeds N"),
        (["--vary", "train.epochs = [1]", "--set", "train.epochs=2"], "remove one of them"),
        (["--vary", "drop = [1]", "-D", "drop=0"], "remove one of them"),
        (["--vary", "train.data = [digits]", "--data", "digits"], "remove one of them"),
        (["--vary", "train.epochs = [1, 2]", "--seeds", "501"], "1,002 runs are too many"),
        (["--seeds", "0"], "expected an integer from 1"),
    ],
)
def test_wrong_usage(
    trained: list[str], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """Options that contradict each other are wrong usage."""
    _, err = run_command(capsys, *BASE, *words, code=2)
    assert message in err and trained == []


@pytest.mark.slow
def test_a_killed_comparison_goes_on(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stopped comparison ends its processes, and continues from their checkpoints."""
    words = [*BASE, "--seeds", "2", "--set", "train.epochs=200", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        process = subprocess.Popen(
            [sys.executable, "-m", "netdsl", *words], cwd=small, env=environment
        )
        while len(logs := list(small.glob("out/*/log.jsonl"))) < 2:
            time.sleep(0.2)
        before = max(path.read_text().count("\n") for path in logs)
        while max(path.read_text().count("\n") for path in logs) <= before:
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(60) == code
        time.sleep(1)  # the processes end one after the other
        lines = [path.read_text() for path in logs]
        time.sleep(2)
        assert lines == [path.read_text() for path in logs]  # no process goes on by itself
    out, _ = run_command(capsys, *words)
    assert rows_of(out)[1].split()[-1] == "2"
    assert all(path.read_text().count("\n") == 200 for path in logs)


@pytest.mark.slow
def test_standard_input(small: Path) -> None:
    """`-` is read once, and each process gets the text."""
    words = ["compare", "-", "--device", "cpu", "--seeds", "2", "--format", "json"]
    text = NET.replace("net Wide = Small(width = 8)", "")
    done = subprocess.run(
        [sys.executable, "-m", "netdsl", *words], input=text, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [run["state"] for run in json.loads(done.stdout)["variants"][0]["runs"]] == [
        "finished",
        "finished",
    ]
    assert (small / "compare" / "stdin" / "compare.png").exists()
