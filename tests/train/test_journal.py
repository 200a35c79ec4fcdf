"""The reports of a run: the file that describes it, the texts, the page, the confusion matrix."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netdsl.cli import run as netdsl_run
from netdsl.config import SettingCall
from netdsl.data.dataset import TargetData
from netdsl.data.evaluate import MetricResults
from netdsl.errors import NetdslError, SettingError
from netdsl.train import journal
from netdsl.train import page as page_module
from netdsl.train.config import TrainConfig
from netdsl.train.confusion import ConfusionMatrix, read_csv, write_csv
from netdsl.train.journal import Subject
from netdsl.train.loop import StartMode
from netdsl.train.run import Run
from netdsl.train.run_file import read_run
from netdsl.train.written import texts_of_config
from tests.support.commands import run_command
from tests.support.drawing import remove_programs, replace_program
from tests.support.training import config, net, run

TEXT = """# A net with a part of its own.
import "parts/unit.net"
net Small(width = 4, classes = 10) {
    input image: 1x28x28
    unit(width) -> dropout(0.1) -> flatten
    output logits: dense(classes)
}
train Small {
    data = fashion_mnist_sample
    augment = random_crop(28, pad = 2) -> rotation(5)
    optimizer = adam(lr = 0.002)
    metrics = accuracy, accuracy(top = 3)
    batch = 500
}
"""
UNIT = 'import "inner/act.net"\nblock unit(width) { conv(width, 5, stride = 3) -> bn -> act() }\n'
ACT = "block act() { relu }\n"
ADAM = "adam(lr = 0.002, weight_decay = 0.0, betas = [0.9, 0.999], eps = 1e-08, no_decay = [])"


@pytest.fixture
def written(folder: Path) -> Path:
    """The current folder, with a net that imports a file, which imports another."""
    (folder / "parts" / "inner").mkdir(parents=True)
    (folder / "small.net").write_text(TEXT, encoding="utf-8")
    (folder / "parts" / "unit.net").write_text(UNIT, encoding="utf-8")
    (folder / "parts" / "inner" / "act.net").write_text(ACT, encoding="utf-8")
    return folder


def train(*words: str, code: int = 0) -> None:
    assert netdsl_run(["train", *words, "--device", "cpu", "-q"]) == code


def test_a_run_is_repeated_from_its_folder(written: Path) -> None:
    """The command in `run.json` gives the same bits, although the text and its imports are gone and
    the command line had options.
    """
    options = ["--set", "train.epochs=2", "--set", "train.seed=7", "--set", "train.augment=[hflip]"]
    train("small.net", "-D", "width=6", *options, "--out", "runs/first")
    file = read_run(Path("runs/first"))
    for name in ("small.net", "parts"):
        path = written / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    program, *command = file["command"]
    assert (program, file["directory"]) == ("netdsl", os.getcwd())
    assert netdsl_run([*command, "--out", "runs/again", "-q"]) == 0
    first, again = (Path("runs", name, "weights.safetensors") for name in ("first", "again"))
    assert first.read_bytes() == again.read_bytes()
    repeated = read_run(Path("runs/again"))
    same = ("net", "settings", "defines", "data", "versions", "machine", "best", "text_sum")
    assert {key: file[key] for key in same} == {key: repeated[key] for key in same}  # type: ignore[literal-required]


def test_the_file_describes_the_run(written: Path) -> None:
    """It has every setting, also those that the section leaves out, and how the run went."""
    train("small.net", "-D", "width=6", "--set", "train.epochs=1")
    file = read_run(Path("runs/Small"))
    settings = file["settings"]
    expected = {
        "data": "fashion_mnist_sample",
        "augment": "[random_crop(size = 28, pad = 2), rotation(degrees = 5.0)]",
        "loss": "cross_entropy(label_smoothing = 0.0, weights = [])",
        "optimizer": ADAM,
        "schedule": "cosine(warmup = 0.0, end = 0.0, by = step)",
        "epochs": "1",
        "batch": "500",
        "metrics": "[accuracy(top = 1), accuracy(top = 3)]",
        "seed": "0",
    }
    assert {key: settings[key] for key in expected} == expected
    assert settings.keys() == texts_of_config(TrainConfig()).keys()
    assert (file["net"], file["state"], file["reason"]) == ("Small", "finished", "")
    assert (file["epochs"], file["done"], file["defines"]) == (1, 1, {"width": "6"})
    assert (file["data"]["train"], file["data"]["test"]) == (10_000, 2_000)
    assert re.fullmatch("[0-9a-f]{32}", file["data"]["sum"])
    assert file["texts"] == ["net.net", "parts/unit.net", "parts/inner/act.net"]
    texts = [Path("runs/Small", name).read_text(encoding="utf-8") for name in file["texts"]]
    assert texts == [TEXT, UNIT, ACT]
    (line,) = Path("runs/Small/log.jsonl").read_text().splitlines()
    assert json.loads(line) == file["last"]
    assert file["best"] == ("accuracy", file["last"]["accuracy"], 1)
    assert {"netdsl", "python", "torch", "numpy"} <= set(file["versions"])
    assert {"processor", "cores", "threads", "system"} <= set(file["machine"])
    assert file["started"] <= file["ended"]


def test_an_import_with_the_name_of_the_text(folder: Path) -> None:
    """The text then has another name in the folder, and neither replaces the other."""
    (folder / "net.net").write_text(ACT, encoding="utf-8")
    text = TEXT.replace("parts/unit.net", "net.net").replace("unit(width)", "conv(2, 9) -> act()")
    (folder / "small.net").write_text(text, encoding="utf-8")
    train("small.net", "--set", "train.epochs=1", "--out", "out")
    texts = read_run(Path("out"))["texts"]
    assert texts == ["main_net.net", "net.net"]
    assert [(folder / "out" / name).read_text() for name in texts] == [text, ACT]


def test_a_file_of_the_user_is_not_replaced(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another `net.net` is refused, even with `--overwrite`; the same text may stay."""
    (written / "net.net").write_text("# mine\n", encoding="utf-8")
    for option in ([], ["--overwrite"], ["--resume"]):
        _, err = run_command(capsys, "train", "small.net", "--out", ".", *option, code=1)
        assert "error[run-exists]: net.net exists and is not of a run" in err
    assert (written / "net.net").read_text() == "# mine\n"
    assert not (written / "run.json").exists()
    shutil.copy("small.net", "net.net")
    train("net.net", "--out", ".", "--set", "train.epochs=1")
    train("net.net", "--out", ".", "--set", "train.epochs=1", "--overwrite")
    assert (written / "net.net").read_text(encoding="utf-8") == TEXT


# ---- how a run ends


def test_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is running until it is finished, stopped, diverged, or failed, with the reason."""
    seen = []
    add = journal.Journal.add

    def looking(self: journal.Journal, history: Any) -> None:
        add(self, history)
        seen.append((read_run(tmp_path)["state"], read_run(tmp_path)["done"]))

    monkeypatch.setattr(journal.Journal, "add", looking)
    run(net(), tmp_path, config())
    assert seen == [("running", 1), ("running", 2)]
    assert read_run(tmp_path)["state"] == "finished"
    started = read_run(tmp_path)["started"]
    with pytest.raises(SettingError):
        setup = config(epochs=3, optimizer=SettingCall("sgd", (1e30,)))
        run(net(), tmp_path, setup, start=StartMode.RESUME_CHANGED)
    file = read_run(tmp_path)
    assert (file["state"], file["done"], file["started"]) == ("diverged", 2, started)
    assert file["reason"].startswith("the training loss is")
    assert "diverged after 2 of 3 epochs" in (tmp_path / "report.html").read_text()

    def full(self: Run, *arguments: object) -> None:
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr(Run, "_step", full)
    with pytest.raises(OSError, match="No space left"):
        run(net(), tmp_path / "full", config())
    file = read_run(tmp_path / "full")
    assert file["state"] == "failed" and "No space left on device" in file["reason"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "it cannot be read"),
        ("[]", "it has no `format` 1"),
        ('{"format": 2}', "it has no `format` 1"),
        ('{"format": 1}', "it has no `net` of the right kind"),
    ],
)
def test_a_damaged_file_is_reported(tmp_path: Path, content: str, reason: str) -> None:
    """The error names the file and what is wrong with it."""
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(NetdslError) as caught:
        read_run(tmp_path)
    assert caught.value.code == "bad-run"
    assert f"{tmp_path / 'run.json'} is not the file of a run: {reason}" in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state", 1),
        ("epochs", "3"),
        ("settings", {"epochs": 3}),
        ("data", {"name": "d"}),
        ("best", ["accuracy", 1]),
        ("best", 3),
        ("started", "yesterday"),
        ("last", None),
    ],
)
def test_a_value_of_another_kind_is_reported(tmp_path: Path, key: str, value: object) -> None:
    """Every key that `netdsl runs` reads is checked."""
    run(net(), tmp_path, config(epochs=1))
    contents = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**contents, key: value}))
    with pytest.raises(NetdslError, match=r"bad-run"):
        read_run(tmp_path)


# ---- the confusion matrix


def test_confusion_counts_each_pair(tmp_path: Path) -> None:
    """A row is the class, a column the guess; the most frequent mistakes come first."""
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    guesses = np.array([0, 1, 1, 1, 1, 0, 2, 2, 2])
    results = MetricResults(TargetData(("a", "b, c", "d")), (), confused=True)
    for half in (slice(0, 4), slice(4, 9)):
        results.add(np.eye(3, dtype=np.float32)[guesses[half]], labels[half])
    assert results.confusion is not None
    matrix = ConfusionMatrix(4, ("a", "b, c", "d"), results.confusion)
    assert matrix.counts.tolist() == [[1, 2, 0], [0, 2, 0], [1, 0, 3]]
    assert matrix.most_confused(5) == [("a", "b, c", 2, 3), ("d", "a", 1, 4)]
    write_csv(tmp_path / "c.csv", matrix)
    with (tmp_path / "c.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["class, after epoch 4", "a", "b, c", "d"]
    again = read_csv(tmp_path / "c.csv", ("a", "b, c", "d"))
    assert again is not None and again.epoch == 4
    assert again.counts.tolist() == matrix.counts.tolist()
    assert read_csv(tmp_path / "none.csv", ("a",)) is None
    assert read_csv(tmp_path / "c.csv", ("a", "b", "d")) is None
    for damaged in ("", "class, after epoch 1,a\n", "class, after epoch 1,a\na,x\n", "a\n\n"):
        (tmp_path / "c.csv").write_text(damaged)
        assert read_csv(tmp_path / "c.csv", ("a",)) is None


def test_the_confusion_matrix_fits_the_accuracy(tmp_path: Path) -> None:
    """Its diagonal is the share of right answers of the last epoch."""
    result = run(net(), tmp_path, config())
    matrix = read_csv(tmp_path / "confusion.csv", ("a", "b", "c"))
    assert isinstance(matrix, ConfusionMatrix) and matrix.epoch == 2
    assert matrix.counts.sum() == 96
    assert np.trace(matrix.counts) / 96 == result.final["accuracy"]


# ---- the page


class Reader(HTMLParser):
    """Collects the text of a page, its tags, and every address that it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name.rpartition(":")[2] in ("href", "src", "action", "data", "srcset"):
                self.addresses.append(str(value))
            if name == "id":
                self.ids.append(str(value))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(folder: Path) -> tuple[str, Reader]:
    html = (folder / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(html)
    return html, reader


def test_the_page_has_the_number_of_validation_images(written: Path) -> None:
    """It is there only if the data has a validation set."""
    train("small.net")
    assert "validation images" not in page(Path("runs/Small"))[1].texts
    train("small.net", "--set", "train.data.val=0.1", "--overwrite")
    texts = page(Path("runs/Small"))[1].texts
    validation = json.loads(Path("runs/Small/run.json").read_text())["data"]["validation"]
    assert validation
    assert f"{validation:,}" in texts[texts.index("validation images") :][:3]


def test_the_page_has_everything_and_needs_nothing(written: Path) -> None:
    """Figures, curves, matrix, picture, layers, text, recipe, machine and versions; no script, and
    no address outside the page.
    """
    train("small.net", "--set", "train.epochs=2")
    html, reader = page(Path("runs/Small"))
    assert [a for a in reader.addresses if not a.startswith("#")] == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(reader.tags)
    assert not re.search(r"url\([^#]|@import|javascript:", html)
    assert "default-src &#x27;none&#x27;" in html
    assert len(set(reader.ids)) == len(reader.ids)
    titles = re.findall(r"<h2 id=\"(\w+)\"", html)
    assert titles == [
        *("results", "curves", "confusion", "epochs", "figures", "picture", "layers", "text"),
        *("recipe", "data", "machine", "versions"),
    ]
    text = "\n".join(reader.texts)
    file = read_run(Path("runs/Small"))
    for expected in (
        f"accuracy {100 * file['best'][1]:.2f} %" if file["best"] else "",
        "finished after 2 of 2 epochs",
        f"= {ADAM}",
        file["data"]["sum"],
        file["versions"]["torch"],
        file["machine"]["processor"],
        "netdsl train runs/Small/net.net:Small",
        "Ankle boot",
        "unit(width) -> dropout(0.1) -> flatten",
    ):
        assert expected in text


def test_text_in_the_page_stays_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments of the net, class names and folders with markup cannot add elements."""
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    hostile = TEXT.replace("# A net", f"# {attack} A net").replace('import "parts/unit.net"\n', "")
    (folder / "small.net").write_text(hostile.replace("unit(width)", "conv(2, 9)"))
    out = "runs/<b>bold & more"
    train("small.net", "--set", "train.epochs=1", "--out", out)
    _, reader = page(folder / out)
    assert not {"script", "img", "b"} & set(reader.tags)
    assert attack in "".join(reader.texts)


def test_a_page_without_graphviz(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It explains why there is no picture, and has everything else."""
    remove_programs(monkeypatch)
    train("small.net", "--set", "train.epochs=1")
    _, reader = page(Path("runs/Small"))
    assert "There is no picture: the program `graphviz-pure` is not installed." in reader.texts


def test_a_run_does_not_wait_for_a_picture(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing that never ends delays the run by a few seconds, and only once."""
    replace_program(written, "echo x >> started\nexec sleep 600", monkeypatch)
    monkeypatch.setattr(page_module, "PATIENCE", 0.5)
    monkeypatch.setattr(journal.Pace, "is_due", lambda self: True)
    train("small.net", "--set", "train.epochs=2")
    _, reader = page(Path("runs/Small"))
    assert "it has not finished after 0.5 seconds" in "".join(reader.texts)
    assert (written / "started").read_text() == "x\n"


def test_a_run_that_is_drawn_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves and page are also written between epochs, when it is time."""
    monkeypatch.setattr(journal.Pace, "is_due", lambda self: True)
    states = []
    draw = journal.Journal._draw

    def looking(self: journal.Journal, history: Any) -> None:
        draw(self, history)
        states.append(re.findall(r"<p>(\w+ after \d of \d epochs)", page(tmp_path)[0])[0])

    monkeypatch.setattr(journal.Journal, "_draw", looking)
    run(net(), tmp_path, config(), subject=Subject())
    assert states == [
        "running after 1 of 2 epochs",
        "running after 2 of 2 epochs",
        "finished after 2 of 2 epochs",
    ]
